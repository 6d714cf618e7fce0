"""A few plain rows that may all come in: a statement each, and no landing.

Source systems send row by row, and most rows are good. When every one of a few is plainly
spelled, breaks no rule, has its parents and is the first of its key, a statement lets it in. When
that can't be said of all, nothing has happened, and they take the way of others.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from loader.contract.model import Contract, Table
from loader.contract.types import literal
from loader.intake.admit import admitted
from loader.intake.decode import Batch
from loader.intake.sql import run
from loader.intake.store import judges_unique

MOST = 50


def suits(table: Table, batches: list[Batch]) -> bool:
    """Whether all the rows are plainly spelled and filled, and no rule looks beyond the key."""
    return (
        bool(table.primary_key)
        and sum(batch.received for batch in batches) <= MOST
        and not judges_unique(table)
        and all(not batch.unreadable and _is_plain(table, batch) for batch in batches)
    )


def _is_plain(table: Table, batch: Batch) -> bool:
    there = batch.rows.schema.names
    for column in table.columns:
        is_required = column.required or column.name in table.primary_key
        values = batch.rows.column(column.name).to_pylist() if column.name in there else [None] * batch.received
        pattern = column.type.plain
        for value in values:
            if value is None:
                if is_required:
                    return False
            elif pattern is None or (pattern and not re.fullmatch(pattern, value)):
                return False
    return True


def bring(connection: Connection, contract: Contract, table: Table, load_id: int, batches: list[Batch]) -> int | None:
    """Let all the rows in: their number. ``None`` when not all may come in, and nothing has changed."""
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    if not rows:
        return None
    plan = _planned(connection, contract, table)
    written = 0
    for row in rows:
        given = [row.get(column) for column in table.column_names]
        values = ", ".join("null" if value is None else literal(value) for value in given)
        written += run(connection, f"execute {plan} ({load_id}, {row['_row']}, {values})")
    if written == len(rows):
        return written
    # dearer than a savepoint that is rolled back, and most have no need of one
    run(connection, f"delete from {table.mirror} where _load_id = {load_id}")
    return None


def _planned(connection: Connection, contract: Contract, table: Table) -> str:
    """The name of the statement that lets one row in if it may: planned once a connection, not once a row."""
    columns = ", ".join(f"${place}::text as {column.sql}" for place, column in enumerate(table.columns, 3))
    landing = f"(select $2::bigint as _row, true as _plain, {columns})"
    statement = admitted(contract, table, "$1", landing, in_bulk=False)
    name: str | None = connection.info.get(statement)
    if name is None:
        name = f"few_{len(connection.info)}"
        types = ", ".join(["bigint", "bigint", *(["text"] * len(table.columns))])
        run(connection, f"prepare {name} ({types}) as {statement}")
        connection.info[statement] = name
    return name
