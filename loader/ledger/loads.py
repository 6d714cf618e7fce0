"""Loads in the ledger: open, close, find again, and read back as receipts.

Everything here runs on the load's own connection, so that the entry, the rows and the
rejects stand together or not at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.contract.model import Table
from loader.intake.receipt import LISTED, Receipt, RowFault, Warned
from loader.ledger.models import Clock, Load, Reject


@dataclass(frozen=True)
class Origin:
    """Where a load comes from: door, who brought it, and what marks a repetition."""

    door: str
    principal: str
    file_name: str | None = None
    content_hash: str | None = None
    idempotency_key: str | None = None
    cause_load_id: int | None = None
    #: What the body turned out to be: its format, and its dialect where it has one.
    format: dict[str, Any] | None = None


def open_load(connection: Connection, table: Table, origin: Origin, on_reject: str, fingerprint: str) -> int:
    """Enter a running load; its ``load_id``."""
    statement = (
        sa.insert(Load)
        .values(
            source=table.source,
            table_name=table.name,
            door=origin.door,
            principal=origin.principal,
            status="running",
            file_name=origin.file_name,
            content_hash=origin.content_hash,
            idempotency_key=origin.idempotency_key,
            cause_load_id=origin.cause_load_id,
            on_reject=on_reject,
            contract_fingerprint=fingerprint,
            format=origin.format,
        )
        .returning(Load.load_id)
    )
    return int(connection.execute(statement).scalar_one())


def close_load(connection: Connection, receipt: Receipt) -> None:
    """Enter what became of the load."""
    connection.execute(
        sa.update(Load)
        .where(Load.load_id == receipt.load_id)
        .values(
            status=receipt.status,
            received=receipt.received,
            accepted=receipt.accepted,
            waiting=receipt.waiting,
            rejected=receipt.rejected,
            duplicates=receipt.duplicates,
            warnings=[vars(warned) for warned in receipt.warnings],
            finished_at=sa.func.clock_timestamp(),
        )
    )


def make_visible(connection: Connection, load_ids: list[int]) -> None:
    """Number the loads in the order in which they become visible: the last act before commit.

    The clock's one row stays locked from here to the commit, so a smaller number is never
    seen later than a greater one.
    """
    for load_id in load_ids:
        tick = sa.update(Clock).values(last_seq=Clock.last_seq + 1).returning(Clock.last_seq)
        seq = connection.execute(tick).scalar_one()
        connection.execute(sa.update(Load).where(Load.load_id == load_id).values(seq=seq))


def enter_failure(connection: Connection, table: Table, origin: Origin, on_reject: str, message: str) -> int:
    """Enter a load that ended without effect; it counts no rows. Its ``load_id``."""
    statement = (
        sa.insert(Load)
        .values(
            source=table.source, table_name=table.name, door=origin.door,
            principal=origin.principal, status="failed", file_name=origin.file_name,
            content_hash=origin.content_hash, idempotency_key=origin.idempotency_key,
            on_reject=on_reject, message=message, finished_at=sa.func.clock_timestamp(),
        )
        .returning(Load.load_id)
    )  # fmt: skip
    return int(connection.execute(statement).scalar_one())


def lock_key(connection: Connection, table: Table, key: str) -> bool:
    """Claim an Idempotency-Key until the transaction ends; false while another holds it."""
    number = _number(f"key {table.id} {key}")
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(number))).scalar())


def lock_tables(connection: Connection, exclusive: set[str], shared: set[str]) -> None:
    """Wait for the tables' locks, in one order for everybody, so that nobody waits in a ring.

    ``exclusive`` are the tables written, ``shared`` those whose rows must not go meanwhile.
    """
    for number, name in sorted((_number(f"table {name}"), name) for name in exclusive | shared):
        take = sa.func.pg_advisory_xact_lock if name in exclusive else sa.func.pg_advisory_xact_lock_shared
        connection.execute(sa.select(take(number)))


def _number(name: str) -> int:
    digest = hashlib.sha256(f"gatehouse {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def find_by_key(connection: Connection, table: Table, key: str) -> sa.Row[int, str | None] | None:
    """The load that an Idempotency-Key brought, as (load_id, content_hash)."""
    return connection.execute(
        sa.select(Load.load_id, Load.content_hash).where(
            Load.source == table.source,
            Load.table_name == table.name,
            Load.idempotency_key == key,
            Load.status != "failed",
        )
    ).first()


def find_by_content(connection: Connection, table: Table, content_hash: str) -> int | None:
    """The load of the same content that still stands: none has changed the table since."""
    this = (Load.source == table.source, Load.table_name == table.name)
    load_id = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.max(Load.load_id).filter(Load.accepted > 0), sa.func.max(Load.load_id))
        ).where(*this, Load.content_hash == content_hash, Load.status == "succeeded")
    ).scalar()
    if load_id is None:
        return None
    touched = connection.execute(
        sa.select(sa.literal(1)).where(*this, Load.load_id > load_id, Load.accepted > 0, Load.door != "release")
    ).first()
    return None if touched else int(load_id)


def read_receipt(connection: Connection, load_id: int) -> Receipt | None:
    """The receipt of a load as it was first given, ``None`` if there is no such load."""
    load = connection.execute(sa.select(Load.__table__).where(Load.load_id == load_id)).first()
    if load is None:
        return None
    rejects = connection.execute(
        sa.select(Reject.row, Reject.column_name, Reject.rule, Reject.message, Reject.faults)
        .where(Reject.load_id == load_id)
        .order_by(Reject.row)
        .limit(LISTED)
    )
    caused = connection.scalars(
        sa.select(Load.load_id).where(Load.cause_load_id == load_id).order_by(Load.load_id)
    ).all()
    releases = [read_receipt(connection, cause) for cause in caused]
    return Receipt(
        load_id=load.load_id,
        source=load.source,
        table=load.table_name,
        door=load.door,
        status=load.status,
        received=load.received,
        accepted=load.accepted,
        waiting=load.waiting,
        rejected=load.rejected,
        duplicates=load.duplicates,
        warnings=tuple(Warned(**warned) for warned in load.warnings),
        rejects=tuple(
            RowFault(r.row, r.column_name, r.rule, r.message, r.faults[0].get("value"), tuple(r.faults))
            for r in rejects
        ),
        releases=tuple(release for release in releases if release is not None),
        format=load.format,
    )
