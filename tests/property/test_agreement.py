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

import os
import re
from collections import Counter
from collections.abc import Callable
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from loader.contract.types import SUPPORTED
from loader.intake import landing
from tests.conftest import ROOT
from tests.property.bench import bench
from tests.property.judgement import Seen, check_dbt_finds_nothing, check_load, check_waiting
from tests.property.projects import Project, Row, table_names
from tests.property.rows import RowMaker
from tests.property.worlds import TOGETHER

Ready = Callable[[str], tuple[Project, sa.Engine, RowMaker]]
TABLES = [(project, table) for project in ("laboratory", "shop") for table in table_names(project)]
MANY = int(os.environ.get("EXAMPLES", "150"))
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def hold_agreement(
    ready: tuple[Project, sa.Engine, RowMaker], table: str, loads: list[list[Row]], seen: Seen, alone: bool = False
) -> None:
    """Load and compare; `alone`: nothing stands in the table, unless its rows are each other's parents."""
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
    @given(st.lists(maker.rows(table, rows), min_size=1, max_size=3), st.booleans())
    def agree(loads: list[list[Row]], are_large: bool) -> None:
        # a large body takes another way in, to the same end
        with patch.object(landing, "BULK", 1 if are_large else landing.BULK):
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


FAMILY = ["lab.people", "lab.rooms", "lab.visits"]


def search_family(ready: Ready, examples: int, deep: bool) -> Seen:
    """Loads of parents and children in any order: after each, all of the family agrees."""
    project, engine, maker = ready("laboratory")
    seen = Seen()
    any_rows = st.sampled_from(FAMILY).flatmap(lambda table: st.tuples(st.just(table), maker.rows(table, 8, 4, 0)))
    loads = any_rows | st.sampled_from(maker.late_parents(FAMILY))  # by chance alone hardly a parent comes

    @settings(
        max_examples=examples, derandomize=not deep, deadline=None, database=None, print_blob=deep,
        suppress_health_check=QUIET, phases=[Phase.generate], report_multiple_bugs=False,
    )  # fmt: skip
    @given(st.lists(loads, min_size=3, max_size=6))
    def agree(sequence: list[tuple[str, list[Row]]]) -> None:
        with bench(project, engine) as here:
            for table, rows in sequence:
                receipt = here.load(table, rows)
                check_load(here, table, rows, receipt, seen)
                for each in FAMILY:
                    check_dbt_finds_nothing(here, each)
                    check_waiting(here, each)
                seen.released += sum(release.accepted for release in receipt.releases)

    agree()
    return seen


def test_rows_that_waited_come_in_with_their_parents_and_agree(ready: Ready) -> None:
    assert search_family(ready, examples=12, deep=False).released


@pytest.mark.deep
def test_rows_that_waited_agree_in_many_more_orders(ready: Ready) -> None:
    assert search_family(ready, examples=MANY, deep=True).released


@pytest.mark.deep
@pytest.mark.parametrize(("project", "table"), TABLES)
def test_door_and_dbt_agree_on_many_more_rows(ready: Ready, project: str, table: str) -> None:
    search(ready(project), table, examples=MANY, rows=20, deep=True)


@pytest.mark.parametrize("name", ["laboratory", "shop"])
def test_every_table_and_every_test_is_asked_for(ready: Ready, name: str) -> None:
    project, _, _ = ready(name)
    assert {table for p, table in TABLES if p == name} == {table.id for table in project.contract}
    assert {table.id: table.unchecked for table in project.contract if table.unchecked} == {}
    rules = [r for t in project.contract for r in (*t.row_rules, *t.unique_rules, *t.relationships)]
    assert {rule.test_id for rule in rules if rule.test_id} == set(project.tests)


def test_the_laboratory_has_every_rule_and_every_type(ready: Ready) -> None:
    project, _, _ = ready("laboratory")
    texts = [path.read_text() for path in (ROOT / "dbt_project" / "macros" / "rules").glob("*.sql")]
    macros = {name for text in texts for name in re.findall(r"macro rule_(\w+)\(", text)}
    rules = {name for name in macros if not name.endswith("_message")}
    sets = {"not_null", "accepted_values", "unique", "unique_together", "relationships", "relationships_together"}
    assert rules | sets == {test.name for test in project.tests.values()}
    kinds = {kind.family for kind in project.columns["lab.kinds"].values()}
    assert kinds == {word.partition("(")[0] for word in SUPPORTED.split(", ")} | {"array"}


@pytest.mark.parametrize("name", ["laboratory", "shop"])
def test_dbt_itself_counts_what_the_receipts_warn_of(ready: Ready, name: str) -> None:
    """The one run of `dbt test` that everything else is tied to: its verdicts, and the receipts'."""
    project, engine, _ = ready(name)
    statuses = {result["unique_id"]: result["status"] for result in project.results["results"]}
    warned: Counter[str] = Counter()
    with bench(project, engine) as here:
        for test in project.tests.values():
            assert here.returned(test) == test.failures, test.id
            assert statuses[test.id] == (test.severity if test.failures else "pass"), test.id
            warned[test.table] += here.failures(test)
    said = Counter(
        f"{r['source']}.{r['table']}" for r in project.receipts for w in r["warnings"] for _ in range(w["rows"])
    )
    assert warned == said
    assert all(test.failures for test in project.tests.values() if test.severity == "warn")


def test_what_a_form_may_offer_is_what_the_door_takes(ready: Ready) -> None:
    """SQL that stands for a value (`quote: false`) is nothing to choose; all other listed values are."""
    rules = ready("laboratory")[0].contract.find("lab.rules")
    lists = {rule.columns[0]: rule.accepted for rule in rules.row_rules if rule.name == "accepted_values"}
    assert lists["letters"] is None
    assert lists["answer"] == ("True", "False")
    assert lists["high"] == ("-2", "0", "1", "2", "3", "5", "6")
    assert rules.column("word").accepted_values == ("can't", "won't", 'a "quoted" one', "100%", "", "\\N", "é")
