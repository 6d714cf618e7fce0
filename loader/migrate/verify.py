"""Whether the contract's rules are SQL that the database can run, found before rows arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from loader.contract.faults import Fault
from loader.contract.model import Relationship, RowRule, Table, UniqueRule
from loader.migrate.sql import run

#: One value of each family, to run patterns on: a regular expression is only read when used.
_SAMPLES = {
    "smallint": "1",
    "integer": "1",
    "bigint": "1",
    "numeric": "1",
    "double precision": "1",
    "text": "'a'",
    "varchar": "'a'",
    "boolean": "true",
    "date": "'2024-02-29'",
    "timestamp": "'2024-02-29 12:00'",
    "timestamptz": "'2024-02-29 12:00Z'",
    "time": "'12:00'",
    "uuid": "'3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11'",
    "jsonb": "'{}'",
    "array": "'{}'",
}
_INVALID_PATTERN = "2201B"


@dataclass(frozen=True)
class _Condition:
    """A boolean expression over the table's columns, and the test that states it."""

    expression: str
    test: str
    column: str
    part: str


def verify_rules(connection: sa.Connection, table: Table) -> list[Fault]:
    """Every test of ``table`` whose SQL the database can't run, with what it says about it.

    Expressions are planned over the columns' types alone, so neither the table nor rows need
    to stand; the connection's transaction goes on unharmed. An expression stands in a
    ``where``, where neither aggregates nor windows may: a rule speaks of one row.
    """
    conditions = list(_conditions(table))
    if not conditions:
        return []
    nothing = ", ".join(f"null::{c.type.sql} as {c.sql}" for c in table.columns)
    everything = " and ".join(f"(({c.expression}) is true)" for c in conditions)
    if _fails(connection, f"explain select from (select {nothing}) t where {everything}") is None:
        patterns = [c for c in conditions if "regexp" in c.expression or "~" in c.expression]
    else:
        patterns = conditions
    sample = ", ".join(f"{_SAMPLES[c.type.family]}::{c.type.sql} as {c.sql}" for c in table.columns)
    faults = []
    for condition in patterns:
        where = f"where ({condition.expression}) is true"
        error = _fails(connection, f"explain select from (select {nothing}) t {where}")
        if error is None:
            # offset 0 keeps the planner from folding the row into the expression
            error = _fails(connection, f"select from (select {sample} offset 0) t {where}")
            if error is not None and getattr(error.orig, "pgcode", None) != _INVALID_PATTERN:
                error = None  # said of the sample, not of the rule
        if error is not None:
            faults.append(_fault(table, condition, error))
    return faults


def _conditions(table: Table) -> Iterator[_Condition]:
    rules: list[RowRule | UniqueRule | Relationship] = [
        *table.row_rules,
        *table.unique_rules,
        *table.relationships,
    ]
    for rule in rules:
        column = rule.columns[0] if rule.columns else ""
        if isinstance(rule, RowRule):
            yield _Condition(rule.expression, rule.name, column, "its rule")
        if rule.where is not None:
            yield _Condition(rule.where, rule.name, column, "its where")


def _fails(connection: sa.Connection, statement: str) -> DBAPIError | None:
    savepoint = connection.begin_nested()
    try:
        run(connection, statement)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return error
    finally:
        savepoint.rollback()
    return None


def _fault(table: Table, condition: _Condition, error: DBAPIError) -> Fault:
    words = str(error.orig).splitlines()[0].rstrip(".") if error.orig else str(error)
    hint = getattr(getattr(error.orig, "diag", None), "message_hint", None)
    column = condition.column if condition.column in table.column_names else ""
    return Fault(
        f"the test {condition.test} is no SQL that PostgreSQL can run: {condition.part} "
        f"{condition.expression!r}: {words}",
        f"mend the test's arguments or the column's data_type{f' ({hint})' if hint else ''}",
        table.path,
        (table.column(column).line if column else None) or table.line,
        table.id,
        column,
    )
