"""The agreement itself: what has to be true of a load's verdicts, asked of dbt and of Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from loader.contract.model import Relationship, RowRule, Table, UniqueRule
from loader.intake.receipt import Receipt
from tests.property.bench import Bench, Kept
from tests.property.projects import DbtTest, Row
from tests.property.reading import Unclear


@dataclass
class Seen:
    """What a search came across, so that it can be told from one that asked nothing."""

    let_in: int = 0
    duplicates: int = 0
    broken: Counter[str] = field(default_factory=Counter)


def check_load(bench: Bench, table_id: str, rows: list[Row], receipt: Receipt, seen: Seen) -> None:
    """All of it, for a load that has just been made of `rows`."""
    assert receipt.load_id is not None
    kept = bench.kept(receipt)
    brought = bench.brought(table_id, receipt.load_id)
    assert receipt.received == len(rows)
    assert receipt.received == receipt.accepted + receipt.waiting + receipt.rejected + receipt.duplicates
    assert receipt.waiting == sum(k.status == "waiting" for k in kept)
    assert receipt.rejected == sum(k.status == "rejected" for k in kept)
    assert receipt.accepted == len(brought)
    check_let_in(bench, table_id, rows, brought)
    check_duplicates(bench, table_id, rows, set(range(1, len(rows) + 1)) - set(brought) - {k.row for k in kept})
    check_dbt_finds_nothing(bench, table_id)
    check_kept(bench, table_id, rows, kept, seen)
    check_warnings(bench, table_id, receipt, seen)
    seen.let_in += receipt.accepted
    seen.duplicates += receipt.duplicates


def check_let_in(bench: Bench, table_id: str, rows: list[Row], brought: dict[int, dict[str, Any]]) -> None:
    """What was let in is stored as the text says, to the last digit."""
    for number, values in brought.items():
        said = bench.says(table_id, rows[number - 1])
        for column, value in said.items():
            text = rows[number - 1].get(column)
            assert not isinstance(value, Unclear), f"{column} was let in: {text!r} ({value})"
            assert value == values[column], f"{column}: {text!r} says {value!r}, and {values[column]!r} is stored"


def check_duplicates(bench: Bench, table_id: str, rows: list[Row], numbers: set[int]) -> None:
    """A duplicate says what a version that stands, or a row that waits, says already."""
    if not numbers:
        return
    table = bench.table(table_id)
    waiting = bench.fetch(
        "select payload from ledger.rejects where status = 'waiting' and source = %s and table_name = %s",
        table.source, table.name,
    )  # fmt: skip
    known = [*bench.standing(table_id), *(bench.says(table_id, payload) for (payload,) in waiting)]
    for number in numbers:
        assert bench.says(table_id, rows[number - 1]) in known, f"row {number} repeats nothing: {rows[number - 1]}"


def check_dbt_finds_nothing(bench: Bench, table_id: str) -> None:
    """No test that stops fails on what stands."""
    for test in bench.project.tests_of(table_id, "error"):
        assert not bench.failures(test), f"{test.id} fails on rows that the door let in"


def check_kept(bench: Bench, table_id: str, rows: list[Row], kept: list[Kept], seen: Seen) -> None:
    """Every fault of every row that was kept out is true, and no value that is wrong goes unnamed."""
    table, kinds = bench.table(table_id), bench.project.columns[table_id]
    with bench.forcing(table_id):
        for entry in kept:
            assert entry.payload == {name: rows[entry.row - 1].get(name) for name in kinds}
            said = bench.says(table_id, entry.payload)
            assert entry.mistyped == {name for name, value in said.items() if isinstance(value, Unclear)}, (
                entry.faults,
                said,
            )
            rules = [fault for fault in entry.faults if fault["rule"] != "data_type"]
            seen.broken.update(f"data_type {name}" for name in entry.mistyped)
            assert rules or entry.mistyped, f"row {entry.row} is kept out for nothing"
            if entry.mistyped:
                continue
            with bench.forced(table_id, entry.payload):
                for fault in rules:
                    broken = _broken(bench, table, said, fault)
                    assert broken, f"{fault} is not so: {entry.payload}"
                    seen.broken.update(broken)


def _broken(bench: Bench, table: Table, said: dict[str, Any], fault: dict[str, Any]) -> list[str]:
    """The tests that say of the forced row what the door said: dbt's, where dbt has one."""
    if fault["rule"] == "event_conflict":
        same_key = [r for r in bench.standing(table.id) if all(r[k] == said[k] for k in table.primary_key)]
        return ["event_conflict"] if same_key and said not in same_key else []
    found = [rule for rule in (*table.errors(), *_sets(table)) if _fits(rule, fault)]
    assert found, f"no rule of {table.id} says {fault}"
    broken = []
    for rule in found:
        if rule.test_id is None:
            assert rule.name == "not_null"
            broken += ["constraint"] if said[rule.columns[0]] is None else []
        elif bench.failures(bench.project.tests[rule.test_id], forced=[table.id]):
            broken.append(rule.test_id)
    return broken


def _sets(table: Table) -> list[UniqueRule | Relationship]:
    return [rule for rule in (*table.unique_rules, *table.relationships) if rule.severity == "error"]


def _fits(rule: RowRule | UniqueRule | Relationship, fault: dict[str, Any]) -> bool:
    column = rule.columns[0] if len(rule.columns) == 1 else None
    if isinstance(rule, RowRule):
        return (rule.name, column, rule.message) == (fault["rule"], fault["column"], fault["message"])
    return (rule.name, column) == (fault["rule"], fault["column"])


def check_warnings(bench: Bench, table_id: str, receipt: Receipt, seen: Seen) -> None:
    """dbt's tests that only warn find as many of the rows that the load brought as the receipt warns of.

    A row test looks at these rows alone; a test on several rows also at what stood before.
    """
    said = {(w.rule, w.column, w.message): w.rows for w in receipt.warnings}
    table = bench.table(table_id)
    for test in bench.project.tests_of(table_id, "warn"):
        rule = _rule_of(table, test)
        key = next((k for k in said if k[:2] == (rule.name, _one(rule)) and _same_words(rule, k[2])), None)
        found = _found(bench, table, test, rule, receipt)
        assert (said[key] if key else 0) == found, f"{test.id} finds {found}: {receipt.warnings}"
        seen.broken.update([test.id] if found else [])


def _rule_of(table: Table, test: DbtTest) -> RowRule | UniqueRule | Relationship:
    rules = [*table.row_rules, *table.unique_rules, *table.relationships]
    return next(rule for rule in rules if rule.test_id == test.id)


def _one(rule: RowRule | UniqueRule | Relationship) -> str | None:
    """The column that a warning names: the only one of a row rule, the first of a set rule."""
    if isinstance(rule, RowRule):
        return rule.columns[0] if len(rule.columns) == 1 else None
    return rule.columns[0]


def _same_words(rule: RowRule | UniqueRule | Relationship, words: str) -> bool:
    return not isinstance(rule, RowRule) or rule.message == words


def _found(
    bench: Bench, table: Table, test: DbtTest, rule: RowRule | UniqueRule | Relationship, receipt: Receipt
) -> int:
    copy, ours = f'forced."{table.id}"', f"_load_id = {receipt.load_id}"
    names = ", ".join(f'"{name}"' for name in (*table.column_names, "_load_id", "_row", "_loaded_at"))
    past = f"insert into {copy} select {names} from {table.history} where {ours}"

    def failing() -> int:
        return bench.failures(test, forced=[table.id])

    with bench.connection.begin_nested() as point:
        bench.fetch(f"insert into {copy} select * from {table.mirror}")
        if isinstance(rule, UniqueRule):
            # the later of two rows is warned of: what the load adds to what dbt counts
            all_of_them = failing()
            bench.fetch(f"delete from {copy} where {ours}")
            found = all_of_them - failing()
        elif isinstance(rule, Relationship) and rule.parent == (table.source, table.name):
            bench.fetch(past)
            all_of_them = failing()
            bench.fetch(f'update {copy} set "{rule.columns[0]}" = null where {ours}')
            found = all_of_them - failing()
        else:
            bench.fetch(past)
            bench.fetch(f"delete from {copy} where not {ours}")
            found = failing()
        point.rollback()
    return found
