"""What every test may ask for: a real PostgreSQL server, one a run, and a database
of its own in it.

- `server`: Settings of the run's server. Started by whoever first asks, on a free
  port, without fsync; ended by the process that began the run, also under xdist.
- `settings`, `engine`: a fresh database, migrated to the project's contract, and the engine on it.
- `empty_settings`: a fresh database without any.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from loader.contract.read import read_contract
from loader.database import make_engine
from loader.embedded import EmbeddedServer
from loader.migrate import migrate
from loader.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "gatehouse_template"
RUN_FOLDER = "GATEHOUSE_TEST_RUN"  # in the environment, so that xdist's workers share it
DURABLE_FOR_NOTHING = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
}


#: What takes minutes begins first, so that two workers end together.
LONGEST = (
    "test_end_to_end.py",
    "test_full_equals_incremental.py",
    "test_build_publish.py",
    "test_agreement.py",
    "test_live.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="gatehouse-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or RUN_FOLDER not in os.environ:
        return
    run = Path(os.environ.pop(RUN_FOLDER))
    EmbeddedServer(run, port=0).clean()
    shutil.rmtree(run)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was killed and read, at the end of every run that did. Here, for of two workers' the run's own process
    reads no other conftest."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name in ("kills", "reading"):
                terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture
def run_folder() -> Path:
    """A folder of the test's own that a server's user can be let into. Not pytest's
    tmp_path: every other pytest that starts closes the folder above that one again."""
    return Path(tempfile.mkdtemp(dir=os.environ[RUN_FOLDER]))


@contextmanager
def one_at_a_time(run: Path) -> Iterator[None]:
    """Keeps the run's other workers out."""
    with (run / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare_template(settings: Settings) -> None:
    """Makes the database what the project's contract says: ledger and staging tables."""
    engine = make_engine(settings, poolclass=sa.NullPool)
    migrate(engine, read_contract(settings.project_dir, settings.state_dir))


@pytest.fixture(scope="session")
def server() -> Settings:
    """The run's server, and its maintenance database."""
    run = Path(os.environ[RUN_FOLDER])
    noted = run / "port"
    with one_at_a_time(run):
        port = int(noted.read_text()) if noted.exists() else free_port()
        EmbeddedServer(run, port, DURABLE_FOR_NOTHING).start()
        noted.write_text(str(port))
    # The contract that is read from dbt is kept in the state folder: one parse a run.
    return Settings(project_dir=ROOT, state_dir=run / "loader", port=port, database="postgres", host_is_given=True)


def run_sql(settings: Settings, statement: str) -> None:
    """One statement outside any transaction, as `create database` wants it."""
    connection = psycopg2.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        dbname=settings.database,
    )
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@contextmanager
def new_database_of(server: Settings, what: str, template: str = "template1") -> Iterator[Settings]:
    """A database of its own, copied from a template (as files: fast, as nothing is made durable); dropped after."""
    made = replace(server, database=f"{what}_{uuid.uuid4().hex[:12]}")
    run_sql(server, f"create database {made.database} template {template} strategy file_copy")
    try:
        yield made
    finally:
        run_sql(server, f"drop database if exists {made.database} with (force)")


@pytest.fixture(scope="session")
def template(server: Settings) -> str:
    """The migrated database that the others are copied from: its name."""
    run = Path(os.environ[RUN_FOLDER])
    done = run / "template"
    with one_at_a_time(run):
        if not done.exists():
            run_sql(server, f"drop database if exists {TEMPLATE}")  # a worker that failed half-way left one
            run_sql(server, f"create database {TEMPLATE}")
            prepare_template(replace(server, database=TEMPLATE))
            done.touch()
    return TEMPLATE


@pytest.fixture
def new_database(server: Settings) -> Iterator[Callable[[str], Settings]]:
    """A function that makes a database from a template; all are dropped after the test."""
    with ExitStack() as made:
        yield lambda template: made.enter_context(new_database_of(server, "test", template))


@pytest.fixture
def empty_settings(new_database: Callable[[str], Settings]) -> Settings:
    return new_database("template1")


@pytest.fixture
def settings(new_database: Callable[[str], Settings], template: str) -> Settings:
    return new_database(template)


@pytest.fixture
def database(settings: Settings) -> str:
    """The name of the test's own database."""
    return settings.database


@pytest.fixture
def engine(settings: Settings) -> Iterator[sa.Engine]:
    engine = make_engine(settings)
    yield engine
    with suppress(sa.exc.SQLAlchemyError):
        engine.dispose()
