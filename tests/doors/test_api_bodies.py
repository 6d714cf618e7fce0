"""What a call says of its body beside the body itself."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from loader.doors import api
from tests.doors.test_api import LOADS, Caller, assert_problem
from tests.pages.desk import Desk


@pytest.fixture
def caller(desk: Desk) -> Caller:
    return Caller(desk)


@pytest.mark.parametrize(
    ("charset", "option", "status", "name"),
    [
        ("iso-8859-2", "", 201, "łódź"),
        ("ISO-8859-2", "?encoding=iso-8859-2", 201, "łódź"),
        ("iso-8859-2", "?encoding=utf-8", 400, None),
        ("klingon", "", 400, None),
        ("utf-8", "", 201, None),
    ],
)
def test_a_stated_charset_counts_as_said(
    desk: Desk, caller: Caller, charset: str, option: str, status: int, name: str | None
) -> None:
    body = "team_id,name\n1,łódź\n".encode("iso-8859-2")
    response = caller.call("POST", LOADS + option, data=body, content_type=f"text/csv; charset={charset}")
    assert response.status_code == status, response.text
    assert desk.rows("select name from staging_desk.teams") == ([(name,)] if name else [])
    if charset == "utf-8":
        assert response.get_json()["rejects"][0]["message"].startswith("is not UTF-8 text")


def test_no_room_for_a_body_is_said(desk: Desk, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(api, "_spool", full)
    assert_problem(caller.post([{"team_id": 1, "name": "A"}]), 503, "no room for the body (No space left on device)")
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
