"""The door for people: forms from the contract, and what becomes of what is typed."""

from __future__ import annotations

import re
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.datastructures import MultiDict

from loader.intake.load import LoadFailed
from tests.pages import desk as house
from tests.pages.desk import NAME, Desk, hidden_fields, words

desk, desk_template = house.desk, house.desk_template

TEAM = {"team_id": "7", "name": "seven", "city": "Bern"}
TYPED = {"ticket_id": "1", "team_id": "7", "kind": "bug", "urgent": "true", "changed_at": "2024-02-29T12:00:00"}


def nothing_was_kept(desk: Desk) -> bool:
    return desk.rows("select count(*) from ledger.loads where door = 'form'") == [(0,)]


def control(page: str, name: str) -> str:
    """The tag of a form's control."""
    found = re.search(rf'<(?:input|select|textarea)[^>]*? name="c\.{re.escape(name)}"[^>]*>', page)
    assert found, name
    return found[0]


# -- what a form asks for --------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        ("ticket_id", ['type="text"', 'inputmode="numeric"', "required"]),
        ("team_id", ['type="text"', 'data-choices="/tables/desk/tickets/choices/team_id"', "required"]),
        ("kind", ['type="radio"', 'value="bug"', "required"]),
        ("priority", ["<select"]),
        ("hours", ['type="number"', 'step="0.01"', 'inputmode="decimal"']),
        ("votes", ['type="number"', 'step="1"', 'inputmode="numeric"']),
        ("urgent", ['type="radio"', 'value="true"', "required"]),
        ("answered", ["<select"]),
        ("opened_on", ['type="date"']),
        ("rings_at", ['type="time"', 'step="1"']),
        ("wall_clock", ['type="datetime-local"', 'step="1"']),
        ("seen_at", ['type="datetime-local"', 'step="1"']),
        ("details", ["<textarea"]),
        ("code", ['type="text"', 'maxlength="5"']),
    ],
)
def test_every_column_has_the_control_of_its_type(desk: Desk, column: str, parts: list[str]) -> None:
    tag = control(desk.get("/tables/desk/tickets/new"), column)
    assert all(part in tag for part in parts), tag
    assert ("required" in parts) == (" required" in tag), tag


def test_a_form_says_what_the_contract_says(desk: Desk) -> None:
    page = words(desk.get("/tables/desk/tickets/new"))
    assert "Ticket number * ticket_id Example: 9007199254740993" in page
    assert "Hours optional What it cost. Example: 1.50 Must be at least 0." in page
    assert "Contact's address optional" in page
    assert "Must be an e-mail address. personal Hidden on these pages" in page
    assert "A ticket can't be closed before it is opened." in page
    assert "that is much" not in page.lower()  # it only warns
    page = words(desk.get("/tables/desk/visits/new"))
    assert "Must be written as DD.MM.YYYY." in page
    assert "A row can't be changed once it is in" in page


def test_an_optional_choice_can_be_left_empty(desk: Desk) -> None:
    page = desk.get("/tables/desk/tickets/new")
    for column in ("priority", "answered"):
        tail = page.partition(control(page, column))[2].partition("</select>")[0]
        assert tail.strip().startswith('<option value="">(empty)</option>')


def test_what_orders_versions_is_now_and_a_uuid_is_made_up(desk: Desk) -> None:
    tag = control(desk.get("/tables/desk/tickets/new"), "changed_at")
    filled = datetime.fromisoformat(re.search(r'value="([^"]+)"', tag)[1]).replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - filled) < timedelta(minutes=1)
    keys = {re.search(r'value="([^"]+)"', control(desk.get("/tables/desk/visits/new"), "visit_id"))[1] for _ in "ab"}
    assert len({uuid.UUID(key) for key in keys}) == 2


def test_a_parent_known_by_a_personal_key_is_no_list(desk: Desk) -> None:
    """The form of such a table is closed here, so the field is asked directly."""
    from loader.pages.fields import make_fields

    fields = {f.column.name: f for f in make_fields(desk.contract.table("desk", "chairs"), desk.contract)}
    assert fields["sat_on_by"].parent is None
    fields = {f.column.name: f for f in make_fields(desk.contract.table("desk", "tickets"), desk.contract)}
    assert fields["team_id"].parent is not None


# -- what becomes of what is typed -----------------------------------------------


def test_a_good_row_is_loaded_and_leads_to_its_receipt(desk: Desk) -> None:
    desk.load("teams", TEAM)
    more = {
        "hours": "1.50", "votes": "-3", "answered": "false", "opened_on": "2024-02-29", "rings_at": "08:30",
        "wall_clock": "2024-03-10T02:30", "seen_at": "2024-02-29T23:59:59", "details": '{"a": 1.10}',
        'odd "name" <i>': " two\r\nlines ", "contact": "", "priority": "",
    }  # fmt: skip
    response = desk.fill("tickets", **TYPED | more)
    assert response.status_code == 303
    page = words(desk.get(response.location))
    assert "The row is in." in page
    assert f"{NAME}, at the door form" in page
    stored = desk.rows(
        "select ticket_id, hours::text, votes, urgent, answered, opened_on::text, rings_at::text, wall_clock::text, "
        'seen_at::text, details::text, "odd ""name"" <i>", contact, priority, changed_at::text '
        "from staging_desk.tickets"
    )
    assert stored == [
        (
            1, "1.50", -3, True, False, "2024-02-29", "08:30:00", "2024-03-10 02:30:00", "2024-02-29 23:59:59+00",
            '{"a": 1.10}', " two\nlines ", None, None, "2024-02-29 12:00:00+00",
        )
    ]  # fmt: skip


def test_every_fault_stands_beside_its_field_and_nothing_is_kept(desk: Desk) -> None:
    typed = {
        "hours": "1.005", "votes": "1,5", "contact": "nobody", "opened_on": "2024-02-30", "kind": "joke",
        "details": "{", "code": "too long", "seen_at": "yesterday", 'odd "name" <i>': "stays",
    }  # fmt: skip
    response = desk.fill("tickets", **typed)
    assert response.status_code == 422
    page = response.text
    said = words(page)
    for column, message in {
        "ticket_id": "Must not be empty.",
        "hours": "Must be a number with at most 6 digits before and 2 after the decimal point.",
        "votes": "Must be a whole number, digits only",
        "contact": "Must be an e-mail address.",
        "opened_on": "Must be a date such as",
        "kind": "Must be one of: bug, wish,",
        "details": "Must be JSON, each key once.",
        "code": "Must have at most 5 characters.",
        "seen_at": "Must be a date and time with its zone",
        "changed_at": "Must not be empty.",
    }.items():
        field = "c-" + column.replace("_", "-5f-")
        fault = re.search(rf'<div class="fault" id="{field}-fault">(.*?)</div>', page, re.DOTALL)
        assert fault, column
        assert message in fault[1], column
    assert "Not let in yet: nothing was stored" in said
    for value in typed.values():
        assert re.search(rf'value="{re.escape(value)}"|>\s*{re.escape(value)}</textarea>', page) or value == "joke", (
            value
        )
    assert nothing_was_kept(desk)
    assert desk.rows("select count(*) from ledger.rejects") == [(0,)]


def test_a_control_that_would_drop_a_value_gives_way_to_a_text_box(desk: Desk) -> None:
    page = desk.fill("tickets", hours="1,5", opened_on="29.2.2024", seen_at="yesterday", rings_at="noon").text
    for column in ("hours", "opened_on", "seen_at", "rings_at"):
        assert 'type="text"' in control(page, column), column
    page = desk.fill("tickets", hours="1.5", opened_on="2024-02-29", seen_at="2024-02-29T10:00", rings_at="12:00").text
    for column in ("hours", "opened_on", "seen_at", "rings_at"):
        assert 'type="text"' not in control(page, column), column


def test_a_fault_of_the_whole_row_is_said_above(desk: Desk) -> None:
    desk.load("teams", TEAM)
    page = desk.fill("tickets", **TYPED | {"opened_on": "2024-02-02", "closed_on": "2024-02-01"}).text
    assert "nothing was stored A ticket can't be closed before it is opened." in words(page)
    assert nothing_was_kept(desk)


def test_a_value_that_another_row_holds_is_refused(desk: Desk) -> None:
    desk.load("people", {"address": "a@a.example", "badge": "1"})
    response = desk.fill("people", address="b@b.example", badge="1")
    assert response.status_code == 422
    assert "must be unique, and stands already in" in response.text
    assert nothing_was_kept(desk)


def test_a_value_that_another_row_holds_does_not_tell_whose_it_is(desk: Desk) -> None:
    """The table's key is an address: the other row's is nobody's business."""
    desk.load("people", {"address": "maria@secret.example", "badge": "1"})
    response = desk.fill("people", address="b@b.example", badge="1")
    assert response.status_code == 422
    assert "Must be unique, and stands already in another row." in words(response.text)
    assert "secret.example" not in response.text


def test_an_event_that_stands_with_other_content_is_refused(desk: Desk) -> None:
    key = str(uuid.uuid4())
    assert desk.fill("visits", visit_id=key, born_on="29.02.2000").status_code == 303
    response = desk.fill("visits", visit_id=key, born_on="28.02.2000")
    assert response.status_code == 422
    assert "the event is immutable and stands already" in response.text.lower()
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]


def test_the_same_row_again_says_that_it_had_come_before(desk: Desk) -> None:
    desk.load("teams", TEAM)
    response = desk.fill("teams", **TEAM)
    assert "This row had come before: nothing changed." in words(desk.get(response.location))


def test_a_row_with_a_warning_is_in_and_says_so(desk: Desk) -> None:
    desk.load("teams", TEAM)
    response = desk.fill("tickets", **TYPED | {"hours": "120"})
    assert "1 row: that is much" in words(desk.get(response.location))


def test_a_row_without_its_parent_waits_only_if_its_sender_says_so(desk: Desk) -> None:
    response = desk.fill("tickets", **TYPED)
    assert response.status_code == 422
    assert "This row would have to wait" in response.text
    assert 'Team 7 is not in <b>Teams</b> & "friends" yet.' in words(response.text)
    assert nothing_was_kept(desk)
    keep = hidden_fields(response.text.partition("Keep it waiting")[0])
    kept = desk.client.post("/tables/desk/tickets/new", data=keep | {"keep": "yes"})
    assert "1 row waits for a parent" in words(desk.get(kept.location))
    desk.load("teams", TEAM)
    assert desk.rows("select ticket_id from staging_desk.tickets") == [(1,)]


def test_asking_to_keep_it_waiting_keeps_no_bad_row(desk: Desk) -> None:
    fields = hidden_fields(desk.get("/tables/desk/tickets/new"))
    typed = {f"c.{name}": value for name, value in (TYPED | {"hours": "-1"}).items()}
    response = desk.client.post("/tables/desk/tickets/new", data=fields | typed | {"keep": "yes"})
    assert response.status_code == 422
    assert nothing_was_kept(desk)


# -- moments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "zone", "stored"),
    [
        ("2024-02-29T08:45", "UTC", "2024-02-29 08:45:00+00"),
        ("2024-02-29T08:45", "America/New_York", "2024-02-29 13:45:00+00"),
        ("2024-07-01T08:45", "America/New_York", "2024-07-01 12:45:00+00"),
        ("2024-02-29T08:45:00+01:00", "America/New_York", "2024-02-29 07:45:00+00"),
        ("2024-02-29T08:45", "Mars/Base", "2024-02-29 08:45:00+00"),  # no zone: what the form shows holds
    ],
)
def test_a_clock_time_is_read_in_the_zone_beside_it(desk: Desk, clock: str, zone: str, stored: str) -> None:
    desk.load("teams", TEAM)
    fields = hidden_fields(desk.get("/tables/desk/tickets/new"))
    typed = {f"c.{name}": value for name, value in TYPED.items()}
    sent = fields | typed | {"c.seen_at": clock, "z.seen_at": zone}
    assert desk.client.post("/tables/desk/tickets/new", data=sent).status_code == 303
    assert desk.rows("select seen_at::text from staging_desk.tickets") == [(stored,)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_a_column_with_a_zone_of_its_own_offers_it(desk: Desk, zone: str) -> None:
    page = desk.get("/tables/desk/visits/new")
    assert "<option selected>America/New_York</option><option>UTC</option>" in page
    sent = hidden_fields(page) | {"c.visit_id": str(uuid.uuid4()), "c.came_at": "2024-02-29T12:00", "z.came_at": zone}
    assert desk.client.post("/tables/desk/visits/new", data=sent).status_code == 303
    hour = {"UTC": 12, "America/New_York": 17, "Asia/Tokyo": 3}[zone]
    assert desk.rows("select came_at::text from staging_desk.visits") == [(f"2024-02-29 {hour:02}:00:00+00",)]


@pytest.mark.parametrize("table", ["tickets", "visits"])
def test_an_hour_that_clocks_skipped_is_not_guessed(desk: Desk, table: str) -> None:
    column = {"tickets": "seen_at", "visits": "came_at"}[table]
    sent = hidden_fields(desk.get(f"/tables/desk/{table}/new"))
    sent |= {f"c.{column}": "2024-03-10T02:30", f"z.{column}": "America/New_York"}
    response = desk.client.post(f"/tables/desk/{table}/new", data=sent)
    assert response.status_code == 422
    assert ("never happened in America/New_York" if table == "tickets" else "must exist there once") in response.text
    assert nothing_was_kept(desk)
    assert "<option selected>America/New_York</option>" in response.text


# -- once, whatever is clicked ---------------------------------------------------


def test_a_double_click_loads_once(desk: Desk) -> None:
    sent = hidden_fields(desk.get("/tables/desk/teams/new")) | {"c.team_id": "1", "c.name": "one"}
    cookie = desk.client.get_cookie("session").value
    answers = []

    def click() -> None:
        client = desk.app.test_client()
        client.set_cookie("session", cookie)
        answers.append(client.post("/tables/desk/teams/new", data=sent))

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert desk.rows("select count(*), sum(accepted) from ledger.loads") == [(1, 1)]


def test_the_same_form_with_other_values_is_another_row(desk: Desk) -> None:
    """As after the browser's back button."""
    fields = hidden_fields(desk.get("/tables/desk/teams/new"))
    for number in ("1", "2", "1"):
        desk.client.post("/tables/desk/teams/new", data=fields | {"c.team_id": number})
    assert desk.rows("select team_id from staging_desk.teams order by 1") == [(1,), (2,)]
    assert desk.rows("select count(*) from ledger.loads") == [(2,)]


def test_a_load_that_fails_keeps_what_was_typed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise LoadFailed("the disk is full", False)

    monkeypatch.setattr("loader.doors.forms.load", failing)
    response = desk.fill("teams", team_id="1", name="precious")
    assert response.status_code == 503
    assert "Nothing was loaded: the disk is full." in words(response.text)
    assert 'value="precious"' in response.text


def test_what_changes_between_dry_run_and_load_is_judged_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another takes the badge in the meantime: the row is refused, and its faults are shown."""
    from loader.doors import forms

    real, calls = forms.load, []

    def in_between(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == 2:
            desk.load("people", {"address": "faster@a.example", "badge": "1"})
        return real(*given, **named)

    monkeypatch.setattr(forms, "load", in_between)
    response = desk.fill("people", address="slower@a.example", badge="1")
    assert response.status_code == 422
    assert "must be unique" in response.text
    assert desk.rows("select count(*) from staging_desk.people") == [(1,)]


# -- doors, picking, copies ------------------------------------------------------


def test_a_closed_door_takes_no_row(desk: Desk) -> None:
    token = hidden_fields(desk.get("/tables/desk/teams/new"))
    assert desk.client.post("/tables/desk/chairs/new", data=token | {"c.chair_id": "1"}).status_code == 403
    assert nothing_was_kept(desk)


def test_parents_are_found_by_number_and_by_words(desk: Desk) -> None:
    desk.load(
        "teams",
        {"team_id": "12", "name": "Support 100%", "city": "Bern", "manager": "Maria"},
        {"team_id": "1", "name": "Sales_x", "city": "Basel"},
        {"team_id": "112", "name": "support", "city": "Biel"},
        *({"team_id": str(n), "name": "many"} for n in range(500, 540) if "1" not in str(n)),
    )

    def found(words: str) -> list[str]:
        response = desk.client.get("/tables/desk/tickets/choices/team_id", query_string={"q": words})
        return [choice["value"] for choice in response.json["choices"]]

    assert found("12") == ["12", "112"]  # the number itself, then others that hold it
    assert found("1")[:3] == ["1", "12", "112"]
    assert found("SUPPORT") == ["12", "112"]
    assert found("100%") == ["12"]
    assert found("_x") == ["1"]
    assert found("bie") == ["112"]
    assert found("Maria") == []  # nobody is found by what is hidden
    assert found("' or 1=1 --") == []
    assert len(found("many")) == len(found("")) == 20
    label = desk.client.get("/tables/desk/tickets/choices/team_id?q=100").json["choices"][0]["label"]
    assert label == "Support 100% · Bern"


def test_a_picked_parent_is_named_when_the_form_comes_back(desk: Desk) -> None:
    desk.load("teams", TEAM)
    assert "seven · Bern" in desk.fill("tickets", team_id=" 7 ").text
    assert "seven · Bern" not in desk.fill("tickets", team_id="8").text
    assert desk.fill("tickets", team_id="no number").status_code == 422


def test_one_like_the_last_one(desk: Desk) -> None:
    desk.load("teams", TEAM)
    typed = TYPED | {
        "hours": "1.50",
        "contact": "maria@secret.example",
        "seen_at": "2024-02-29T10:00:00",
        "urgent": "false",
    }
    receipt = desk.fill("tickets", **typed).location
    like = re.search(r'href="([^"]*like=\d+)"', desk.get(receipt))
    assert like
    page = desk.get(like[1])
    assert 'value="1.50"' in control(page, "hours")
    assert 'value="2024-02-29T10:00:00"' in control(page, "seen_at")
    assert 'value="2024-02-29T12:00:00"' not in control(page, "changed_at")  # now
    assert re.search(r'value="false" checked', page)
    assert "secret.example" not in page
    for other in ("x", "0", "99", "1", "9" * 30):
        assert 'value="1.50"' not in desk.get(f"/tables/desk/tickets/new?like={other}")


def test_a_field_sent_twice_counts_once(desk: Desk) -> None:
    fields = hidden_fields(desk.get("/tables/desk/teams/new"))
    sent = MultiDict([*fields.items(), ("c.team_id", "1"), ("c.team_id", "2"), ("c.nothing", "x"), ("keep", "yes")])
    assert desk.client.post("/tables/desk/teams/new", data=sent).status_code == 303
    assert desk.rows("select team_id from staging_desk.teams") == [(1,)]


def test_a_nul_in_a_field_is_a_fault(desk: Desk) -> None:
    response = desk.fill("teams", team_id="1", name="a\0b")
    assert response.status_code == 422
    assert "Holds a NUL character" in response.text
