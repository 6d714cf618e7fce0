"""Rows whose parent has not arrived wait; those whose parent came may be let in."""

from __future__ import annotations

from sqlalchemy import Connection

from loader.contract.model import Column, Contract, Relationship, Table
from loader.contract.types import identifier, literal
from loader.intake import lineage
from loader.intake.judge import fault
from loader.intake.sql import fetch, run


def set_waiting(connection: Connection, contract: Contract, table: Table) -> None:
    """Write a ``waiting`` fault for each row of ``candidate`` that lacks a parent.

    A parent may stand in this same load, where a table refers to itself; a row that waits
    makes those below it wait too, so this goes on until nothing changes.
    """
    stopping = [r for r in table.relationships if r.severity == "error"]
    if not stopping:
        return
    while True:
        found = " union all ".join(
            f"select c._row, {missing(relationship)} as fault from {_live()} "
            f"and {orphan(contract, table, relationship, 'c')}"
            for relationship in stopping
        )
        added = run(
            connection,
            "insert into pg_temp.fault select _row, 'waiting', jsonb_agg(fault) "
            f"from ({found}) as missing group by _row",
        )
        refers_to_itself = any(r.parent == (table.source, table.name) for r in stopping)
        if not added or not refers_to_itself:
            return


def count_orphans(
    connection: Connection,
    contract: Contract,
    table: Table,
    relationship: Relationship,
    rows: str,
) -> tuple[int, int | None]:
    """Of the rows that the SQL ``rows`` gives, how many lack a parent, and the first."""
    lacks = orphan(contract, table, relationship, "c", within_load=False)
    found = fetch(connection, f"select count(*), min(c._row) from ({rows}) as c where {lacks}")
    return found[0][0], found[0][1]


def releasable(contract: Contract, table: Table) -> str:
    """SQL for the ``reject_id`` of the table's waiting rows whose parents are all there now."""
    stopping = [relationship for relationship in table.relationships if relationship.severity == "error"]
    # all that waits is read: no value is typed that is not asked for; a `where` may ask for any
    is_free = any(relationship.where is not None for relationship in stopping)
    asked = {name for relationship in stopping for name in relationship.columns}
    columns = [column for column in table.columns if is_free or column.name in asked]
    typed = ", ".join(f"{from_payload(column)} as {column.sql}" for column in columns)
    conditions = []
    for relationship in stopping:
        parent = contract.tables[relationship.parent]
        pairs = list(zip(relationship.parent_columns, relationship.columns, strict=True))
        match = " and ".join(f"p.{identifier(field)} = t.{identifier(own)}" for field, own in pairs)
        excused = [f"t.{identifier(own)} is null" for own in relationship.columns]
        if relationship.where is not None:
            excused.append(f"({relationship.where}) is not true")
        found = f"exists (select 1 from {parent.mirror} as p where {match})"
        conditions.append(f"({' or '.join([*excused, found])})")
    has_all = f"(select {' and '.join(conditions)} from (select {typed}) as t)" if conditions else "true"
    return (
        f"select w.reject_id from ledger.rejects as w where w.status = 'waiting' "
        f"and w.source = {literal(table.source)} and w.table_name = {literal(table.name)} "
        f"and {has_all}"
    )


def from_payload(column: Column) -> str:
    """SQL for a column's typed value from the ledger's entry ``w``."""
    text = f"(w.payload ->> {literal(column.name)})"
    return f"case when {column.type.accepts(text)} then {column.type.cast(text)} end"


def with_waiting(connection: Connection, tables: list[Table]) -> list[Table]:
    """Those of the tables of which any row waits."""
    if not tables:
        return []
    asked = ", ".join(
        "exists (select 1 from ledger.rejects where status = 'waiting' "
        f"and source = {literal(table.source)} and table_name = {literal(table.name)})"
        for table in tables
    )
    return [table for table, waits in zip(tables, fetch(connection, f"select {asked}")[0], strict=True) if waits]


def _live() -> str:
    """Rows of this load that nothing has refused so far."""
    return "pg_temp.candidate as c where c._ok and not exists (select 1 from pg_temp.fault as f where f._row = c._row)"


def orphan(
    contract: Contract,
    table: Table,
    relationship: Relationship,
    alias: str,
    within_load: bool = True,
    staying: str = "true",
) -> str:
    """SQL that is true when the row ``alias`` of ``table`` lacks the parent.

    ``within_load``: a row of this load, not stored yet, may be it too. ``staying``: SQL on
    rows ``p`` of the parent, of those that count.
    """
    parent = contract.tables[relationship.parent]
    pairs = list(zip(relationship.parent_columns, relationship.columns, strict=True))
    filled = " and ".join(f"{alias}.{identifier(own)} is not null" for _, own in pairs)

    def match(other: str) -> str:
        return " and ".join(f"{other}.{identifier(field)} = {alias}.{identifier(own)}" for field, own in pairs)

    lacks = f"{filled} and not exists (select 1 from {parent.mirror} as p where {match('p')} and {staying})"
    if within_load and relationship.parent == (table.source, table.name):
        lacks += (
            " and not exists (select 1 from pg_temp.candidate as p where p._ok "
            "and not exists (select 1 from pg_temp.fault as pf where pf._row = p._row) "
            f"and {match('p')} and not {lineage.is_too_late(table, 'p')})"
        )
    if relationship.where is not None:
        lacks += f" and ({relationship.where}) is true"
    return lacks


def missing(relationship: Relationship) -> str:
    """SQL for the fault of a row ``c`` whose parent is not there."""
    columns = relationship.columns
    column = columns[0] if len(columns) == 1 else None
    parent = ".".join(relationship.parent)
    value = " || ', ' || ".join(f"c.{identifier(name)}::text" for name in columns)
    message = f"waits for its parent in {parent} ({', '.join(relationship.parent_columns)})"
    return fault(column, relationship.name, message, f"({value})")
