"""How far a load is while it runs: told by the load, asked by whoever waits for it.

A load is one transaction, and nothing of it can be seen before its end. So it tells of itself on
a connection of its own: first after a second, so that small loads pay nothing, and then at most
twice a second. An entry counts while the transaction of its load is in progress, whatever became
of the process that wrote it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from loader.contract.model import Table
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin
from loader.ledger.models import Progress

FIRST_SECONDS = 1.0
PAUSE_SECONDS = 0.5
#: After an entry that could not be written: the table may be locked by a migration, which waits for
#: the load that tells.
_BROKEN_SECONDS = 10.0
_LOCK_SECONDS = 0.25

#: The bytes of the body that were read, and those there are.
Measure = Callable[[], tuple[int, int]]

#: Whether the entry's load runs. A transaction that this server has not begun yet is of another
#: one, whose dump was restored here.
_RUNS: sa.ColumnElement[bool] = sa.literal_column(
    "coalesce(case when cast(cast(transaction_id as text) as xid8) < pg_snapshot_xmax(pg_current_snapshot()) "
    "then pg_xact_status(cast(cast(transaction_id as text) as xid8)) = 'in progress' end, false)",
    sa.Boolean,
)


class Report:
    """What one load tells of itself; no failure of it is one of the load.

    ``told`` hears of every batch; ``measure`` says how much of the body has been read.
    """

    def __init__(
        self,
        engine: Engine,
        table: Table,
        origin: Origin,
        told: Callable[[int], None] | None = None,
        measure: Measure | None = None,
    ) -> None:
        self._engine, self._table, self._origin = engine, table, origin
        self._told, self._measure = told, measure
        self._connection: Connection | None = None
        self._next = time.monotonic() + FIRST_SECONDS
        self._entry: int | None = None
        self._load_id: int | None = None
        self._rows = self._bytes = 0

    def begins(self, connection: Connection) -> None:
        """Say whose transaction the load is."""
        self._connection = connection

    def opened(self, load_id: int) -> None:
        """The load has its number."""
        self._load_id = load_id
        if self._entry is not None:
            self._write()

    def rows(self, received: int) -> None:
        """So many rows were brought so far."""
        self._rows = received
        if time.monotonic() >= self._next:
            self._write()
        if self._told is not None:
            self._told(received)

    def ends(self) -> None:
        """The load has ended, in whatever way."""
        if self._entry is not None:
            with suppress(SQLAlchemyError, psycopg2.Error), self._engine.begin() as connection:
                _hurry(connection)
                connection.execute(sa.delete(Progress).where(Progress.progress_id == self._entry))

    def _write(self) -> None:
        assert self._connection is not None, "a load begins before it tells"
        state = {"load_id": self._load_id, "rows": self._rows, **self._body(), "updated_at": sa.func.clock_timestamp()}
        if self._entry is None:
            state |= self._identity(self._connection)
        try:
            with self._engine.begin() as connection:
                _hurry(connection)
                if self._entry is None:
                    connection.execute(sa.delete(Progress).where(sa.not_(_RUNS)))
                    entered = sa.insert(Progress).values(state).returning(Progress.progress_id)
                    self._entry = int(connection.execute(entered).scalar_one())
                else:
                    connection.execute(sa.update(Progress).where(Progress.progress_id == self._entry).values(state))
        except (SQLAlchemyError, psycopg2.Error):
            self._next = time.monotonic() + _BROKEN_SECONDS
            return
        self._next = time.monotonic() + PAUSE_SECONDS

    def _identity(self, connection: Connection) -> dict[str, Any]:
        """Who the load is, and its transaction; asked on the load's own connection."""
        own = connection.execute(
            sa.text("select cast(cast(pg_current_xact_id() as text) as bigint), pg_backend_pid(), now()")
        ).one()
        origin = self._origin
        return {
            "source": self._table.source, "table_name": self._table.name, "door": origin.door,
            "principal": origin.principal, "idempotency_key": origin.idempotency_key,
            "transaction_id": own[0], "backend_pid": own[1], "started_at": own[2],
        }  # fmt: skip

    def _body(self) -> dict[str, int | None]:
        if self._measure is None:
            return {"bytes": None, "size": None}
        with suppress(ValueError):  # closed: it has been read
            place, size = self._measure()
            self._bytes = max(self._bytes, place)  # what is read a second time counts once
            return {"bytes": self._bytes, "size": size}
        return {"bytes": self._bytes}


def _hurry(connection: Connection) -> None:
    """Neither a lock nor the disk holds the load up."""
    connection.execute(
        sa.text(f"set local lock_timeout = '{int(_LOCK_SECONDS * 1000)}ms'; set local synchronous_commit = off")
    )


@dataclass(frozen=True)
class Running:
    """A load that runs: what is known of it so far."""

    load_id: int | None
    source: str
    table: str
    door: str
    principal: str
    idempotency_key: str | None
    rows: int
    bytes: int | None
    size: int | None
    started_at: datetime
    updated_at: datetime

    @property
    def rows_per_second(self) -> int:
        """On the average, up to the last row that was brought."""
        seconds = (self.updated_at - self.started_at).total_seconds()
        return int(self.rows / seconds) if seconds > 0 else 0

    def receipt(self) -> Receipt:
        """In the shape of a receipt: rows are received, and nothing else of them is known yet."""
        return Receipt(self.load_id, self.source, self.table, self.door, "running", self.rows, 0, 0, 0, 0)

    def progress(self) -> dict[str, Any]:
        """How far it is, and how fast, as JSON."""
        return {
            "rows": self.rows,
            "rows_per_second": self.rows_per_second,
            "bytes": self.bytes,
            "size": self.size,
            "started_at": self.started_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


def running_loads(connection: Connection, *conditions: sa.ColumnElement[bool]) -> list[Running]:
    """The loads that run, begun last first; ``conditions`` on :class:`~loader.ledger.models.Progress`."""
    query = (
        sa.select(
            Progress.load_id, Progress.source, Progress.table_name, Progress.door, Progress.principal,
            Progress.idempotency_key, Progress.rows, Progress.bytes, Progress.size, Progress.started_at,
            sa.func.greatest(Progress.updated_at, Progress.started_at),
        )
        .where(_RUNS, *conditions)
        .order_by(Progress.progress_id.desc())
    )  # fmt: skip
    return [Running(*row) for row in connection.execute(query)]


def running_load(connection: Connection, load_id: int) -> Running | None:
    """The load of that number, if it runs.

    Ask this before the ledger: what has ended by now is found there.
    """
    return next(iter(running_loads(connection, Progress.load_id == load_id)), None)
