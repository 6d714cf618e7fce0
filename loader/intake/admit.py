"""Let in at once the rows against which nothing speaks: the great majority.

A row goes straight from the landing into the mirror when all its values are plainly spelled,
no rule that refuses is broken, every parent stands, and nothing stands or was deleted under its
key yet. What is left (``rest``) is judged in detail.
"""

from __future__ import annotations

from sqlalchemy import Connection

from loader.contract.model import Contract, Relationship, Table
from loader.contract.types import identifier
from loader.intake import lineage
from loader.intake.sql import listed, run


def admit(connection: Connection, contract: Contract, table: Table, load_id: int, in_bulk: bool) -> None:
    """Write what can be let in at once; ``rest`` gets the ``_row`` of every other row."""
    columns = listed(table.column_names)
    run(
        connection,
        f"insert into {table.mirror} ({columns}, _row, _load_id, _loaded_at) "
        f"select {columns}, _row, {load_id}, transaction_timestamp() "
        f"from ({admissible(contract, table, 'pg_temp.landing', in_bulk)}) as t on conflict do nothing",
    )
    run(
        connection,
        "create temp table rest on commit drop as select l._row from pg_temp.landing as l "
        f"where not exists (select 1 from {table.mirror} as m "
        f"where m._load_id = {load_id} and m._row = l._row)",
    )


def admissible(contract: Contract, table: Table, landing: str, in_bulk: bool) -> str:
    """SQL for the rows of ``landing``, text as the landing has it, that can be let in at once, typed.

    Their keys may stand already, or come twice. ``in_bulk``: so many rows that a parent is better
    read whole than looked up row by row.
    """
    typed = ", ".join(
        f"case when l._plain then {column.type.cast(f'l.{column.sql}')} end as {column.sql}" for column in table.columns
    )
    conditions = [
        "_plain",
        *(rule.stands for rule in table.errors()),
        *(
            _has_parent(contract, table, relationship, in_bulk)
            for relationship in table.relationships
            if relationship.severity == "error"
        ),
        f"not {lineage.was_deleted(table, 't')}",
    ]
    return (
        f"select {listed(table.column_names)}, _row "
        # `offset 0` keeps the planner from typing a value again for each rule that names it
        f"from (select l._row, l._plain, {typed} from {landing} as l offset 0) as t "
        f"where {' and '.join(conditions)}"
    )


def _has_parent(contract: Contract, table: Table, relationship: Relationship, in_bulk: bool) -> str:
    parent = contract.tables[relationship.parent]
    pairs = list(zip(relationship.parent_columns, relationship.columns, strict=True))
    exists = (
        f"exists (select 1 from {parent.mirror} as p where "
        + " and ".join(f"p.{identifier(field)} = t.{identifier(own)}" for field, own in pairs)
        + ")"
    )
    own = listed(relationship.columns, "t")
    among = f"({own}) in (select {listed(relationship.parent_columns)} from {parent.mirror})"
    excused = [f"t.{identifier(name)} is null" for name in relationship.columns if not table.column(name).required]
    if relationship.where is not None:
        excused.append(f"({relationship.where}) is not true")
    # Postgres joins with a bare `exists`; beside an `or` only `in` spares it a look-up a row.
    return f"({' or '.join([*excused, among if in_bulk else exists])})" if excused else exists
