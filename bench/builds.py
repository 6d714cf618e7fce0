"""How fast builds are: of the whole shop as ratios to psql with the same SQL, of what is new as a part of the whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from bench.shop import Shop, shop

_SESSIONS = 2  # as many as dbt's threads (profiles.yml)


@dataclass(frozen=True)
class Line:
    """What was measured, and what it should be at most; a reach of None is none."""

    name: str
    measured: float
    unit: str
    reach: float | None = None
    aim: float | None = None

    def __str__(self) -> str:
        figure = f"{self.measured:.2f}" if self.unit == "×" else f"{self.measured:.1f}"
        goals = "".join(f"{'' if goal is None else f'{goal:g}':>7}" for goal in (self.reach, self.aim))
        is_short = self.reach is not None and self.measured > self.reach
        return f"{self.name:58} {figure:>8} {self.unit:3}{goals}{'  not reached' if is_short else ''}"


HEADER = f"{'what':58} {'measured':>8} {'':3}{'reach':>7}{'aim':>7}"


def measure(scales: list[float], data: str, rounds: int) -> Iterator[str]:
    """The lines, as they are measured, for the shop at each scale. `data` as for `make up`."""
    one_per_cent: list[float] = []
    for scale in scales:
        with shop(scale, data) as here:
            yield f"the shop at ×{scale:g}, promotions: {data}"
            whole = here.build()
            yield str(Line("first `loader build`, tests and publishing included", whole, "s"))
            yield from _times(here)
            rows = here.load_orders(0.01)
            seconds = here.seconds_to_publish()
            one_per_cent.append(seconds)
            yield str(Line(f"a build after 1 % more, {rows:,} rows, of the whole", 100 * seconds / whole, "%", 15, 3))
            yield f"  {seconds:.1f} s"
            yield from _times(here)
            here.load_orders(0)
            yield str(Line("an order with its lines, until all marts have it", here.seconds_to_publish(), "s", 15, 5))
            yield str(Line("nothing new, in the standing process", here.seconds_to_see_nothing(), "s", 3, 1))
            disk = here.bytes_of("^(warehouse|mart_)") / here.bytes_of("^staging_")
            yield str(Line("disk of warehouse and marts, of staging's", disk, "×", None, 1))
            if scale == scales[0]:
                yield str(Line("plain `dbt build` with nothing new", here.dbt("build"), "s"))
                yield str(Line("dbt's full parse", here.dbt("parse", "--no-partial-parse"), "s"))
                yield from _against_psql(here, whole, rounds)
    if len(scales) > 1:
        grown = one_per_cent[-1] / one_per_cent[0]
        yield str(Line(f"1 % more, ×{scales[-1]:g} to ×{scales[0]:g}", grown, "×", 1.5, 1))


def _against_psql(here: Shop, whole: float, rounds: int) -> Iterator[str]:
    """dbt's run of all models, and their SQL by psql in as many sessions, in turn.

    psql reads what dbt built before, so it need not wait for one model to begin the next: the yardstick is
    a little too fast, and the ratio too high.
    """
    here.dbt("compile", "--full-refresh")
    statements = _statements(here)
    models, by_psql = [], []
    for _ in range(rounds):
        by_psql.append(here.run_by_psql(statements, _SESSIONS))
        models.append(here.dbt("run", "--full-refresh"))
    yardstick = sorted(by_psql)[rounds // 2]
    ratio = sorted(models)[rounds // 2] / yardstick
    yield str(Line("`dbt run --full-refresh`, of psql with the same SQL", ratio, "×", 1.5, 1.1))
    yield str(Line("first `loader build`, of the same", whole / yardstick, "×"))


def _statements(here: Shop) -> list[str]:
    """`create table … as` or `create view … as` of each model, with what dbt compiled; into a schema of the bench."""
    here.run_by_psql(["drop schema if exists bench_models cascade; create schema bench_models"], 1)
    manifest = json.loads((here.folder / "target" / "manifest.json").read_text("utf-8"))
    made = []
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            name = f'bench_models."{node["name"]}"'
            made.append(f"drop {kind} if exists {name}; create {kind} {name} as {node['compiled_code']}")
    return made


def _times(here: Shop) -> Iterator[str]:
    """What the last build ran, and the seconds of each kind; of two threads, so that the sum is longer."""
    for kind, count, seconds in here.times_of_last_build():
        yield f"  {count} of kind {kind}: {seconds:.1f} s"
