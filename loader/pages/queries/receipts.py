"""One load: its ledger entry, what it made happen, and when the marts saw it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.ledger.models import Build, Load
from loader.permissions import Principal

_CAUSED = 100


def find_load(connection: Connection, load_id: int) -> sa.Row[Any] | None:
    """The ledger's entry, ``None`` if there is no such load."""
    return connection.execute(sa.select(Load.__table__).where(Load.load_id == load_id)).first()


def caused_by(connection: Connection, who: Principal, load_id: int) -> list[sa.Row[Any]]:
    """The loads by which rows came in that had waited for what this load brought, of those that they may see."""
    is_release = (Load.cause_load_id == load_id, Load.door == "release", who.reads(Load))
    query = sa.select(Load.__table__).where(*is_release).order_by(Load.load_id)
    return list(connection.execute(query.limit(_CAUSED)))


def published_by(connection: Connection, seq: int) -> sa.Row[int, datetime | None] | None:
    """The first published build that saw the load numbered ``seq``."""
    query = (
        sa.select(Build.build_id, Build.published_at)
        .where(Build.published_at.is_not(None), Build.upper_bound >= seq)
        .order_by(Build.published_at)
        .limit(1)
    )
    return connection.execute(query).first()
