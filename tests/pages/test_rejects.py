"""Rows that were kept back: each as it came, personal values hidden."""

from __future__ import annotations

from io import BytesIO

import pytest

from loader.intake.load import LoadFailed, load_stream
from loader.ledger.loads import Origin
from tests.pages.desk import TICKET, Desk, words

SECRET = "maria@secret.example"


def test_rows_are_shown_as_they_came(desk: Desk) -> None:
    desk.load("tickets", TICKET | {"hours": " 1,5 ", 'odd "name" <i>': "a\nb", "votes": None})
    page = words(desk.get("/rejects"))
    assert "1 row " in page
    assert "hours 1,5" in page
    assert 'odd "name" <i> a b' in page
    assert "votes empty" in page


def test_rows_are_filtered_by_table_status_and_load(desk: Desk) -> None:
    first = desk.load("tickets", TICKET, TICKET | {"ticket_id": "x-2"})
    desk.load("teams", {"team_id": "x-7"})

    def shown(query: str) -> set[str]:
        page = words(desk.get(f"/rejects?{query}"))
        return {each for each in ("ticket_id 1 ", "ticket_id x-2", "team_id x-7") if each in page}

    assert shown("") == {"ticket_id 1 ", "ticket_id x-2", "team_id x-7"}
    assert shown("status=waiting") == {"ticket_id 1 "}
    assert shown("status=rejected") == {"ticket_id x-2", "team_id x-7"}
    assert shown("table=desk.teams") == {"team_id x-7"}
    assert shown(f"load={first.load_id}") == {"ticket_id 1 ", "ticket_id x-2"}
    assert shown("table=desk.teams&status=waiting") == set()
    assert shown("table=gone.table") == set()
    desk.load("teams", {"team_id": "7"})
    assert shown("status=resolved") == {"ticket_id 1 "}
    assert shown("status=all&table=desk.tickets") == {"ticket_id 1 ", "ticket_id x-2"}


def test_twenty_rows_a_page(desk: Desk) -> None:
    desk.load("teams", *({"team_id": f"no-{number}-no"} for number in range(50)))
    seen = []
    for page in (1, 2, 3):
        text = desk.get(f"/rejects?page={page}")
        seen.append([n for n in range(50) if f"no-{n}-no" in text])
    assert [len(page) for page in seen] == [20, 20, 10]
    assert sorted(number for page in seen for number in page) == list(range(50))
    assert "page 3 of 3" in words(desk.get("/rejects?page=99"))


def test_a_status_that_there_is_not(desk: Desk) -> None:
    assert "There is no status odd." in desk.get("/rejects?status=odd", 400)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("tickets", TICKET | {"contact": SECRET, "hours": "x"}),  # beside a fault
        ("tickets", TICKET | {"contact": f"{SECRET} {SECRET}"}),  # the fault's own value
        ("tickets", TICKET | {"e_mail": SECRET}),  # a column that the contract does not know
        ("tickets", SECRET),  # no row at all
        ("people", {"address": SECRET, "badge": "x"}),  # in the key
    ],
)
def test_personal_values_are_hidden(desk: Desk, table: str, row: dict[str, str]) -> None:
    receipt = desk.load(table, row)
    assert receipt.rejected == 1
    for path in ("/", "/rejects", f"/loads/{receipt.load_id}"):
        assert SECRET not in desk.get(path)
    assert "••••" in desk.get("/rejects")


@pytest.mark.parametrize("table", ["tickets", "people"])
@pytest.mark.parametrize(
    "line",
    [
        '{"ticket_id": 1, "SECRET": "x", "it\'s": 1}',  # a key that is no column
        '{"SECRET": 1, "SECRET": 2}',  # a key twice
        '{"it\'s SECRET": 1, "it\'s SECRET": 2}',
        '{"\\"SECRET\'": 1, "\\"SECRET\'": 2}',
        '{"ticket_id": 1 "SECRET": 2}',
        '[{"SECRET": 1}]',
    ],
)
def test_a_person_named_by_a_key_is_hidden(desk: Desk, table: str, line: str) -> None:
    made = desk.contract.find(f"desk.{table}")
    body = BytesIO(line.replace("SECRET", SECRET).encode())
    receipt = load_stream(desk.engine, desk.contract, made, body, "ndjson", Origin("api", "system"))
    assert receipt.rejected == 1
    for path in ("/", "/rejects", f"/loads/{receipt.load_id}"):
        page = desk.get(path)
        assert "SECRET".lower() not in page.lower(), path
        assert "1 ×" in words(page) or "Row 1" in words(page)


def test_a_load_that_failed_does_not_quote_its_body(desk: Desk) -> None:
    made = desk.contract.find("desk.people")
    body = BytesIO(f'[{{"{SECRET}": 1, "{SECRET}": 2}}]'.encode())
    with pytest.raises(LoadFailed) as failed:
        load_stream(desk.engine, desk.contract, made, body, "json", Origin("api", "system"))
    page = desk.get(f"/loads/{failed.value.load_id}")
    assert SECRET not in page
    assert "The body names •••• twice." in words(page)


def test_reasons_that_look_the_same_are_one(desk: Desk) -> None:
    """Each row has another unknown column, and none is named."""
    desk.load("tickets", *(TICKET | {f"e-mail {n}": "x"} for n in range(5)))
    assert "5 × •••• •••• is not a column of desk.tickets" in words(desk.get("/"))


def test_names_that_tell_nobody_are_shown(desk: Desk) -> None:
    desk.load("visits", {"visit_id": "7", "colour": "red"}, door="file")
    for path in ("/", "/rejects"):
        assert "colour 'colour' is not a column of desk.visits" in words(desk.get(path))
    desk.load("tickets", TICKET | {"hours": "x"})
    assert "hours must be a number" in words(desk.get("/"))


def test_a_clash_does_not_name_a_personal_key(desk: Desk) -> None:
    desk.load("people", {"address": SECRET, "badge": "1", "phone": "555-0142", "desk_number": "4"})
    desk.load("people", {"address": "b@b.example", "badge": "1"})
    receipt = desk.load("people", {"address": "c@c.example", "phone": "555-0142", "desk_number": "4"})
    assert receipt.rejected == 1
    for path in ("/", "/rejects"):
        page = desk.get(path)
        assert "stands already in another row" in page
        assert SECRET not in page
        assert "555-0142" not in page


def test_rows_of_a_table_without_personal_columns_are_shown_whole(desk: Desk) -> None:
    desk.load("visits", "what is this", door="file")
    assert "what is this" in desk.get("/rejects")


def test_rows_of_a_table_that_is_gone_are_hidden_altogether(desk: Desk) -> None:
    desk.load("visits", {"visit_id": "plain words"}, door="file")
    assert "plain words" in desk.get("/rejects")
    desk.execute("update ledger.rejects set table_name = 'gone'")
    desk.execute("update ledger.loads set table_name = 'gone'")
    for path in ("/", "/rejects", "/loads/1"):
        page = desk.get(path)
        assert "plain words" not in page
        assert "no longer in the contract" in page


def test_of_a_long_value_a_page_shows_a_part(desk: Desk) -> None:
    desk.load("teams", {"team_id": "x", "name": "n" * 9000})
    page = desk.get("/rejects")
    assert "n" * 2000 in page
    assert "n" * 2001 not in page
