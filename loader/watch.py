"""`loader build --watch`: builds what new loads touch, as they come, for as long as it runs."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from loader import build, docs, watch_failure
from loader.database import connection_faults, ended_by, went_away
from loader.dbt import project_fingerprint
from loader.dbt_kept import KeptDbt
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Step, Steps

#: How often the ledger is asked for new loads: one row of an index. Chosen over LISTEN and NOTIFY,
#: by which every load would pass a lock of the whole server at its commit (docs/DECISIONS.md).
POLL_SECONDS = 0.5
#: After a failure nothing is tried again until a load comes, or so much time has passed; twice as
#: long each time.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
#: After so many failures in a row loads wait as well, for so long at the most: the next one
#: may mend it, and a hundred that do not are not to be a hundred builds.
PATIENCE, LONGEST_PAUSE_OF_LOADS = 3, 300.0
#: How often it is asked after a failure whether the project was mended.
PROJECT_SECONDS = 5.0
#: The same while the database is away.
FIRST_AWAY, LONGEST_AWAY = 1.0, 30.0
_DUE = "due: "
# by seconds and counts alone one failure is no other than the last
_NUMBER = re.compile(r"\d+(\.\d+)?")
_NEWEST = "select coalesce(max(seq), 0) from ledger.loads"
_RUNNING = "select build_id from ledger.builds where status = 'running' order by build_id desc limit 1"


_HOLDER = f"""
    select activity.pid, coalesce(host(activity.client_addr), 'this machine') as client, activity.backend_start
    from pg_locks as locks
    inner join pg_stat_activity as activity on activity.pid = locks.pid
    where locks.locktype = 'advisory' and locks.objsubid = 1 and locks.granted
        and locks.database = (select oid from pg_database where datname = current_database())
        and (locks.classid::bigint << 32 | locks.objid::bigint) = {build.WATCH}
"""


class AnotherWatch(Remedy):
    """The database has a watch."""


@dataclass(frozen=True)
class Due:
    """What a build would have to do now, as dbt's macro `what_is_due` says it: unique ids of
    what to make and what to test, those of the tests that read nothing of what is made, unit tests
    that did not pass, and how many models and seeds there are in all."""

    upper_bound: int
    published: int | None
    make: list[str]
    test: list[str]
    alone: list[str]
    unit_tests: list[str]
    all: int


@dataclass(frozen=True)
class Plan:
    """What dbt is asked for: its command line, empty where nothing is to be done; and whether
    that builds the whole."""

    command: tuple[str, ...] = ()
    is_whole: bool = False

    @classmethod
    def part(cls, due: Due) -> Plan:
        """What is due, and no more, up to the bound that it is due at. Names of nodes, not their
        ids; tests of what is selected come along, and are not named: dbt holds each name against
        each node. The logic of models has been tested by the build that first saw the project as
        it is: unit tests are left out, unless some failed."""
        up_to = ("--vars", json.dumps({"upper_bound": due.upper_bound}))
        names = sorted({unique_id.split(".")[2] for unique_id in (*due.make, *due.alone)})
        logic = [f"unit_test:{unique_id.split('.')[3]}" for unique_id in due.unit_tests]
        if not names and not logic:
            return cls(("run-operation", "read_on", *up_to))
        # the whole project's documents are for the docs, which a part leaves as they are
        without = () if logic else ("--exclude-resource-type", "unit_test")
        return cls(("build", "--select", *names, *logic, *without, "--no-write-json", *up_to))


NOTHING = Plan()
WHOLE = Plan(("build",), is_whole=True)


class Watch:
    """`run` does not return: it is ended from outside, by KeyboardInterrupt as a rule. Raises
    AnotherWatch where the database has one already."""

    def __init__(
        self,
        settings: Settings,
        engine: sa.Engine,
        steps: Steps,
        sleep: Callable[[float], None] = time.sleep,
        is_up: Callable[[], object] = lambda: None,
    ) -> None:
        """`is_up` is called whenever it has looked for loads, or said why it could not."""
        self._settings, self._engine, self._steps, self._sleep = settings, engine, steps, sleep
        self._is_up = is_up
        self.dbt = KeptDbt(settings)
        #: The session that holds the lock of the database's one watch, and asks for loads.
        self._own: sa.Connection | None = None
        self._was_one = False
        #: The newest load when it looked last.
        self._newest = 0
        #: The newest load when everything had last been looked at; None: look at once.
        self._seen: int | None = None
        #: A part was not enough: the next build is of the whole.
        self._whole = False
        self._failures, self._pause = 0, FIRST_PAUSE
        #: What the last failure was told by, and how often the same came again.
        self._words, self._repeats = "", 0
        #: After a failure: when it is tried again, when a load is reason enough, and when it is
        #: asked next whether the project is another than this, the one that was tried; None: it
        #: could not be read.
        self._again_at: float | None = None
        self._loads_at = self._project_at = 0.0
        self._project: str | None = None
        #: Somebody's own build, of which it was said that it is waited for.
        self._waits_for: int | None = None
        self._away, self._away_words = 0.0, ""

    def run(self) -> None:
        try:
            while True:
                self.step()
        finally:
            self.dbt.close()
            self.let_go()

    def step(self) -> None:
        """Looks once for something to do, and does it; else sleeps. Whatever goes wrong is
        said and tried again: nobody is there at night to start another watch."""
        try:
            with connection_faults(self._settings):
                self._look()
            if self._away:
                self._say("the database is back")
                self._away, self._away_words = 0.0, ""
        except Exception as error:
            if isinstance(error, AnotherWatch) and not self._was_one:
                raise
            # of Remedies only those of connecting come so far
            if isinstance(error, Remedy) or (_is_of_database(error) and went_away(error)):
                self._wait_for_database(error)
            else:
                self._failed(error)
                self._sleep(FIRST_PAUSE)
            self._is_up()

    def _only_one(self) -> sa.Connection:
        """The session of the database's one watch; a lost one is replaced. It may be our own lost
        one that the server has not missed yet: it is waited for."""
        if self._own is not None and self._own.invalidated:
            self.let_go()
        if self._own is None:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                if not connection.exec_driver_sql(f"select pg_try_advisory_lock({build.WATCH})").scalar():
                    found = connection.exec_driver_sql(_HOLDER).one_or_none()
                    who = f"session {found.pid} of the server, from {found.client}" if found else "it has just ended"
                    raise AnotherWatch(f"Another watch builds in this database ({who}).", "One is enough.")
            except BaseException:
                connection.close()
                raise
            self._own, self._was_one = connection, True
        return self._own

    def let_go(self) -> None:
        """Another may watch."""
        own, self._own = self._own, None
        if own is not None:
            with suppress(SQLAlchemyError, psycopg2.Error):
                own.invalidate()
                own.close()

    def _look(self) -> None:
        self._newest = self._only_one().execute(sa.text(_NEWEST)).scalar_one()
        self._is_up()
        if not self._is_time():
            self._sleep(POLL_SECONDS)
            return
        with build.turn(self._engine, self._say):
            if self._is_anothers():
                return
            is_whole = self._build()
        if is_whole:
            docs.make_docs(self._settings, self._steps, self.dbt.run)

    def _is_time(self) -> bool:
        if self._seen is None:
            return True
        has_come, now = self._newest > self._seen, time.monotonic()
        if self._again_at is None:
            return has_come
        return now >= self._again_at or (has_come and now >= self._loads_at) or self._is_mended(now)

    def _is_mended(self, now: float) -> bool:
        if now < self._project_at:
            return False
        self._project_at = now + PROJECT_SECONDS
        try:
            return project_fingerprint(self._settings.project_dir) != self._project
        except Remedy:
            return False  # somebody is at it

    def _build(self) -> bool:
        """Builds what is due; whether that was the whole, and went well."""
        self._newest = self._ask(_NEWEST).scalar_one()
        with ExitStack() as opened:
            step = self._project = None
            try:
                self._project = project_fingerprint(self._settings.project_dir)
                due = self._what_is_due()
                plan, ended = self._plan(due, self._project), None
                if plan != NOTHING:
                    if self._is_anothers():
                        return False  # begun since it was asked what is due
                    step = opened.enter_context(self._steps.step("dbt build"))
                    ended = self._make(plan, step)
                    step.detail = _in_words(due, plan, ended)
                self._after(plan, due, ended)
            except Exception as failure:
                self._ask(_NEWEST)  # raises if it is the database that is away
                self._failed(failure)
                if step is not None:
                    step.detail = f"failed, see above; the marts are as they were. {self._when_again()}"
                return False
        return plan.is_whole

    def _is_anothers(self) -> bool:
        """Whether somebody's own `dbt build` is at work: it is not taken over."""
        running, dbt = self._ask(_RUNNING).scalar(), None
        if running is not None:
            with self._engine.connect() as connection:
                dbt = build.dbt_at_work(connection)
        if dbt is None:
            self._waits_for = None
            return False
        if running != self._waits_for:
            self._say(
                f"build {running} is of a dbt that was started by hand (session {dbt.pid} of the server, since"
                f" {dbt.backend_start:%Y-%m-%d %H:%M:%S %Z}); the watch goes on when it has ended, or when it has"
                f" asked for nothing for {build.IDLE_MINUTES} minutes"
            )
        self._waits_for = running
        self._sleep(POLL_SECONDS)
        return True

    def _make(self, plan: Plan, step: Step) -> build.Ended | None:
        command, *rest = plan.command
        try:
            return build.build(
                self._settings, self._engine, *rest, command=command, run=self.dbt.run, progress=step.progress
            )
        except build.NotPublished as failure:
            if plan.is_whole:
                raise
            return failure.ended  # more may be enough

    def _what_is_due(self) -> Due | None:
        """What is to be built; None of a project without our build macros."""
        said: list[str] = []

        def hear(line: str) -> None:
            if line.startswith(_DUE):
                said.append(line.removeprefix(_DUE))

        try:
            self.dbt.run("run-operation", "say_what_is_due", line=hear)
        except Remedy as failure:
            if "say_what_is_due" in failure.message and "could not find a macro" in failure.message:
                return None
            raise
        return Due(**json.loads(said[-1]))

    def _plan(self, due: Due | None, project: str) -> Plan:
        if due is None:
            return WHOLE
        was_tried = build.was_tried(self._settings, project)
        if self._whole or due.published is None or not was_tried or len(due.make) == due.all:
            return WHOLE
        if due.make or due.test or due.unit_tests or due.upper_bound > due.published:
            return Plan.part(due)
        return NOTHING

    def _after(self, plan: Plan, due: Due | None, ended: build.Ended | None) -> None:
        """Nothing failed: what is left to do?"""
        self._whole, self._again_at = False, None
        if due is None or ended is None or ended.is_published or plan.is_whole:
            watch_failure.forget(self._settings.state_dir)
            self._seen = ended.upper_bound if ended else self._newest
            self._failures, self._pause, self._words = 0, FIRST_PAUSE, ""
            return
        self._seen = None
        # where somebody's build came between, it was not for being a part
        self._whole = ended.status != "superseded" and ended.upper_bound == due.upper_bound

    def _failed(self, failure: Exception) -> None:
        now, pause = time.monotonic(), self._pause
        self._failures, self._pause = self._failures + 1, min(pause * 2, LONGEST_PAUSE)
        self._seen, self._whole = self._newest, False
        self._again_at, self._project_at = now + pause, now + PROJECT_SECONDS
        self._loads_at = now if self._failures < PATIENCE else now + min(pause, LONGEST_PAUSE_OF_LOADS)
        words = _told(failure)
        is_new = _NUMBER.sub("0", words) != _NUMBER.sub("0", self._words)
        self._repeats = 0 if is_new else self._repeats + 1
        self._say(words if is_new else f"same as before ({self._repeats} more of it since it was said)")
        self._words = words
        watch_failure.write(self._settings.state_dir, words, pause)

    def _when_again(self) -> str:
        now = time.monotonic()
        left, loads = max((self._again_at or 0.0) - now, 0.0), max(self._loads_at - now, 0.0)
        when = "when a load comes" if not loads else f"when a load has come, in {loads:.0f} s at the earliest"
        return f"Tried again when the project changes or {when}, else in {left:.0f} s"

    def _wait_for_database(self, error: Exception) -> None:
        words = _told(error)
        if words != self._away_words:
            self._say(f"{words}\nwaiting for the database")
        self._away_words = words
        self._away = min(max(self._away * 2, FIRST_AWAY), LONGEST_AWAY)
        self._seen = None
        self._sleep(self._away)

    def _say(self, words: str) -> None:
        with suppress(OSError):  # the disk of the log is full
            self._steps.say(words)

    def _ask(self, query: str) -> sa.Result[Any]:
        with self._engine.connect() as connection:
            return connection.execute(sa.text(query)).freeze()()


def _in_words(due: Due | None, plan: Plan, ended: build.Ended | None) -> str:
    words = str(ended or "not recorded")
    if due is None or plan.is_whole:
        return words
    return f"{len(due.make)} of {due.all} models, {len(due.test)} tests: {words}"


def _is_of_database(error: Exception) -> bool:
    return isinstance(error, (SQLAlchemyError, psycopg2.Error))


def _told(error: Exception) -> str:
    """In words; what nobody thought of with its place in the program."""
    if isinstance(error, Remedy):
        return str(error)
    if _is_of_database(error):
        return ended_by(error, "watch", "It goes on")
    return "".join(traceback.format_exception(error))
