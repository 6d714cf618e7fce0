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
    released: int = 0
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


def check_waiting(bench: Bench, table_id: str) -> None:
    """Every row that waits has a parent to wait for, as dbt sees it; nothing waits in vain."""
    table = bench.table(table_id)
    rules = [rule.test_id for rule in table.relationships if rule.severity == "error" and rule.test_id]
    waiting = bench.fetch(
        "select row, payload from ledger.rejects where status = 'waiting' and source = %s and table_name = %s",
        table.source, table.name,
    )  # fmt: skip
    for row, payload in waiting:
        with bench.forced(table_id, {row: payload}, in_place=True):
            assert any(bench.failures(bench.project.tests[rule], [table_id]) for rule in rules), payload


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
    """Every fault of every row that was kept out is true, and none that dbt finds goes unnamed."""
    kinds = bench.project.columns[table_id]
    typed: dict[int, Row] = {}
    for entry in kept:
        assert entry.payload == {name: rows[entry.row - 1].get(name) for name in kinds}
        said = bench.says(table_id, entry.payload)
        unclear = {name: value for name, value in said.items() if isinstance(value, Unclear)}
        assert entry.mistyped == set(unclear), (entry.faults, unclear, entry.payload)
        assert entry.faults, f"row {entry.row} is kept out for nothing"
        seen.broken.update(f"data_type {name}" for name in unclear)
        if not unclear:
            typed[entry.row] = entry.payload
    clean = [entry for entry in kept if entry.row in typed]
    _check_each_row_rule(bench, bench.table(table_id), clean, typed, seen)
    for entry in clean:
        for fault in entry.faults:
            _check_fault(bench, bench.table(table_id), entry, fault, seen)


def _check_each_row_rule(bench: Bench, table: Table, kept: list[Kept], typed: dict[int, Row], seen: Seen) -> None:
    """Of each rule that one row decides, dbt's test finds the rows that the door names, no more and no fewer.

    Parents are asked for only when nothing else speaks against a row.
    """
    waiting = {entry.row: typed[entry.row] for entry in kept if entry.status == "waiting"}
    for forced, kind in ((typed, RowRule), (waiting, Relationship)):
        if not forced:
            continue
        with bench.forced(table.id, forced):
            for test in bench.project.tests_of(table.id, "error"):
                rule = _rule_of(table, test)
                if not isinstance(rule, kind) or _is_of_itself(table, rule):
                    continue
                named = [entry.row for entry in kept if any(_fits(rule, fault) for fault in entry.faults)]
                found = bench.failing_rows(test, [table.id])
                expected = named if isinstance(found, list) else len(named)
                assert found == expected, f"{test.id} finds {found}, and the door names {named}"
                seen.broken.update([test.id] * len(named))


def _check_fault(bench: Bench, table: Table, entry: Kept, fault: dict[str, Any], seen: Seen) -> None:
    """What `_check_each_row_rule` does not ask: that the row by itself breaks a rule on several rows."""
    if fault["rule"] == "event_conflict":
        said = bench.says(table.id, entry.payload)
        same_key = [r for r in bench.standing(table.id) if all(r[k] == said[k] for k in table.primary_key)]
        assert same_key, f"no event has the key of {entry.payload}"
        assert said not in same_key, f"{entry.payload} repeats an event"
        seen.broken["event_conflict"] += 1
        return
    rules = [rule for rule in (*table.errors(), *_sets(table)) if _fits(rule, fault)]
    assert rules, f"no rule of {table.id} says {fault}"
    for rule in rules:
        if rule.test_id is None:
            assert rule.name == "not_null"
            assert entry.payload[rule.columns[0]] is None
        elif isinstance(rule, UniqueRule) or _is_of_itself(table, rule):
            with bench.forced(table.id, {entry.row: entry.payload}, in_place=True):
                failed = bench.failures(bench.project.tests[rule.test_id], [table.id])
            seen.broken.update([rule.test_id] if failed else [])
            if failed:
                return
    assert not any(isinstance(rule, UniqueRule) or _is_of_itself(table, rule) for rule in rules), (
        f"{fault} is not so: {entry.payload}"
    )


def _is_of_itself(table: Table, rule: RowRule | UniqueRule | Relationship) -> bool:
    return isinstance(rule, Relationship) and rule.parent == (table.source, table.name)


def _sets(table: Table) -> list[UniqueRule | Relationship]:
    return [rule for rule in (*table.unique_rules, *table.relationships) if rule.severity == "error"]


def _fits(rule: RowRule | UniqueRule | Relationship, fault: dict[str, Any]) -> bool:
    column = rule.columns[0] if len(rule.columns) == 1 else None
    if isinstance(rule, RowRule):
        return (rule.name, column, rule.reason) == (fault["rule"], fault["column"], fault["message"])
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
    return not isinstance(rule, RowRule) or rule.reason == words


def _found(
    bench: Bench, table: Table, test: DbtTest, rule: RowRule | UniqueRule | Relationship, receipt: Receipt
) -> int:
    copy, ours = f'forced."{table.id}"', f"_load_id = {receipt.load_id}"
    names = ", ".join(f'"{name}"' for name in (*table.column_names, "_load_id", "_row", "_loaded_at"))
    past = f"insert into {copy} select {names} from {table.history} where {ours}"

    def failing() -> int:
        return bench.failures(test, forced=[table.id])

    with bench.connection.begin_nested() as point:
        bench.fetch(f"insert into {copy} select * from {table.mirror} where _load_id <= {receipt.load_id}")
        if isinstance(rule, UniqueRule):
            # the later of two rows is warned of: what the load adds to what dbt counts
            all_of_them = failing()
            bench.fetch(f"delete from {copy} where {ours}")
            found = all_of_them - failing()
        elif _is_of_itself(table, rule):
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
