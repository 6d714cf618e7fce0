"""Kept rows that nobody will mend: put aside by a person, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.ledger import loads
from loader.ledger.models import Reject
from loader.remedy import Remedy

OPEN = ("rejected", "waiting")


def open_rows_of(connection: Connection, load_id: int) -> list[int]:
    """The ``reject_id`` of a load's rows that wait or stand refused."""
    query = sa.select(Reject.reject_id).where(Reject.load_id == load_id, Reject.status.in_(OPEN))
    return list(connection.scalars(query))


def dismiss(connection: Connection, reject_ids: Sequence[int], who: str, why: str) -> int:
    """Marks kept rows as dismissed, all of them or none; returns how many.

    They stay in the ledger as they came, count no longer as open, and a waiting one is no
    longer let in. A receipt given before says what it said. Raises :class:`Remedy` for a row
    that is not there, or that was let in or dismissed already.
    """
    chosen = sa.select(Reject.reject_id, Reject.source, Reject.table_name).where(Reject.reject_id.in_(reject_ids))
    tables = {f"{row.source}.{row.table_name}" for row in connection.execute(chosen)}
    loads.lock_tables(connection, tables, set())  # a load at work here may be letting such a row in
    found = {
        row.reject_id: row.status
        for row in connection.execute(chosen.with_only_columns(Reject.reject_id, Reject.status))
    }
    wrong = [f"{number} ({found.get(number, 'not there')})" for number in reject_ids if found.get(number) not in OPEN]
    if wrong:
        raise Remedy(
            f"Nothing was dismissed: no open row has the number {', '.join(wrong[:10])}.",
            "`loader rejects` lists the open ones by reject_id.",
        )
    done = connection.execute(
        sa.update(Reject)
        .where(Reject.reject_id.in_(reject_ids))
        .values(status="dismissed", dismissed_at=sa.func.now(), dismissed_by=who, dismissed_why=why)
    )
    return int(done.rowcount)
