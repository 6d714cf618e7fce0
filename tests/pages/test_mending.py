"""A kept row's page: what is wrong with it, a form to mend it, and what was changed."""

from __future__ import annotations

import html
import re
from io import BytesIO
from typing import Any

import pytest

from loader.intake.load import load_stream
from loader.intake.mend import Mend, mend
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin
from tests.pages.desk import TICKET, Desk, hidden_fields, words

ODD = 'odd "name" <i>'
SECRET = "maria@secret.example"


def kept(desk: Desk, table: str = "tickets", **row: Any) -> int:
    """A refused row; its number."""
    load = desk.load(table, TICKET | row if table == "tickets" else row)
    return int(desk.rows(f"select reject_id from ledger.rejects where load_id = {load.load_id}")[0][0])


def form(desk: Desk, number: int) -> dict[str, str]:
    """The fields of the form on a row's page, as a browser would send them."""
    page = desk.get(f"/rejects/{number}")
    entry = page[page.index('id="entry"') :].partition("</form>")[0]
    sent = {}
    for tag, attributes in re.findall(r"<(input|select)([^>]*)>", entry):
        name = html.unescape(re.search(r'name="([^"]*)"', attributes)[1])  # type: ignore[index]
        value = re.search(r'value="([^"]*)"', attributes)
        if tag == "select":
            options = entry.partition(f'name="{html.escape(name)}"')[2].partition("</select>")[0]
            chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)', options)
            sent[name] = html.unescape(chosen[1] or chosen[2]) if chosen else ""
        elif 'type="radio"' not in attributes or "checked" in attributes:
            sent[name] = html.unescape(value[1]) if value else ""
    return sent


def post(desk: Desk, path: str, fields: dict[str, str], status: int) -> str:
    token = hidden_fields(desk.get(path.removesuffix("/dismiss")))["csrf_token"] if "csrf_token" not in fields else ""
    response = desk.client.post(path, data={"csrf_token": token} | fields)
    assert response.status_code == status, words(response.text)
    return response.text


def test_a_refused_row_is_mended_on_its_page(desk: Desk) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    number = kept(desk, hours="many")
    assert f'href="/rejects/{number}"' in desk.get("/rejects")
    page = desk.get(f"/rejects/{number}")
    assert "must be" in words(page)
    sent = form(desk, number)
    assert sent["c.hours"] == "many"
    still = post(desk, f"/rejects/{number}", sent | {"c.hours": "a few"}, 422)
    assert "Not let in yet: nothing was changed" in words(still)
    assert 'value="a few"' in still
    assert desk.rows("select count(*) from ledger.mendings") == [(0,)]
    post(desk, f"/rejects/{number}", sent | {"c.hours": "1.5"}, 303)
    assert desk.rows("select hours from staging_desk.tickets") == [(1.5,)]
    after = words(desk.get(f"/rejects/{number}"))
    assert "It was let in by load" in after
    assert re.search(r"ann: hours from many to 1.5", after)


def test_a_row_as_it_is_may_be_tried_again(desk: Desk) -> None:
    """As after a change of the contract."""
    number = kept(desk, hours="many")
    desk.execute('update ledger.rejects set payload = payload || \'{"hours": "2"}\'')
    post(desk, f"/rejects/{number}", form(desk, number), 303)
    assert desk.rows("select status from ledger.rejects where reject_id = 1") == [("resolved",)]
    page = words(desk.get(f"/rejects/{number}"))
    assert "Mended" not in page
    assert re.search(r"is kept as row \d+: it waits for its parent", page)
    assert desk.rows("select status, rule from ledger.rejects where reject_id > 1")[0][0] == "waiting"


def test_two_people_mend_one_row(desk: Desk) -> None:
    number = kept(desk, hours="many")
    sent = form(desk, number)
    mend(desk.engine, desk.contract.find("desk.tickets"), [Mend(number, {"hours": "lots"})], "bob")
    page = post(desk, f"/rejects/{number}", sent | {"c.hours": "2"}, 409)
    assert "Somebody was quicker" in words(page)
    assert "bob: hours from many to lots" in words(page)
    assert 'value="2"' in page, "what was typed is still there"
    assert desk.rows("select payload ->> 'hours' from ledger.rejects") == [("lots",)]


@pytest.mark.parametrize(("zone", "moment"), [("UTC", 15), ("America/New_York", 20)])
def test_a_clock_time_without_a_zone_is_mended_by_the_zone_beside_it(desk: Desk, zone: str, moment: int) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    number = kept(desk, changed_at="2017-12-31 15:50:00")
    sent = form(desk, number)
    assert (sent["c.changed_at"], sent["z.changed_at"]) == ("2017-12-31 15:50:00", "UTC")
    post(desk, f"/rejects/{number}", sent | {"z.changed_at": zone}, 303)
    found = desk.rows("select extract(hour from changed_at at time zone 'UTC') from staging_desk.tickets")
    assert found == [(moment,)]


def test_a_moment_that_is_right_is_left_as_it_came(desk: Desk) -> None:
    number = kept(desk, hours="many", seen_at="2024-02-29 13:45:00+01")
    post(desk, f"/rejects/{number}", form(desk, number) | {"c.hours": "1"}, 303)
    assert desk.rows("select changes from ledger.mendings") == [({"hours": ["many", "1"]},)]


def test_of_a_line_that_was_no_row_the_values_are_typed(desk: Desk) -> None:
    load = load_csv(desk, "teams", "team_id,name\n1,A,B\n")
    page = desk.get("/rejects/1")
    assert load.rejected == 1
    assert "type each value where it belongs" in words(page)
    post(desk, "/rejects/1", form(desk, 1) | {"c.team_id": "1", "c.name": "A, B"}, 303)
    assert desk.rows("select name from staging_desk.teams") == [("A, B",)]


def load_csv(desk: Desk, name: str, text: str) -> Receipt:
    made = desk.contract.find(f"desk.{name}")
    return load_stream(desk.engine, desk.contract, made, BytesIO(text.encode()), "csv", Origin("api", "system"))


@pytest.mark.parametrize("seen", ["", "x", "\u00b2", "9" * 30, "-1", "7"])
def test_a_page_that_does_not_say_what_was_seen_or_says_something_odd(desk: Desk, seen: str) -> None:
    number = kept(desk, hours="many")
    sent = form(desk, number) | {"c.hours": "2", "seen": seen}
    post(desk, f"/rejects/{number}", sent, 409 if seen == "7" else 303)


def test_personal_values_are_not_shown_and_stay(desk: Desk) -> None:
    number = kept(desk, hours="many", contact=SECRET)
    page = desk.get(f"/rejects/{number}")
    assert SECRET not in page
    post(desk, f"/rejects/{number}", form(desk, number) | {"c.hours": "2"}, 303)
    desk.load("teams", {"team_id": "7", "name": "seven"})
    assert desk.rows("select contact, hours from staging_desk.tickets") == [(SECRET, 2)]
    other = kept(desk, ticket_id="2", hours="many", contact=SECRET)
    post(desk, f"/rejects/{other}", form(desk, other) | {"c.hours": "2", "c.contact": "new@secret.example"}, 303)
    assert desk.rows("select contact from staging_desk.tickets where ticket_id = '2'") == [("new@secret.example",)]
    after = desk.get(f"/rejects/{other}")
    assert "secret.example" not in after
    assert "personal, hidden" in words(after)


def test_values_under_names_that_the_table_has_not_are_left_out(desk: Desk) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    number = kept(desk, odd="x")
    assert "1 value came under a name that this table does not have" in words(desk.get(f"/rejects/{number}"))
    post(desk, f"/rejects/{number}", form(desk, number), 303)
    assert desk.rows("select count(*) from staging_desk.tickets") == [(1,)]


def test_a_row_is_dismissed_with_a_word_why(desk: Desk) -> None:
    number = kept(desk, hours="many")
    assert "Say why" in words(post(desk, f"/rejects/{number}/dismiss", {"why": "  "}, 422))
    post(desk, f"/rejects/{number}/dismiss", {"why": "a test of theirs"}, 303)
    page = words(desk.get(f"/rejects/{number}"))
    assert "It was dismissed by ann" in page
    assert "a test of theirs" in page
    assert "Mend it" not in page
    assert "Somebody was quicker" in words(post(desk, f"/rejects/{number}/dismiss", {"why": "again"}, 409))


def test_the_next_refused_row_is_offered(desk: Desk) -> None:
    first, second = kept(desk, hours="many"), kept(desk, hours="lots")
    post(desk, f"/rejects/{second}/dismiss", {"why": "x"}, 303)
    assert f'href="/rejects/{first}"' in desk.get(f"/rejects/{second}")


def test_a_row_that_there_is_not(desk: Desk) -> None:
    for number in (4711, 10**30):
        assert "no kept row" in words(desk.get(f"/rejects/{number}", 404)).lower()


def test_hostile_values_are_shown_and_sent_as_they_are(desk: Desk) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    hostile = "\"><script>alert(1)</script>'"
    number = kept(desk, **{ODD: hostile}, hours="many")
    page = desk.get(f"/rejects/{number}")
    assert "<script>alert" not in page
    post(desk, f"/rejects/{number}", form(desk, number) | {"c.hours": "1"}, 303)
    assert desk.rows('select "odd ""name"" <i>" from staging_desk.tickets') == [(hostile,)]
