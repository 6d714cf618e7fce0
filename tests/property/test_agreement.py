"""The agreement: what a door lets in passes dbt's tests on the source, and what it keeps out fails one.

Rows come from the contract; a load or two of them go through the door; then dbt's own queries and
a reading of the texts in Python (`reading.py`) are asked the same questions. Both ways:

- let in: no test that stops fails on the mirror, what is stored is what the text says, and the
  receipt warns of as many rows as dbt's tests that warn find;
- kept out: forced into the table past the door, the row fails the very test that the door named;
  a fault of type names a column whose text says no one value that the type can hold, and no
  other column's does.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.property.bench import bench
from tests.property.judgement import Seen, check_load
from tests.property.projects import Project, Row, table_names
from tests.property.rows import RowMaker
from tests.property.worlds import TOGETHER

Ready = Callable[[str], tuple[Project, sa.Engine, RowMaker]]
TABLES = [(project, table) for project in ("laboratory", "shop") for table in table_names(project)]
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def hold_agreement(
    ready: tuple[Project, sa.Engine, RowMaker], table: str, loads: list[list[Row]], seen: Seen, alone: bool = False
) -> None:
    """`alone`: nothing stands in the table, unless its rows are each other's parents."""
    project, engine, _ = ready
    with bench(project, engine) as here:
        if alone and not any(r.parent == tuple(table.split(".")) for r in here.table(table).relationships):
            here.fetch(f"delete from {here.table(table).mirror}")
        for rows in loads:
            check_load(here, table, rows, here.load(table, rows), seen)


def search(ready: tuple[Project, sa.Engine, RowMaker], table: str, examples: int, rows: int, deep: bool) -> Seen:
    """Look for loads of the table on which door and dbt differ.

    The short search always makes the same rows and shows what it finds as it is; the long one
    makes others each time, and takes the trouble to find a small example.
    """
    _, _, maker = ready
    seen = Seen()
    phases = [Phase.generate, Phase.shrink] if deep else [Phase.generate]

    @settings(
        max_examples=examples, derandomize=not deep, deadline=None, database=None, print_blob=deep,
        suppress_health_check=QUIET, phases=phases, report_multiple_bugs=False,
    )  # fmt: skip
    @given(st.lists(maker.rows(table, rows), min_size=1, max_size=3))
    def agree(loads: list[list[Row]]) -> None:
        hold_agreement(ready, table, loads, seen)

    agree()
    return seen


@pytest.mark.parametrize(("project", "table"), TABLES)
def test_every_rule_refuses_what_dbt_finds_and_nothing_else(ready: Ready, project: str, table: str) -> None:
    here, _, maker = ready(project)
    seen = Seen()
    for rows in maker.sweep(table, TOGETHER.get(table, [])):
        hold_agreement(ready(project), table, [rows], seen, alone=True)
    assert seen.let_in
    key = set(here.contract.find(table).primary_key)
    asked = {test.id for test in here.tests_of(table) if not set(test.arguments.get("columns", [test.column])) >= key}
    assert not {t for t in asked if not seen.broken[t]}, "tests that no row of the sweep failed"


@pytest.mark.parametrize(("project", "table"), TABLES)
def test_door_and_dbt_agree(ready: Ready, project: str, table: str) -> None:
    seen = search(ready(project), table, examples=8 if project == "laboratory" else 4, rows=12, deep=False)
    assert seen.let_in


@pytest.mark.deep
@pytest.mark.parametrize(("project", "table"), TABLES)
def test_door_and_dbt_agree_on_many_more_rows(ready: Ready, project: str, table: str) -> None:
    search(ready(project), table, examples=400, rows=20, deep=True)
