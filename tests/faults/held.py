"""Holding a load at one of its steps, ending it there, and looking at what is left."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Any

import psycopg2

from loader.intake.receipt import Receipt
from loader.settings import Settings
from tests.conftest import ROOT
from tests.intake.lab import SCHEMA, Lab

#: A load into `shops` that does all there is to do: rows let in, kept, refused, repeated and replaced,
#: and a row of `stalls` that had been waiting for shop 10.
BODY = b"id,region\n10,1\n1,1\n2,99\nx,1\n3,1\n3,\n4,\n"
LOCK = 4711
_STEPS = {
    "rows": f"before insert on {SCHEMA}.shops",
    "history": f"before insert on {SCHEMA}.shops__history",
    "rejects": "before insert on ledger.rejects",
    "released rows": f"before insert on {SCHEMA}.stalls",
    "ledger": "before update on ledger.loads",
    "number": "before update on ledger.clock",
}
#: SQL that makes each step stop while it is named in `held_steps` and a test holds the lock.
STEPS = [
    "create table public.held_steps (step text)",
    "create function public.hold() returns trigger language plpgsql as $$ begin "
    "if exists (select 1 from public.held_steps where step = tg_argv[0]) then "
    f"perform pg_advisory_lock({LOCK}); perform pg_advisory_unlock({LOCK}); end if; return null; end $$",
    *(
        f"create trigger hold {when} for each statement execute function public.hold('{step}')"
        for step, when in _STEPS.items()
    ),
    "create constraint trigger hold_commit after insert on ledger.loads deferrable initially deferred "
    "for each row execute function public.hold('commit')",
]
NAMES = [*_STEPS, "commit"]
#: What the load comes to, undisturbed. (The loads are those of the beginning, the load, and the release.)
WHOLE = {
    "shops": [("1", "1"), ("10", "1"), ("3", None), ("4", None)],
    "past shops": [("3", "1", "replaced"), ("4", "1", "replaced")],
    "stalls": [("1", "10", "a", "2024-01-01 00:00:00+00")],
    "rejects": [
        ("shops", 3, "waiting", "relationships", None),
        ("shops", 4, "rejected", "data_type", None),
        ("stalls", 1, "resolved", "relationships", 1),
        ("stalls", 2, "waiting", "relationships", None),
    ],
    "loads": [
        ("regions", "api", "succeeded", 1, 0, 0, 0),
        ("shops", "api", "succeeded", 2, 0, 0, 0),
        ("stalls", "api", "succeeded", 0, 2, 0, 0),
        ("shops", "file", "succeeded", 4, 1, 1, 1),
        ("stalls", "release", "succeeded", 1, 0, 0, 0),
    ],
}
PATIENCE_SECONDS = 60


class Held:
    """A lab whose loads can be held; the test's own connection has the lock."""

    def __init__(self, lab: Lab, settings: Settings) -> None:
        self.lab, self.settings = lab, settings

    def __enter__(self) -> Held:
        self._holder = psycopg2.connect(**self._where())
        self._holder.autocommit = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._holder.close()

    def _where(self) -> dict[str, Any]:
        given = self.settings
        return {
            "host": given.host, "port": given.port, "user": given.user, "password": given.password,
            "dbname": given.database,
        }  # fmt: skip

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self._holder.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def at(self, step: str) -> Iterator[None]:
        """Loads stop at the step until the block ends."""
        self.ask(f"insert into public.held_steps values ('{step}')")
        self.ask(f"select pg_advisory_lock({LOCK})")
        try:
            yield
        finally:
            self.ask(f"select pg_advisory_unlock({LOCK})")
            self.wait_for(lambda: not self.backends())
            self.ask("delete from public.held_steps")

    def waiting(self) -> list[int]:
        """The backends that stand at the held step."""
        found = self.ask(
            "select pid from pg_locks inner join pg_database on pg_database.oid = pg_locks.database "
            f"where datname = current_database() and locktype = 'advisory' and objid = {LOCK} and not granted"
        )
        return [pid for (pid,) in found]

    def backends(self) -> list[int]:
        """The backends that are in a transaction, the test's own aside."""
        found = self.ask(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
            "and state <> 'idle'"
        )
        return [pid for (pid,) in found]

    def wait_for(self, condition: Any) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, "what the test waits for does not come"
            time.sleep(0.01)

    def start(self, key: str) -> subprocess.Popen[bytes]:
        """A process that loads what is written to its input into `shops`."""
        given = self.settings
        command = [sys.executable, "-m", "tests.faults.loading", str(given.port), given.database, "shops", key]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)

    def load(self, key: str) -> Receipt:
        """The load in this process: its receipt."""
        return self.lab.load("shops", BODY, door="file", content_hash=key, idempotency_key=key)

    def failures(self) -> list[str]:
        """What the ledger says of loads that failed."""
        return [message for (message,) in self.ask("select message from ledger.loads where status = 'failed'")]

    def snapshot(self) -> dict[str, list[str]]:
        """Every row of every table there is; of the ledger's loads those that are not failures."""
        names = [f"{SCHEMA}.{made.name}{more}" for made in self.lab.contract for more in ("", "__history")]
        names += ["ledger.rejects", "ledger.clock"]
        found = {name: self.ask(f"select t::text from {name} as t order by 1") for name in names}
        found["ledger.loads"] = self.ask("select l::text from ledger.loads as l where status <> 'failed' order by 1")
        return {name: [row for (row,) in rows] for name, rows in found.items()}

    def outcome(self) -> dict[str, Any]:
        """What a load should come to, whatever numbers it got."""
        kept = "select table_name, row, status, rule, resolved_row from ledger.rejects order by 1, load_id, row"
        ended = "select table_name, door, status, accepted, waiting, rejected, duplicates from ledger.loads "
        return {
            "shops": self.lab.mirror("shops"), "past shops": self.lab.history("shops"),
            "stalls": self.lab.mirror("stalls"), "rejects": self.ask(kept),
            "loads": self.ask(ended + "where status <> 'failed' order by seq"),
        }  # fmt: skip


def write(process: subprocess.Popen[bytes], body: bytes) -> None:
    stream: IO[bytes] | None = process.stdin
    assert stream is not None
    stream.write(body)
    stream.close()
