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

from tests.property import judgement, worlds
from tests.property.bench import bench
from tests.property.projects import Project, Row, table_names
from tests.property.rows import RowMaker

Ready = Callable[[str], tuple[Project, sa.Engine, RowMaker]]
TABLES = [(project, table) for project in ("laboratory", "shop") for table in table_names(project)]
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def hold_agreement(ready: tuple[Project, sa.Engine, RowMaker], table: str, loads: list[list[Row]]) -> None:
    project, engine, _ = ready
    with bench(project, engine) as here:
        for rows in loads:
            judgement.check_load(here, table, rows, here.load(table, rows))


def search(ready: tuple[Project, sa.Engine, RowMaker], table: str, examples: int, rows: int, fixed: bool) -> None:
    """Look for loads of the table on which door and dbt differ."""
    _, _, maker = ready

    @settings(
        max_examples=examples, derandomize=fixed, deadline=None, database=None, print_blob=not fixed,
        suppress_health_check=QUIET, phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(st.lists(maker.rows(table, rows), min_size=1, max_size=3))
    def agree(loads: list[list[Row]]) -> None:
        hold_agreement(ready, table, loads)

    agree()


@pytest.mark.parametrize(("project", "table"), TABLES)
def test_door_and_dbt_agree(ready: Ready, project: str, table: str) -> None:
    search(ready(project), table, examples=8 if project == "laboratory" else 4, rows=12, fixed=True)


@pytest.mark.deep
@pytest.mark.parametrize(("project", "table"), TABLES)
def test_door_and_dbt_agree_on_many_more_rows(ready: Ready, project: str, table: str) -> None:
    search(ready(project), table, examples=400, rows=20, fixed=False)
