"""The agreement's own test: a door that judges otherwise than dbt is noticed, whichever way it errs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from loader.contract.model import Contract, RowRule, Table
from loader.contract.types import DataType, parse_type
from tests.property.bench import bench, changed
from tests.property.judgement import Seen, check_load
from tests.property.projects import Project
from tests.property.rows import RowMaker
from tests.property.worlds import TOGETHER

Ready = tuple[Project, sa.Engine, RowMaker]
Change = Callable[[Table], dict[str, Any]]


def without(field: str, **traits: Any) -> Change:
    """The table without its rules that have these traits."""

    def change(table: Table) -> dict[str, Any]:
        rules = getattr(table, field)
        kept = tuple(rule for rule in rules if any(getattr(rule, k) != v for k, v in traits.items()))
        assert len(kept) < len(rules)
        return {field: kept}

    return change


def ruled(name: str, expression: str) -> Change:
    """The table with another expression in its rules of that name."""

    def change(table: Table) -> dict[str, Any]:
        return {"row_rules": tuple(replace(r, expression=expression) if r.name == name else r for r in table.row_rules)}

    return change


def typed(column: str, data_type: DataType) -> Change:
    """The table with another type of the column."""

    def change(table: Table) -> dict[str, Any]:
        return {"columns": tuple(replace(c, type=data_type) if c.name == column else c for c in table.columns)}

    return change


def one_more(table: Table) -> dict[str, Any]:
    return {"row_rules": (*table.row_rules, RowRule("not_null", ("low",), "high <> 2 or low < 5", "must not be empty"))}


def parentless(table: Table) -> dict[str, Any]:
    return {"relationships": tuple(replace(r, where="false") if not r.where else r for r in table.relationships)}


def check(ready: Ready, table: str, door: Contract) -> None:
    project, engine, maker = ready
    loads: Iterable[Any] = maker.sweep(table, TOGETHER.get(table, []))
    with bench(project, engine, door) as here:
        for rows in loads:
            check_load(here, table, rows, here.load(table, rows), Seen())


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        # too lax
        ("lab.rules", without("row_rules", name="between"), "let in"),
        ("lab.rules", without("row_rules", name="row_condition", severity="error"), "let in"),
        ("lab.rules", ruled("matches", "true"), "let in"),
        ("lab.rooms", without("unique_rules", columns=("sign",)), "let in"),
        ("lab.visits", parentless, "let in"),
        ("lab.kinds", typed("amount", parse_type("numeric(6,3)")), "was let in"),
        (
            "lab.kinds",
            typed("instant_local", parse_type("timestamptz", None, "America/Chicago")),
            "was let in|is stored",  # an hour too many, or another instant
        ),
        # too strict
        ("lab.rules", ruled("not_blank", "false"), "door names"),
        ("lab.rules", ruled("at_most", '"low" <= 8'), "door names"),
        ("lab.rules", one_more, "no rule"),
        ("lab.kinds", typed("words", parse_type("varchar(3)")), "data_type"),
        ("lab.kinds", typed("ratio", parse_type("integer")), "data_type"),
        # silent
        ("lab.rules", without("row_rules", severity="warn"), "finds"),
        ("lab.visits", without("relationships", severity="warn"), "finds"),
        ("lab.visits", without("unique_rules", severity="warn"), "finds"),
    ],
)
def test_a_door_that_judges_otherwise_is_noticed(
    ready: Callable[[str], Ready], table: str, change: Change, words: str
) -> None:
    laboratory = ready("laboratory")
    contract = laboratory[0].contract
    door = changed(contract, table, **change(contract.find(table)))
    with pytest.raises(AssertionError, match=words):
        check(laboratory, table, door)


def test_a_spelling_let_in_unseen_is_noticed(ready: Callable[[str], Ready], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of plain spellings skip the database's questions; here too much counts as plain."""
    laboratory = ready("laboratory")
    pattern = DataType.plain.fget
    assert pattern is not None
    any_decimals = property(lambda self: "^[0-9][.][0-9]+$" if self.sql == "numeric(6,2)" else pattern(self))
    monkeypatch.setattr(DataType, "plain", any_decimals)
    with pytest.raises(AssertionError, match="was let in"):
        check(laboratory, "lab.kinds", laboratory[0].contract)
