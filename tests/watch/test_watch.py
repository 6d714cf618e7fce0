"""What the watch decides, with a dbt that only writes what a real one would write in the ledger."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from rich.console import Console

from loader import build, docs, watch_failure
from loader.database import make_engine
from loader.pages.queries import builds
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Steps
from loader.watch import Watch
from tests.conftest import free_port, run_sql

SELECT = ["--select", "fct_orders", "unique_fct_orders", "--exclude-resource-type", "unit_test", "--no-write-json"]
MODELS = ["model.shop.fct_orders", "model.shop.dim_dates"]


@dataclass
class Dbt:
    """Answers what is due, and opens and ends builds, as it is told to."""

    engine: sa.Engine
    make: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    unit_tests: list[str] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    status: str = "published"
    fails: str | Exception = ""
    status_of_failure: str = "failed"
    meanwhile: Callable[[], object] = lambda: None
    has_macros: bool = True

    def run(self, *arguments: str, line: Callable[[str], None] = lambda _: None) -> None:
        if arguments[:2] == ("run-operation", "say_what_is_due"):
            if not self.has_macros:
                raise Remedy("dbt could not find a macro with the name 'say_what_is_due' in any package")
            found = {name: self.one(f"select {query}") for name, query in [
                ("upper_bound", "coalesce(max(seq), 0) from ledger.loads"),
                ("published", "max(upper_bound) from ledger.builds where published_at is not null"),
            ]}  # fmt: skip
            due = {**found, "make": self.make, "test": self.test, "unit_tests": self.unit_tests, "all": 2}
            line(f"due: {json.dumps(due)}")
            return
        self.asked.append(list(arguments))
        self.meanwhile()
        if self.has_macros:
            given = json.loads(arguments[arguments.index("--vars") + 1]) if "--vars" in arguments else {}
            status = self.status_of_failure if self.fails else self.status
            build_id = self.one(
                "1 from (select 1) as one; insert into ledger.builds (upper_bound, status, published_at, message)"
                f" select least(coalesce(max(seq), 0), {given.get('upper_bound', 'null')}), '{status}',"
                f" case when '{status}' = 'published' then now() end, '{status}' from ledger.loads"
                " returning build_id",
                statement="select ",
            )
            line(f"Build {build_id}: staging up to load number {given.get('upper_bound')}, as of today.")
        if self.fails:
            raise self.fails if isinstance(self.fails, Exception) else Remedy(self.fails)
        if self.status == "published":
            self.make, self.test = [], []

    def one(self, query: str, statement: str = "") -> Any:
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement + query).scalar()

    def close(self) -> int:
        return 0


class Full(StringIO):
    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@dataclass
class Watched:
    watch: Watch
    dbt: Dbt
    out: StringIO
    slept: list[float]

    def load(self, touches: list[str] | None = None) -> None:
        self.dbt.one(
            "insert into ledger.loads (seq, source, table_name, door, principal, status)"
            " select coalesce(max(seq), 0) + 1, 'erp', 'orders', 'hand', 'ann', 'succeeded' from ledger.loads"
            " returning 1"
        )
        self.dbt.make += touches or []

    def asked(self) -> list[list[str]]:
        """What dbt was asked for since it was asked last."""
        self.watch.step()
        asked, self.dbt.asked = self.dbt.asked, []
        return asked


@pytest.fixture
def watched(settings: Settings, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(docs, "make_docs", lambda *_: None)
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    (tmp_path / "models").mkdir()
    out, slept = StringIO(), list[float]()
    here = replaced(settings, project_dir=tmp_path, state_dir=tmp_path / "state")
    watch = Watch(here, engine, Steps(Console(file=out, width=200)), slept.append)
    dbt = Dbt(engine)
    monkeypatch.setattr(watch, "dbt", dbt)
    return Watched(watch, dbt, out, slept)


def test_the_first_build_is_of_the_whole_and_later_ones_of_what_loads_touch(watched: Watched) -> None:
    watched.load()
    assert watched.asked() == [["build"]]
    assert watched.asked() == []
    assert watched.slept, "nothing came: it sleeps"
    watched.load(["model.shop.fct_orders"])
    watched.dbt.test = ["test.shop.unique_fct_orders.1f"]
    assert watched.asked() == [["build", *SELECT, "--vars", '{"upper_bound": 2}']]
    assert watched.asked() == []
    watched.load(MODELS)
    assert watched.asked() == [["build"]], "all is due"
    watched.load()
    read_on = ["run-operation", "read_on", "--vars", '{"upper_bound": 4}']
    assert watched.asked() == [read_on], "nothing is due, and what came has been seen"
    assert "1 of 2 models, 1 tests: 0 models and tests, published" in watched.out.getvalue()


def test_a_watch_that_begins_with_nothing_new_builds_nothing(watched: Watched) -> None:
    watched.load()
    watched.asked()
    watched.watch._seen = None
    assert watched.asked() == []
    assert watched.asked() == []


def test_a_project_that_changed_is_built_whole_when_the_next_load_comes(watched: Watched) -> None:
    watched.load()
    watched.asked()
    (watched.watch._settings.project_dir / "models" / "one.sql").write_text("select 1")
    assert watched.asked() == []
    watched.load(MODELS[:1])
    assert watched.asked() == [["build"]]
    watched.load(MODELS[:1])
    assert watched.asked()[0][1] == "--select"


def test_a_part_that_was_not_enough_is_followed_by_the_whole(watched: Watched) -> None:
    watched.load()
    watched.asked()
    watched.load(MODELS[:1])
    watched.dbt.status = "built"
    assert watched.asked()[0][1] == "--select"
    watched.dbt.status = "published"
    assert watched.asked() == [["build"]]
    assert watched.asked() == []


def test_what_comes_during_a_build_is_built_next(watched: Watched) -> None:
    watched.load()
    watched.asked()
    watched.load(MODELS[:1])

    def come() -> None:
        watched.dbt.meanwhile = lambda: None
        watched.load()

    watched.dbt.meanwhile = come  # before it has opened the build, which reads no further than was asked
    assert watched.asked()[0][-1] == '{"upper_bound": 2}'
    watched.dbt.make = MODELS[:1]
    assert watched.asked()[0][-1] == '{"upper_bound": 3}'
    assert watched.asked() == []


def test_what_failed_is_tried_again_when_a_load_comes_or_after_a_while(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("loader.watch.time.monotonic", lambda: now[0])
    watched.load()
    watched.dbt.fails = "dbt build ended with status 1"
    assert watched.asked() == [["build"]]
    assert "dbt build ended with status 1" in watched.out.getvalue()
    assert (
        "failed, see above; the marts are as they were."
        " Tried again when the project changes or when a load comes, else in 5 s"
    ) in watched.out.getvalue()
    assert watched.asked() == []
    now[0] += 5
    assert watched.asked() == [["build"]]
    now[0] += 5
    assert watched.asked() == [], "twice as long"
    watched.load()
    assert watched.asked() == [["build"]]
    assert "or when a load has come, in 20 s at the earliest, else in 20 s" in watched.out.getvalue()
    watched.dbt.fails = ""
    watched.load()
    assert watched.asked() == [], "three failures in a row: loads wait, too"
    now[0] += 20
    assert watched.asked() == [["build"]]
    now[0] += 3600
    assert watched.asked() == []
    watched.dbt.fails = "dbt build ended with status 1"
    watched.load()
    watched.asked()
    watched.load()
    assert len(watched.asked()) == 1, "the count begins anew"


def test_of_a_project_whose_whole_build_failed_what_is_due_is_built(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("loader.watch.time.monotonic", lambda: now[0])
    watched.load()
    watched.asked()
    model = watched.watch._settings.project_dir / "models" / "one.sql"
    model.write_text("select 1")
    watched.dbt.fails = "dbt build ended with status 1"
    watched.dbt.unit_tests = ["unit_test.shop.fct_orders.sums"]
    watched.load(MODELS[:1])
    assert watched.asked() == [["build"]]
    watched.load()
    part = ["build", "--select", "fct_orders", "unit_test:sums", "--no-write-json", "--vars", '{"upper_bound": 3}']
    assert watched.asked() == [part]
    model.write_text("select 2")
    assert watched.asked() == []
    now[0] += 5
    assert watched.asked() == [["build"]], "it was mended, and no load need come"
    assert watched.asked() == []


def test_a_whole_build_that_broke_off_is_begun_anew(watched: Watched) -> None:
    watched.load()
    watched.asked()
    (watched.watch._settings.project_dir / "models" / "one.sql").write_text("select 1")
    watched.dbt.fails = "dbt build ended with status -9"
    watched.dbt.status_of_failure = "running"
    watched.load(MODELS[:1])
    assert watched.asked() == [["build"]]
    watched.dbt.status_of_failure = "failed"
    watched.load()
    assert watched.asked() == [["build"]], "nobody knows what of the logic was tested"


@pytest.mark.parametrize("half_saved", ["name: [shop", "only text", None])
def test_a_project_that_can_not_be_read_is_said_and_read_again(watched: Watched, half_saved: str | None) -> None:
    file = watched.watch._settings.project_dir / "dbt_project.yml"
    if half_saved is None:
        file.unlink()
    else:
        file.write_text(half_saved)
    watched.load()
    assert watched.asked() == []
    assert "can't be read" in watched.out.getvalue()
    failure = watch_failure.read(watched.watch._settings.state_dir)
    assert failure is not None
    assert "can't be read" in failure.words
    assert (failure.again_at - failure.at).total_seconds() == 5
    assert "Traceback" not in watched.out.getvalue()
    file.write_text("name: shop")
    watched.load()
    assert watched.asked() == [["build"]]
    assert watch_failure.read(watched.watch._settings.state_dir) is None


@pytest.mark.parametrize("where", ["in dbt", "in its docs"])
def test_what_nobody_thought_of_is_said_with_its_place_and_tried_again(
    watched: Watched, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "in dbt":
        watched.dbt.fails = AttributeError("no such thing")
    else:
        monkeypatch.setattr(docs, "make_docs", lambda *_: dict[str, str]()["no such thing"])
    watched.load()
    watched.watch.step()
    assert "Traceback" in watched.out.getvalue()
    assert "no such thing" in watched.out.getvalue()
    watched.dbt.fails, watched.dbt.asked = "", []
    watched.watch._again_at = time.monotonic()
    monkeypatch.setattr(docs, "make_docs", lambda *_: None)
    assert watched.asked() == ([["build"]] if where == "in dbt" else []), "what went well is not done again"


def test_files_that_can_not_be_written_are_no_end(watched: Watched) -> None:
    (watched.watch._settings.state_dir / "built.json").mkdir(parents=True)
    watched.load()
    assert watched.asked() == [["build"]]
    assert "Traceback" not in watched.out.getvalue(), "it was built and published"
    watched.watch._steps = Steps(Console(file=Full(), width=200))
    watched.load(MODELS)
    watched.asked()
    watched.asked()
    assert watched.dbt.one("select count(*) from ledger.builds") == 2, "the disk of the log is full"


def test_a_whole_build_that_is_not_published_is_a_failure(watched: Watched) -> None:
    watched.load()
    watched.dbt.status = "failed"
    assert watched.asked() == [["build"]]
    assert "Build 1: failed." in watched.out.getvalue()
    assert watched.asked() == []
    watched.dbt.status = "published"
    watched.watch._again_at = time.monotonic()
    assert watched.asked() == [["build"]], "its loads are not taken for read"


def test_a_build_that_was_overtaken_is_not_taken_for_the_one_that_took_over(
    settings: Settings, engine: sa.Engine, tmp_path: Path
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop")
    here, overtaken, next_one = replaced(settings, project_dir=tmp_path, state_dir=tmp_path), Dbt(engine), Dbt(engine)
    overtaken.status = "superseded"

    def run(*arguments: str, line: Callable[[str], None]) -> None:
        overtaken.run(*arguments, line=line)
        next_one.run(*arguments)

    with pytest.raises(build.NotPublished, match=r"Build 1: superseded\."):
        build.build(here, engine, run=run)
    assert not build.is_current(here, engine)
    overtaken.status = "built"
    ended = build.build(here, engine, "--select", "fct_orders", run=run)
    assert (str(ended), ended and ended.build_id) == ("built", 3)


def test_somebodys_own_dbt_is_not_taken_over(
    watched: Watched, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "LOOK_SECONDS", 0.01)
    watched.load()
    watched.dbt.one("insert into ledger.builds (upper_bound, status) values (1, 'running') returning 1")
    at_work = make_engine(settings, connect_args={"application_name": "dbt"}, poolclass=sa.NullPool)
    with at_work.connect() as connection:
        pid = connection.exec_driver_sql("select pg_backend_pid()").scalar()
        connection.commit()
        assert watched.asked() == []
        assert watched.asked() == []
        assert watched.out.getvalue().count(f"build 1 is of a dbt that was started by hand (session {pid} of") == 1
        monkeypatch.setattr(build, "IDLE_MINUTES", 0)
        assert watched.asked() == [["build"]], "it hangs, or is none of a build"
        monkeypatch.setattr(build, "IDLE_MINUTES", 5)
        watched.load(MODELS[:1])
        with monkeypatch.context() as patched:
            patched.setattr(watched.watch, "_what_is_due", partial(begin, watched, watched.watch._what_is_due))
            assert watched.asked() == [], "it has begun since it was asked what is due"
    assert watched.asked() != [], "killed: no session is left"


def begin(watched: Watched, what_is_due: Callable[[], Any]) -> Any:
    watched.dbt.one("insert into ledger.builds (upper_bound, status) values (1, 'running') returning 1")
    return what_is_due()


def test_a_dbt_of_somebody_who_may_not_build_is_not_waited_for(
    watched: Watched, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "LOOKS", 1)
    watched.load()
    watched.dbt.one("insert into ledger.builds (upper_bound, status) values (1, 'running') returning 1")
    reader = f"reader_{settings.database}"
    run_sql(settings, f"create role {reader} login password 'x'")
    theirs = make_engine(
        replaced(settings, user=reader, password="x"), connect_args={"application_name": "dbt"}, poolclass=sa.NullPool
    )
    try:
        with theirs.connect():
            assert watched.asked() == [["build"]]
    finally:
        run_sql(settings, f"drop role {reader}")


def test_a_database_that_is_away_is_said_once_and_asked_ever_more_rarely(watched: Watched) -> None:
    engine = watched.watch._engine
    watched.watch._engine = make_engine(replaced(watched.watch._settings, port=free_port()))
    for _ in range(7):
        assert watched.asked() == []
    assert watched.slept == [1, 2, 4, 8, 16, 30, 30]
    assert watched.out.getvalue().count("waiting for the database") == 1
    assert "No PostgreSQL server answers" in watched.out.getvalue()
    watched.watch._engine = engine
    watched.load()
    assert watched.asked() == [["build"]]
    assert watched.out.getvalue().count("the database is back") == 1


def test_an_error_of_a_database_that_answers_is_a_failure_and_not_its_absence(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with watched.watch._engine.begin() as connection:
        connection.exec_driver_sql("alter table ledger.loads rename to away")
    for _ in range(2):
        assert watched.asked() == []
    assert 'relation "ledger.loads" does not exist' in watched.out.getvalue()
    assert "waiting for the database" not in watched.out.getvalue()
    assert watched.slept == [5, 5], "it does not ask without a pause"
    with watched.watch._engine.begin() as connection:
        connection.exec_driver_sql("alter table ledger.away rename to loads")
    watched.watch._again_at = time.monotonic()
    watched.load()
    assert watched.asked() == [["build"]]
    assert watched.asked() == []


def test_a_database_that_comes_and_goes_is_asked_ever_more_rarely(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.load()
    words = iter(["server closed the connection", "server closed the connection", "no route to host"])

    def lose(*_: object) -> None:
        raise psycopg2.OperationalError(next(words))

    with monkeypatch.context() as patched:
        patched.setattr(watched.watch, "_is_anothers", lose)
        for _ in range(3):
            watched.watch.step()
    assert watched.slept == [1, 2, 4]
    assert watched.out.getvalue().count("server closed the connection") == 1
    assert watched.out.getvalue().count("no route to host") == 1
    assert "the database is back" not in watched.out.getvalue()
    assert watched.asked() == [["build"]]
    assert watched.out.getvalue().count("the database is back") == 1


def test_a_project_without_the_build_macros_is_built_whole_for_each_load(watched: Watched) -> None:
    watched.dbt.has_macros = False
    watched.load()
    assert watched.asked() == [["build"]]
    assert watched.asked() == []
    watched.load()
    assert watched.asked() == [["build"]]


def test_one_build_at_a_time_and_the_next_one_says_that_it_waits(settings: Settings, engine: sa.Engine) -> None:
    said: list[str] = []
    other, first = make_engine(settings), ExitStack()

    def hear(words: str) -> None:
        said.append(words)
        assert turns(engine) == (1, 0), "it has not begun to wait yet"
        first.close()

    first.enter_context(build.turn(engine, said.append))
    assert said == []
    with build.turn(other, hear):
        assert said == ["another `loader build` is at work; this one follows when it has ended"]
        assert turns(engine) == (1, 0)
    assert turns(engine) == (0, 0)
    other.dispose()


def turns(engine: sa.Engine) -> tuple[int, int]:
    """Who builds, and who waits."""
    with engine.connect() as connection:
        found = builds.turns(connection)
    return int(found.is_taken), found.waiting


def test_who_waits_is_counted(settings: Settings, engine: sa.Engine) -> None:
    other = make_engine(settings)
    waits = threading.Event()

    def wait() -> None:
        with build.turn(other, lambda _: waits.set()):
            pass

    waiting = threading.Thread(target=wait)
    with build.turn(engine, print):
        waiting.start()
        assert waits.wait(10)
        deadline = time.monotonic() + 10
        while turns(engine) != (1, 1) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert turns(engine) == (1, 1)
    waiting.join(10)
    assert turns(engine) == (0, 0)
    other.dispose()
