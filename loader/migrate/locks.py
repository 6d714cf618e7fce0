"""One migrate at a time, and no waiting behind a busy table without a word."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from loader.contract.types import literal
from loader.migrate.sql import run
from loader.remedy import Remedy

#: Two migrates of one database stand in a row by this number ('gatehous' in ASCII).
ADVISORY_KEY = int.from_bytes(b"gatehous")
#: Less than PostgreSQL's deadlock_timeout (1 s): a load that we stand across is never the
#: one that is ended.
_ATTEMPT_MS = 400
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

_HOLDERS = """
select
    l.pid,
    l.mode,
    a.usename,
    nullif(a.application_name, '') as application_name,
    a.state,
    date_trunc('second', a.xact_start) as since,
    date_trunc('second', clock_timestamp() - a.xact_start)::text as lasted
from pg_locks l
left join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation'
    and l.database = (select oid from pg_database where datname = current_database())
    and l.relation = to_regclass(:relation)
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


def lock_relations(connection: sa.Connection, wanted: dict[str, str], seconds: float) -> None:
    """Takes every lock of ``wanted`` (quoted relation: mode), or none of them.

    Tries for ``seconds``, each time giving back what it has: nobody queues behind us for
    longer than a moment. Raises :class:`Remedy` that says who holds what.
    """
    until = time.monotonic() + seconds
    while (busy := _try(connection, wanted)) is not None:
        if time.monotonic() >= until:
            raise _busy(connection, busy, wanted[busy], seconds)
        time.sleep(0.1)


def _try(connection: sa.Connection, wanted: dict[str, str]) -> str | None:
    """Takes the locks; or gives back all and returns the relation that was not to be had."""
    savepoint = connection.begin_nested()
    relation = ""
    try:
        run(connection, f"set local lock_timeout = {_ATTEMPT_MS}")
        for relation, mode in sorted(wanted.items()):
            run(connection, f"lock table only {relation} in {mode} mode")
    except DBAPIError as error:
        savepoint.rollback()
        if getattr(error.orig, "pgcode", None) in (_NOT_AVAILABLE, _DEADLOCK):
            return relation
        raise
    savepoint.commit()
    return None


def _busy(connection: sa.Connection, relation: str, mode: str, seconds: float) -> Remedy:
    name = relation.replace('"', "")
    rows = connection.execute(sa.text(_HOLDERS), {"relation": relation, "modes": list(_CONFLICTS[mode])}).all()
    if not rows:
        return Remedy(
            f"{name} was in use again and again for {seconds:g} seconds.",
            "Migrate again when fewer loads and builds run.",
        )
    pids = dict.fromkeys(row.pid for row in rows)
    holders = "; ".join(_holder(next(row for row in rows if row.pid == pid)) for pid in pids)
    ends = [f"select pg_terminate_backend({pid})" for pid in pids if pid is not None]
    return Remedy(
        f"{name} is in use, and was for {seconds:g} seconds: {holders}. Nothing was changed.",
        "Wait until that has ended and migrate again"
        + (f"; or, if it hangs, end it: {'; '.join(ends)}." if ends else "."),
    )


def _holder(row: sa.Row[Any]) -> str:
    if row.pid is None:
        return f"a prepared transaction holds it ({row.mode}; see pg_prepared_xacts)"
    program = f" with {row.application_name}" if row.application_name else ""
    state = f", {row.state} for {row.lasted}" if row.since else ""
    return f"process {row.pid} ({row.usename or 'the server'}{program}{state}) holds {row.mode}"


def lock_timeout(connection: sa.Connection, seconds: float) -> None:
    """From here to the transaction's end no statement waits longer for a lock."""
    run(connection, f"set local lock_timeout = {literal(f'{int(seconds * 1000)}ms')}")
