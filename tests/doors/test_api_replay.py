"""Kept rows judged again by the API: by their numbers, or all of a table."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.doors.test_api import LOADS, Caller, assert_problem, caller
from tests.pages.desk import Desk

__all__ = ["caller"]


def test_kept_rows_are_judged_again_on_request(desk: Desk, caller: Caller) -> None:
    caller.post([{"team_id": 1, "name": " "}, {"team_id": 2, "parent_team_id": 9}])
    desk.execute("""update ledger.rejects set payload = payload || '{"name": "mended"}' where row = 1""")
    (receipt,) = caller.call("POST", "/api/v1/rejects/replay", json={"source": "desk", "table": "teams"}).get_json()[
        "receipts"
    ]
    assert (receipt["door"], receipt["received"], receipt["accepted"], receipt["waiting"]) == ("replay", 2, 1, 1)
    assert desk.rows("select team_id, name from staging_desk.teams") == [(1, "mended")]


def test_a_number_that_no_row_has_keeps_no_other_from_being_judged_again(desk: Desk, caller: Caller) -> None:
    caller.post([{"team_id": 1, "name": " "}])
    ((kept,),) = desk.rows("select reject_id from ledger.rejects")
    answer = caller.call("POST", "/api/v1/rejects/replay", json={"reject_ids": [2**63 - 1, kept]})
    assert [receipt["received"] for receipt in answer.get_json()["receipts"]] == [1]
    assert caller.call("POST", "/api/v1/rejects/replay", json={"reject_ids": []}).get_json() == {"receipts": []}


@pytest.mark.parametrize("body", [
    [], {}, {"reject_ids": "1"}, {"reject_ids": [True]}, {"source": 1, "table": "x"},
    *({"reject_ids": [1, number]} for number in (0, -1, 2**63, 10**30, 1.5)),
])  # fmt: skip
def test_a_replay_of_nothing_in_particular(caller: Caller, body: Any) -> None:
    assert_problem(caller.call("POST", "/api/v1/rejects/replay", json=body), 400)


def test_the_limit_of_a_replay_holds_for_a_body_in_chunks(caller: Caller) -> None:
    """Such a body says no length before it comes."""
    body = b'{"source": "desk", "table": "teams", "x": "' + b"x" * (1 << 20) + b'"}'
    chunked = {"wsgi.input_terminated": True, "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    for more in ({}, {"environ_overrides": chunked}):
        response = caller.call(
            "POST", "/api/v1/rejects/replay", input_stream=io.BytesIO(body), content_type="application/json",
            **({"headers": {"Content-Length": str(len(body))}} | more),
        )  # fmt: skip
        assert_problem(response, 413, "say less at once")
    small = {"input_stream": io.BytesIO(b'{"source": "desk", "table": "teams"}'), "environ_overrides": chunked}
    assert caller.call("POST", "/api/v1/rejects/replay", **small).get_json() == {"receipts": []}


@pytest.mark.parametrize("text", [r"\ud800", r"a\udfffb", r"\u0000"])
def test_a_replay_of_what_is_no_text_is_refused(caller: Caller, text: str) -> None:
    for name in ("source", "table", "more"):
        body = {"source": "desk", "table": "teams"} | {name: "TEXT"}
        sent = json.dumps(body).replace("TEXT", text).encode()
        response = caller.call("POST", "/api/v1/rejects/replay", data=sent, content_type="application/json")
        assert_problem(response, 400)


def test_a_row_that_was_not_read_whole_is_not_let_in_by_replay(desk: Desk, caller: Caller) -> None:
    caller.post([{"team_id": 1, "colour": "red"}, {"team_id": 2, "name": "A\0B"}])
    caller.call("POST", LOADS, data=b"team_id,name\n3,C,too much\n", content_type="text/csv")
    answer = caller.call("POST", "/api/v1/rejects/replay", json={"source": "desk", "table": "teams"})
    assert [(r["received"], r["accepted"]) for r in answer.get_json()["receipts"]] == [(0, 0)]
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    assert desk.rows("select count(*) from ledger.rejects where status = 'rejected'") == [(3,)]


def test_a_replay_goes_by_the_open_doors_too(desk: Desk, caller: Caller) -> None:
    desk.load("visits", {"visit_id": "x"})
    assert_problem(caller.call("POST", "/api/v1/rejects/replay", json={"source": "desk", "table": "visits"}), 403)
