"""`python -m bench [intake|builds]`: every benchmark there is, as tables of ratios."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from bench import builds, intake
from bench.house import House, house


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("what", nargs="?", choices=["intake", "builds"], help="both, unless one is named")
    asked.add_argument("--rows", type=int, default=1_000_000, help="rows a file (default 1,000,000)")
    asked.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (default 5)")
    asked.add_argument("--large", type=int, default=20_000_000, help="rows of the large file, for memory")
    asked.add_argument("--calls", type=int, default=300, help="calls of each of the API's callers (default 300)")
    asked.add_argument("--dlt", type=Path, help="the interpreter of an environment with dlt, to compare with")
    asked.add_argument("--scales", type=float, nargs="+", default=[1, 4], help="sizes of the shop built (default 1 4)")
    asked.add_argument(
        "--data", choices=["sample", "full"], default="full", help="promotions of the shop that is built"
    )
    given = asked.parse_args()
    if given.what != "builds":
        _intake(given)
    if given.what != "intake":
        print(builds.HEADER, flush=True)
        for line in builds.measure(given.scales, given.data, given.rounds):
            print(line, flush=True)


def _intake(given: argparse.Namespace) -> None:
    with house() as here:
        print(f"{given.rows:,} rows of 10 columns, every rule on, medians of {given.rounds} rounds")
        print(f"{'what':46} {'ratio':>6} {'reach':>6} {'aim':>5}", flush=True)
        for line in _lines(here, given):
            short = "" if line.ratio >= line.reach else "  not reached"
            print(f"{line.name:46} {line.ratio:6.2f} {line.reach:6.2f} {line.aim:5.2f}{short}", flush=True)
        seconds, memory = intake.measure_refused(here, given.rows)
        print(
            f"all of {given.rows:,} rows refused and kept: {seconds:.0f} s, {memory / 1e6:.0f} MB at most", flush=True
        )
        for rows, peak in intake.measure_memory(here, (given.rows, given.large)):
            print(f"peak memory of `loader load`, {rows:,} rows: {peak / 1e6:.0f} MB", flush=True)


def _lines(here: House, given: argparse.Namespace) -> Iterator[intake.Line]:
    yield from intake.measure(here, given.rows, given.rounds)
    if given.dlt is not None:
        yield intake.measure_dlt(here, given.rows, given.rounds, given.dlt)
    yield intake.measure_calls(here, given.calls, given.rounds)


if __name__ == "__main__":
    main()
