"""The way to the database: an engine, and its errors in words."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from loader.remedy import Remedy
from loader.settings import DATA_FOLDER, Settings

#: A connection that was not used for so long may have been forgotten on the way, without a word.
_IDLE_SECONDS = 10.0

OLDEST_VERSION = 17
"""The doors stand on `pg_input_is_valid` and `is json with unique keys`, which came with
PostgreSQL 16. The tests run on 18; 17 uses nothing less and is promised, 16 is not."""


def make_engine(settings: Settings, **options: Any) -> sa.Engine:
    """An engine on `settings`' database by psycopg2; no connection is made yet.

    Every session is UTC and UTF-8 whatever the server's defaults, and shows as
    `gatehouse` in pg_stat_activity. `options` go to `sqlalchemy.create_engine`.

    While PGHOST is unset, connecting raises Remedy if the server that answers is not the
    embedded one of this state folder: every folder's has the same user, password and database.
    """
    arguments: dict[str, Any] = {
        # as arguments, not in a URL: a host may be a socket's folder, a password may hold anything
        "host": settings.host,
        "port": settings.port,
        "user": settings.user,
        "dbname": settings.database,
        "application_name": "gatehouse",
        "client_encoding": "UTF8",
        "connect_timeout": 10,
        # a network that has gone silent is noticed within half a minute, at both ends
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        # What is prepared is planned once: with another plan for every value, planning is dearer than the work.
        # And a caller that was killed must not go on holding its locks.
        "options": "-c timezone=UTC -c datestyle=ISO,YMD -c plan_cache_mode=force_generic_plan "
        "-c client_connection_check_interval=5s "
        "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=20000",
    }
    if settings.password is not None:
        arguments["password"] = settings.password
    arguments.update(options.pop("connect_args", {}))
    engine = sa.create_engine("postgresql+psycopg2://", connect_args=arguments, hide_parameters=True, **options)
    sa.event.listen(engine, "checkin", _note_time)
    sa.event.listen(engine, "checkout", _require_live)
    if not settings.host_is_given:
        sa.event.listen(engine, "connect", lambda connection, _: _require_own_server(connection, settings))
    return engine


@contextmanager
def single_statements(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection of which every statement is a transaction of its own.

    The driver only stops to begin them. SQLAlchemy's own way, an isolation level, asks the server
    each time, and once more to take it back.
    """
    with engine.connect() as connection:
        driver = cast("psycopg2.extensions.connection", connection.connection.driver_connection)
        driver.autocommit = True
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = False


def _note_time(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["left_at"] = time.monotonic()


def _require_live(connection: psycopg2.extensions.connection, record: ConnectionPoolEntry, _: Any) -> None:
    """Lets the pool make another connection if this one has ended meanwhile.

    A server that goes away, or ends a session, says so: there is something to read. Only what has
    lain idle is asked: that costs more than most statements.
    """
    left_at = record.info.get("left_at")
    if left_at is None:
        return
    try:
        watch = select.poll()
        watch.register(connection.fileno(), select.POLLIN)
        if not watch.poll(0) and time.monotonic() - left_at < _IDLE_SECONDS:
            return
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        connection.rollback()
    except psycopg2.Error as error:
        raise InvalidatePoolError from error


def _require_own_server(connection: psycopg2.extensions.connection, settings: Settings) -> None:
    """Raises Remedy if the server's data lie elsewhere than this state folder's. A user
    who may not ask where they lie is let pass."""
    with connection.cursor() as cursor:
        cursor.execute("select setting from pg_settings where name = 'data_directory'")
        found = cursor.fetchone()
    connection.rollback()
    own = settings.state_dir / DATA_FOLDER
    if found is None or Path(found[0]).resolve() == own.resolve():
        return
    connection.close()
    raise Remedy(
        f"The server at {settings.host}:{settings.port} keeps its data in {found[0]}: it is not the embedded one "
        f"of this project, whose data are in {own}.",
        f"Start this one with `loader db start`, on another port if need be, as in PGPORT={settings.port + 1}; "
        f"or set PGHOST={settings.host} if that server is meant.",
    )


def check(settings: Settings) -> int:
    """Connects once and returns the server's major version.
    Raises Remedy when there is no way in, or the server is too old."""
    engine = make_engine(settings, poolclass=sa.NullPool)
    with connection_faults(settings):
        return require_version(engine)


def require_version(engine: sa.Engine) -> int:
    """The server's major version; raises Remedy if it is older than `OLDEST_VERSION`."""
    with engine.connect() as connection:
        number: int = connection.execute(sa.text("select current_setting('server_version_num')::integer")).scalar_one()
    version = number // 10000
    if version < OLDEST_VERSION:
        raise Remedy(
            f"The server is PostgreSQL {version}, and Gatehouse needs {OLDEST_VERSION} or newer.",
            "Point PGHOST and PGPORT at a newer server, or unset the PG* variables to use the embedded one.",
        )
    return version


@contextmanager
def connection_faults(settings: Settings) -> Iterator[None]:
    """Turns a failure to connect into a Remedy. Other errors pass as they are,
    and so does a connection that breaks later: that is not a matter of settings."""
    try:
        yield
    except OperationalError as error:
        if (remedy := explain(str(error.orig), settings)) is None:
            raise
        raise remedy from error


def explain(text: str, settings: Settings) -> Remedy | None:
    """What libpq said while it connected, as a Remedy; None if it is something else."""
    server = f"{settings.host}:{settings.port}"
    if re.search(r"Connection refused|No such file or directory|timeout expired|timed out", text):
        start = "Start it, or set PGHOST and PGPORT to where it is."
        if not settings.host_is_given:
            start = "Start the embedded server with `make up` or `loader db start`."
        return Remedy(f"No PostgreSQL server answers at {server}.", start)
    if "could not translate host name" in text:
        return Remedy(f"PGHOST is '{settings.host}', and no machine of that name is known.", "Correct PGHOST.")
    if re.search(r"password authentication failed|no password supplied", text):
        given = "PGPASSWORD is not right" if settings.password else "PGPASSWORD is not set"
        return Remedy(
            f"The server at {server} does not let user '{settings.user}' in: {given}.", "Set PGUSER and PGPASSWORD."
        )
    if match := re.search(r'(database|role) "([^"]*)" does not exist', text):
        kind, variable = ("database", "PGDATABASE") if match[1] == "database" else ("user", "PGUSER")
        return Remedy(f"The server at {server} has no {kind} '{match[2]}'.", f"Create it, or correct {variable}.")
    if "no pg_hba.conf entry" in text:
        return Remedy(
            f"The server at {server} lets nobody in as '{settings.user}' from here (pg_hba.conf).",
            "Have its administrator allow it, or set PGSSLMODE=require if it wants TLS.",
        )
    if "too many clients" in text or "remaining connection slots" in text:
        return Remedy(f"The server at {server} has no free connection.", "Close some, or raise its max_connections.")
    if "the database system is" in text:
        state = text.split("the database system is", 1)[1].strip().splitlines()[0]
        return Remedy(f"The server at {server} is {state}.", "Try again in a moment.")
    return None


def ended_by(error: BaseException, work: str = "load", again: str = "Send it again") -> str:
    """What the database ended a piece of work by, in words for who reads the receipt or the log.

    A lost connection is first noticed where it broke, and then again by whoever cleans up: the
    first error of the chain is the one that tells.
    """
    original = _first(error)
    if isinstance(original, psycopg2.errors.LockNotAvailable):
        return f"another load into this table is still running; {again[0].lower()}{again[1:]} when that has ended"
    words = (str(original).strip().splitlines() or [type(original).__name__])[0]
    if isinstance(original, psycopg2.errors.DiskFull):
        return f"the database's disk is full ({words}). {again} when there is free space on the database's disk"
    if isinstance(original, psycopg2.errors.UndefinedColumn | psycopg2.errors.UndefinedTable):
        return f"the tables are not as the contract says ({words}). {again} after `loader migrate`"
    if _is_loss(original):
        return f"the database went away in the middle ({words}); its log says why. {again} when it is back"
    return f"the database ended the {work}: {words}"


def went_away(error: BaseException) -> bool:
    """Whether the connection was lost: what a commit came to is then not known."""
    return _is_loss(_first(error))


def _first(error: BaseException) -> BaseException | None:
    while error.__context__ is not None and isinstance(error.__context__, (DBAPIError, psycopg2.Error)):
        error = error.__context__
    return error.orig if isinstance(error, DBAPIError) else error


def _is_loss(original: BaseException | None) -> bool:
    # without a code nobody answered any more; class 57P is a server that shuts down or was cut off
    code = getattr(original, "pgcode", None)
    return isinstance(original, (psycopg2.OperationalError, psycopg2.InterfaceError)) and (code or "57P")[:3] == "57P"


def is_fault_of_ours(error: DBAPIError | psycopg2.Error) -> bool:
    """Whether the statement itself was wrong (class 42, but for a right that is missing): a
    mistake in the program, which who runs it can't mend."""
    code = getattr(error.orig if isinstance(error, DBAPIError) else error, "pgcode", None) or ""
    return code.startswith("42") and code != "42501"
