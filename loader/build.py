"""Builds the warehouse and the marts by dbt, when there is something to build."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg2
import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from loader.database import single_statements
from loader.dbt import Run, project_fingerprint, run_dbt
from loader.remedy import Remedy
from loader.settings import Settings

Progress = Callable[[str, int | None, int | None], None]

#: What the sessions of `loader build --watch` are called in pg_stat_activity: by it the first
#: page knows that one runs.
APPLICATION_NAME = "gatehouse watch"
#: Held for the whole of a build by who builds through the loader; dbt's own lock (open_build)
#: is held for moments.
TURN = "hashtextextended('gatehouse: a build at a time', 0)"
_TURN_MILLISECONDS = 1000

# dbt's line for a node that starts or has ended: `12:01:02  7 of 60 OK created sql view model staging.x .... [`.
# Hooks are counted apart from nodes; a long name leaves no room for dots.
_NODE = re.compile(r"(\d+) of (\d+) ([A-Z][A-Z-]*)\b(?! hook:).*?(\S+) \.* *\[")

# what open_build says when it has opened one
_OPENED = re.compile(r"Build (\d+): staging up to load number ")

_LAST_BUILD = """
    select
        builds.build_id,
        builds.published_at is not null
            and builds.upper_bound >= (select coalesce(max(seq), 0) from ledger.loads) as is_current
    from ledger.builds
    order by builds.build_id desc
    limit 1
"""


def is_current(settings: Settings, engine: sa.Engine) -> bool:
    """Whether the last build was published, saw every load, and was made by `build`
    from the project as it is now."""
    try:
        made = json.loads(_note(settings).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    with engine.connect() as connection:
        last = connection.execute(sa.text(_LAST_BUILD)).one_or_none()
    return (
        last is not None
        and bool(last.is_current)
        and made == {"build_id": last.build_id, "project": project_fingerprint(settings.project_dir)}
    )


def build(
    settings: Settings,
    engine: sa.Engine,
    *arguments: str,
    progress: Progress = lambda *_: None,
    run: Run | None = None,
    command: str = "build",
) -> None:
    """`dbt build ARGUMENTS…`, and a note of what it was made from; by `run` where a dbt is
    there already. Raises Remedy with dbt's last lines when it fails; readers then keep what
    they had. A build that dbt could not end itself is ended in the ledger, if that can be
    reached."""
    fingerprint = project_fingerprint(settings.project_dir)  # before: what changes meanwhile is not in it

    opened: list[int] = []
    ended = NodesEnded(progress)

    def tell(line: str) -> None:
        ended(line)
        if match := _OPENED.search(line):
            opened.append(int(match[1]))

    try:
        (run or partial(run_dbt, settings))(command, *arguments, line=tell)
    except BaseException:  # also Ctrl-C
        for build_id in opened:
            _end(engine, build_id)
        raise
    with engine.connect() as connection:
        last = connection.execute(sa.text(_LAST_BUILD)).one_or_none()
    if last is not None:
        with suppress(OSError):  # readers have what was built: without the note it is built once more
            settings.state_dir.mkdir(parents=True, exist_ok=True)
            _note(settings).write_text(json.dumps({"build_id": last.build_id, "project": fingerprint}), "utf-8")


@contextmanager
def turn(engine: sa.Engine, say: Callable[[str], None]) -> Iterator[None]:
    """One build at a time: waits, first come, first served, for those that are at work through
    the loader, and says so once. Plain `dbt build` asks nobody, and takes over."""
    with single_statements(engine) as connection:
        if not connection.exec_driver_sql(f"select pg_try_advisory_lock({TURN})").scalar():
            say("another `loader build` is at work; this one follows when it has ended")
            _wait_for_turn(connection)
        try:
            yield
        finally:
            with suppress(SQLAlchemyError, psycopg2.Error):
                connection.exec_driver_sql(f"select pg_advisory_unlock({TURN})")


def _wait_for_turn(connection: sa.Connection) -> None:
    """A second at a time, so that whoever is at the keyboard can stop it."""
    connection.exec_driver_sql(f"set lock_timeout = '{_TURN_MILLISECONDS}ms'")
    while True:
        try:
            connection.exec_driver_sql(f"select pg_advisory_lock({TURN})")
            break
        except DBAPIError as error:
            if not isinstance(error.orig, psycopg2.errors.LockNotAvailable):
                raise
    connection.exec_driver_sql("reset lock_timeout")


def is_made_from(settings: Settings, project: str) -> bool:
    """Whether the last build that ended well was made from a project of that fingerprint."""
    try:
        return bool(json.loads(_note(settings).read_text("utf-8"))["project"] == project)
    except (OSError, ValueError, KeyError):
        return False


def _end(engine: sa.Engine, build_id: int) -> None:
    """Ends a build that says it is running, once dbt has ended."""
    statement = """
        update ledger.builds
        set status = 'failed', finished_at = now(), message = 'not published: dbt broke off before its end'
        where build_id = :build_id and status = 'running'
    """
    with suppress(SQLAlchemyError, Remedy), engine.begin() as connection:
        connection.execute(sa.text(statement), {"build_id": build_id})


class NodesEnded:
    """Tells from dbt's lines how many nodes have ended, and which one runs the longest.

    dbt numbers nodes as it starts them; those of several threads end in any order.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._running: dict[str, str] = {}
        self._ended: set[str] = set()

    def __call__(self, line: str) -> None:
        match = _NODE.search(line)
        if match is None:
            return
        number, total, state, name = match.groups()
        if state == "START":
            self._running[number] = name
        else:
            self._running.pop(number, None)
            self._ended.add(number)
        oldest = next(iter(self._running.values()), name)
        self._progress(oldest, len(self._ended), int(total))


def outcome(engine: sa.Engine) -> str:
    """What the last build came to, in words."""
    query = """
        select published_at is not null as published, message,
            (select count(*) from ledger.build_results where build_results.build_id = builds.build_id) as nodes
        from ledger.builds order by build_id desc limit 1
    """
    with engine.connect() as connection:
        last = connection.execute(sa.text(query)).one_or_none()
    if last is None:
        return "not recorded"
    return f"{last.nodes} models and tests, published" if last.published else str(last.message)


def _note(settings: Settings) -> Path:
    return settings.state_dir / "built.json"
