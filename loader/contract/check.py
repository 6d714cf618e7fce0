"""Faults of a contract that reading alone does not show: keys, doors, rules against rules."""

from __future__ import annotations

from collections.abc import Iterator

from loader.contract.faults import Fault
from loader.contract.model import KNOWN_DOORS, Contract, Table
from loader.contract.types import DataType

#: Postgres cuts longer names in silence; the history's must still fit.
_NAME_BYTES = 63
_ORDERED = ("date", "timestamp", "timestamptz", "integer", "bigint", "smallint", "numeric")


def check_contract(contract: Contract) -> list[Fault]:
    """Every fault, each with its table's place in the files."""
    faults = []
    relations: dict[tuple[str, str], Table] = {}
    for table in contract:
        faults += [*_key(table), *_names(table), *_options(table), *_contradictions(table)]
        faults += _parents(table, contract)
        other = relations.setdefault((table.schema, table.identifier), table)
        if other is not table:
            faults.append(
                _fault(
                    table,
                    f"{table.schema}.{table.identifier} is also the table of {other.id}",
                    "give one of them another schema or identifier",
                )
            )
    return faults


def _fault(table: Table, problem: str, remedy: str, column: str = "") -> Fault:
    line = table.line
    if column in table.column_names:
        line = table.column(column).line or line
    return Fault(problem, remedy, table.path, line, table.id, column)


def _key(table: Table) -> Iterator[Fault]:
    names = ", ".join(table.column_names)
    if not table.columns:
        yield _fault(table, "the table has no columns", "list them under `columns:`")
        return
    if not table.primary_key:
        yield _fault(
            table,
            "config.meta.primary_key is missing",
            _key_remedy(table),
        )
    for column in table.primary_key:
        if column not in table.column_names:
            yield _fault(
                table,
                f"primary_key names {column}, which is not a column of the table",
                f"name one of: {names}",
                column,
            )
    if len(set(table.primary_key)) != len(table.primary_key):
        yield _fault(table, "primary_key names a column twice", "name each once")
    if table.valid_from is None:
        return
    if table.valid_from not in table.column_names:
        yield _fault(
            table,
            f"valid_from names {table.valid_from}, which is not a column of the table",
            f"name one of: {names}",
        )
        return
    order = table.column(table.valid_from)
    if table.load == "events":
        yield _fault(table, "valid_from has no meaning for events", "take it out, or load versions")
    if order.type.family not in _ORDERED:
        yield _fault(
            table, f"valid_from is of type {order.type.sql}", "name a time or a number",
            order.name,
        )  # fmt: skip
    if not order.required:
        yield _fault(
            table,
            "valid_from may be empty, so versions could not be ordered",
            "add a not_null test and constraint to the column",
            order.name,
        )


def proposed_key(table: Table) -> tuple[str, ...]:
    """The columns of the first test that says of them what a key has to: unique, and none empty."""
    for rule in sorted(table.unique_rules, key=lambda rule: len(rule.columns)):
        filled = all(name in table.column_names and table.column(name).required for name in rule.columns)
        if filled and rule.severity == "error" and rule.where is None:
            return rule.columns
    return ()


def _key_remedy(table: Table) -> str:
    if key := proposed_key(table):
        return f"by its tests it may be `primary_key: [{', '.join(key)}]`: unique, and never empty"
    return "name the columns that identify a record in its source system"


def _names(table: Table) -> Iterator[Fault]:
    for name in (table.schema, table.history_name, *table.column_names):
        if len(name.encode()) > _NAME_BYTES:
            yield _fault(table, f"the name {name} is longer than {_NAME_BYTES} bytes", "shorten it", name)
        if "\0" in name or not name:
            yield _fault(table, "a name is empty or holds a NUL", "rename it", name)
    for name in table.column_names:
        if name.startswith("_"):
            yield _fault(
                table,
                f"column names that begin with _ are the loader's own ({name})",
                "rename the column",
                name,
            )


def _options(table: Table) -> Iterator[Fault]:
    if table.load not in ("versions", "events"):
        yield _fault(
            table,
            f"config.meta.load is {table.load!r}",
            "write `versions` (a later row replaces) or `events` (rows never change)",
        )
    for door in table.doors:
        if door not in KNOWN_DOORS:
            yield _fault(table, f"there is no door {door!r}", f"name some of: {', '.join(KNOWN_DOORS)}")
    for column in table.columns:
        if column.pii not in (None, "direct", "indirect"):
            yield _fault(
                table, f"config.meta.pii is {column.pii!r}", "write direct or indirect",
                column.name,
            )  # fmt: skip


def _contradictions(table: Table) -> Iterator[Fault]:
    for column in table.columns:
        accepted: list[set[str]] = [
            set(rule.accepted)
            for rule in table.errors()
            if rule.accepted is not None and rule.columns == (column.name,) and not rule.where
        ]
        if accepted and not set.intersection(*accepted):
            yield _fault(
                table,
                "its accepted_values tests have no value in common, so no row could pass",
                "keep one list",
                column.name,
            )


def _parents(table: Table, contract: Contract) -> Iterator[Fault]:
    for relationship in table.relationships:
        parent = contract.tables.get(relationship.parent)
        name = ".".join(relationship.parent)
        column = relationship.columns[0]
        if parent is None:
            yield _fault(
                table,
                f"its parent {name} is not a source that the loader loads",
                "correct `to:`, or give that source `loader: gatehouse`",
                column,
            )
            continue
        for field, own in zip(relationship.parent_columns, relationship.columns, strict=True):
            if field not in parent.column_names:
                yield _fault(table, f"its parent {name} has no column {field}", "correct `field:`", own)
            elif not _comparable(parent.column(field).type, table.column(own).type):
                yield _fault(
                    table,
                    f"its type {table.column(own).type.sql} can't be compared with "
                    f"{name}.{field} of type {parent.column(field).type.sql}",
                    "give both the same type",
                    own,
                )


def _comparable(one: DataType, other: DataType) -> bool:
    if one.element is not None or other.element is not None:
        return one.sql == other.sql
    if one.family == other.family:
        return True
    numbers = {"smallint", "integer", "bigint", "numeric", "double precision"}
    words = {"text", "varchar"}
    times = {"date", "timestamp", "timestamptz"}
    return any({one.family, other.family} <= group for group in (numbers, words, times))
