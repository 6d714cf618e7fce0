"""Loads in the ledger: open, close, find again, and read back as receipts.

Everything here runs on the load's own connection, so that the entry, the rows and the
rejects stand together or not at all.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any, cast

import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from loader.contract.model import Table
from loader.intake.receipt import LISTED, Receipt, RowFault, Warned
from loader.intake.sql import fetch
from loader.ledger.models import Clock, Load, Reject

#: The name of a connection's execution option: who is told which table is waited for.
WAITING = "gatehouse_waiting"
#: And another: for how many milliseconds the transaction waits for a lock; for ever if unsaid.
PATIENCE = "gatehouse_patience"
_TURN_MILLISECONDS = 1000

# What every load asks is put together once: for a load of one row that is a good part of the work.
_LOADS, _CLOCK = cast("sa.Table", Load.__table__), cast("sa.Table", Clock.__table__)
_OPEN = sa.insert(_LOADS).returning(_LOADS.c.load_id)
_CLOSE = (
    sa.update(_LOADS)
    .where(_LOADS.c.load_id == sa.bindparam("closed_load_id"))
    .values(finished_at=sa.func.clock_timestamp())
)
_TICK = sa.update(_CLOCK).values(last_seq=_CLOCK.c.last_seq + 1).returning(_CLOCK.c.last_seq).cte("tick")
_NUMBER = (
    sa.update(_LOADS)
    .where(_LOADS.c.load_id == sa.bindparam("numbered_load_id"))
    .values(seq=sa.select(_TICK.c.last_seq).scalar_subquery())
)
#: What is known of a load before its rows are judged, by the ledger's columns.
_ENTRY = (
    "source", "table_name", "door", "principal", "file_name", "content_hash", "idempotency_key",
    "cause_load_id", "op", "format", "on_reject", "contract_fingerprint",
)  # fmt: skip
#: SQL for the number of the next load.
NEXT_ID = "nextval(pg_get_serial_sequence('ledger.loads', 'load_id'))"


@dataclass(frozen=True)
class Origin:
    """Where a load comes from: door, who brought it, and what marks a repetition."""

    door: str
    principal: str
    file_name: str | None = None
    content_hash: str | None = None
    idempotency_key: str | None = None
    cause_load_id: int | None = None
    op: str = "load"
    #: What the body turned out to be: its format, and its dialect where it has one.
    format: dict[str, Any] | None = None


def entry(table: Table, origin: Origin, on_reject: str, fingerprint: str | None) -> dict[str, Any]:
    """What is known of a load before its rows are judged, by the ledger's columns."""
    known = (
        table.source, table.name, origin.door, origin.principal, origin.file_name, origin.content_hash,
        origin.idempotency_key, origin.cause_load_id, origin.op, origin.format, on_reject, fingerprint,
    )  # fmt: skip
    return dict(zip(_ENTRY, known, strict=True))


def open_load(connection: Connection, table: Table, origin: Origin, on_reject: str, fingerprint: str) -> int:
    """Enter a running load; its ``load_id``."""
    entered = {"status": "running", **entry(table, origin, on_reject, fingerprint)}
    return int(connection.execute(_OPEN, entered).scalar_one())


def entered_whole(load: str, rows: str, entry: str, *, numbered: bool) -> str:
    """The end of a statement ``with … ``: it enters a load all of whose rows came in, and returns its ``load_id``.

    ``load`` is the relation of one ``_load_id`` and ``_started_at``, or of no row, and then there is no load;
    ``rows`` is SQL for their number, ``entry`` for what :func:`entry` says, as jsonb. ``numbered``:
    nothing follows but the commit, and the load gets its number too (see :func:`make_visible`).
    """
    tick = f"update ledger.clock set last_seq = last_seq + 1 where exists (select 1 from {load}) returning last_seq"
    return (
        f"tick as ({tick if numbered else 'select null::bigint as last_seq'}) "
        "insert into ledger.loads (load_id, started_at, seq, status, received, accepted, finished_at, "
        f"{', '.join(_ENTRY)}) "
        "overriding system value select l._load_id, l._started_at, (select last_seq from tick), 'succeeded', "
        f"{rows}, {rows}, clock_timestamp(), {', '.join(f'e.{name}' for name in _ENTRY)} "
        f"from {load} as l cross join jsonb_populate_record(null::ledger.loads, {entry}) as e returning load_id"
    )


def close_load(connection: Connection, receipt: Receipt) -> None:
    """Enter what became of the load."""
    entered = {
        "closed_load_id": receipt.load_id, "status": receipt.status, "received": receipt.received,
        "accepted": receipt.accepted, "waiting": receipt.waiting, "rejected": receipt.rejected,
        "duplicates": receipt.duplicates, "warnings": [vars(warned) for warned in receipt.warnings],
    }  # fmt: skip
    connection.execute(_CLOSE, entered)


def make_visible(connection: Connection, load_ids: list[int]) -> None:
    """Number the loads in the order in which they become visible: the last act before commit.

    The clock's one row stays locked from here to the commit, so a smaller number is never
    seen later than a greater one.
    """
    for load_id in load_ids:
        connection.execute(_NUMBER, {"numbered_load_id": load_id})


def enter_failure(connection: Connection, table: Table, origin: Origin, on_reject: str, message: str) -> int:
    """Enter a load that ended without effect; it counts no rows. Its ``load_id``."""
    failed = {"status": "failed", "message": message, **entry(table, origin, on_reject, None)}
    entered = sa.insert(Load).values(**failed, finished_at=sa.func.clock_timestamp()).returning(Load.load_id)
    return int(connection.execute(entered).scalar_one())


def lock_key(connection: Connection, table: Table, principal: str, key: str) -> bool:
    """Claim a sender's Idempotency-Key until the transaction ends; false while another holds it."""
    number = _number("\0".join(("key", table.id, principal, key)))
    return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(number))).scalar())


def lock_content(connection: Connection, table: Table, content_hash: str, op: str) -> None:
    """Wait for another load of the same content to end, so that it is either found or was never there."""
    number = _number("\0".join(("content", table.id, op, content_hash)))
    say = connection.get_execution_options().get(WAITING)
    if say is not None:
        if connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(number))).scalar():
            return
        say(table.id)
        _wait_in_turns(connection, f"pg_advisory_xact_lock({number})")
        return
    _wait(connection, [f"pg_advisory_xact_lock({number})"])


def stands(connection: Connection, receipt: Receipt, origin: Origin) -> bool:
    """Whether the load of this receipt was committed. Not by its number alone: a server that
    crashed gives out again the numbers of what it lost."""
    found = sa.select(sa.literal(1)).where(
        Load.load_id == receipt.load_id,
        Load.source == receipt.source,
        Load.table_name == receipt.table,
        Load.status == receipt.status,
        Load.received == receipt.received,
        Load.accepted == receipt.accepted,
        Load.principal == origin.principal,
        Load.content_hash.is_not_distinct_from(origin.content_hash),
        Load.idempotency_key.is_not_distinct_from(origin.idempotency_key),
    )
    return connection.execute(found).first() is not None


def lock_tables(connection: Connection, exclusive: set[str], shared: set[str], then: str = "") -> list[tuple[Any, ...]]:
    """Wait for the tables' locks, in one order for everybody, so that nobody waits in a ring.

    ``exclusive`` are the tables written, ``shared`` those whose rows must not go meanwhile. Who
    put a callable into the connection's execution options as :data:`WAITING` is told the name of
    each table that another load holds, before it is waited for. ``then`` is a statement that is
    sent along, and sees what the locks were waited for; its rows are returned.
    """
    ordered = sorted((_number(f"table {name}"), name) for name in exclusive | shared)
    kinds = [(number, name, "" if name in exclusive else "_shared") for number, name in ordered]
    say = connection.get_execution_options().get(WAITING)
    if say is None:
        found = _wait(connection, [f"pg_advisory_xact_lock{kind}({number})" for number, _, kind in kinds], then)
        return found if then else []
    for number, name, kind in kinds:
        if connection.execute(sa.select(getattr(sa.func, f"pg_try_advisory_xact_lock{kind}")(number))).scalar():
            continue
        say(name)
        _wait_in_turns(connection, f"pg_advisory_xact_lock{kind}({number})")
    return fetch(connection, then) if then else []


def _wait(connection: Connection, takes: list[str], then: str = "") -> list[tuple[Any, ...]]:
    """Take locks, as patiently as was said, which holds from here on for the whole transaction."""
    milliseconds = connection.get_execution_options().get(PATIENCE)
    if milliseconds is not None:
        takes = [f"set_config('lock_timeout', '{milliseconds}ms', true)", *takes]
    # a select list is evaluated from left to right; each statement of a string sees what the one before waited for
    return fetch(connection, f"select {', '.join(takes)}; {then}")


def _wait_in_turns(connection: Connection, take: str) -> None:
    """Wait for a lock a second at a time, so that whoever is at the keyboard can stop it."""
    patience = connection.get_execution_options().get(PATIENCE)
    give_up = time.monotonic() + patience / 1000 if patience is not None else None
    while True:
        before = connection.begin_nested()
        try:
            connection.exec_driver_sql(f"select set_config('lock_timeout', '{_TURN_MILLISECONDS}ms', true), {take}")
        except DBAPIError as error:
            is_over = give_up is not None and time.monotonic() >= give_up
            if is_over or not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
                raise
            before.rollback()
        else:
            connection.exec_driver_sql(f"select set_config('lock_timeout', '{patience or 0}ms', true)")
            before.commit()
            return


def _number(name: str) -> int:
    digest = hashlib.sha256(f"gatehouse {name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def find_by_key(connection: Connection, table: Table, principal: str, key: str) -> sa.Row[int, str | None, str] | None:
    """The load that a sender's Idempotency-Key brought and that stands, as (load_id, content_hash, op).

    Another sender's key of the same text is another: it tells nobody of loads that were not theirs.
    """
    return connection.execute(
        sa.select(Load.load_id, Load.content_hash, Load.op).where(
            Load.source == table.source,
            Load.table_name == table.name,
            Load.principal == principal,
            Load.idempotency_key == key,
            Load.status != "failed",
            Load.undone_by_load_id.is_(None),
        )
    ).first()


def newest_with_key(connection: Connection, table: Table, principal: str, prefix: str) -> int | None:
    """The newest load that a sender brought under a key that begins so, and that stands."""
    return connection.execute(
        sa.select(sa.func.max(Load.load_id)).where(
            Load.source == table.source,
            Load.table_name == table.name,
            Load.principal == principal,
            Load.idempotency_key.startswith(prefix, autoescape=True),
            # as the index on the keys has it
            Load.idempotency_key.is_not(None),
            Load.status != "failed",
            Load.undone_by_load_id.is_(None),
        )
    ).scalar()


def find_by_content(connection: Connection, table: Table, content_hash: str, op: str = "load") -> int | None:
    """The load of the same content that still stands: not undone, and none has changed the table since."""
    this = (Load.source == table.source, Load.table_name == table.name)
    stands = (Load.status == "succeeded", Load.op == op, Load.undone_by_load_id.is_(None))
    load_id = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.max(Load.load_id).filter(Load.accepted > 0), sa.func.max(Load.load_id))
        ).where(*this, Load.content_hash == content_hash, *stands)
    ).scalar()
    if load_id is None:
        return None
    # what an undo or a cascade takes away it counts as received; a release of the file's own rows brings what it had
    others_released = sa.exists().where(
        Reject.resolved_load_id == Load.load_id, Reject.resolved_row.is_not(None), Reject.first_load_id != load_id
    )
    has_changed = sa.case(
        (Load.door.in_(("undo", "cascade")), Load.received > 0),
        (Load.door == "release", others_released),
        else_=Load.accepted > 0,
    )
    touched = connection.execute(
        sa.select(sa.literal(1)).where(*this, Load.load_id > load_id, has_changed).limit(1)
    ).first()
    return None if touched else int(load_id)


def read_receipt(connection: Connection, load_id: int) -> Receipt | None:
    """The receipt of a load as it was first given, ``None`` if there is no such load."""
    load = connection.execute(sa.select(Load.__table__).where(Load.load_id == load_id)).first()
    if load is None:
        return None
    caused = connection.execute(
        # loads that undid this one are not part of its receipt, which does not change
        sa.select(Load.__table__).where(Load.cause_load_id == load_id, Load.door != "undo").order_by(Load.load_id)
    ).all()
    rejects = _listed_rejects(connection, [load_id, *(one.load_id for one in caused)])
    # what a release let in further was let in by loads of the same cause: it has no releases of its own
    followed: dict[str, list[Receipt]] = {"release": [], "replay": [], "cascade": []}
    for one in caused:
        followed[one.door].append(_receipt(one, rejects.get(one.load_id, ())))
    releases = (*followed["replay"], *followed["release"])
    return _receipt(load, rejects.get(load_id, ()), releases, tuple(followed["cascade"]))


def _receipt(
    load: sa.Row[Any],
    rejects: tuple[RowFault, ...],
    releases: tuple[Receipt, ...] = (),
    cascades: tuple[Receipt, ...] = (),
) -> Receipt:
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
        rejects=rejects,
        releases=releases,
        cascades=cascades,
        format=load.format,
    )


def _listed_rejects(connection: Connection, load_ids: list[int]) -> dict[int, tuple[RowFault, ...]]:
    """The rows of each load that its receipt lists, by ``load_id``; in one question for all."""
    asked = sa.select(sa.func.unnest(sa.cast(load_ids, ARRAY(sa.BigInteger))).label("load_id")).subquery()
    first = (
        sa.select(Reject.row, Reject.column_name, Reject.rule, Reject.message, Reject.faults)
        .where(Reject.load_id == asked.c.load_id)
        .order_by(Reject.row)
        .limit(LISTED)
        .lateral()
    )
    found: dict[int, list[RowFault]] = {}
    for r in connection.execute(
        sa.select(asked.c.load_id, first).join(first, sa.true()).order_by(asked.c.load_id, first.c.row)
    ):
        fault = RowFault(r.row, r.column_name, r.rule, r.message, r.faults[0].get("value"), tuple(r.faults))
        found.setdefault(r.load_id, []).append(fault)
    return {load_id: tuple(faults) for load_id, faults in found.items()}
