"""`python -m bench`: every benchmark there is, as a table of ratios."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from bench import intake
from bench.house import House, house


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000, help="rows a file (default 1,000,000)")
    asked.add_argument("--rounds", type=int, default=5, help="rounds of which the median counts (default 5)")
    asked.add_argument("--large", type=int, default=20_000_000, help="rows of the large file, for memory")
    asked.add_argument("--calls", type=int, default=300, help="calls of each of the API's callers (default 300)")
    asked.add_argument("--dlt", type=Path, help="the interpreter of an environment with dlt, to compare with")
    given = asked.parse_args()
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
