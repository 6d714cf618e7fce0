"""A house of its own to measure in: an embedded server, a contract of two tables, a web server."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from bench.rows import write_parents
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.embedded import EmbeddedServer
from loader.intake.load import load_file
from loader.intake.sql import listed
from loader.ledger import access
from loader.migrate import migrate
from loader.postgres_wheel import wheel_binaries
from loader.settings import Settings
from loader.web_server import WebServer

ROOT = Path(__file__).parents[1]
PROJECT = Path(__file__).parent / "project"
TABLE = "bench.measures"


class House:
    """What a benchmark needs; every time is in seconds of the wall clock."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.engine = make_engine(settings)
        self.contract = read_contract(PROJECT, settings.state_dir)
        migrate(self.engine, self.contract)
        parents = folder / "parents.csv"
        write_parents(parents)
        load_file(self.engine, self.contract, self.contract.find("bench.parents"), parents, principal="bench")
        self.table = self.contract.find(TABLE)

    def connect(self) -> Any:
        given = self.settings
        return psycopg2.connect(
            host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
        )

    def run(self, *statements: str) -> None:
        with self.connect() as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    def empty(self) -> None:
        """No row, no reject, and no writing left over from before."""
        self.run(
            f"truncate {self.table.mirror}, {self.table.history}", "truncate ledger.rejects, ledger.mendings",
            "drop table if exists yardstick", f"create table yardstick ({self._columns()})", "checkpoint",
        )  # fmt: skip

    def _columns(self) -> str:
        """The yardstick has the table's columns and its key, and nothing else."""
        columns = [f"{column.sql} {column.type.sql}" for column in self.table.columns]
        return ", ".join([*columns, f"primary key ({listed(self.table.primary_key)})"])

    def environment(self) -> dict[str, str]:
        """What every command of the bench runs with; compiled once, as an installed one is, whatever is usual here."""
        usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return usual | self.settings.environment() | {
            "LOADER_PROJECT_DIR": str(PROJECT), "LOADER_STATE_DIR": str(self.settings.state_dir),
            "PYTHONPATH": str(ROOT), "RUNTIME__DLTHUB_TELEMETRY": "false",
        }  # fmt: skip

    def copy(self, path: Path) -> float:
        """psql's ``\\copy`` of the file into the yardstick table."""
        command = [str(wheel_binaries() / "psql"), "-qXc", f"\\copy yardstick from '{path}' (format csv, header)"]
        return self._timed(command)[0]

    def load(self, path: Path) -> tuple[float, dict[str, Any], int]:
        """``loader load`` of the file: the time, the receipt, and the process's peak memory in bytes."""
        command = [str(Path(sys.executable).with_name("loader")), "load", TABLE, str(path), "--again", "--json"]
        seconds, said, memory = self._timed(command, allowed=(0, 3))
        return seconds, json.loads(said), memory

    def load_by_dlt(self, python: Path, path: Path) -> float:
        """The seconds that dlt's command takes for the file, into a schema of its own."""
        self.run("drop schema if exists bench_dlt cascade", "drop schema if exists bench_dlt_staging cascade")
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            return self._timed([str(python), str(Path(__file__).with_name("dlt_load.py")), str(path), scratch])[0]

    def rows_of_dlt(self) -> int:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("select count(*) from bench_dlt.measures")
            return int(cursor.fetchone()[0])

    def _timed(self, command: list[str], allowed: tuple[int, ...] = (0,)) -> tuple[float, str, int]:
        """The seconds, what it said, and its peak memory in bytes (looked at every 20 ms)."""
        peak = 0
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as out:
            process = subprocess.Popen(command, env=self.environment(), cwd=ROOT, stdout=out)
            while process.poll() is None:
                peak = _peak(process.pid) or peak
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
            seconds = time.perf_counter() - began
            if process.returncode not in allowed:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            out.seek(0)
            return seconds, out.read(), peak

    @contextmanager
    def web(self, workers: int = 2) -> Iterator[Api]:
        """The loader's own web server, on a free port."""
        server = WebServer(self.settings, "127.0.0.1", free_port(), workers)
        server.start()
        try:
            with self.engine.begin() as connection:
                token = access.create_token(connection, secrets.token_hex(4), datetime.now(UTC) + timedelta(days=1))
            yield Api(server.port, token)
        finally:
            server.stop()


class Api:
    """One caller; keeps its connection."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def another(self) -> Api:
        return Api(self.port, self.token)

    def post(self, body: Any, content_type: str, size: int) -> dict[str, Any]:
        """A load; the receipt."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type, "Content-Length": str(size)}
        self._connection.request("POST", f"/api/v1/loads/{TABLE.replace('.', '/')}", body, headers)
        answer = self._connection.getresponse()
        receipt: dict[str, Any] = json.loads(answer.read())
        if answer.status != 201:
            raise SystemExit(f"the API answered {answer.status}: {receipt}")
        return receipt


@contextmanager
def house() -> Iterator[House]:
    with lodging() as (folder, port):
        yield House(folder, Settings(PROJECT, folder, port=port))


@contextmanager
def lodging() -> Iterator[tuple[Path, int]]:
    """A folder with a server of its own, and the server's port; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        port = free_port()
        server = EmbeddedServer(folder, port=port)
        server.start()
        try:
            yield folder, port
        finally:
            server.clean()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _peak(pid: int) -> int:
    """The most memory that the process has held at once, in bytes; 0 when it is gone.

    Not from ``wait4``: that counts what the process was forked from, too.
    """
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0
