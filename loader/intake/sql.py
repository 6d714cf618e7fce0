"""Small helpers for the SQL that the contract generates.

The statements are made of quoted identifiers and literals and carry no parameters: patterns
from a contract may hold ``%``, which psycopg2 would read as a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg2.errors
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Connection

from loader.contract.model import Table
from loader.contract.types import identifier, literal

_ANALYSE_FROM = 1000
_ANALYSE_SHARE = 0.05


@contextmanager
def cursor(connection: Connection) -> Iterator[Cursor]:
    """The driver's own cursor, for COPY and for statements that are no templates."""
    with cast("Cursor", connection.connection.cursor()) as opened:
        yield opened


def run(connection: Connection, statement: str) -> int:
    """Execute; the number of rows that the statement wrote."""
    with cursor(connection) as opened:
        opened.execute(statement)
        return int(opened.rowcount)


def fetch(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """Execute and return all rows: only for results that are small by nature."""
    with cursor(connection) as opened:
        opened.execute(statement)
        return list(opened.fetchall())


def refresh_statistics(connection: Connection, table: Table, brought: int) -> None:
    """Make the planner know the table anew, when a load has changed much of it.

    The next statement joins with it, and must not plan for the table that was; and the pages that
    the index by load does not cover yet are read by whoever looks up a load. A load that is a
    small part of what stands changes nothing that the planner looks at.
    """
    if brought < _ANALYSE_FROM:
        return
    known = fetch(connection, f"select reltuples from pg_class where oid = {literal(table.mirror)}::regclass")[0][0]
    patience = fetch(connection, "select current_setting('lock_timeout')")[0][0]
    before = connection.begin_nested()
    try:
        # who vacuums holds the lock that these take, perhaps for long, and does their work himself
        run(connection, "set local lock_timeout = '100ms'")
        fetch(
            connection,
            "select brin_summarize_new_values(i.indexrelid) from pg_index as i "
            "inner join pg_class as c on c.oid = i.indexrelid inner join pg_am as a on a.oid = c.relam "
            f"where i.indrelid = {literal(table.mirror)}::regclass and a.amname = 'brin' "
            "and pg_has_role(c.relowner, 'usage')",
        )
        if brought > _ANALYSE_SHARE * known:
            run(connection, f"analyze {table.mirror}")
        run(connection, f"set local lock_timeout = {literal(patience)}")
    except psycopg2.errors.LockNotAvailable:
        before.rollback()
    else:
        before.commit()


def listed(names: Iterable[str], alias: str = "") -> str:
    """``"a", "b"`` or, with an alias, ``t."a", t."b"``."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(prefix + identifier(name) for name in names)


def equal(names: Iterable[str], one: str, other: str) -> str:
    """``one.k = other.k and …``: for key columns, which are never NULL."""
    return " and ".join(f"{one}.{identifier(name)} = {other}.{identifier(name)}" for name in names)


def same(names: Iterable[str], one: str, other: str) -> str:
    """True when all columns are equal, NULL being equal to NULL."""
    names = tuple(names)
    return f"({listed(names, one)}) is not distinct from ({listed(names, other)})"
