"""Files at the pages: any format into any table whose door is open, and what is said of it."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from loader.doors import sending
from loader.intake.load import LoadFailed
from loader.ledger import progress
from tests.doors.test_patience import loading
from tests.intake.lab import parquet
from tests.intake.sheets import workbook
from tests.pages import desk as house
from tests.pages.desk import NAME, Desk, hidden_fields, log_in, words

desk, desk_template = house.desk, house.desk_template

PATH = "/tables/desk/teams/upload"
TEAMS = b"team_id,name\n1,one\n2,two\n"
NONCE = "0123456789abcdef" * 2


def upload(
    desk: Desk, body: bytes, name: str = "teams.csv", path: str = PATH, nonce: str = "", **chosen: str
) -> TestResponse:
    """Open the page, choose the file and send it as a browser does."""
    fields = hidden_fields(desk.get(path)) | chosen | ({"nonce": nonce} if nonce else {})
    response = desk.client.post(path, data=fields | {"file": (io.BytesIO(body), name)})
    response.request.environ["wsgi.input"].close()  # the client keeps a large body in a file, and leaves it open
    return response


def zipped(body: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, body)
    return out.getvalue()


FORMATS: dict[str, bytes] = {
    "teams.csv": TEAMS,
    "teams.tsv": TEAMS.replace(b",", b"\t"),
    "teams.json": b'[{"team_id": 1, "name": "one"}, {"team_id": 2, "name": "two"}]',
    "teams.ndjson": b'{"team_id": 1, "name": "one"}\n{"team_id": 2, "name": "two"}',
    "teams.parquet": parquet({"team_id": [1, 2], "name": ["one", "two"]}),
    "teams.xlsx": workbook(("teams", [["team_id", "name"], [1, "one"], [2, "two"]])),
    "teams.csv.gz": gzip.compress(TEAMS),
    "teams.zip": zipped(TEAMS, "teams.csv"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_on_its_receipt(desk: Desk, name: str) -> None:
    response = upload(desk, FORMATS[name], f"reports/{name}")
    assert response.status_code == 303, words(response.text)
    assert "Every row is in." in desk.get(response.headers["Location"])
    assert desk.rows("select team_id, name from staging_desk.teams order by 1") == [(1, "one"), (2, "two")]
    assert desk.rows("select door, principal, file_name, received from ledger.loads") == [("file", NAME, name, 2)]


def test_what_was_refused_is_kept(desk: Desk) -> None:
    response = upload(desk, TEAMS + b"x,three\n")
    page = words(desk.get(response.headers["Location"]))
    assert "2 rows are in; 1 row was refused and kept to be mended." in page
    assert desk.rows("select row, status, rule from ledger.rejects") == [(3, "rejected", "data_type")]


def test_all_or_nothing(desk: Desk) -> None:
    response = upload(desk, TEAMS + b"x,three\n", on_reject="refuse")
    assert "Refused whole" in desk.get(response.headers["Location"])
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    assert desk.rows("select count(*) from ledger.rejects") == [(3,)]


def test_a_try_says_what_would_happen_and_stores_nothing(desk: Desk) -> None:
    response = upload(desk, TEAMS + b"x,three\n", dry_run="yes")
    assert response.status_code == 200
    page = words(response.text)
    assert "Of 3 rows 2 would come in, 0 would wait for a parent, 1 would be refused, 0 say nothing new." in page
    assert "Row 3: team_id must be a whole number" in page
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]


def test_a_try_hides_what_is_personal(desk: Desk) -> None:
    response = upload(desk, b"team_id,name,manager\n1, ,Grace Hopper\nx,y,Ada Lovelace\n", dry_run="yes")
    assert "Lovelace" not in response.text
    assert "Hopper" not in response.text


def test_the_same_file_again_is_not_loaded_unless_asked_for(desk: Desk) -> None:
    first = upload(desk, TEAMS)
    again = upload(desk, TEAMS, "other name.csv")
    assert again.status_code == 200
    assert "Loaded already" in again.text
    assert f'href="{first.headers["Location"]}"' in again.text
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]
    assert upload(desk, TEAMS, again="yes").status_code == 303
    assert desk.rows("select accepted, duplicates from ledger.loads order by load_id") == [(2, 0), (0, 2)]


@pytest.mark.parametrize("chosen", [{}, {"again": "yes"}])
def test_a_second_click_is_the_same_load(desk: Desk, chosen: dict[str, str]) -> None:
    sent = [upload(desk, TEAMS, nonce=NONCE, **chosen) for _ in range(2)]
    assert sent[0].headers["Location"] == sent[1].headers["Location"]
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]


def test_a_file_that_two_people_send_at_once_is_loaded_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is there already is asked where the other can't come between."""
    together = Barrier(2, timeout=30)
    opened = sending.load_stream

    def begin(*given: Any, **more: Any) -> Any:
        together.wait()
        return opened(*given, **more)

    monkeypatch.setattr(sending, "load_stream", begin)
    clients = [desk.client, desk.app.test_client()]
    log_in(clients[1])
    with ThreadPoolExecutor(2) as pool:
        sent = pool.map(lambda client: upload(replace(desk, client=client), TEAMS).status_code, clients)
        assert sorted(sent) == [200, 303]
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]


@pytest.mark.parametrize(
    ("body", "name", "chosen", "said"),
    [
        (TEAMS, "", {}, "Choose a file first, or paste cells."),
        (TEAMS, "teams", {}, "does not say the format; it should end in one of"),
        (TEAMS, "teams.xls", {}, "xls is not read; save the sheet as"),
        (TEAMS, "teams.csv", {"encoding": "klingon"}, "Nothing was loaded"),
        (TEAMS, "teams.csv", {"separator": "dot"}, "separator is the sign itself, or one of"),
        (b"", "teams.csv", {}, "Nothing was loaded"),
        (b"1,one\n", "teams.csv", {}, "is the header missing?"),
        (TEAMS, "teams.parquet", {}, "Nothing was loaded"),
        (b"\x1f\x8b\x08", "teams.csv.gz", {}, "is cut off"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_chosen_stands(
    desk: Desk, body: bytes, name: str, chosen: dict[str, str], said: str
) -> None:
    response = upload(desk, body, name, on_reject="refuse", **chosen)
    assert response.status_code == 422
    assert said in words(response.text)
    assert 'value="refuse" checked' in response.text
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    assert desk.rows("select count(*) from ledger.loads where status <> 'failed'") == [(0,)]


def test_how_the_file_is_written_can_be_said(desk: Desk) -> None:
    body = "team_id;name\n1;Łódź\n".encode("windows-1250")
    assert upload(desk, body, encoding="windows-1250", separator="semicolon").status_code == 303
    assert desk.rows("select name from staging_desk.teams") == [("Łódź",)]


def test_a_table_that_is_being_loaded_makes_nobody_wait_for_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loader.doors.sending._WAIT_SECONDS", 0.6)
    began = time.monotonic()
    with loading(desk, "desk.teams"):
        response = upload(desk, TEAMS)
        assert time.monotonic() - began < 5
    assert response.status_code == 503
    assert "another load into this table is still running; send it again when that has ended" in response.text
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]


def test_what_nobody_knows_is_not_said_to_be_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object, **__: object) -> None:
        raise LoadFailed("the database went away", False, is_unknown=True)

    monkeypatch.setattr("loader.doors.sending.load_stream", cut)
    response = upload(desk, TEAMS)
    assert response.status_code == 503
    said = words(response.text)
    assert "Nobody knows yet It is not known whether it was loaded: the database went away." in said
    assert "Nothing was loaded" not in said


def test_only_tables_whose_door_is_open(desk: Desk) -> None:
    closed = [table for table in desk.contract if "file" not in table.doors]
    assert closed, "the desk has such a table"
    path = f"/tables/desk/{closed[0].name}/upload"
    assert "opens no door for files" in desk.get(path, 403)
    fields = hidden_fields(desk.get(PATH))
    sent = desk.client.post(path, data=fields | {"file": (io.BytesIO(TEAMS), "teams.csv")})
    assert sent.status_code == 403
    assert f'href="{path}"' not in desk.get("/tables")
    assert f'href="{path}"' not in desk.get(f"/tables/desk/{closed[0].name}")
    for page in ("/tables", "/tables/desk/teams"):
        assert f'href="{PATH}"' in desk.get(page)
    assert desk.client.get("/tables/desk/nothing/upload").status_code == 404


def test_a_forged_sending_loads_nothing(desk: Desk) -> None:
    sent = desk.client.post(PATH, data={"file": (io.BytesIO(TEAMS), "teams.csv")})
    assert sent.status_code == 400
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


# -- how much is taken, and from whom -------------------------------------------------


class Part(io.RawIOBase):
    """A multipart body whose file goes on for `size` bytes."""

    def __init__(self, fields: dict[str, str], size: int) -> None:
        self.taken = 0
        head = "".join(
            f'--the-boundary-of-this-test\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
            for k, v in fields.items()
        )
        head += (
            '--the-boundary-of-this-test\r\nContent-Disposition: form-data; name="file"; filename="teams.csv"\r\n\r\n'
        )
        self._parts = [head.encode(), b"team_id,name\n", *(b"1,one\n" * 10_000 for _ in range(size // 60_000))]
        self._parts += [b"\r\n--the-boundary-of-this-test--\r\n"]
        self.length = sum(map(len, self._parts))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._parts:
            return 0
        piece, rest = self._parts[0][: len(buffer)], self._parts[0][len(buffer) :]
        self._parts[:1] = [rest] if rest else []
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


def send_part(desk: Desk, part: Part, cookie: str, length: int | None = None) -> str:
    environ = create_environ(
        PATH, method="POST", content_type="multipart/form-data; boundary=the-boundary-of-this-test"
    )
    told = {"CONTENT_LENGTH": str(part.length if length is None else length), "HTTP_COOKIE": cookie}
    return run_wsgi_app(desk.app, environ | told | {"wsgi.input": part}, buffered=True)[1]


def test_a_large_file_goes_to_disk_and_only_of_who_has_logged_in(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rolled = []
    rollover = tempfile.SpooledTemporaryFile.rollover
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", lambda file: (rolled.append(file), rollover(file)))
    stranger = Part({"csrf_token": "x"}, 3 << 20)
    assert send_part(desk, stranger, "")[:3] in ("400", "401", "413")
    assert stranger.taken < 2 << 20
    assert not rolled

    large = b"team_id,name\n" + b"".join(b"%d,%s\n" % (n, b"x" * 100_000) for n in range(30))
    sent = upload(desk, large, dry_run="yes")
    assert sent.status_code == 200
    assert "Of 30 rows 30 would come in" in words(sent.text)
    assert rolled
    assert desk.fill("teams", team_id="1", name="x" * (2 << 20)).status_code == 413


def test_who_hangs_up_leaves_nothing(desk: Desk) -> None:
    client = desk.app.test_client()
    log_in(client)
    fields = hidden_fields(client.get(PATH).text)
    cookie = client.get_cookie("session")
    assert cookie is not None
    part = Part(fields, 120_000)
    part._parts.pop()
    assert send_part(desk, part, f"session={cookie.value}")[:3] == "400"
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


# -- how far it is ------------------------------------------------------------------------


def told(desk: Desk, nonce: str = NONCE) -> Any:
    return json.loads(desk.get(f"{PATH}/progress?sending={nonce}"))


def test_the_page_is_told_how_far_its_own_file_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    seen: list[Any] = []
    write = progress.Report._write

    def look(report: progress.Report) -> None:
        write(report)
        seen.append(told(desk))
        seen.append(told(desk, "f" * 32))

    monkeypatch.setattr(progress.Report, "_write", look)
    assert told(desk) == {}
    sent = upload(desk, b"team_id,name\n" + b"".join(b"%d,x\n" % n for n in range(9000)), nonce=NONCE)
    assert seen[0]["rows"] > 0
    assert 0 < seen[0]["share"] <= 1
    assert seen[0]["rows_per_second"] >= 0
    assert seen[1] == {}, "another sending"
    assert told(desk) == {"load": sent.headers["Location"]}
    assert desk.get(f"{PATH}/progress?sending=%25", 400)
