"""The API: one call a batch, safe to repeat, one envelope for every error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from loader.doors import api, rejects
from loader.doors.error_sheet import cell
from loader.ledger import access, loads
from tests.pages.desk import TICKET, Desk

LOADS = "/api/v1/loads/desk/teams"


class Caller:
    """A program with a token."""

    def __init__(self, desk: Desk, days: int = 1, name: str = "till") -> None:
        with desk.engine.begin() as connection:
            self.token = access.create_token(connection, name, datetime.now(UTC) + timedelta(days=days))
        self.client: FlaskClient = desk.app.test_client()

    def call(self, method: str, path: str, **arguments: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} | arguments.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, **arguments)

    def post(self, rows: Any, path: str = LOADS, **headers: str) -> TestResponse:
        return self.call("POST", path, json=rows, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.fixture
def caller(desk: Desk) -> Caller:
    return Caller(desk)


def assert_problem(response: TestResponse, status: int, *words: str) -> None:
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    problem = response.get_json(force=True)
    assert problem["status"] == status
    assert problem["title"]
    for word in words:
        assert word in problem["detail"]


def test_rows_are_loaded_and_the_receipt_says_what_became_of_each(desk: Desk, caller: Caller) -> None:
    response = caller.post(
        [{"team_id": 1, "name": "A"}, {"team_id": 2, "name": " "}, {"team_id": 3, "parent_team_id": 9}]
    )
    assert response.status_code == 201
    receipt = response.get_json()
    counts = [receipt[name] for name in ("received", "accepted", "waiting", "rejected", "duplicates")]
    assert counts == [3, 1, 1, 1, 0]
    assert [(r["row"], r["column"], r["rule"], r["value"]) for r in receipt["rejects"]] == [
        (2, "name", "not_blank", " "),
        (3, "parent_team_id", "relationships", "9"),
    ]
    assert response.headers["Location"] == receipt["links"]["self"]
    assert caller.call("GET", receipt["links"]["self"]).get_json() == receipt
    assert desk.rows("select team_id from staging_desk.teams") == [(1,)]
    rejects = caller.call("GET", receipt["links"]["rejects"]).get_json()["rejects"]
    assert [(r["row"], r["status"], r["payload"]["team_id"]) for r in rejects] == [
        (3, "waiting", "3"),
        (2, "rejected", "2"),
    ]


def test_a_parent_lets_its_rows_in_and_the_receipt_names_the_load(desk: Desk, caller: Caller) -> None:
    first = caller.post({"team_id": 3, "parent_team_id": 9}).get_json()
    assert first["waiting"] == 1
    second = caller.post({"team_id": 9}).get_json()
    assert [(r["table"], r["accepted"]) for r in second["releases"]] == [("teams", 1)]
    assert caller.call("GET", first["links"]["self"]).get_json() == first
    assert caller.call("GET", second["links"]["self"]).get_json() == second
    (entry,) = caller.call("GET", "/api/v1/rejects?status=resolved").get_json()["rejects"]
    assert entry["resolved_load_id"] == second["releases"][0]["load_id"]


def test_the_same_key_and_body_again_changes_nothing_and_says_so(desk: Desk, caller: Caller) -> None:
    first = caller.post({"team_id": 1}, Idempotency_Key="monday")
    again = caller.post({"team_id": 1}, Idempotency_Key="monday")
    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    assert desk.rows("select count(*) from ledger.loads") == [(1,)]


def test_the_same_key_with_another_body_is_refused(desk: Desk, caller: Caller) -> None:
    caller.post({"team_id": 1}, Idempotency_Key="monday")
    assert_problem(caller.post({"team_id": 2}, Idempotency_Key="monday"), 422, "another body")
    assert desk.rows("select team_id from staging_desk.teams") == [(1,)]


def test_a_key_belongs_to_who_sent_it(desk: Desk, caller: Caller) -> None:
    """Another token's key of the same text tells it nothing, and keeps nothing of its own out."""
    other = Caller(desk, name="shop")
    first = caller.post({"team_id": 1}, Idempotency_Key="monday").get_json()
    with desk.engine.begin() as held:
        assert loads.lock_key(held, desk.contract.find("desk.teams"), "till", "monday")
        response = other.post({"team_id": 2}, Idempotency_Key="monday")
    assert response.status_code == 201
    again = other.post({"team_id": 2}, Idempotency_Key="monday")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == response.get_json() != first
    assert desk.rows("select principal, accepted from ledger.loads order by 1") == [("shop", 1), ("till", 1)]


def test_a_key_whose_load_still_runs_is_told_to_wait(desk: Desk, caller: Caller) -> None:
    with desk.engine.begin() as other:
        assert loads.lock_key(other, desk.contract.find("desk.teams"), "till", "monday")
        assert_problem(caller.post({"team_id": 1}, Idempotency_Key="monday"), 409, "has not ended")
    assert caller.post({"team_id": 1}, Idempotency_Key="monday").status_code == 201


def test_a_refused_load_sent_again_is_told_to_be_the_same(caller: Caller) -> None:
    rows, path = [{"team_id": 1}, {"team_id": "x"}], LOADS + "?on_reject=refuse"
    first, again = (caller.post(rows, path=path, Idempotency_Key="monday") for _ in range(2))
    assert (first.status_code, again.status_code) == (422, 422)
    assert again.get_json(force=True) == first.get_json(force=True)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


def test_refuse_is_all_or_nothing(desk: Desk, caller: Caller) -> None:
    response = caller.post([{"team_id": 1}, {"team_id": "x"}], path=LOADS + "?on_reject=refuse")
    assert_problem(response, 422, "nothing was loaded")
    receipt = response.get_json(force=True)["receipt"]
    assert (receipt["received"], receipt["rejected"], receipt["accepted"]) == (2, 2, 0)
    assert [r["rule"] for r in receipt["rejects"]] == ["load_refused", "data_type"]
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    assert desk.rows("select count(*) from ledger.rejects") == [(2,)]


def test_a_dry_run_leaves_no_trace(desk: Desk, caller: Caller) -> None:
    response = caller.post([{"team_id": 1}, {"team_id": "x"}], path=LOADS + "?dry_run=true")
    assert response.status_code == 200
    receipt = response.get_json()
    assert (receipt["load_id"], receipt["status"]) == (None, "dry_run")
    assert (receipt["accepted"], receipt["rejected"]) == (1, 1)
    for table in ("staging_desk.teams", "ledger.loads", "ledger.rejects"):
        assert desk.rows(f"select count(*) from {table}") == [(0,)]


@pytest.mark.parametrize(
    ("mimetype", "body"),
    [
        ("text/csv", b"team_id,name\n1,A\n2,B\n"),
        ("application/x-ndjson", b'{"team_id": 1, "name": "A"}\n{"team_id": 2, "name": "B"}\n'),
        ("application/json; charset=utf-8", b'[{"team_id": 1, "name": "A"}, {"team_id": 2, "name": "B"}]'),
    ],
)
def test_formats(desk: Desk, caller: Caller, mimetype: str, body: bytes) -> None:
    response = caller.call("POST", LOADS, data=body, content_type=mimetype)
    assert response.status_code == 201, response.text
    assert desk.rows("select team_id, name from staging_desk.teams order by 1") == [(1, "A"), (2, "B")]


@pytest.mark.parametrize(
    ("mimetype", "body", "words"),
    [
        ("application/json", b"", "line 1, column 1"),
        ("application/json", b'[{"team_id": 1}', "line 1, column 16"),
        ("application/json", b'{"team_id": 1, "team_id": 2}', "'team_id' twice"),
        ("application/json", b"7", "neither an object nor an array"),
        ("application/json", b"[" * 100_000, "nested too deeply"),
        ("application/json", b'{"team_id": 1, "name": "\xff"}', "UTF-8 (byte 24)"),
        ("text/csv", b"", "the file is empty"),
        ("text/csv", b"team_id,nom\n1,A\n", "column 2 of the header"),
        ("text/csv", b"team_id,team_id\n1,2\n", "stands there twice"),
        ("text/csv", b"name\nA\n", "'team_id' is missing"),
        ("text/csv", b'team_id,name\n1,"A\n2,B\n', "never closed"),
        ("application/vnd.apache.parquet", b"PAR1", "not a Parquet file"),
    ],
)
def test_a_body_that_cannot_be_read_is_named_and_loads_nothing(
    desk: Desk, caller: Caller, mimetype: str, body: bytes, words: str
) -> None:
    assert_problem(caller.call("POST", LOADS, data=body, content_type=mimetype), 400, words, "Nothing was loaded")
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    assert desk.rows("select status, received from ledger.loads") == [("failed", 0)]


def test_an_empty_array_is_a_load_of_no_rows(caller: Caller) -> None:
    response = caller.post([])
    assert (response.status_code, response.get_json()["received"]) == (201, 0)


def test_other_content_is_not_taken(caller: Caller) -> None:
    assert_problem(caller.call("POST", LOADS, data=b"x", content_type="application/pdf"), 415, "text/csv")
    for packing, mimetype in (("br", "application/json"), ("gzip", "application/zip")):
        response = caller.call("POST", LOADS, data=b"x", content_type=mimetype, headers={"Content-Encoding": packing})
        assert_problem(response, 415, "Content-Encoding")


def test_a_body_is_unpacked_and_the_receipt_says_what_it_was(desk: Desk, caller: Caller) -> None:
    packed = gzip.compress("team_id;name\r\n1;Ü\r\n".encode("utf-16"))
    response = caller.call("POST", LOADS, data=packed, content_type="text/csv", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 201, response.text
    receipt = response.get_json()
    assert receipt["format"] == {
        "format": "csv", "encoding": "utf-16-le", "bom": True, "separator": ";", "quote": '"', "decimal": ".",
        "packed": "gzip",
    }  # fmt: skip
    assert caller.call("GET", receipt["links"]["self"]).get_json() == receipt
    assert desk.rows("select name from staging_desk.teams") == [("Ü",)]


def test_what_is_said_of_a_body_is_followed(desk: Desk, caller: Caller) -> None:
    options = {"separator": "bar", "encoding": "windows-1251", "decimal": "comma", "quote": "single"}
    body = "team_id|name\n1|'да|нет'\n".encode("cp1251")
    response = caller.call("POST", LOADS, data=body, content_type="text/csv", query_string=options)
    assert response.status_code == 201, response.text
    assert response.get_json()["format"] == {
        "format": "csv", "encoding": "windows-1251", "separator": "|", "quote": "'", "decimal": ",",
    }  # fmt: skip
    assert desk.rows("select name from staging_desk.teams") == [("да|нет",)]
    for name, word in (("separator", "x"), ("encoding", "x"), ("decimal", "x"), ("quote", "x")):
        response = caller.call("POST", LOADS, data=body, content_type="text/csv", query_string={name: word})
        assert_problem(response, 400, name, "Nothing was loaded")


def test_what_there_is_not(caller: Caller) -> None:
    assert_problem(caller.post({}, path="/api/v1/loads/desk/nothing"), 404)
    assert_problem(caller.call("GET", "/api/v1/loads/77"), 404, "no load 77")
    assert_problem(caller.call("GET", "/api/v1/tables/desk/nothing"), 404)
    assert_problem(caller.call("GET", "/api/v1/nothing"), 404)
    assert_problem(caller.call("DELETE", LOADS), 405)


def test_a_door_that_the_contract_keeps_shut(desk: Desk, caller: Caller) -> None:
    assert_problem(caller.post({}, path="/api/v1/loads/desk/visits"), 403, "desk.visits")


@pytest.mark.parametrize(
    "query", ["on_reject=no", "dry_run=1", "dry_run=TRUE", "dryrun=true", "op=drop", "cascade=wait", "source=%00"]
)
def test_an_option_that_there_is_not(caller: Caller, query: str) -> None:
    assert_problem(caller.post({"team_id": 1}, path=f"{LOADS}?{query}"), 400)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "before=-1", "before=" + "9" * 40, "limit=٣", "limit=" + "0" * 19 + "1999"],
)
def test_a_page_that_there_is_not(caller: Caller, query: str) -> None:
    assert_problem(caller.call("GET", f"/api/v1/loads?{query}"), 400)


def test_a_body_that_ends_early_loads_nothing(desk: Desk, caller: Caller) -> None:
    body = b"team_id\n" + b"1\n" * 100
    response = caller.call(
        "POST", LOADS, input_stream=io.BytesIO(body[:50]), content_type="text/csv",
        environ_overrides={"CONTENT_LENGTH": str(len(body))},
    )  # fmt: skip
    assert_problem(response, 400)
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_a_token_is_needed_and_must_hold(desk: Desk, caller: Caller) -> None:
    stranger = desk.app.test_client()
    assert_problem(stranger.post(LOADS, json={"team_id": 1}), 401, "Authorization")
    for header in ("", "Bearer ", "Bearer nonsense", "Basic YTpi", caller.token):
        assert_problem(stranger.post(LOADS, json={"team_id": 1}, headers={"Authorization": header}), 401)
    expired = Caller(desk, days=-1)
    assert_problem(expired.post({"team_id": 1}), 401)
    with desk.engine.begin() as connection:
        access.revoke_tokens(connection, "till")
    assert_problem(caller.post({"team_id": 1}), 401)
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]


def test_a_login_reads_the_contract_and_no_rows(desk: Desk, caller: Caller) -> None:
    caller.post({"team_id": 1, "name": " "})
    for path in ("/api/v1/tables", "/api/v1/tables/desk/teams", "/api/v1/openapi.json"):
        assert desk.client.get(path).status_code == 200
    for path in ("/api/v1/loads", "/api/v1/loads/1", "/api/v1/rejects", "/api/v1/rejects.csv"):
        assert_problem(desk.client.get(path), 401)
    assert_problem(desk.client.post(LOADS, json={"team_id": 1}), 401)


def test_only_a_hash_of_the_token_is_kept(desk: Desk, caller: Caller) -> None:
    kept = desk.rows("select token_hash, to_jsonb(t)::text from ledger.tokens as t")
    assert len(kept[0][0]) == 64
    assert caller.token not in kept[0][1]


def test_a_tokens_last_use_is_noted_once_a_minute(desk: Desk, caller: Caller) -> None:
    last_used = "select last_used_at from ledger.tokens where name = 'till'"
    assert desk.rows(last_used) == [(None,)]
    caller.call("GET", "/api/v1/tables")
    first = desk.rows(last_used)
    assert first[0][0] is not None
    caller.call("GET", "/api/v1/tables")
    assert desk.rows(last_used) == first
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("update ledger.tokens set last_used_at = last_used_at - interval '61 seconds'")
    caller.call("GET", "/api/v1/tables")
    assert desk.rows(last_used) > first


def test_the_error_sheet_has_a_column_for_each_of_the_tables_and_no_live_formula(caller: Caller) -> None:
    caller.post([{"team_id": "=1+1", "name": "A"}, {"team_id": "x", "colour": "red"}])
    sheet = caller.call("GET", "/api/v1/rejects.csv?source=desk&table=teams")
    assert sheet.mimetype == "text/csv"
    second, first = csv.DictReader(io.StringIO(sheet.text))
    assert (first["team_id"], first["name"], first["rule"]) == ("'=1+1", "A", "data_type")
    assert (second["team_id"], second["rule"]) == ("x", "unknown_column")
    assert json.loads(second["as_it_came"]) == {"colour": "red"}
    mixed = list(csv.DictReader(io.StringIO(caller.call("GET", "/api/v1/rejects.csv").text)))
    assert json.loads(mixed[0]["as_it_came"])["colour"] == "red"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("\u00a0@a", "'\u00a0@a"),
        ("x;=1+1", "x;'=1+1"),
        ("x; =1+1", "x;' =1+1"),
        ("x\t=1+1", "x\t'=1+1"),
        ("x|-1", "x|'-1"),
        ("x\n+1", "x\n'+1"),
        ("\tx", "'\tx"),
        ("＝1+1", "'＝1+1"),
        ('x;"=1+1;', """x;'"=1+1;"""),
        ('x|" "=1+1', """x|'" "=1+1"""),
        ("x", "x"),
        ("a-b;c=d", "a-b;c=d"),
        ("", ""),
    ],
)
def test_no_value_of_the_error_sheet_is_a_formula_however_it_is_cut(caller: Caller, value: str, shown: str) -> None:
    caller.post([{"team_id": "x", "name": value, "city": value}, {"team_id": 1, "odd": value}])
    sheet = caller.call("GET", "/api/v1/rejects.csv?source=desk&table=teams").text
    odd, row = csv.DictReader(io.StringIO(sheet, newline=""))
    assert (row["name"], row["city"]) == (shown, shown)
    assert not re.search(r"[;|\t\r\n]\s*[=+\-@]", odd["as_it_came"])
    for separator in ",;\t|":  # whatever the reader's spreadsheet takes for one
        for line in csv.reader(io.StringIO(sheet, newline=""), delimiter=separator):
            assert not [cell for cell in line if cell.strip().strip('"').strip()[:1] in tuple("=+-@＝")], separator


def test_every_cell_of_the_error_sheet_is_quoted(caller: Caller) -> None:
    caller.post({"team_id": "x"})
    for line in caller.call("GET", "/api/v1/rejects.csv").text.splitlines():
        assert all(cell[:1] == cell[-1:] == '"' for cell in re.split(r',(?=")', line))


def test_a_load_into_a_table_that_is_being_loaded_is_told_to_come_again(
    desk: Desk, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LOCK_SECONDS", 1)
    with desk.engine.begin() as other:
        loads.lock_tables(other, {"desk.teams"}, set())
        response = caller.post({"team_id": 1})
    assert_problem(response, 503, "still running")
    assert response.headers["Retry-After"]
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]


def test_the_contract_as_json(caller: Caller) -> None:
    tables = caller.call("GET", "/api/v1/tables").get_json()["tables"]
    assert {t["table"] for t in tables} >= {"teams", "tickets", "visits"}
    ticket = caller.call("GET", "/api/v1/tables/desk/tickets").get_json()
    kind = next(c for c in ticket["columns"] if c["name"] == "kind")
    assert kind["accepted_values"] == ["bug", "wish", "<i>odd</i>", "can't"]
    assert ticket["primary_key"] == ["ticket_id"]


def test_an_injection_is_a_value_like_any_other(desk: Desk, caller: Caller) -> None:
    nasty = "'; drop table staging_desk.teams; --"
    caller.post({"team_id": 7, "name": nasty})
    caller.post({"team_id": nasty})
    assert caller.call("GET", "/api/v1/rejects", query_string={"table": nasty}).get_json() == {"rejects": []}
    assert desk.rows("select name from staging_desk.teams") == [(nasty,)]


def test_a_ticket_of_every_type(desk: Desk, caller: Caller) -> None:
    caller.post({"team_id": 7})
    row = TICKET | {"hours": "1.25", "details": {"a": [1.10, None]}, "opened_on": "2024-02-29", "kind": "can't"}
    body = json.dumps(row).replace("1.1,", "1.10,").encode()
    response = caller.call("POST", "/api/v1/loads/desk/tickets", data=body, content_type="application/json")
    assert response.get_json()["accepted"] == 1, response.text
    assert desk.rows("select details::text, hours::text, kind from staging_desk.tickets") == [
        ('{"a": [1.10, null]}', "1.25", "can't")
    ]


def test_a_database_that_goes_away_is_a_503_and_nothing_is_loaded(
    desk: Desk, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loader.intake import settle

    def die(*_: Any) -> None:
        with desk.engine.begin() as other:
            other.execute(
                sa.text(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in%'"
                )
            )

    original = settle.judge_rows
    monkeypatch.setattr(settle, "judge_rows", lambda *a: (die(), original(*a)))
    assert_problem(caller.post({"team_id": "+1"}), 503, "Nothing was loaded", "the database went away")
    monkeypatch.undo()
    assert caller.post({"team_id": 1}).status_code == 201
    assert desk.rows("select count(*) from staging_desk.teams") == [(1,)]


def test_line_breaks_without_end_hold_up_no_error_sheet() -> None:
    breaks = "\n" * 1_000_000  # else it would take hours
    assert cell(breaks) == breaks
    assert cell(breaks + "=1+1") == breaks + "'=1+1"
    assert cell(breaks.replace("\n", '"') + "x")[-1] == "x"
    assert cell("a\t  =1") == "a\t'  =1"


def test_a_list_of_kept_rows_ends_before_it_is_too_large(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "_ANSWER_SIZE", 1500)
    caller.post([{"team_id": f"x{number}", "name": "n" * 1000} for number in range(5)])
    found: list[int] = []
    while True:
        before = {"before": found[-1]} if found else {}
        rows = caller.call("GET", "/api/v1/rejects", query_string=before).get_json()["rejects"]
        if not rows:
            break
        assert len(rows) <= 2
        found += [row["reject_id"] for row in rows]
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize("key", ["a\tb", "a\x7f", "x" * 256])
def test_a_key_is_short_and_holds_no_control_character(desk: Desk, caller: Caller, key: str) -> None:
    assert_problem(caller.post({"team_id": 1}, Idempotency_Key=key), 400, "1 to 255 characters")
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_a_key_is_shown_to_its_sender_only(desk: Desk, caller: Caller) -> None:
    caller.post({"team_id": 1}, Idempotency_Key="monday")
    (own,) = caller.call("GET", "/api/v1/loads").get_json()["loads"]
    (others,) = Caller(desk, name="other").call("GET", "/api/v1/loads").get_json()["loads"]
    assert (own["idempotency_key"], others["idempotency_key"]) == ("monday", None)


def test_a_program_and_a_person_have_names_of_their_own(desk: Desk, caller: Caller) -> None:
    with pytest.raises(access.NameTaken, match="There is a user ann"):
        Caller(desk, name="ann")
    with desk.engine.begin() as connection, pytest.raises(access.NameTaken, match="a token till"):
        access.set_password(connection, "till", "correct horse battery")
