"""One migrate at a time, and no waiting behind a busy table without a word."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from loader.contract.types import literal
from loader.migrate.plan import Lock
from loader.migrate.sql import run
from loader.remedy import Remedy

#: Two migrates of one database stand in a row by this number ('gatehous' in ASCII).
ADVISORY_KEY = int.from_bytes(b"gatehous")
#: Less than PostgreSQL's deadlock_timeout (1 s): whoever we stand across is never the one
#: that is ended.
_ATTEMPT_SECONDS = 0.4
_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"

#: pg_locks' names of the modes that each mode of ours waits for.
_CONFLICTS = {
    "share update exclusive": (
        "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock",
        "AccessExclusiveLock",
    ),
    "share": (
        "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareRowExclusiveLock", "ExclusiveLock",
        "AccessExclusiveLock",
    ),
    "access exclusive": (
        "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock",
        "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
    ),
}  # fmt: skip

# Whoever holds a lock of some modes, on one relation or (null) on any but the catalog's.
_HOLDERS = """
select
    l.pid,
    l.mode,
    format('%I.%I', n.nspname, c.relname) as relation,
    a.usename,
    nullif(a.application_name, '') as application_name,
    a.state,
    a.xact_start as since,
    date_trunc('second', clock_timestamp() - a.xact_start)::text as lasted
from pg_locks l
inner join pg_class c on c.oid = l.relation
inner join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation'
    and l.database = (select oid from pg_database where datname = current_database())
    and (l.relation = to_regclass(:relation) or (cast(:relation as text) is null and n.nspname !~ '^pg_'))
    and l.granted
    and l.mode = any(:modes)
    and l.pid is distinct from pg_backend_pid()
order by a.xact_start
"""


def stand_in_a_row(connection: sa.Connection, say: Callable[[str], None]) -> None:
    """Waits until no other migrate of this database runs, saying so; kept to the transaction's end."""
    if run(connection, f"select pg_try_advisory_xact_lock({ADVISORY_KEY})").scalar():
        return
    say("another migrate is at work: waiting for it to end")
    run(connection, f"select pg_advisory_xact_lock({ADVISORY_KEY})")


def take_locks(connection: sa.Connection, wanted: list[Lock], seconds: float) -> None:
    """Takes every lock of ``wanted``, in its order, or none of them.

    Tries for ``seconds``, each time giving back what it has: nobody queues behind us for
    longer than a moment. Raises :class:`Remedy` that says who holds what.
    """
    until = time.monotonic() + seconds
    while (busy := _try(connection, wanted)) is not None:
        if time.monotonic() >= until:
            raise _busy(connection, busy, seconds)
        time.sleep(0.1)


def _try(connection: sa.Connection, wanted: list[Lock]) -> Lock | None:
    """Takes the locks; or gives back all and returns the one that was not to be had."""
    savepoint = connection.begin_nested()
    until = time.monotonic() + _ATTEMPT_SECONDS
    for lock in wanted:
        left = max(1, int((until - time.monotonic()) * 1000))
        try:
            run(connection, f"set local lock_timeout = {left}; {lock.statement}")
        except DBAPIError as error:
            savepoint.rollback()
            if getattr(error.orig, "pgcode", None) in (_NOT_AVAILABLE, _DEADLOCK):
                return lock
            raise
    savepoint.commit()
    return None


def _busy(connection: sa.Connection, lock: Lock, seconds: float) -> Remedy:
    name = lock.relation.replace('"', "")
    parameters = {"relation": lock.relation, "modes": list(_CONFLICTS[lock.mode])}
    rows = connection.execute(sa.text(_HOLDERS), parameters).all()
    if not rows:
        return Remedy(
            f"{name} was in use again and again for {seconds:g} seconds. Nothing was changed.",
            "Migrate again when fewer loads and builds run.",
        )
    return Remedy(
        f"{name} is in use, and was for {seconds:g} seconds: {_holders(rows)}. Nothing was changed.", _way_out(rows)
    )


def _holders(rows: Sequence[sa.Row[Any]]) -> str:
    first_of: dict[int | None, sa.Row[Any]] = {}
    for row in rows:
        first_of.setdefault(row.pid, row)
    return "; ".join(_holder(row) for row in first_of.values())


def _way_out(rows: Sequence[sa.Row[Any]]) -> str:
    ends = dict.fromkeys(f"select pg_terminate_backend({row.pid})" for row in rows if row.pid is not None)
    if not ends:
        return "Migrate again when that has ended."
    return f"Wait until that has ended and migrate again; or, if it hangs, end it: {'; '.join(ends)}."


def _holder(row: sa.Row[Any]) -> str:
    if row.pid is None:
        return f"a prepared transaction holds it ({row.mode}; see pg_prepared_xacts)"
    program = f" with {row.application_name}" if row.application_name else ""
    state = f", {row.state} for {row.lasted}" if row.since else ""
    return f"process {row.pid} ({row.usename or 'the server'}{program}{state}) holds {row.mode} on {row.relation}"


@contextmanager
def timeouts_explained(engine: sa.Engine, seconds: float) -> Iterator[None]:
    """Turns a lock timeout of any other statement, a plain read even, into a :class:`Remedy`."""
    try:
        yield
    except DBAPIError as error:
        if not is_lock_timeout(error):
            raise
        with engine.connect() as connection:
            parameters = {"relation": None, "modes": ["AccessExclusiveLock"]}
            rows = connection.execute(sa.text(_HOLDERS), parameters).all()
        who = _holders(rows) if rows else "whoever held it has ended since"
        raise Remedy(
            f"A lock was not to be had for {seconds:g} seconds: {who}. Nothing was changed.", _way_out(rows)
        ) from error


def is_lock_timeout(error: DBAPIError) -> bool:
    return getattr(error.orig, "pgcode", None) == _NOT_AVAILABLE


def lock_timeout(connection: sa.Connection, seconds: float) -> None:
    """From here to the transaction's end no statement waits longer for a lock."""
    run(connection, f"set local lock_timeout = {literal(f'{int(seconds * 1000)}ms')}")
