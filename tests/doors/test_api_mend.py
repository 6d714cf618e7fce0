"""Kept rows mended by the API: one at a time, on record, and not over somebody else's head."""

from __future__ import annotations

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.doors.test_api import Caller, assert_problem, caller
from tests.pages.desk import TICKET, Desk

__all__ = ["caller"]


def kept(desk: Desk, table: str = "teams", **row: Any) -> int:
    load = desk.load(table, row or {"team_id": 1, "name": " "})
    return int(desk.rows(f"select reject_id from ledger.rejects where load_id = {load.load_id}")[0][0])


def patch(caller: Caller, number: int, body: Any, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    mimetype = sent.pop("Content-Type", "application/merge-patch+json")
    return caller.call("PATCH", f"/api/v1/rejects/{number}", data=data, content_type=mimetype, headers=sent)


def test_a_kept_row_is_mended_and_replayed(desk: Desk, caller: Caller) -> None:
    number = kept(desk)
    answer = patch(caller, number, {"name": "A"})
    assert answer.status_code == 200, answer.text
    row = answer.get_json()
    assert (row["payload"]["name"], row["status"], row["mended"]) == ("A", "rejected", 1)
    assert caller.call("GET", f"/api/v1/rejects/{number}").get_json() == row
    assert desk.rows("select mended_by, changes from ledger.mendings") == [("till", {"name": [" ", "A"]})]
    (receipt,) = caller.call("POST", "/api/v1/rejects/replay", json={"reject_ids": [number]}).get_json()["receipts"]
    assert receipt["accepted"] == 1
    assert desk.rows("select name from staging_desk.teams") == [("A",)]
    assert_problem(patch(caller, number, {"name": "B"}), 409, "not kept any more")


def test_values_are_taken_as_they_are_spelled(desk: Desk, caller: Caller) -> None:
    number = kept(desk, "tickets", **(TICKET | {"hours": "many"}))
    values = '{"hours": 1.50, "ticket_id": 9007199254740993, "urgent": false, "votes": null, "details": {"a": 1.0}}'
    payload = patch(caller, number, values).get_json()["payload"]
    assert payload["hours"] == "1.50"
    assert payload["ticket_id"] == "9007199254740993"
    assert payload["urgent"] == "false"
    assert payload["votes"] is None
    assert json.loads(payload["details"]) == {"a": 1.0}


def test_a_name_that_the_table_has_not_goes_with_null(desk: Desk, caller: Caller) -> None:
    number = kept(desk, team_id=1, name="A", odd="x")
    assert "odd" not in patch(caller, number, {"odd": None}).get_json()["payload"]
    assert patch(caller, number, {"odder": "x"}).get_json()["payload"]["odder"] == "x"


def test_who_looked_before_another_mended_changes_nothing(desk: Desk, caller: Caller) -> None:
    number = kept(desk)
    seen = caller.call("GET", f"/api/v1/rejects/{number}").headers["ETag"]
    first = patch(caller, number, {"name": "A"}, If_Match=seen)
    assert first.status_code == 200
    assert first.headers["ETag"] != seen
    assert_problem(patch(caller, number, {"name": "B"}, If_Match=seen), 412, "somebody else")
    assert_problem(patch(caller, number, {"name": "B"}, If_Match='"odd"'), 412)
    assert patch(caller, number, {"name": "B"}, If_Match=f'"odd", {first.headers["ETag"]}').status_code == 200
    assert patch(caller, number, {"name": "C"}, If_Match="*").status_code == 200
    assert desk.rows("select payload ->> 'name' from ledger.rejects") == [("C",)]


@pytest.mark.parametrize("body", ["", "x", "[]", "1", '{"a": 1, "a": 2}', '{"a": NaN}', b"\xff", "{" * 5000])
def test_a_body_that_is_no_patch(desk: Desk, caller: Caller, body: Any) -> None:
    assert_problem(patch(caller, kept(desk), body), 400)
    assert desk.rows("select mended from ledger.rejects") == [(0,)]


@pytest.mark.parametrize("body", ['{"name": "\\u0000"}', '{"\\u0000": "a"}', '{"name": "\\ud800"}'])
def test_what_nothing_can_store(desk: Desk, caller: Caller, body: str) -> None:
    assert_problem(patch(caller, kept(desk), body), 400)


def test_other_refusals(desk: Desk, caller: Caller) -> None:
    number = kept(desk)
    assert_problem(patch(caller, number, {}, Content_Type="text/csv"), 415)
    assert_problem(patch(caller, 4711, {}), 404)
    assert_problem(patch(caller, 10**30, {}), 404)
    assert_problem(patch(caller, number, json.dumps({"name": "x" * (9 << 20)})), 413)
    assert patch(caller, number, {"name": "x" * (1 << 20)}).status_code == 200
    assert_problem(caller.call("GET", f"/api/v1/rejects/{number}?odd=1"), 400)
    visits = kept(desk, "visits", visit_id="x")
    assert_problem(patch(caller, visits, {}), 403, "opens no door")


def test_a_key_to_delete_is_not_mended(desk: Desk, caller: Caller) -> None:
    caller.call("POST", "/api/v1/loads/desk/teams?op=delete", json=[{"team_id": 5}])
    assert_problem(patch(caller, 1, {"team_id": 6}), 409, "key to delete")
