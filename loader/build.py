"""Builds the warehouse and the marts by dbt, when there is something to build."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

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
#: Held by a watch for as long as it runs: one database has one, whatever folder it was started from.
WATCH = "hashtextextended('gatehouse: a watch', 0)"
_TURN_MILLISECONDS = 1000

# dbt's line for a node that starts or has ended: `12:01:02  7 of 60 OK created sql view model staging.x .... [`.
# Hooks are counted apart from nodes; a long name leaves no room for dots.
_NODE = re.compile(r"(\d+) of (\d+) ([A-Z][A-Z-]*)\b(?! hook:).*?(\S+) \.* *\[")

# what open_build says when it has opened one
_OPENED = re.compile(r"Build (\d+): staging up to load number ")

_OF_A_PART = ("--select", "--exclude", "--selector", "--model", "--resource-type")

_LAST_BUILD = """
    select
        builds.build_id,
        builds.published_at is not null
            and builds.upper_bound >= (select coalesce(max(seq), 0) from ledger.loads) as is_current
    from ledger.builds
    order by builds.build_id desc
    limit 1
"""

#: How often, and how many seconds apart, the server is asked for dbt before it is taken to be
#: away: between two models it has no session for a moment.
LOOKS, LOOK_SECONDS = 5, 0.5
#: A session that has asked for nothing so long is at no build: an editor's, or left by a dbt that hangs.
IDLE_MINUTES = 5
# By its application_name, which everybody may see; of whoever could have opened a build.
_DBT = """
    select pid, backend_start
    from pg_stat_activity
    where datname = current_database() and application_name = 'dbt'
        and has_table_privilege(usesysid, 'ledger.builds', 'insert')
        and (
            state is null or state = 'active'
            or state_change > clock_timestamp() - make_interval(mins => :idle_minutes)
        )
    order by backend_start
    limit 1
"""

_BUILD = """
    select
        build_id, upper_bound, coalesce(status, '') as status, published_at is not null as is_published,
        coalesce(message, '') as message,
        (select count(*) from ledger.build_results as results where results.build_id = builds.build_id) as nodes
    from ledger.builds
    where build_id = :build_id
"""


def is_current(settings: Settings, engine: sa.Engine) -> bool:
    """Whether the last build was published, saw every load, and was made by `build`
    from the project as it is now."""
    made = _noted(settings)
    with engine.connect() as connection:
        last = connection.execute(sa.text(_LAST_BUILD)).one_or_none()
    return (
        last is not None
        and bool(last.is_current)
        and made == {"build_id": last.build_id, "project": project_fingerprint(settings.project_dir)}
    )


@dataclass(frozen=True)
class Ended:
    """What a build came to, as the ledger has it."""

    build_id: int
    upper_bound: int
    status: str
    is_published: bool
    message: str
    nodes: int

    def __str__(self) -> str:
        return f"{self.nodes} models and tests, published" if self.is_published else self.message


class NotPublished(Remedy):
    """dbt ended well, and readers have not what it built."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended
        super().__init__(f"Build {ended.build_id}: {ended.message}.")


def build(
    settings: Settings,
    engine: sa.Engine,
    *arguments: str,
    progress: Progress = lambda *_: None,
    run: Run | None = None,
    command: str = "build",
) -> Ended | None:
    """`dbt build ARGUMENTS…`, and a note of what it was of, where dbt came to its end; by `run` where a dbt is
    there already. Raises Remedy with dbt's last lines when it fails, NotPublished when it
    did not and readers all the same keep what they had; a part may end as built, and say what
    it lacks. A build that dbt could not end itself is ended in the ledger, if that can be
    reached. None of a project without our build macros."""
    fingerprint: str | None = project_fingerprint(settings.project_dir)  # before: what changes meanwhile is not in it
    opened: list[int] = []
    nodes_ended = NodesEnded(progress)

    def tell(line: str) -> None:
        nodes_ended(line)
        if match := _OPENED.search(line):
            opened.append(int(match[1]))

    if is_part(arguments):  # of what else changed nothing was tried
        fingerprint = _noted(settings).get("project")
    try:
        (run or partial(run_dbt, settings))(command, *arguments, line=tell)
    except BaseException:  # also Ctrl-C
        for build_id in opened:
            if _end(engine, build_id) == "failed":
                _write_note(settings, build_id, fingerprint)
        raise
    if not opened:
        return None
    with engine.connect() as connection:
        found = connection.execute(sa.text(_BUILD), {"build_id": opened[-1]}).one()
    ended = Ended(**found._mapping)
    _write_note(settings, ended.build_id, fingerprint)
    is_enough = command != "build" or is_part(arguments) or not ended.message.startswith("not published")
    if not ended.is_published and not (ended.status == "built" and is_enough):
        raise NotPublished(ended)
    return ended


def dbt_at_work(connection: sa.Connection, looks: int | None = None) -> sa.Row[Any] | None:
    """The session of a dbt that may be building: its pid, and since when it is there. None if there
    is none for some seconds. A build that was killed can't say so itself."""
    looks = looks or LOOKS
    for look in range(looks):
        if look:
            time.sleep(LOOK_SECONDS)
        connection.execute(sa.text("select pg_stat_clear_snapshot()"))  # else a transaction sees what it saw first
        found = connection.execute(sa.text(_DBT), {"idle_minutes": IDLE_MINUTES}).one_or_none()
        if found is not None:
            return found
    return None


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


def was_tried(settings: Settings, project: str) -> bool:
    """Whether a project of that fingerprint was built whole, also where some of it failed: what
    failed is known, and what is left to do is what is due."""
    return bool(_noted(settings).get("project") == project)


def is_part(arguments: Iterable[str]) -> bool:
    """Whether dbt's arguments name nodes to build or to leave out."""
    return any(word.startswith(_OF_A_PART) or word in ("-s", "-m") for word in arguments)


def _end(engine: sa.Engine, build_id: int) -> str | None:
    """What a build of a dbt that ended badly came to; one that says it is running is ended."""
    find = "select status from ledger.builds where build_id = :build_id"
    end = """
        update ledger.builds
        set status = 'failed', finished_at = now(), message = 'not published: dbt broke off before its end'
        where build_id = :build_id and status = 'running'
    """
    status: str | None = None
    with suppress(SQLAlchemyError, Remedy), engine.begin() as connection:
        status = connection.execute(sa.text(find), {"build_id": build_id}).scalar()
        connection.execute(sa.text(end), {"build_id": build_id})
    return status


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


def _note(settings: Settings) -> Path:
    return settings.state_dir / "built.json"


def _noted(settings: Settings) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        noted = json.loads(_note(settings).read_text("utf-8"))
        return noted if isinstance(noted, dict) else {}
    return {}


def _write_note(settings: Settings, build_id: int, project: str | None) -> None:
    with suppress(OSError):  # without the note it is built once more
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        _note(settings).write_text(json.dumps({"build_id": build_id, "project": project}), "utf-8")
