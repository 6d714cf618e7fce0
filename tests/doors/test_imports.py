"""A file is looked at, its columns are said, it is tried, and then loaded."""

from __future__ import annotations

import html
import io
import os
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from loader.doors import imports as door
from loader.doors.kept_files import KEPT_SECONDS, MOST, KeptFiles
from loader.intake.decode import Said
from loader.intake.decode.look import MOST_NAMES, look
from loader.ledger import access
from loader.ledger.file_columns import remember
from tests.intake.sheets import workbook
from tests.pages import desk as house
from tests.pages.desk import NAME, Desk, hidden_fields, words

desk, desk_template = house.desk, house.desk_template

UPLOAD = "/tables/desk/teams/upload"
FILE = "Team No.;Team name;Town;Remark\n1;one;Köln;x\n2;two;;y\nx;three;Bonn;\n".encode()


@pytest.fixture(autouse=True)
def _own_folder(desk: Desk, tmp_path: Path) -> None:
    """The tests of a run share the state folder, and a person's files push each other out."""
    desk.settings = replace(desk.settings, state_dir=tmp_path)
    desk.app.extensions["gatehouse"].settings = desk.settings


def kept(desk: Desk) -> list[Path]:
    return sorted((desk.settings.state_dir / "imports").glob("*"))


def bring(desk: Desk, body: bytes = FILE, name: str = "teams.csv", path: str = UPLOAD, **chosen: str) -> str:
    """Choose the file and ask to look at it first: the address of the page for it."""
    fields = hidden_fields(desk.get(path)) | {"look": "yes"} | chosen
    response = desk.client.post(path, data=fields | {"file": (io.BytesIO(body), name)})
    assert response.status_code == 303, words(response.text)
    return response.headers["Location"]


def chosen_on(page: str) -> dict[str, str]:
    """What the page's lists of columns say, as a browser sends it."""
    lists = re.findall(r'<select id="(to-\d+)".*?</select>', page, re.DOTALL)
    picked = {}
    for name in lists:
        block = page.partition(f'<select id="{name}"')[2].partition("</select>")[0]
        selected = re.search(r'<option value="([^"]*)" selected>', block)
        picked[name] = html.unescape(selected[1]) if selected else ""
    return picked


def send(desk: Desk, at: str, do: str, **changed: str) -> TestResponse:
    """Open the page, change what is to be changed, and press a button."""
    page = desk.get(at)
    return desk.client.post(at.partition("?")[0], data=hidden_fields(page) | chosen_on(page) | {"do": do} | changed)


def test_columns_are_proposed_with_the_first_values(desk: Desk) -> None:
    page = desk.get(bring(desk))
    assert chosen_on(page) == {"to-0": "team_id", "to-1": "", "to-2": "", "to-3": ""}
    text = words(page)
    assert "teams.csv, read as CSV in utf-8, semicolon between fields" in text
    assert "Team No. 1 2 x" in text
    assert "Town Köln Bonn" in text
    assert "The first 3 rows of the file" in text
    assert "Still to say" not in text
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_a_try_tells_the_reasons_and_stores_nothing(desk: Desk) -> None:
    response = send(desk, bring(desk, FILE + b"y;four;;\n"), "try", **{"to-1": "name", "to-2": "city"})
    assert response.status_code == 200
    text = words(response.text)
    assert "Of 4 rows 2 would come in, 0 would wait for a parent, 2 would be refused, 0 say nothing new." in text
    assert "2 rows refused: team_id must be a whole number" in text
    assert "first in row 3" in text
    assert chosen_on(response.text) == {"to-0": "team_id", "to-1": "name", "to-2": "city", "to-3": ""}
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
    assert len(kept(desk)) == 2, "the file waits to be loaded"


def test_a_load_brings_the_rows_and_is_remembered(desk: Desk) -> None:
    at = bring(desk)
    response = send(desk, at, "load", **{"to-1": "name", "to-2": "city"})
    assert response.status_code == 303, words(response.text)
    page = words(desk.get(response.headers["Location"]))
    assert "2 rows are in; 1 row was refused and kept to be mended." in page
    assert "4 columns named anew or left out" in page
    assert desk.rows("select team_id, name, city from staging_desk.teams order by 1") == [
        (1, "one", "Köln"), (2, "two", None),
    ]  # fmt: skip
    assert desk.rows("select door, principal, file_name, format -> 'columns' from ledger.loads") == [
        # the table has a personal column, which a header's names may be of
        ("file", NAME, "teams.csv", {"column 1": "team_id", "column 2": "name", "column 3": "city", "column 4": None})
    ]
    assert not desk.rows("select 1 from ledger.file_columns where file_columns::text like '%Town%'")
    assert desk.rows("select payload from ledger.rejects") == [
        ({"team_id": "x", "name": "three", "city": "Bonn", "manager": None, "parent_team_id": None},)
    ]
    assert not kept(desk)
    assert desk.client.get(at).status_code == 404

    page = desk.get(bring(desk, FILE.replace(b"1;one", b"9;nine")))
    assert chosen_on(page) == {"to-0": "team_id", "to-1": "name", "to-2": "city", "to-3": ""}


def test_a_column_that_is_gone_is_not_proposed(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        remember(connection, desk.contract.find("desk.teams"), {"Town": "village"}, "ann")
    assert chosen_on(desk.get(bring(desk)))["to-2"] == ""


def test_a_required_column_must_be_said_first(desk: Desk) -> None:
    at = bring(desk, b"a;b\n1;one\n")
    assert "Still to say: no row can come in without Team number team_id" in words(desk.get(at))
    for do in ("try", "load"):
        response = send(desk, at, do, **{"to-1": "name"})
        assert response.status_code == 422
        assert "Say which column of the file is Team number: it may not be empty" in words(response.text)
        assert chosen_on(response.text) == {"to-0": "", "to-1": "name"}
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_two_columns_can_not_be_one(desk: Desk) -> None:
    response = send(desk, bring(desk), "load", **{"to-1": "team_id"})
    assert response.status_code == 422
    assert "columns says of both 'Team No.' and 'Team name' that they are 'team_id'" in words(response.text)
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
    assert kept(desk)


def test_a_hostile_target_is_refused(desk: Desk) -> None:
    response = send(desk, bring(desk), "load", **{"to-1": 'name"; drop table staging_desk.teams; --'})
    assert response.status_code == 422
    assert "which desk.teams does not have" in words(response.text)


def test_the_same_file_again_is_asked_about(desk: Desk) -> None:
    assert send(desk, bring(desk), "load").status_code == 303
    response = send(desk, bring(desk), "load")
    assert response.status_code == 200
    assert "Loaded already" in response.text
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]
    assert send(desk, bring(desk, again="yes"), "load", again="yes").status_code == 303
    assert 'name="again" value="yes" checked' in desk.get(bring(desk, again="yes"))


def test_the_same_file_under_other_names_is_another(desk: Desk) -> None:
    """Who has said the wrong columns brings it again with the right ones."""
    assert send(desk, bring(desk), "load", **{"to-1": "city"}).status_code == 303
    assert send(desk, bring(desk), "load", **{"to-1": "name"}).status_code == 303
    assert desk.rows("select name, city from staging_desk.teams where team_id = 1") == [("one", None)]


def test_a_second_click_is_the_same_load(desk: Desk) -> None:
    at = bring(desk)
    page = desk.get(at)
    fields = hidden_fields(page) | chosen_on(page) | {"do": "load"}
    assert desk.client.post(at.partition("?")[0], data=fields).status_code == 303
    assert desk.client.post(at.partition("?")[0], data=fields).status_code == 404, "it has been loaded"
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]


def test_all_or_nothing(desk: Desk) -> None:
    response = send(desk, bring(desk), "load", on_reject="refuse")
    assert "Refused whole" in desk.get(response.headers["Location"])
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    assert len(kept(desk)) == 2, "and can be loaded otherwise"
    assert desk.rows("select count(*) from ledger.file_columns") == [(0,)]


def test_another_sheet_is_looked_at_anew(desk: Desk) -> None:
    sheet = workbook(("cover", [["Report of the year"]]), ("teams", [["Team Nr", "name"], [1, "one"]]))
    at = bring(desk, sheet, "report.xlsx")
    assert "Report of the year" in desk.get(at)
    for do in ("try", "load"):  # what was shown is not what would be loaded: it is shown first
        response = send(desk, at, do, sheet="teams")
        assert response.status_code == 303
        assert "sheet=teams" in response.headers["Location"]
        assert chosen_on(desk.get(response.headers["Location"])) == {"to-0": "team_id", "to-1": "name"}
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
    assert send(desk, response.headers["Location"], "load", sheet="teams").status_code == 303
    assert desk.rows("select team_id, name from staging_desk.teams") == [(1, "one")]


def test_a_head_of_several_lines_keeps_its_name(desk: Desk) -> None:
    at = bring(desk, workbook(("teams", [["Team\nNo", "name"], [1, "one"]])), "teams.xlsx")
    assert send(desk, at, "load", **{"to-0": "team_id"}).status_code == 303
    assert desk.rows("select team_id, name from staging_desk.teams") == [(1, "one")]


def test_cells_are_pasted(desk: Desk) -> None:
    fields = hidden_fields(desk.get(UPLOAD)) | {
        "look": "yes",
        "pasted": "Team No.\tname\r\n1\tone\r\n2\ttwo, or more\r\n",
    }
    response = desk.client.post(UPLOAD, data=fields)
    assert response.status_code == 303, words(response.text)
    assert send(desk, response.headers["Location"], "load").status_code == 303
    assert desk.rows("select team_id, name from staging_desk.teams order by 1") == [(1, "one"), (2, "two, or more")]
    assert desk.rows("select file_name from ledger.loads") == [("pasted cells.csv",)]


def test_what_can_not_be_read_is_said(desk: Desk) -> None:
    at = bring(desk, b"PK\x03\x04 no workbook", "teams.xlsx")
    response = desk.client.get(at)
    assert response.status_code == 422
    assert "The file can't be read" in words(response.text)
    assert 'value="load"' not in response.text
    assert send_fields(desk, at, response).status_code == 303


def send_fields(desk: Desk, at: str, response: TestResponse) -> TestResponse:
    return desk.client.post(at.partition("?")[0], data=hidden_fields(response.text) | {"do": "load"})


@pytest.mark.parametrize("option", ["separator=x", "encoding=x", "sheet=9", "columns=x", "columns=%7B%7D"])
def test_an_address_that_says_nonsense_is_no_error(desk: Desk, option: str) -> None:
    assert desk.client.get(f"{bring(desk).partition('?')[0]}?{option}").status_code in (200, 422)


def test_hostile_names_and_values_are_text(desk: Desk) -> None:
    body = b'<script>alert(1)</script>;"><img src=x>\n1;<b>bold</b>\n'
    page = desk.get(bring(desk, body, "<i>odd</i>.csv"))
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "<b>bold" not in page
    assert "<i>odd" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page


def test_a_file_is_for_who_brought_it_and_its_table_alone(desk: Desk) -> None:
    at = bring(desk)
    key = at.partition("?")[0].rpartition("/")[2]
    assert desk.client.get(f"/tables/desk/tickets/import/{key}").status_code == 404
    for wrong in (key[:-1] + "g", "../teams", "0" * 32, key.upper() + "0"):
        assert desk.client.get(f"/tables/desk/teams/import/{wrong}").status_code == 404
    with desk.engine.begin() as connection:
        access.set_password(connection, "bob", "correct horse battery", "admin")
    client = desk.app.test_client()
    bob = desk.rows("select user_id from ledger.users where name = 'bob'")[0][0]
    with client.session_transaction() as session:
        session["user_id"], session["user"], session["epoch"] = bob, "bob", 0
    assert client.get(at).status_code == 404
    own = hidden_fields(client.get(UPLOAD).text)
    page = desk.get(at)
    fields = hidden_fields(page) | chosen_on(page) | {"do": "load", "csrf_token": own["csrf_token"]}
    assert client.post(at.partition("?")[0], data=fields).status_code == 404
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_a_forged_sending_loads_nothing(desk: Desk) -> None:
    at = bring(desk)
    assert desk.client.post(at.partition("?")[0], data={"do": "load"}).status_code == 400
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_nobody_else_may_look_into_the_folder(desk: Desk) -> None:
    folder = desk.settings.state_dir / "imports"
    if folder.exists():
        folder.rmdir()
    bring(desk)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_files_go_after_a_day_and_when_there_are_too_many(desk: Desk) -> None:
    at = bring(desk)
    for path in kept(desk):
        os.utime(path, (time.time() - KEPT_SECONDS - 1,) * 2)
    assert desk.client.get(at).status_code == 404
    assert not kept(desk)
    ways = [bring(desk, FILE + f"{number};many;;\n".encode()) for number in range(MOST + 1)]
    assert len(kept(desk)) == 2 * MOST
    assert [desk.client.get(way).status_code for way in ways] == [404, *[200] * MOST]


def test_what_a_process_left_that_ended_goes(desk: Desk) -> None:
    bring(desk)
    orphan = desk.settings.state_dir / "imports" / ("0" * 32 + ".body")
    orphan.write_bytes(b"half")
    bring(desk, FILE + b"5;five;;\n")
    assert orphan.exists(), "it may be on its way"
    os.utime(orphan, (time.time() - 2 * 3600,) * 2)
    bring(desk, FILE + b"6;six;;\n")
    assert not orphan.exists()


def test_a_disk_without_room_is_said_and_keeps_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("loader.doors.kept_files.shutil.copyfileobj", full)
    fields = hidden_fields(desk.get(UPLOAD)) | {"look": "yes"}
    response = desk.client.post(UPLOAD, data=fields | {"file": (io.BytesIO(FILE), "teams.csv")})
    assert response.status_code == 503
    assert "This server has no room for the file (No space left on device)" in words(response.text)
    assert not kept(desk)


def test_a_file_that_goes_while_the_page_is_open_is_said_to_be_gone(desk: Desk) -> None:
    at = bring(desk)
    page = desk.get(at)
    found = KeptFiles(desk.settings.state_dir).find(
        at.partition("?")[0].rpartition("/")[2], NAME, desk.contract.find("desk.teams")
    )
    assert found is not None
    found.path.unlink()
    response = desk.client.post(at.partition("?")[0], data=hidden_fields(page) | chosen_on(page) | {"do": "load"})
    assert response.status_code == 404
    assert "Bring it again" in words(response.text)


def test_a_contract_that_changed_meanwhile_is_told(desk: Desk) -> None:
    """The column was on the page, and is not in the contract any more."""
    at = bring(desk)
    response = send(desk, at, "load", **{"to-1": "a_column_of_yesterday"})
    assert response.status_code == 422
    assert "which desk.teams does not have; its columns are: team_id, name" in words(response.text)
    assert kept(desk), "and can be loaded yet"


def test_a_load_that_fails_keeps_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from loader.intake.load import LoadFailed

    def fails(*_: object, **__: object) -> None:
        raise LoadFailed("the database went away", is_body=False)

    at = bring(desk)
    with monkeypatch.context() as patched:
        patched.setattr("loader.doors.sending.load_stream", fails)
        assert send(desk, at, "load").status_code == 503
    assert send(desk, at, "load").status_code == 303


def test_reasons_whose_sentences_differ_in_each_row_are_one(desk: Desk) -> None:
    """Of `unique` with rows that stand, a sentence names the other row."""
    rows = [{"address": f"{number}@x.de", "phone": number, "desk_number": 1} for number in range(10)]
    desk.load("people", *rows)
    again = "address,phone,desk_number\n" + "".join(f"new{number}@x.de,{number},1\n" for number in range(10))
    response = send(desk, bring(desk, again.encode(), path="/tables/desk/people/upload"), "try")
    assert "10 rows refused: must be unique, and stands already in another row first in row 1" in words(response.text)


def test_waiting_rows_are_a_reason(desk: Desk) -> None:
    many = "".join(f"{number},bug,true,2024-02-29T12:00:00Z,{number}\n" for number in range(10))
    body = f"ticket_id,kind,urgent,changed_at,team_id\n{many}".encode()
    response = send(desk, bring(desk, body, path="/tables/desk/tickets/upload"), "try")
    assert "10 rows waiting: team_id waits for its parent in desk.teams" in words(response.text)


def test_names_further_down_are_said_by_their_row(desk: Desk) -> None:
    sheet = workbook(("teams", [["Teams of 2026"], ["Team No", "name"], [1, "one"]]))
    at = bring(desk, sheet, "teams.xlsx")
    assert "No row fits these names. If they stand further down, say below in which row" in words(desk.get(at))
    response = send(desk, at, "look", header_row="2")
    assert response.status_code == 303
    at = response.headers["Location"]
    assert chosen_on(desk.get(at)) == {"to-0": "team_id", "to-1": "name"}
    assert send(desk, at, "load", header_row="2").status_code == 303
    assert desk.rows("select team_id, name from staging_desk.teams") == [(1, "one")]


def test_a_row_that_was_taken_for_names_is_asked_about(desk: Desk) -> None:
    assert "Are these the names?" in words(desk.get(bring(desk, b"Teams of May;;;\nTeam No.;name;city;\n1;one;;\n")))
    assert "Are these the names?" not in words(desk.get(bring(desk)))
    assert "Is there a header?" in words(desk.get(bring(desk, b"7;one;ann@x.de\n8;two;bob@x.de\n")))
    assert "Is there a header?" not in words(desk.get(bring(desk)))


def test_two_columns_of_one_name_are_left_out(desk: Desk) -> None:
    at = bring(desk, b"team_id;name;name;;\n1;one;two;;\n")
    page = desk.get(at)
    assert "name one stands there 2 times: left out" in words(page)
    assert chosen_on(page) == {"to-0": "team_id"}
    assert send(desk, at, "load").status_code == 303
    assert desk.rows("select team_id, name from staging_desk.teams") == [(1, None)]


def test_read_anew_keeps_what_was_said_where_the_names_are_the_same(desk: Desk) -> None:
    response = send(desk, bring(desk), "look", **{"to-3": "manager", "decimal": "comma"})
    assert response.status_code == 200
    assert chosen_on(response.text)["to-3"] == "manager"


def test_a_comma_in_pasted_cells_is_a_value(desk: Desk) -> None:
    fields = hidden_fields(desk.get(UPLOAD)) | {"look": "yes", "pasted": "Team, No.\tname, short\n1\tone\n"}
    response = desk.client.post(UPLOAD, data=fields, content_type="multipart/form-data")
    page = words(desk.get(response.headers["Location"]))
    assert "Team, No. 1" in page
    assert "name, short one" in page


def test_many_pasted_cells_and_many_columns_fit_into_a_form(desk: Desk) -> None:
    pasted = "team_id\tname\n" + "".join(f"{number}\tthe team of number {number}\n" for number in range(40_000))
    assert len(pasted) > 1_000_000
    fields = hidden_fields(desk.get(UPLOAD)) | {"look": "yes", "pasted": pasted}
    response = desk.client.post(UPLOAD, data=fields, content_type="multipart/form-data")
    response.request.environ["wsgi.input"].close()  # the client keeps a large body in a file, and leaves it open
    assert response.status_code == 303
    wide = ",".join(["team_id", *(f"c{number}" for number in range(MOST_NAMES - 1))]) + "\n1" + "," * (MOST_NAMES - 1)
    at = bring(desk, wide.encode())
    page = desk.get(at)
    fields = hidden_fields(page) | chosen_on(page) | {"do": "load"}
    response = desk.client.post(at.partition("?")[0], data=fields)
    assert response.status_code == 303, (words(response.text), desk.rows("select message from ledger.loads"))
    assert desk.rows("select team_id from staging_desk.teams") == [(1,)]
    wider = bring(desk, wide.replace("\n", ",more\n", 1).encode())
    assert desk.client.get(wider).status_code == 422


@pytest.mark.parametrize(
    "body", [b'[{"team_id": 1, "name": "\\ud800"}]', b'[{"team_id": 1, "n\\udc00": {"x": "\\ud800"}}]']
)
def test_half_a_surrogate_pair_is_shown(desk: Desk, body: bytes) -> None:
    at = bring(desk, body, "teams.json")
    assert "\\ud800" in words(desk.get(at))
    assert send(desk, at, "try").status_code == 200


def test_a_load_stands_whatever_can_not_be_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise sa.exc.OperationalError("insert", {}, Exception("away"))

    monkeypatch.setattr(door, "remember", fails)
    assert send(desk, bring(desk), "load").status_code == 303
    assert not kept(desk)


def test_a_template_has_the_columns_the_choices_and_what_each_takes(desk: Desk) -> None:
    response = desk.client.get("/tables/desk/tickets/template.xlsx")
    assert response.status_code == 200
    body = io.BytesIO(response.data)
    response.close()
    seen = look(body, desk.contract.find("desk.tickets"), "xlsx", Said(), 5)
    assert seen.names == desk.contract.find("desk.tickets").column_names
    assert seen.found["sheet"] == "rows"
    choices = look(body, desk.contract.find("desk.tickets"), "xlsx", Said(sheet="choices"), 5)
    assert [row[0] for row in ((choices.names[0],), *choices.rows)] == ["bug", "wish", "<i>odd</i>", "can't"]
    with zipfile.ZipFile(body) as book:
        page, notes = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/comments1.xml").decode()
    assert re.search(r'sqref="C2:C10001".*?<formula1>choices!\$A\$1:\$A\$4</formula1>', page)
    assert page.count("<dataValidation ") == 4, "kind, priority, urgent, answered"
    assert "What it is about." in notes
    assert "may not be empty" in notes

    response = desk.client.get("/tables/desk/teams/template.csv")
    assert response.data == b"\xef\xbb\xbfteam_id,name,city,manager,parent_team_id\r\n"
    response.close()
    assert desk.client.get("/tables/desk/teams/template.exe").status_code == 404


def test_a_template_is_not_for_a_table_whose_door_is_closed(desk: Desk) -> None:
    closed = [table for table in desk.contract if "file" not in table.doors]
    assert closed
    for table in closed:
        assert desk.client.get(f"/tables/{table.source}/{table.name}/template.csv").status_code == 403
