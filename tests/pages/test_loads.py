"""Receipts and the list of loads."""

from __future__ import annotations

import pytest

from loader.intake.load import LoadFailed
from tests.pages.desk import TICKET, Desk, words

TEAM = {"team_id": "7", "name": "seven"}


def test_a_receipt_shows_that_nothing_was_lost(desk: Desk) -> None:
    desk.load("teams", TEAM)
    receipt = desk.load(
        "tickets",
        TICKET,
        TICKET,
        TICKET | {"ticket_id": "2", "team_id": "8"},
        TICKET | {"ticket_id": "3", "hours": "-1", "votes": "many"},
        TICKET | {"ticket_id": "4", "hours": "120"},
        file_name="tickets.ndjson",
    )
    page = words(desk.get(f"/loads/{receipt.load_id}"))
    assert "5 received = 2 accepted + 1 waiting + 1 refused + 1 duplicates" in page
    assert "2 rows are in; 1 row waits for a parent" in page
    assert "system, at the door api, file tickets.ndjson" in page
    assert "1 row: that is much the first is row 5" in page
    assert "Row 3 waiting Mend team_id waits for its parent" in page
    refused = page.partition("Row 4 refused")[2]
    assert "hours must be at least 0 rule at_least, value -1" in refused
    assert "votes must be a whole number" in refused
    assert "ticket_id 3 team_id 7" in refused


def test_a_receipt_leads_to_what_it_let_in_and_back(desk: Desk) -> None:
    waiting = desk.load("tickets", TICKET)
    parent = desk.load("teams", TEAM)
    release = parent.releases[0].load_id
    page = words(desk.get(f"/loads/{parent.load_id}"))
    assert f"Load {release}: 1 row of Tickets desk.tickets had been waiting and came in" in page
    page = words(desk.get(f"/loads/{release}"))
    assert f"Because of load {parent.load_id}, which brought" in page
    assert f"First arrived in load {waiting.load_id} (1 row)" in page
    page = words(desk.get(f"/loads/{waiting.load_id}"))
    assert "1 received = 0 accepted + 1 waiting" in page  # a receipt does not change
    assert f"Row 1 resolved taken up by load {release}" in page


def test_a_load_that_the_marts_have_seen(desk: Desk) -> None:
    receipt = desk.load("teams", TEAM)
    assert "In the marts not yet" in words(desk.get(f"/loads/{receipt.load_id}"))
    desk.execute("insert into ledger.builds (upper_bound, status, published_at) values (1, 'published', now())")
    assert "In the marts since build 1" in words(desk.get(f"/loads/{receipt.load_id}"))


def test_a_refused_load_says_so(desk: Desk) -> None:
    receipt = desk.load("teams", TEAM, {"team_id": "x"}, on_reject="refuse")
    page = words(desk.get(f"/loads/{receipt.load_id}"))
    assert "Refused whole: nothing of it was let in" in page
    assert "2 received = 0 accepted + 0 waiting + 2 refused" in page


def test_a_failed_load_says_why(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        desk.execute("select 1 / 0")

    monkeypatch.setattr("loader.intake.load.landing.fill", broken)
    with pytest.raises(LoadFailed) as failure:
        desk.load("teams", TEAM | {"team_id": "+7"})  # not plainly spelled: by way of the landing
    page = words(desk.get(f"/loads/{failure.value.load_id}"))
    assert "This load failed: nothing of it was stored." in page
    assert "division by zero" in page


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([TEAM], "The row is in."),
        ([TEAM, TEAM | {"team_id": "8"}], "Every row is in."),
        ([TEAM, TEAM], "Every row is in or had come before."),
        ([TEAM | {"parent_team_id": "9"}], "1 row waits for a parent and will come in when it arrives."),
        ([TEAM | {"team_id": ""}], "1 row was refused and kept to be mended."),
    ],
)
def test_what_became_of_it_in_a_sentence(desk: Desk, rows: list[dict[str, str]], verdict: str) -> None:
    receipt = desk.load("teams", *rows)
    assert verdict in words(desk.get(f"/loads/{receipt.load_id}"))


def test_the_same_rows_again_had_come_before(desk: Desk) -> None:
    desk.load("teams", TEAM)
    receipt = desk.load("teams", TEAM)
    assert "This row had come before: nothing changed." in words(desk.get(f"/loads/{receipt.load_id}"))


def test_loads_are_paged_and_filtered(desk: Desk) -> None:
    for number in range(52):
        desk.load("teams", TEAM | {"team_id": str(number)}, principal=f"p-{number}-q")
    desk.load("tickets", TICKET)
    first = desk.get("/loads?table=desk.teams")
    assert "p-51-q" in first
    assert "p-1-q" not in first
    older = desk.get("/loads?table=desk.teams&before=3")
    assert "p-1-q" in older
    assert "p-2-q" not in older
    assert "Older loads" in first
    assert "Older loads" not in older
    assert "There is no load like that." in desk.get("/loads?status=failed")


@pytest.mark.parametrize("path", ["/loads/99", f"/loads/{10**30}"])
def test_a_load_that_there_is_not(desk: Desk, path: str) -> None:
    assert "There is no load" in desk.get(path, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/loads?before=x",
        "/loads?before=0",
        f"/loads?before={'0' * 19}1{'9' * 5000}",
        "/rejects?page=-1",
        "/rejects?load=%C2%B2",
    ],
)
def test_a_number_that_is_none(desk: Desk, path: str) -> None:
    assert "is a whole number from 1" in desk.get(path, 400)
