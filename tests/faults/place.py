"""A small dbt project with a database server and web servers of its own, all to be killed."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg2

from loader.contract.read import read_contract
from loader.database import make_engine
from loader.embedded import EmbeddedServer
from loader.ledger import access
from loader.migrate import migrate
from loader.settings import Settings
from loader.web_server import WebServer
from tests.conftest import ROOT, RUN_FOLDER, free_port
from tests.faults import books
from tests.faults.bodies import SOURCES, WAYS, Body, children

PATIENCE_SECONDS = 120
#: Commits are durable as by default; the operating system is not killed, so that nothing need be flushed.
CONFIGURATION = {"fsync": "off", "shared_buffers": "64MB", "min_wal_size": "32MB", "max_wal_size": "64MB"}


def wait_for(condition: Callable[[], object], what: str, pause: float = 0.02) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what}: does not come"
        time.sleep(pause)


@dataclass(frozen=True)
class Answer:
    """What the sender was told: `taken`, `nothing` (was loaded), `running` (already) or, if not told, `unknown`."""

    verdict: str
    repeated: bool = False
    text: str = ""


class Place:
    """The project in `folder`; its database server's data lie in `state`, which may be another disk's."""

    def __init__(self, folder: Path, state: Path | None = None, web_servers: int = 2) -> None:
        self.project = folder / "project"
        (self.project / "models").mkdir(parents=True)
        (self.project / "models" / "sources.yml").write_text(SOURCES)
        (self.project / "dbt_project.yml").write_text(
            "name: lab\nversion: '1.0'\nprofile: gatehouse\nconfig-version: 2\n"
        )
        shutil.copy(ROOT / "profiles.yml", self.project / "profiles.yml")
        parsed = Path(os.environ[RUN_FOLDER]) / "lab_contracts"  # kept by content: one parse a run
        parsed.mkdir(exist_ok=True)
        self.database = EmbeddedServer(state or folder / "database", free_port(), CONFIGURATION)
        self.webs = []
        for number in range(web_servers):
            here = folder / f"state{number}"
            here.mkdir()
            (here / "contract").symlink_to(parsed)
            settings = Settings(self.project, here, port=self.database.port, host_is_given=True)
            self.webs.append(WebServer(settings, port=free_port(), workers=2))
        self.settings = self.webs[0].settings
        self.numbers = itertools.count(1)
        self._usual: dict[str, float] = {}

    def __enter__(self) -> Place:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        self.database.start()
        self._migrate()
        with ThreadPoolExecutor() as pool:
            list(pool.map(WebServer.start, self.webs))
        assert self.send(Body("shops", 0, ("1",), (1, 1, 0, 0, 0))).verdict == "taken"

    def _migrate(self) -> None:
        engine = make_engine(self.settings)
        migrate(engine, read_contract(self.project, self.settings.state_dir))
        with engine.begin() as connection:
            self.token = access.create_token(connection, "system", datetime.now(UTC) + timedelta(1))
        engine.dispose()

    def close(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(WebServer.stop, self.webs))
        self.database.clean()

    def body(self, way: str) -> Body:
        """A new body; what it presupposes is loaded."""
        number = next(self.numbers)
        if way == "parents":
            assert self.send(children(number)).verdict == "taken"
        return WAYS[way](number)

    def send(self, body: Body, web: int = 0) -> Answer:
        return Upload(self, body, web).start().answer()

    def usual_seconds(self, way: str) -> float:
        """How long an upload of the kind takes when nothing disturbs it."""
        if way not in self._usual:
            body = self.body(way)
            begin = time.monotonic()
            assert self.send(body).verdict == "taken"
            self._usual[way] = time.monotonic() - begin
            assert books.stands(self.settings, body)
        return self._usual[way]

    def rest(self) -> None:
        """Waits until everything is up again and nobody is in a transaction."""
        wait_for(self._is_up, "the database")
        wait_for(lambda: not books.busy(self.settings), "the end of all transactions")
        for web in self.webs:
            wait_for(lambda web=web: self._is_ready(web), "the web server")

    def _is_up(self) -> bool:
        with suppress(psycopg2.OperationalError):
            return bool(books.ask(self.settings, "select 1"))
        return False

    @staticmethod
    def _is_ready(web: WebServer) -> bool:
        with (
            suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"{web.address}/readyz", timeout=10) as got,
        ):
            return bool(got.status == 200)
        return False

    def backends(self) -> list[tuple[int, bool]]:
        """The backends of the loader, and whether each is in a transaction, these first; none where the
        database can't be asked."""
        statement = (
            "select pid, xact_start is not null from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and application_name = 'gatehouse' order by xact_start nulls last"
        )
        with suppress(psycopg2.OperationalError):
            return [(pid, is_busy) for pid, is_busy in books.ask(self.settings, statement)]
        return []


@dataclass
class Sender:
    """Somebody who sends a body; `start` returns when it is on its way."""

    place: Place
    body: Body
    web: int = 0

    def start(self) -> Sender:
        raise NotImplementedError

    def answer(self) -> Answer:
        """Waits for the end."""
        raise NotImplementedError

    def kill(self) -> bool:
        """Kills the process that does the work; whether it was still at it."""
        raise NotImplementedError


@dataclass
class Upload(Sender):
    """A body sent to a web server; what works on it is one of its workers."""

    port: int = 0
    _told: Answer = field(default_factory=lambda: Answer("unknown"))

    def start(self) -> Upload:
        is_connected = threading.Event()
        self._thread = threading.Thread(target=self._send, args=(is_connected,))
        self._thread.start()
        assert is_connected.wait(PATIENCE_SECONDS)
        return self

    def headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.place.token}", "Content-Type": "text/csv", "Idempotency-Key": self.body.key,
            "Content-Length": str(len(self.body.content)),
        }  # fmt: skip

    def _send(self, is_connected: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.place.webs[self.web].port, timeout=PATIENCE_SECONDS)
        try:
            connection.connect()
            self.port = connection.sock.getsockname()[1]
            is_connected.set()
            connection.request("POST", f"/api/v1/loads/lab/{self.body.table}", self.body.content, self.headers())
            answer = connection.getresponse()
            text = answer.read().decode()
            self._told = self._understand(answer.status, text, answer.headers.get("Idempotent-Replayed") == "true")
        except (OSError, http.client.HTTPException):
            pass
        finally:
            is_connected.set()
            connection.close()

    @staticmethod
    def _understand(status: int, text: str, repeated: bool) -> Answer:
        if status in (200, 201):
            assert repeated == (status == 200)
            json.loads(text)
            return Answer("taken", repeated, text)
        if status == 409:
            return Answer("running", text=text)
        if status == 503:
            return Answer("unknown" if "not known" in text else "nothing", text=text)
        return Answer(f"status {status}", text=text)

    def answer(self) -> Answer:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "the web server does not answer"
        return self._told

    def kill(self) -> bool:
        """The worker that has the other end of the connection; any of them if none has (yet, or any more)."""
        master = self.place.webs[self.web].running()
        assert master is not None
        workers = master.children()
        serving = [worker for worker in workers if self._serves(worker)]
        for worker in (serving or workers)[:1]:
            os.kill(worker.pid, signal.SIGKILL)
        return bool(serving)

    def _serves(self, worker: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return any(end.raddr and end.raddr.port == self.port for end in worker.net_connections("tcp"))
        return False


class Command(Sender):
    """`loader load` with the body's file."""

    def start(self) -> Command:
        folder = self.place.settings.state_dir
        path = folder / f"body{self.body.number}.csv"
        path.write_bytes(self.body.content)
        others = set(self.place.backends())
        program = "from loader.cli import main; main()"  # what the installed `loader` holds
        command = [sys.executable, "-c", program, "load", f"lab.{self.body.table}", str(path)]
        self.process = subprocess.Popen(
            command, env=self.place.webs[0].environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        wait_for(lambda: set(self.place.backends()) - others or self.process.poll() is not None, "the load", 0.01)
        return self

    def answer(self) -> Answer:
        said, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        text = said.decode(errors="replace")
        if self.process.returncode in (0, 3):
            return Answer("taken", "already" in text, text)
        if self.process.returncode == 1:
            assert "Traceback" not in text, text
            return Answer("unknown" if "not known" in text else "nothing", text=text)
        return Answer("unknown", text=text)

    def kill(self) -> bool:
        is_running = self.process.poll() is None
        self.process.kill()
        return is_running
