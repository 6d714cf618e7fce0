"""A few plain rows that may all come in: one statement, and no landing.

Source systems send row by row, and most rows are good. When every one of a few is plainly
spelled, breaks no rule, has its parents and is the first of its key, a single statement lets all
of them in. When that can't be said of all, nothing has happened, and they take the way of others.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from loader.contract.model import Contract, Table
from loader.contract.types import identifier, literal
from loader.intake.admit import admitted
from loader.intake.decode import Batch
from loader.intake.sql import listed, run
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
    names = [name for name in rows[0] if name != "_row"]
    values = ", ".join(
        f"({row['_row']}, {', '.join('null' if row[n] is None else literal(row[n]) for n in names)})" for row in rows
    )
    absent = "".join(f", null::text as {identifier(n)}" for n in table.column_names if n not in names)
    text = f"select *, true as _plain{absent} from (values {values}) as v (_row, {listed(names)})"
    before = connection.begin_nested()
    written = run(connection, admitted(contract, table, load_id, f"({text})", in_bulk=False))
    if written == len(rows):
        before.commit()
        return written
    before.rollback()
    return None
