"""Rows whose parent has not arrived wait; those whose parent came may be let in.

A row that waits is entered under the name of one parent that it lacks (``ledger.rejects.awaits``),
and is asked about when a parent of that name comes: if it lacks another one then, it goes on under
the name of that. So a parent that comes costs what waits for it, not what waits.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection

from loader.contract.model import Contract, Relationship, Table
from loader.contract.types import identifier, literal
from loader.intake import landing, lineage
from loader.intake.judge import fault
from loader.intake.pending import from_payload
from loader.intake.sql import fetch, run


def set_waiting(connection: Connection, contract: Contract, table: Table) -> None:
    """Write a ``waiting`` fault for each row of ``candidate`` that lacks a parent.

    A parent may stand in this same load, where a table refers to itself; a row that waits
    makes those below it wait too, so this goes on until nothing changes.
    """
    stopping = _stopping(table)
    if not stopping:
        return
    while True:
        found = " union all ".join(
            f"select c._row, {missing(relationship)} as fault, {awaits(contract, table, relationship, 'c')} as awaits "
            f"from {landing.ACCEPTED} "
            f"and {orphan(contract, table, relationship, 'c')}"
            for relationship in stopping
        )
        added = run(
            connection,
            "insert into pg_temp.fault select _row, 'waiting', jsonb_agg(fault), "
            f"(array_agg(awaits) filter (where awaits is not null))[1] from ({found}) as missing group by _row",
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


def find_releasable(connection: Connection, contract: Contract, table: Table, parent: Table, came: str) -> int:
    """``let_in`` gets the ``reject_id`` of the table's waiting rows whose parents are all there now; how many.

    ``came`` is SQL that is true of the rows ``p`` of ``parent`` that have just come.
    """
    stopping = _stopping(table)
    lacks = " ".join(
        f"when {orphan(contract, table, relationship, 't', within_load=False)} then {place}"
        for place, relationship in enumerate(stopping)
    )
    called_so = " ".join(f"when {place} then {name}" for place, name in enumerate(names(contract, table, "t")))
    # no value is typed that is not asked for; a `where` may ask for any
    is_free = any(relationship.where is not None for relationship in stopping)
    asked = {name for relationship in stopping for name in relationship.columns}
    columns = [column for column in table.columns if is_free or column.name in asked]
    typed = ", ".join(f"{from_payload('w')(column)} as {column.sql}" for column in columns)
    among = waiting(table)
    if fetch(connection, f"select 1 from ({among}) as w offset {FEW} limit 1"):
        called = " union ".join(
            f"select {_named(contract, table, relationship, relationship.parent_columns, 'p')} as name "
            f"from {parent.mirror} as p where {came}"
            for relationship in stopping
            if relationship.parent == (parent.source, parent.name)
        )
        run(connection, f"create temp table called on commit drop as {called}")
        run(connection, "analyze pg_temp.called")
        among = waiting_for(contract, table, "select name from pg_temp.called")
    run(
        connection,
        "create temp table asked on commit drop as "
        f"select w.reject_id, w.awaits, t._lacks, case t._lacks {called_so} end as _name from ({among}) as w "
        f"cross join lateral (select *, case {lacks} end as _lacks from (select {typed} offset 0) as t offset 0) as t",
    )
    run(
        connection,
        "create temp table let_in on commit drop as select reject_id from pg_temp.asked where _lacks is null",
    )
    run(
        connection,
        "update ledger.rejects as r set awaits = a._name from pg_temp.asked as a "
        "where a.reject_id = r.reject_id and a._lacks is not null and a._name is distinct from a.awaits",
    )
    run(connection, "drop table if exists pg_temp.asked, pg_temp.called")
    return int(fetch(connection, "select count(*) from pg_temp.let_in")[0][0])


#: So many rows that wait are all asked about, whatever came.
FEW = 200


def waiting(table: Table) -> str:
    """SQL for the ledger's entries of the table's rows that wait."""
    return (
        "select * from ledger.rejects where status = 'waiting' "
        f"and source = {literal(table.source)} and table_name = {literal(table.name)}"
    )


def waiting_for(contract: Contract, table: Table, names: str) -> str:
    """SQL for the entries that may wait for one of ``names``, which is SQL for what :func:`awaits` gives.

    Among them are all that were entered under no name, or by other relationships than the contract's now.
    """
    mark = _mark(contract, table)
    following = (int.from_bytes(mark, "big") + 1).to_bytes(len(mark), "big")
    others = (f"in ({names})", "is null", f"< {_bytes(mark)}", f">= {_bytes(following)}")
    return " union all ".join(f"({waiting(table)} and awaits {these})" for these in others)


def names(contract: Contract, table: Table, alias: str) -> list[str]:
    """SQL for the name of each parent of the row ``alias`` of ``table``, whether it lacks it or not."""
    return [awaits(contract, table, relationship, alias) for relationship in _stopping(table)]


def awaits(contract: Contract, table: Table, relationship: Relationship, alias: str) -> str:
    """SQL for the name of the parent that the row ``alias`` of ``table`` lacks; see :func:`_named`."""
    return _named(contract, table, relationship, relationship.columns, alias)


#: Families of types whose equal values are written alike. Of others it is not certain.
_NUMBERS = ("smallint", "integer", "bigint", "numeric")
_WRITTEN = dict.fromkeys(_NUMBERS, "number") | dict.fromkeys(("text", "varchar"), "text")
_WRITTEN |= {family: family for family in ("boolean", "date", "timestamp", "timestamptz", "time", "uuid")}


def _named(contract: Contract, table: Table, relationship: Relationship, columns: tuple[str, ...], alias: str) -> str:
    """SQL for the name of a parent: a digest of its key, and of what the contract says of the table's parents.

    ``columns`` of the row ``alias`` hold the key, the parent's own or the child's. NULL where equal
    keys may be written differently.
    """
    parent = contract.tables[relationship.parent]
    texts = [literal(f"{parent.id} {', '.join(relationship.parent_columns)}")]
    for field, own, name in zip(relationship.parent_columns, relationship.columns, columns, strict=True):
        families = parent.column(field).type.family, table.column(own).type.family
        if _WRITTEN.get(families[0], 0) != _WRITTEN.get(families[1], 1):
            return "null::bytea"
        value = f"{alias}.{identifier(name)}"
        texts.append(f"trim_scale({value})::text" if "numeric" in families else f"{value}::text")
    digest = f"sha256(convert_to(array[{', '.join(texts)}]::text, 'UTF8'))"
    return f"({_bytes(_mark(contract, table))} || substring({digest} for 16))"


def _mark(contract: Contract, table: Table) -> bytes:
    """What changes when the contract says another thing of the table's parents."""
    said = [
        (r.parent, contract.tables[r.parent].mirror, r.where, r.where and [column.type for column in table.columns],
         [(own, table.column(own).type) for own in r.columns],
         [(field, contract.tables[r.parent].column(field).type) for field in r.parent_columns])
        for r in _stopping(table)
    ]  # fmt: skip
    digest = hashlib.sha256(repr(said).encode()).digest()
    return bytes([digest[0] & 0x7F]) + digest[1:4]  # there is one that follows it


def _bytes(value: bytes) -> str:
    return f"'\\x{value.hex()}'::bytea"


def _stopping(table: Table) -> list[Relationship]:
    """The relationships for which a row waits."""
    return [relationship for relationship in table.relationships if relationship.severity == "error"]


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
