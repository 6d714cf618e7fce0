"""Writers with delays before their commits, and a reader that follows them by the watermark."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

import sqlalchemy as sa

from loader.intake.load import LoadFailed
from tests.intake.lab import SCHEMA, Lab

#: A commit waits for up to 30 ms, and one in twenty fails at its very end.
DELAYS = [
    "create function public.delay() returns trigger language plpgsql as $$ begin "
    "perform pg_sleep(random() * 0.03); "
    "if random() < 0.05 and new.status <> 'failed' then raise exception 'the commit fails, by lot'; end if; "
    "return null; end $$",
    "create constraint trigger delay after insert on ledger.loads deferrable initially deferred "
    "for each row execute function public.delay()",
]
TABLES = ("regions", "shops", "tills", "notes", "orders", "events")
#: What history says besides, of the version's end.
_NOT_CONTENT = "- '_loaded_at' - '_reason' - '_written_load_id' - '_written_at'"
_VERSIONS = " union all ".join(
    f"select '{name}', _load_id, _row, md5((to_jsonb(t) {_NOT_CONTENT})::text) from {SCHEMA}.{name}{more} as t"
    for name in TABLES
    for more in ("", "__history")
)
#: Every version there is, wherever it is by now: table, load, row, and its content.
VERSIONS = f"select v.* from ({_VERSIONS}) as v (table_name, load_id, row, content)"
Version = tuple[str, int, int, str]


@dataclass
class Reader:
    """Reads what came after what it has read, up to what is visible: by `ledger.loads.seq` alone."""

    engine: sa.Engine
    read_to: int = 0
    versions: list[Version] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    batches: int = 0

    def read(self) -> None:
        upper = self._ask("select coalesce(max(seq), 0) from ledger.loads")[0][0]
        time.sleep(0.002)  # what commits now with a smaller number would be missed
        between = f"seq > {self.read_to} and seq <= {upper}"
        self.numbers += [seq for (seq,) in self._ask(f"select seq from ledger.loads where {between} order by seq")]
        self.versions += self._ask(
            f"{VERSIONS} inner join ledger.loads as l on l.load_id = v.load_id where l.{between}"
        )
        self.batches += upper > self.read_to
        self.read_to = upper

    def _ask(self, statement: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row)[:4] for row in connection.execute(sa.text(statement))]


@dataclass
class Writer:
    """Loads rows of its own, and sometimes of others, into one of the tables, again and again."""

    lab: Lab
    number: int
    until: float
    loads: int = 0
    failures: int = 0

    def run(self) -> None:
        random = Random(f"writer {self.number}")
        while time.monotonic() < self.until:
            table, rows = self._rows(random)
            while not self._load(table, rows):
                self.failures += 1
            self.loads += 1

    def _load(self, table: str, rows: list[tuple[Any, ...]]) -> bool:
        try:
            self.lab.rows(table, *rows)
        except LoadFailed as error:
            if "by lot" not in error.message:
                raise
            return False
        return True

    def _rows(self, random: Random) -> tuple[str, list[tuple[Any, ...]]]:
        """A table and rows for it. Children come before their parents as often as after them."""
        table = random.choice(TABLES)
        key = self.loads * 100 + self.number * 10
        keys = [key + i for i in range(random.randint(1, 5))]
        if table == "regions":
            return table, [(random.randrange(40),), *((k,) for k in keys)]
        if table == "shops":
            return table, [(random.randrange(100), random.randrange(40)), *((k, random.randrange(40)) for k in keys)]
        if table == "tills":
            return table, [(k, random.randrange(100), f"{self.number}") for k in keys]
        if table == "orders":  # one key for all, in no order: most are of the past on arrival
            return table, [(k % 7, f"{k}", f"2024-01-01T{random.randrange(24):02}:00:{k % 60:02}Z") for k in keys]
        return table, [(k, f"{self.number}") for k in keys]


def write_and_read(lab: Lab, seconds: float, writers: int = 8) -> tuple[Reader, list[Writer]]:
    """All at once, and the reader once more when the writers have ended."""
    until = time.monotonic() + seconds
    made = [Writer(lab, number, until) for number in range(writers)]
    errors: list[BaseException] = []

    def run(writer: Writer) -> None:
        try:
            writer.run()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(writer,)) for writer in made]
    for thread in threads:
        thread.start()
    reader = Reader(lab.engine)
    while any(thread.is_alive() for thread in threads):
        reader.read()
    reader.read()
    assert not errors, errors
    return reader, made
