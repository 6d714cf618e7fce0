"""Refused rows mended in a spreadsheet: the sheet downloaded, changed, and given back."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter

from loader.contract.model import Table
from loader.intake.decode import open_body
from loader.intake.mend import Mend, mend
from loader.intake.mended_sheet import KEPT, sheet_table
from tests.pages.desk import TICKET, Desk, hidden_fields, words
from tests.test_permissions import as_role

SHEET = "/rejects/sheet?table=desk.tickets"
FILE = "/rejects/sheet.xlsx?table=desk.tickets"
#: Values that spreadsheets like to make something else of.
AWKWARD = (
    "007",
    "1e5",
    "2024-02-30",
    "=1+1",
    "01/02/2024",
    "TRUE",
    " a ",
    "+49 30",
    "'quoted",
    "a\nb",
    "x" * 40_000,
    "1.10",
)
Rows = list[dict[str, Any]]


def table(desk: Desk) -> Table:
    return desk.contract.find("desk.tickets")


@pytest.fixture
def refused(desk: Desk) -> Desk:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    desk.load("tickets", *(TICKET | {"ticket_id": str(n), "hours": "many", "code": "a"} for n in range(4)))
    return desk


def download(desk: Desk) -> Rows:
    return rows_of(desk, fetched(desk, FILE))


def fetched(desk: Desk, path: str) -> bytes:
    with desk.client.get(path) as answer:
        assert answer.status_code == 200
        return answer.data


def rows_of(desk: Desk, book: bytes, made: Table | None = None) -> Rows:
    """By the reader of workbooks that files are loaded by."""
    read = open_body(io.BytesIO(book), sheet_table(made or table(desk)), "xlsx")
    return [row for batch in read for row in batch.rows.to_pylist()]


def as_xlsx(rows: Rows) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        page = book.add_worksheet()
        for line, row in enumerate([dict(zip(rows[0], rows[0], strict=True)), *rows]):
            for place, value in enumerate(row.values()):
                page.write_string(line, place, value or "")
    return out.getvalue()


def as_csv(rows: Rows, **dialect: Any) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def give_back(desk: Desk, body: bytes, status: int, name: str = "mended.xlsx", **fields: str) -> str:
    sent = {"csrf_token": hidden_fields(desk.get(SHEET))["csrf_token"], "file": (io.BytesIO(body), name)} | fields
    response = desk.client.post(SHEET, data=sent, content_type="multipart/form-data")
    assert response.status_code == status, words(response.text)
    return words(response.text)


def changed(rows: Rows, **values: Any) -> Rows:
    return [{name: value for name, value in (row | values).items() if name != "_row"} for row in rows]


@pytest.mark.parametrize(("write", "name"), [
    (as_xlsx, "m.xlsx"), (as_csv, "m.csv"), (lambda rows: as_csv(rows, delimiter=";"), "m.csv"),
])  # fmt: skip
def test_a_sheet_goes_out_and_comes_back_mended(refused: Desk, write: Callable[[Rows], bytes], name: str) -> None:
    rows = download(refused)
    assert [row["_why"] for row in rows] == [
        "hours: must be a number such as 12.5, at most 6 digits before the point"
    ] * 4 or rows[0]["_why"].startswith("hours: ")
    mended = changed(rows[1:], hours="1.5")[::-1]
    tried = give_back(refused, write(mended), 200, name, dry_run="true")
    assert "Of 3 rows that this would change, 3 would come in" in tried
    give_back(refused, write(mended), 303, name)
    assert refused.rows("select ticket_id, hours from staging_desk.tickets order by 1") == [
        (1, 1.5),
        (2, 1.5),
        (3, 1.5),
    ]
    assert refused.rows("select status from ledger.rejects order by reject_id")[0] == ("rejected",)
    assert refused.rows("select distinct mended_by, changes from ledger.mendings") == [
        ("ann", {"hours": ["many", "1.5"]})
    ]


def test_every_value_comes_back_as_it_went_out(desk: Desk) -> None:
    desk.load("tickets", *(TICKET | {"hours": "many", "details": value, "priority": value} for value in AWKWARD))
    rows = download(desk)
    shown = [value if len(value) < 32_767 else KEPT for value in AWKWARD]
    assert [row["priority"] for row in rows] == shown
    for write, name in ((as_xlsx, "m.xlsx"), (as_csv, "m.csv")):
        assert "no row differs" in give_back(desk, write(changed(rows)), 422, name)
    before = desk.rows("select payload ->> 'priority' from ledger.rejects order by reject_id")
    give_back(desk, as_xlsx(changed(rows, hours="1")), 303)
    after = desk.rows("select payload ->> 'priority' from ledger.rejects where mended = 1 order by reject_id")
    assert after == before


def test_personal_values_are_not_in_it_and_stay(refused: Desk) -> None:
    refused.load(
        "tickets", TICKET | {"ticket_id": "9", "hours": "many", "contact": "maria@secret.example", "odd": "mine"}
    )
    body = fetched(refused, FILE)
    assert [row["contact"] for row in rows_of(refused, body)][-1] == KEPT
    book = zipfile.ZipFile(io.BytesIO(body))
    assert not any(b"secret" in book.read(name) or b"mine" in book.read(name) for name in book.namelist())
    guess = changed(rows_of(refused, body)[-1:], contact="maria@secret.example", _other=None)
    wrong = changed(rows_of(refused, body)[-1:], contact="other@secret.example", _other=None)
    answers = {give_back(refused, as_xlsx(rows), 200, dry_run="true") for rows in (guess, wrong)}
    assert len(answers) == 1, "a guess that is right is told from no other"
    rows = changed(rows_of(refused, body)[-1:], hours="1", _other=None)
    give_back(refused, as_xlsx(rows), 303)
    assert refused.rows("select contact from staging_desk.tickets") == [("maria@secret.example",)]


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda rows: [*rows, dict(rows[0], _reject_id="")], "Row 5 of the sheet: _reject_id does not say which"),
    (lambda rows: [*rows, rows[0]], "row 1 stands in the sheet twice"),
    (lambda rows: [dict(rows[0], _reject_id="4711")], "there is no kept row 4711 in desk.tickets"),
    (lambda rows: [dict(rows[0], _reject_id="1x")], "_reject_id does not say which"),
    (lambda rows: [{k: v for k, v in r.items() if k != "_reject_id"} for r in rows], "'_reject_id' is missing"),
    (lambda rows: [dict(row, odd="x") for row in rows], "does not have the name of column"),
    (lambda rows: [dict(rows[0], _mended="3", hours="2")], "was mended by somebody else since"),
])  # fmt: skip
def test_a_sheet_that_was_mended_in_the_wrong_place(refused: Desk, spoil: Callable[[Rows], Rows], said: str) -> None:
    rows = spoil(changed(download(refused), hours="1"))
    assert said in give_back(refused, as_csv(rows), 422, "m.csv")
    assert refused.rows("select count(*) from ledger.mendings") == [(0,)]


def test_a_row_that_was_mended_or_taken_up_meanwhile(refused: Desk) -> None:
    rows = changed(download(refused), hours="1")
    mend(refused.engine, table(refused), [Mend(2, {"hours": "lots"})], "bob")
    assert "row 2 was mended by somebody else" in give_back(refused, as_xlsx(rows), 422)
    refused.execute("update ledger.rejects set status = 'dismissed', dismissed_at = now(), dismissed_by = 'x', "
                    "dismissed_why = 'y' where reject_id = 3")  # fmt: skip
    assert "row 3 is not kept any more" in give_back(refused, as_xlsx(rows), 422)
    give_back(refused, as_xlsx([row for row in rows if row["_reject_id"] in "14"]), 303)


def test_values_under_other_names_are_left_out_when_that_is_said(desk: Desk) -> None:
    desk.load("visits", {"visit_id": "00000000-0000-0000-0000-000000000001", "odd": "x"})
    (row,) = rows_of_visits(desk)
    assert row["_other"] == '{"odd": "x"}'
    to = "/rejects/sheet?table=desk.visits"
    token = hidden_fields(desk.get(to))["csrf_token"]

    def send(body: bytes) -> int:
        return desk.client.post(to, data={"csrf_token": token, "file": (io.BytesIO(body), "m.csv")}).status_code

    assert send(as_csv(changed([row], came_at="2024-01-01T00:00:00Z"))) == 422
    assert send(as_csv(changed([row], _other=""))) == 303
    assert desk.rows("select count(*) from staging_desk.visits") == [(1,)]


def rows_of_visits(desk: Desk) -> Rows:
    body = fetched(desk, "/rejects/sheet.xlsx?table=desk.visits")
    return rows_of(desk, body, desk.contract.find("desk.visits"))


@pytest.mark.parametrize(("body", "name"), [
    (b"", "m.csv"), (b"PK\x03\x04", "m.xlsx"), (b"a,b\n1,2\n", "m.csv"), (b"x", "m.doc"), (b"_reject_id\n", "m.csv"),
])  # fmt: skip
def test_a_file_that_is_no_sheet(refused: Desk, body: bytes, name: str) -> None:
    give_back(refused, body, 422, name)
    assert "Choose a file first" in give_back(refused, b"", 422, "")


def test_it_is_for_who_may_mend(refused: Desk) -> None:
    refused.app.config["WTF_CSRF_ENABLED"] = False
    clerk, elsewhere, steward = (
        as_role(refused, "clerk"), as_role(refused, "steward", "desk.teams"), as_role(refused, "steward"),
    )  # fmt: skip
    for path in (SHEET, FILE):
        assert clerk.get(path).status_code == 403
        assert elsewhere.get(path).status_code == 404
        with steward.get(path) as answer:
            assert answer.status_code == 200
    assert clerk.post(SHEET).status_code == 403
