"""The demonstration shop in a house of its own, to measure builds in: a server, dbt's folders, a watch."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console

from bench.house import ROOT, lodging
from loader import build as builds
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.dbt import dbt_command, dbt_environment
from loader.demonstration import load_shop
from loader.intake.load import load_file
from loader.migrate import migrate
from loader.postgres_wheel import wheel_binaries
from loader.settings import Settings
from loader.steps import Steps
from loader.watch import Watch

#: What a build after one more row or one per cent more lines begins with: orders that are there, again under
#: new numbers, each with its lines.
_NEW_NUMBER = 9_000_000_000_000
_ORDERS = """
    select {columns} from staging_erp.{table}
    where order_id between 0 and {new_number} - 1
        and order_id in (
            select order_id from (
                select order_id, row_number() over (order by md5(order_id::text)) as place
                from staging_erp.orders where order_id < {new_number}
            ) as shuffled
            where place <= {count}
        )
"""


class Shop:
    """Loaded and migrated, and not built. Times are seconds of the wall clock."""

    def __init__(self, settings: Settings, scale: float, data: str) -> None:
        self.settings = settings
        self.folder = settings.state_dir
        self.engine = make_engine(settings)
        self.contract = read_contract(ROOT, settings.state_dir)
        migrate(self.engine, self.contract)
        steps = Steps(Console(file=io.StringIO()))
        with steps.step("shop") as step:
            load_shop(settings, self.engine, self.contract, data, scale, step)
        self._query("vacuum analyze")
        self._loads = 0
        self.watch = Watch(settings, self.engine, steps, sleep=lambda _: time.sleep(0.05))

    def close(self) -> None:
        self.watch.dbt.close()
        self.watch.let_go()
        self.engine.dispose()

    def build(self) -> float:
        """`loader build`."""
        began = time.perf_counter()
        builds.build(self.settings, self.engine)
        return time.perf_counter() - began

    def dbt(self, *arguments: str) -> float:
        """`dbt ARGUMENTS…` as anybody runs it."""
        began = time.perf_counter()
        said = subprocess.run(
            [*dbt_command(), *arguments],
            cwd=ROOT,
            env=self._environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if said.returncode:
            raise SystemExit(f"dbt {' '.join(arguments)} ended with {said.returncode}:\n{said.stdout[-4000:]}")
        return time.perf_counter() - began

    def run_by_psql(self, statements: list[str], sessions: int) -> float:
        """All of the statements, by so many psql at once, each taking the next one that nobody has taken."""
        waiting, failed = iter(statements), []
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    statement = next(waiting, None)
                if statement is None:
                    return
                command = [str(wheel_binaries() / "psql"), "-qX", "-v", "ON_ERROR_STOP=1"]
                said = subprocess.run(
                    command, env=self._environment(), input=statement, text=True, capture_output=True, check=False
                )
                if said.returncode:
                    failed.append(f"{said.stderr}\n{statement[:2000]}")

        threads = [threading.Thread(target=work) for _ in range(sessions)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise SystemExit(failed[0])
        return time.perf_counter() - began

    def load_orders(self, share: float) -> int:
        """That part of the shop's orders again, with their lines, as new ones; the rows loaded. 0 is one order."""
        orders = self._query(
            "select count(*) from staging_erp.orders where order_id < :new", new=_NEW_NUMBER
        ).scalar_one()
        count, self._loads, rows = max(1, int(orders * share)), self._loads + 1, 0
        for name in ("orders", "order_lines"):
            table = self.contract.find(f"erp.{name}")
            columns = [f"order_id + {self._loads * _NEW_NUMBER}" if column.name == "order_id" else column.sql
                       for column in table.columns]  # fmt: skip
            query = _ORDERS.format(columns=", ".join(columns), table=name, new_number=_NEW_NUMBER, count=count)
            path = self.folder / f"{name}-{self._loads}.csv"
            with self.engine.connect() as connection, path.open("w", encoding="utf-8") as out:
                out.write(",".join(column.name for column in table.columns) + "\n")
                connection.connection.cursor().copy_expert(f"copy ({query}) to stdout (format csv)", out)
            receipt = load_file(self.engine, self.contract, table, path, principal="bench")
            assert receipt.accepted + receipt.duplicates == receipt.received, receipt
            rows += receipt.accepted
        return rows

    def seconds_to_publish(self) -> float:
        """Until the standing watch has published what was loaded."""
        began = time.perf_counter()
        while not self._is_published():
            self.watch.step()
            if time.perf_counter() - began > 7200:
                raise SystemExit("the watch did not publish within two hours")
        return time.perf_counter() - began

    def seconds_to_see_nothing(self) -> float:
        """What the standing watch takes to find that nothing is due."""
        began = time.perf_counter()
        self.watch.dbt.run("run-operation", "say_what_is_due")
        return time.perf_counter() - began

    def times_of_last_build(self) -> list[tuple[str, int, float]]:
        """(kind, how many ran, the sum of their seconds) of each kind of node, the longest sum first."""
        query = """
            select resource_type, count(*) as nodes, coalesce(sum(seconds), 0) as seconds from ledger.build_results
            where build_id = (select max(build_id) from ledger.builds)
            group by resource_type order by 3 desc
        """
        return [(row.resource_type, row.nodes, row.seconds) for row in self._query(query)]

    def bytes_of(self, schemas: str) -> int:
        """On disk, of the tables in schemas whose names begin so, with indexes."""
        query = """
            select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class
            where relkind in ('r', 'm') and relnamespace::regnamespace::text ~ :schemas
        """
        return int(self._query(query, schemas=schemas).scalar_one())

    def _is_published(self) -> bool:
        query = """
            select coalesce(max(upper_bound) filter (where published_at is not null), -1)
                >= (select coalesce(max(seq), 0) from ledger.loads)
            from ledger.builds
        """
        return bool(self._query(query).scalar_one())

    def _query(self, query: str, **values: Any) -> sa.CursorResult[Any]:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return connection.execute(sa.text(query), values)

    def _environment(self) -> dict[str, str]:
        return dbt_environment(self.settings) | folders(self.folder)


def folders(folder: Path) -> dict[str, str]:
    """dbt's own, which are not the project's: nothing that is there is used, nor overwritten."""
    return {"DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs")}


@contextmanager
def shop(scale: float, data: str) -> Iterator[Shop]:
    with lodging() as (folder, port):
        os.environ.update(folders(folder))
        here = Shop(Settings(ROOT, folder, port=port), scale, data)
        try:
            yield here
        finally:
            here.close()
