"""What the watch decides, with a dbt that only writes what a real one would write in the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace as replaced
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from loader import build
from loader.database import make_engine
from loader.pages.queries import builds
from loader.settings import Settings
from tests.conftest import run_sql
from tests.watch.watched import MODELS, Dbt, Watched

SELECT = ["--select", "fct_orders", "reads_a_source", "--exclude-resource-type", "unit_test", "--no-write-json"]


def test_the_first_build_is_of_the_whole_and_later_ones_of_what_loads_touch(watched: Watched) -> None:
    watched.load()
    assert watched.asked() == [["build"]]
    assert watched.asked() == []
    assert watched.slept, "nothing came: it sleeps"
    watched.load(["model.shop.fct_orders"])
    watched.dbt.alone = ["test.shop.reads_a_source.2e"]
    watched.dbt.test = ["test.shop.unique_fct_orders.1f", *watched.dbt.alone]  # dbt brings the other along
    assert watched.asked() == [["build", *SELECT, "--vars", '{"upper_bound": 2}']]
    assert watched.asked() == []
    watched.load(MODELS)
    assert watched.asked() == [["build"]], "all is due"
    watched.load()
    read_on = ["run-operation", "read_on", "--vars", '{"upper_bound": 4}']
    assert watched.asked() == [read_on], "nothing is due, and what came has been seen"
    assert "1 of 2 models, 2 tests: 0 models and tests, published" in watched.out.getvalue()


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
        watched.dbt.one(
            "1; update ledger.builds set status = 'superseded' where status = 'running'; select 1", "select "
        )
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
