"""Loads: the latest ones, what came in within a day, and whether each table is late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.contract.model import DOORS, Contract, Table
from loader.ledger.models import Load
from loader.permissions import Principal

LATEST = 20
PAGE = 50
#: In the order in which someone on call wants them.
STATES = ("overdue", "late", "never", "on time", "no promise")


def accepted_since(connection: Connection, who: Principal, since: datetime) -> int:
    """Rows let in by loads that ended after ``since``, at whatever door, of tables that they may read."""
    query = sa.select(sa.func.coalesce(sa.func.sum(Load.accepted), 0)).where(
        Load.status == "succeeded", Load.finished_at > since, who.reads(Load)
    )
    return int(connection.execute(query).scalar_one())


def latest_loads(
    connection: Connection,
    who: Principal,
    limit: int = LATEST,
    table: Table | None = None,
    filters: Mapping[str, str] | None = None,
    before: int | None = None,
) -> list[sa.Row[Any]]:
    """The loads begun last that they may see, newest first; ``before`` is a ``load_id`` to go on from.

    ``filters`` may hold ``source``, ``table_name``, ``status`` and ``door``.
    """
    query = sa.select(Load.__table__).where(who.reads(Load)).order_by(Load.load_id.desc()).limit(limit)
    if table is not None:
        query = query.where(Load.source == table.source, Load.table_name == table.name)
    for name, value in (filters or {}).items():
        query = query.where(Load.__table__.c[name] == value)
    if before is not None:
        query = query.where(Load.load_id < before)
    return list(connection.execute(query))


@dataclass(frozen=True)
class TableFreshness:
    """When a table was last loaded, held against what its contract promises.

    ``state`` is one of :data:`STATES`: ``late`` past the limit that warns, ``overdue`` past
    the one that is an error.
    """

    table: Table
    arrived: datetime | None
    state: str

    @property
    def is_late(self) -> bool:
        return self.state in ("late", "overdue")


def freshness(connection: Connection, contract: Contract, now: datetime) -> list[TableFreshness]:
    """Every table of the contract, the latest first.

    The last load that succeeded counts, not the last row that changed, and only if one of its
    rows was good: let in, waiting, or here before. Loads that the loader or a mender made of
    rows already here (release, replay) are no news from the source.
    """
    tables = sorted(contract, key=lambda table: table.id)
    query = sa.text(
        "select k.source, k.table_name, l.finished_at "
        "from unnest(cast(:sources as text[]), cast(:names as text[])) as k (source, table_name) "
        "inner join lateral ("
        "select finished_at from ledger.loads where source = k.source "
        "and table_name = k.table_name and status = 'succeeded' and door = any(:doors) "
        "and accepted + duplicates + waiting > 0 "
        "order by load_id desc limit 1) as l on true"
    )
    names = {
        "sources": [table.source for table in tables],
        "names": [table.name for table in tables],
        "doors": list(DOORS),
    }
    arrived = {(row[0], row[1]): row[2] for row in connection.execute(query, names)}
    found = [
        TableFreshness(table, when, _state(table, when, now))
        for table in tables
        for when in [arrived.get((table.source, table.name))]
    ]
    return sorted(found, key=lambda item: STATES.index(item.state))


def _state(table: Table, arrived: datetime | None, now: datetime) -> str:
    promise = table.freshness
    if promise is None:
        return "no promise"
    if arrived is None:
        return "never"
    age = now - arrived
    for limit, state in ((promise.error_after, "overdue"), (promise.warn_after, "late")):
        if limit is not None and age > timedelta(seconds=limit):
            return state
    return "on time"
