"""A tiny shop for the tests of builds: a dbt project of its own that takes its macros
from ours, a database with the ledger and two staging tables, and loads written by hand.

The hand writes what the loader writes (mirror, history, a number in ledger.loads), so
that a test can put a load exactly where it hurts: between two models of a build.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from dbt.cli.main import dbtRunner

from loader.settings import Settings
from tests.dbt.builds.shop_project import COLUMNS, KEYS, MODELS, PROFILE, PROJECT, STAGING

# The ledger is emptied, or called back by its name; all other schemas go.
NEW_AGAIN = """
do $$
declare statement text;
begin
    if to_regnamespace('ledger_away') is not null then
        alter schema ledger_away rename to ledger;
    end if;
    for statement in
        select format('drop schema %I cascade', nspname) from pg_namespace
        where nspname !~ '^(pg_|information_schema|ledger$)'
    loop
        execute statement;
    end loop;
end
$$;
truncate ledger.loads, ledger.rejects, ledger.builds, ledger.build_results, ledger.model_watermarks
restart identity cascade
"""

# The loader writes a load for each table. One of no table that the project knows, as the hand
# writes it for several at once, may be of any.
OPEN_LOAD = """
insert into ledger.loads (seq, source, table_name, door, principal, status)
select coalesce(max(seq), 0) + 1, 'erp', '{}', 'hand', 'test', 'succeeded'
from ledger.loads
returning load_id
"""


@dataclass
class Outcome:
    """What one dbt call came to: did it succeed, and every line that it said."""

    success: bool
    said: str


@dataclass
class Shop:
    """The project in `folder` on the database of `settings`; `reset` makes both new."""

    folder: Path
    settings: Settings
    # called with the name of each model when it is done, in dbt's own thread
    when_done: Callable[[str], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        self.when_done = None
        self.sql(NEW_AGAIN)
        self.sql(STAGING)
        self.write("dbt_project.yml", PROJECT)
        given = {name: getattr(self.settings, name) for name in ("host", "port", "user", "password", "database")}
        self.write("profiles.yml", PROFILE.format(**given))
        models = self.folder / "models"
        for stray in {path.name for path in models.glob("*")} - set(MODELS):
            (models / stray).unlink()
        for name, text in MODELS.items():
            self.write(f"models/{name}", text)

    def write(self, name: str, text: str) -> None:
        """A file of the project; an unchanged one is left alone, so that dbt need not parse again."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def connect(self) -> Any:
        given = self.settings
        return psycopg2.connect(
            host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
        )

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Runs and commits; the rows, if the statement has any."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def dbt(self, *words: str) -> Outcome:
        said: list[str] = []

        def hear(event: Any) -> None:
            with self._lock:
                said.append(str(event.info.msg))
            if event.info.name == "NodeFinished" and self.when_done:
                self.when_done(event.data.node_info.node_name)

        folder = str(self.folder)
        paths = ["--project-dir", folder, "--profiles-dir", folder, "--no-write-json", "--log-level-file", "none"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = dbtRunner(callbacks=[hear]).invoke(["--quiet", "--no-use-colors", words[0], *paths, *words[1:]])
        said.append(str(result.exception or ""))
        return Outcome(result.success, "\n".join(said))

    def load(self, **tables: list[tuple[Any, ...]]) -> int:
        """One load that brings versions, the last of a key the newest; returns its id."""
        with self.connect() as connection, connection.cursor() as cursor:
            load_id = self._open_load(cursor, *tables)
            for table, rows in tables.items():
                for number, values in enumerate(rows, 1):
                    self._to_history(cursor, table, values[: len(KEYS[table])], load_id, "replaced")
                    names = [*COLUMNS[table], "_load_id", "_row"]
                    cursor.execute(
                        f"insert into staging_erp.{table} ({', '.join(names)})"
                        f" values ({', '.join(['%s'] * len(names))})",
                        (*values, load_id, number),
                    )
        connection.close()
        return load_id

    def delete(self, table: str, *keys: tuple[Any, ...]) -> int:
        """One load that deletes keys."""
        with self.connect() as connection, connection.cursor() as cursor:
            load_id = self._open_load(cursor, table)
            for number, key in enumerate(keys, 1):
                self._to_history(cursor, table, key, load_id, "deleted", number)
        connection.close()
        return load_id

    def _open_load(self, cursor: Any, *tables: str) -> int:
        cursor.execute(OPEN_LOAD.format(tables[0] if len(tables) == 1 else "several"))
        return int(cursor.fetchone()[0])

    def _to_history(
        self, cursor: Any, table: str, key: tuple[Any, ...], load_id: int, reason: str, row: int | None = None
    ) -> None:
        """The current version of a key goes there; `row` is of the delete that took it away."""
        same_key = " and ".join(f"{column} = %s" for column in KEYS[table])
        names = ", ".join([*COLUMNS[table], "_load_id", "_row", "_loaded_at"])
        history = f"staging_erp.{table}__history"
        cursor.execute(
            f"with gone as (delete from staging_erp.{table} where {same_key} returning {names})"
            f" insert into {history} ({names}, _written_load_id, _reason)"
            f" select {names}, %s, %s from gone",
            (*key, load_id, reason),
        )
        if row is not None:
            identity = ", ".join([*KEYS[table], "updated_at"])
            cursor.execute(
                f"insert into {history} ({identity}, _load_id, _row, _written_load_id, _reason)"
                f" select {identity}, %s, %s, %s, %s from {history} where {same_key} and _written_load_id = %s",
                (load_id, row, load_id, reason, *key, load_id),
            )

    def latest_build(self) -> dict[str, Any]:
        columns = ["build_id", "command", "upper_bound", "as_of", "status", "published_at", "message"]
        rows = self.sql(f"select {', '.join(columns)} from ledger.builds order by build_id desc limit 1")
        return dict(zip(columns, rows[0], strict=True))


def order(order_id: int, status: str = "placed", day: int = 1, hour: int = 12) -> tuple[Any, ...]:
    """An order of June 2017, at an hour of UTC."""
    moment = f"2017-06-{day:02} {hour:02}:00+00"
    return (order_id, status, moment, moment)


def line(order_id: int, product_id: int, amount: float) -> tuple[Any, ...]:
    return (order_id, product_id, amount, "2017-06-01 12:00+00")
