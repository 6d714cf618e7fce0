"""The contract in words, and how many rows there are."""

from __future__ import annotations

from loader.pages.queries import sizes
from tests.pages.desk import Desk, words


def test_every_table_is_listed_with_key_kind_doors_and_rows(desk: Desk) -> None:
    desk.load("teams", {"team_id": "1"}, {"team_id": "2"})
    page = words(desk.get("/tables"))
    assert '<b>Teams</b> & "friends" teams 2 team_id versions api, form, file Enter a row' in page
    assert "Visits visits 0 visit_id events form, file Enter a row" in page
    assert "Chairs chairs 0 chair_id versions api –" in page


def test_large_tables_are_estimated_and_others_counted(desk: Desk, monkeypatch: object) -> None:
    desk.load("teams", *({"team_id": str(n)} for n in range(30)))
    monkeypatch.setattr(sizes, "_COUNTED_BYTES", 0)  # type: ignore[attr-defined]
    assert "not counted yet" in desk.get("/tables/desk/teams")
    desk.execute("analyze staging_desk.teams")
    assert "about 30" in words(desk.get("/tables/desk/teams"))


def test_a_table_that_has_not_been_made(desk: Desk) -> None:
    desk.execute("drop table staging_desk.chairs")
    assert "not made yet" in desk.get("/tables")
    assert "run loader migrate" in words(desk.get("/tables/desk/chairs"))


def test_a_table_says_its_rules(desk: Desk) -> None:
    page = words(desk.get("/tables/desk/tickets"))
    assert "of rows with the same key the one with the latest changed_at is current" in page
    assert "late after 1 hour, overdue after 2 days" in page
    assert "Kind kind text What it is about. must not be empty must be one of: bug, wish, <i>odd</i>, can't" in page
    assert 'waits until it is found in <b>Teams</b> & "friends"' in page
    assert "Contact's address contact text Whom to answer. personal masked on pages, never in a mart" in page
    assert "such as 9007199254740993" in page
    several = page.partition("Rules on several columns")[2]
    assert "a ticket can't be closed before it is opened" in several
    assert "warns that is much" in several
    page = words(desk.get("/tables/desk/visits"))
    assert "Events: a row never changes." in page
    assert "written as DD.MM.YYYY" in page
    assert "without a zone it is America/New_York" in page


def test_doors_that_nobody_built_are_not_shown(desk: Desk) -> None:
    assert "pull" in desk.contract.table("desk", "teams").doors
    assert "Doors api, form, file Freshness" in words(desk.get("/tables/desk/teams"))


def test_what_only_dbt_checks_is_said(desk: Desk) -> None:
    page = words(desk.get("/tables/desk/chairs"))
    assert "waits until it is found in People" in page
    assert "relationships on team_name: its parent's column is not part of the parent's key" in page


def test_a_table_that_there_is_not(desk: Desk) -> None:
    assert "The contract has no table desk.nothing." in desk.get("/tables/desk/nothing", 404)
    assert "The contract has no table desk.nothing." in desk.get("/tables/desk/nothing/new", 404)
