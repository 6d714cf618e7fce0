"""The way to the database: an engine, and its errors in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from loader.remedy import Remedy
from loader.settings import Settings

OLDEST_VERSION = 17
"""The doors stand on `pg_input_is_valid` and `is json with unique keys`, which came with
PostgreSQL 16. The tests run on 18; 17 uses nothing less and is promised, 16 is not."""


def make_engine(settings: Settings, **options: Any) -> sa.Engine:
    """An engine on `settings`' database by psycopg2; no connection is made yet.

    Every session is UTC and UTF-8 whatever the server's defaults, and shows as
    `gatehouse` in pg_stat_activity. `options` go to `sqlalchemy.create_engine`.
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
        # a caller that was killed must not go on holding its locks
        "options": "-c timezone=UTC -c datestyle=ISO,YMD -c client_connection_check_interval=5s",
    }
    if settings.password is not None:
        arguments["password"] = settings.password
    arguments.update(options.pop("connect_args", {}))
    return sa.create_engine(
        "postgresql+psycopg2://", connect_args=arguments, pool_pre_ping=True, hide_parameters=True, **options
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
