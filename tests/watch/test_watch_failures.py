"""What the watch does when something goes wrong: it says it, tries again, and stays."""

from __future__ import annotations

import time
from dataclasses import replace as replaced
from io import StringIO

import psycopg2
import pytest
import sqlalchemy as sa
from rich.console import Console

from loader import docs, watch_failure
from loader.database import make_engine
from loader.settings import Settings
from loader.steps import Steps
from loader.watch import AnotherWatch, Watch
from tests.conftest import free_port
from tests.watch.watched import MODELS, Full, Watched


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
    watched.dbt.fails = "dbt build ended with status 1"
    assert watched.asked() == [["build"]]
    assert watched.out.getvalue().count("dbt build ended with status 1") == 1
    assert watched.out.getvalue().count("same as before (1 more") == 1
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


def test_a_database_that_is_away_is_said_once_and_asked_ever_more_rarely(watched: Watched) -> None:
    engine = watched.watch._engine
    watched.watch.let_go()
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


def test_a_database_has_one_watch_that_keeps_its_place(watched: Watched, settings: Settings) -> None:
    watched.asked()
    own = watched.watch._own
    assert own is not None
    pid = own.exec_driver_sql("select pg_backend_pid()").scalar()
    second = Watch(
        watched.watch._settings, make_engine(settings, poolclass=sa.NullPool), Steps(Console(file=StringIO()))
    )
    with pytest.raises(AnotherWatch, match=rf"Another watch builds in this database \(session {pid} of the server"):
        second.run()
    watched.dbt.one(f"pg_terminate_backend({pid}, 10000)", "select ")
    assert watched.asked() == []
    assert watched.slept[-1] == 1
    watched.load()
    assert len(watched.asked()) == 1, "it is there again"
    assert watched.out.getvalue().count("waiting for the database") == 1
    with pytest.raises(AnotherWatch):
        second.step()
    watched.watch.let_go()
    second.dbt = watched.watch.dbt
    second.step()
    second.let_go()


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
