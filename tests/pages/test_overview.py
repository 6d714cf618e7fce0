"""The first page: what arrived, what is stuck, what is late, what was built."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from loader import watch_failure
from loader.build import APPLICATION_NAME, TURN
from loader.database import make_engine
from tests.pages.desk import TICKET, Desk, words


def team(number: int, **more: str) -> dict[str, str]:
    return {"team_id": str(number), "name": f"team {number}"} | more


def test_an_empty_house_says_what_to_do(desk: Desk) -> None:
    page = words(desk.get("/"))
    assert "0 rows accepted in the last 24 hours" in page
    assert "Nothing is kept back" in page
    assert "The warehouse has not been built yet." in page
    assert "0 tables late and 1 never loaded" in page


def test_the_figures_and_reasons_are_those_of_the_ledger(desk: Desk) -> None:
    desk.load("teams", team(1), team(2), team(2))
    desk.load(
        "tickets",
        TICKET,
        TICKET | {"ticket_id": "2", "team_id": "8"},
        TICKET | {"ticket_id": "3", "hours": "-1", "votes": "x"},
        TICKET | {"ticket_id": "4", "kind": "joke"},
        TICKET | {"ticket_id": "5", "kind": "joke"},
        TICKET | {"ticket_id": "6", "urgent": ""},
        TICKET | {"ticket_id": "7", "team_id": "1"},
    )
    page = words(desk.get("/"))
    assert "3 rows accepted" in page
    assert "2 rows waiting" in page
    assert "4 rows refused" in page
    tickets = page.partition("Waiting and refused")[2].partition("Builds of the warehouse")[0]
    assert "Tickets desk.tickets 2 waiting 4 refused" in tickets
    assert "2 × kind must be one of" in tickets
    assert "and 1 other reason" in tickets


def test_tables_beyond_the_first_that_keep_rows_back_are_folded_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loader.pages.blueprint._KEPT_SHOWN", 1)
    desk.load("tickets", TICKET, TICKET | {"ticket_id": "2"})
    assert "other table" not in words(desk.get("/"))
    desk.load("teams", team(1, team_id="x"))
    shown, _, folded = words(desk.get("/")).partition("1 other table")
    assert "Tickets desk.tickets 2 waiting" in shown
    assert "1 refused" in folded.partition("Builds of the warehouse")[0]


def test_rows_accepted_long_ago_do_not_count(desk: Desk) -> None:
    desk.load("teams", team(1))
    desk.execute("update ledger.loads set finished_at = now() - interval '25 hours'")
    assert "0 rows accepted" in words(desk.get("/"))


@pytest.mark.parametrize(
    ("age", "state", "late"),
    [("10 minutes", "on time", 0), ("61 minutes", "late", 1), ("49 hours", "overdue", 1)],
)
def test_a_table_is_late_by_its_contract(desk: Desk, age: str, state: str, late: int) -> None:
    desk.load("tickets", TICKET)
    desk.execute(f"update ledger.loads set finished_at = now() - interval '{age}'")
    page = words(desk.get("/"))
    assert f"Tickets desk.tickets {state} " in page
    assert f"{late} table{'' if late == 1 else 's'} late" in page
    assert "late after 1 hour, overdue after 2 days" in page


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ("status = 'failed'", False),
        ("status = 'refused'", False),
        ("waiting = 0, rejected = 1", False),
        ("received = 0, waiting = 0", False),
        ("received = 2, rejected = 1", True),
        ("waiting = 0, accepted = 1", True),
        ("waiting = 0, duplicates = 1", True),
    ],
)
def test_a_load_without_a_good_row_makes_no_table_fresh(desk: Desk, changed: str, counts: bool) -> None:
    desk.load("tickets", TICKET)
    desk.execute(f"update ledger.loads set finished_at = now() - interval '3 hours', {changed}")
    page = words(desk.get("/"))
    assert ("Tickets desk.tickets late 3 hours ago" in page) is counts
    assert ("Tickets desk.tickets never never" in page) is not counts


def test_a_load_of_refused_rows_alone_does_not_hide_that_a_table_is_late(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    desk.execute("update ledger.loads set finished_at = now() - interval '3 hours'")
    assert desk.load("tickets", TICKET | {"ticket_id": "x"}).rejected == 1
    assert desk.load("tickets").received == 0
    assert "Tickets desk.tickets late 3 hours ago" in words(desk.get("/"))
    assert "Freshness late last load with good rows: 3 hours ago" in words(desk.get("/tables/desk/tickets"))


def test_what_needs_somebody_stands_before_what_merely_arrived(desk: Desk) -> None:
    page = words(desk.get("/"))
    headings = ("Waiting and refused", "Builds of the warehouse", "Is every table on time?", "What arrived lately")
    places = [page.index(heading) for heading in headings]
    assert places == sorted(places)


def test_rows_let_in_by_their_parent_are_no_news_from_the_source(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    desk.execute("update ledger.loads set finished_at = now() - interval '3 hours'")
    desk.load("teams", team(7))
    assert desk.rows("select count(*) from staging_desk.tickets") == [(1,)]
    assert "Tickets desk.tickets late 3 hours ago" in words(desk.get("/"))


def test_the_last_twenty_loads_are_listed(desk: Desk) -> None:
    for number in range(22):
        desk.load("teams", team(number), principal=f"p-{number}-q")
    page = words(desk.get("/")).partition("What arrived lately")[2]
    assert [n for n in range(22) if f"p-{n}-q" in page] == list(range(2, 22))


def test_how_the_builds_went(desk: Desk) -> None:
    desk.load("teams", team(1))
    desk.execute(
        "insert into ledger.builds (upper_bound, as_of, status, published_at, message) values "
        "(1, '2017-12-31', 'published', now(), 'published 5 marts: 378687 rows in, 0 rows out'), "
        "(1, '2017-12-31', 'failed', null, 'not published: dim_products failed')"
    )
    desk.execute(
        "insert into ledger.build_results (build_id, unique_id, resource_type, status, failures, message) values "
        "(1, 'model.shop.a', 'model', 'success', null, null), "
        "(2, 'model.shop.dim_products', 'model', 'error', null, 'no column brnd'), "
        "(2, 'test.shop.unique_b.1f', 'test', 'warn', 4065, 'Got 4065 results'), "
        "(2, 'model.shop.c', 'model', 'skipped', null, null)"
    )
    page = words(desk.get("/"))
    assert "The marts show everything that was let in." in page
    assert "Build 2 failed" in page
    assert "Published 5 marts: 378,687 rows in, 0 rows out." in page
    assert "Not published: dim_products failed." in page
    assert "3 models and tests, 1 skipped. 1 failure and 1 warning error dim_products no column brnd" in page
    assert "warn unique_b 4,065 rows Got 4,065 results" in page
    desk.load("teams", team(2))
    page = words(desk.get("/"))
    assert "Readers see the state of build 1, published" in page
    assert "1 load arrived after the published build; it is not in the marts yet." in page
    for _ in range(6):
        desk.execute("insert into ledger.builds (upper_bound, status) values (2, 'failed')")
    assert "Readers see the state of build 1, published" in words(desk.get("/")), "it is no more among the latest"
    desk.execute("insert into ledger.builds (upper_bound, status) values (2, 'built')")
    assert "1 load arrived after the published build; loader build brings it" in words(desk.get("/"))


def test_a_build_that_was_killed_is_not_shown_as_running(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    desk.execute("insert into ledger.builds (upper_bound, status) values (1, 'running')")
    at_work = make_engine(desk.settings, connect_args={"application_name": "dbt"}, poolclass=sa.NullPool)
    with at_work.connect():
        assert "Build 1 running" in words(desk.get("/"))
    assert not pauses
    page = words(desk.get("/"))
    assert "Build 1 broke off" in page
    assert "run loader build" in page
    assert sum(pauses) >= 2, "between two models dbt has no session for a moment"
    pauses.clear()
    assert "Build 1 broke off" in words(desk.get("/"))
    assert not pauses, "it is waited for once"
    with at_work.connect():
        assert "Build 1 running" in words(desk.get("/"))


def test_a_build_between_two_models_is_running(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work = make_engine(desk.settings, connect_args={"application_name": "dbt"}, poolclass=sa.NullPool)
    sessions: list[sa.Connection] = []
    monkeypatch.setattr(time, "sleep", lambda _: sessions.append(at_work.connect()))
    desk.execute("insert into ledger.builds (upper_bound, status) values (1, 'running')")
    assert "Build 1 running" in words(desk.get("/"))
    assert len(sessions) == 1
    sessions[0].close()


def test_whether_a_watch_runs_and_who_waits_for_a_turn(desk: Desk) -> None:
    desk.execute("insert into ledger.builds (upper_bound, status) values (0, 'built')")
    page = words(desk.get("/"))
    assert "No watch runs: loader build builds once, loader build --watch as loads come." in page
    watch = make_engine(desk.settings, connect_args={"application_name": APPLICATION_NAME}, poolclass=sa.NullPool)
    with watch.connect():
        assert "A watch builds what is loaded as it comes; it runs since" in words(desk.get("/"))
    first, second = (make_engine(desk.settings, poolclass=sa.NullPool).connect() for _ in range(2))
    first.exec_driver_sql(f"select pg_advisory_lock({TURN})")
    assert "waits for the one at work" not in words(desk.get("/"))
    waiting = threading.Thread(target=lambda: second.exec_driver_sql(f"select pg_advisory_lock({TURN})"))
    waiting.start()
    give_up = time.monotonic() + 10
    while "1 build waits for the one at work" not in (page := words(desk.get("/"))) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert "1 build waits for the one at work" in page
    first.close()
    waiting.join(10)
    second.close()


def test_a_try_of_the_watch_that_failed_before_it_opened_a_build_is_said(desk: Desk) -> None:
    desk.load("teams", team(1))
    desk.execute("insert into ledger.builds (upper_bound, status, published_at) values (0, 'published', now())")
    state = desk.settings.state_dir
    watch_failure.write(state, "dbt parse ended with status 2: <one.sql>", 5)
    watch = make_engine(desk.settings, connect_args={"application_name": APPLICATION_NAME}, poolclass=sa.NullPool)
    try:
        assert "The watch's last try failed" not in words(desk.get("/")), "no watch runs"
        with watch.connect():
            page = desk.get("/")
            assert "The watch&#39;s last try failed" in page or "The watch's last try failed" in page
            assert "dbt parse ended with status 2: &lt;one.sql&gt;" in page
            assert "1 load arrived after the published build; it is not in the marts yet." in words(page)
            watch_failure.forget(state)
            page = words(desk.get("/"))
            assert "The watch's last try failed" not in page
            assert "1 load arrived after the published build; the watch brings it into the marts." in page
    finally:
        watch_failure.forget(state)


def test_the_notice_of_a_contract_that_is_not_taken_up(desk: Desk) -> None:
    desk.app.extensions["gatehouse"].live.notice = "The source files changed: run `loader migrate`."
    assert "The contract needs a hand. The source files changed: run `loader migrate`." in words(desk.get("/"))


def test_a_table_that_is_late_stands_before_the_folded_list_of_the_others(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    fold = "on time or without a promise"
    before, _, after = words(desk.get("/")).partition("Is every table on time?")[2].partition(fold)
    assert "desk.tickets" not in before
    assert "Tickets desk.tickets on time" in after
    desk.execute("update ledger.loads set finished_at = now() - interval '61 minutes'")
    before, _, after = words(desk.get("/")).partition("Is every table on time?")[2].partition(fold)
    assert "Tickets desk.tickets late" in before
    assert "desk.tickets" not in after.partition("What arrived lately")[0]


def test_what_clears_a_refused_row_is_said_where_one_is_counted(desk: Desk) -> None:
    said = "A refused one goes from here when it is mended and let in, or dismissed."
    assert said not in words(desk.get("/"))
    desk.load("tickets", TICKET | {"kind": "joke"})
    page = desk.get("/")
    assert said in words(page)
    assert 'href="/rejects?table=desk.tickets' in page or 'href="/rejects?status=rejected' in page


def test_the_docs_of_dbt_are_said_with_their_date_or_to_be_missing(desk: Desk, tmp_path: Path) -> None:
    here = desk.app.extensions["gatehouse"]
    here.settings = replace(here.settings, project_dir=tmp_path)
    desk.execute("insert into ledger.builds (upper_bound, status) values (0, 'built')")
    assert "The dbt docs have not been made yet" in words(desk.get("/"))
    (tmp_path / "target").mkdir()
    for name in ("index.html", "manifest.json", "catalog.json"):
        (tmp_path / "target" / name).write_text("{}")
        os.utime(tmp_path / "target" / name, (1511345760, 1511345760))
    assert "dbt docs describe every model, as of 22 Nov 2017, 10:16 UTC" in words(desk.get("/"))
