"""What must hold of the database whatever was killed in it, asked of all loads at once."""

from __future__ import annotations

from typing import Any

import psycopg2

from loader.settings import Settings
from tests.faults.bodies import KEYS, Body

_PLACED = " union ".join(
    f"select _load_id, _row from staging_lab.{name}"
    for name in ("shops", "shops__history", "stalls", "stalls__history")
)
#: Each gives rows only where something is wrong.
AUDIT = {
    "a load whose counts are not what stands": (
        f"with placed as (select _load_id, count(*) as n from ({_PLACED}) as p group by 1), "
        "kept as (select load_id, count(*) as n, count(distinct row) as rows from ledger.rejects group by 1) "
        "select l.load_id, l.status, received, accepted, waiting, rejected, duplicates, p.n, k.n "
        "from ledger.loads as l "
        "left join placed as p on p._load_id = l.load_id left join kept as k on k.load_id = l.load_id "
        "where coalesce(p.n, 0) <> accepted or coalesce(k.n, 0) <> waiting + rejected or k.n <> k.rows "
        "or received <> accepted + waiting + rejected + duplicates"
    ),
    "a row of no load that stands": (
        f"select * from ({_PLACED}) as p where not exists "
        "(select 1 from ledger.loads as l where l.load_id = p._load_id and l.status = 'succeeded')"
    ),
    "a load that goes on": "select * from ledger.loads where status not in ('succeeded', 'failed')",
    "a load that succeeded without a number": "select * from ledger.loads where (seq is null) = (status = 'succeeded')",
    "numbers with a gap": (
        "select count(seq), max(seq), (select last_seq from ledger.clock) from ledger.loads "
        "having count(seq) <> coalesce(max(seq), 0) or coalesce(max(seq), 0) <> (select last_seq from ledger.clock)"
    ),
    "a body that came in twice": (
        "select content_hash from ledger.loads where status = 'succeeded' and content_hash is not null "
        "group by 1 having count(*) > 1"
    ),
}


def ask(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    """One question over a connection of its own: the server may be another by now."""
    connection = psycopg2.connect(
        host=settings.host, port=settings.port, user=settings.user, password=settings.password,
        dbname=settings.database, connect_timeout=10,
    )  # fmt: skip
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def busy(settings: Settings) -> bool:
    """Whether somebody is still in a transaction."""
    statement = (
        "select 1 from pg_stat_activity where datname = current_database() and xact_start is not null "
        "and pid <> pg_backend_pid() and backend_type = 'client backend'"
    )
    return bool(ask(settings, statement))


def audit(settings: Settings) -> None:
    for fault, statement in AUDIT.items():
        found = ask(settings, statement)
        assert not found, f"{fault}: {found[:5]}"


def stands(settings: Settings, body: Body) -> bool:
    """Whether the body's load stands. Asserts that it does so whole and once, or that nothing of it is there."""
    keys = f"between {body.number * KEYS} and {body.number * KEYS + KEYS - 1}"
    other = "shops" if body.table == "stalls" else "stalls"
    found = ask(  # in one statement: a load may end between two
        settings,
        "with loads as (select load_id, received, accepted, waiting, rejected, duplicates from ledger.loads "
        f"where status <> 'failed' and (content_hash = '{body.hash}' or idempotency_key = '{body.key}')) "
        f"select (select count(*) from staging_lab.{body.table} where id {keys}), "
        f"(select count(*) from staging_lab.{body.table}__history where id {keys}), "
        f"(select count(*) from staging_lab.{other} where id {keys}), "
        "(select count(*) from ledger.rejects where load_id in (select load_id from loads)), "
        "loads.* from (select) as one left join loads on true",
    )
    assert len(found) == 1, f"the body came in {len(found)} times"
    rows, past, others, kept, load_id, *counts = found[0]
    if load_id is None:
        assert (rows, past, others) == (0, 0, 0), f"left behind by body {body.number}"
    else:
        assert tuple(counts) == body.counts
        assert (rows, past, others, kept) == (counts[1], 0, body.released, counts[2] + counts[3])
    return load_id is not None
