"""What the list to pick a parent from says when it finds nothing."""

from __future__ import annotations

import pytest

from tests.pages.desk import Desk


@pytest.mark.parametrize(
    ("typed", "found", "waits"),
    [
        ("8", [], True),
        (" 8 ", [], True),
        ("7", ["7"], False),
        ("007", ["7"], False),  # nobody wrote it so, but the door would read it so
        ("", ["7"], False),
        ("nobody", [], False),
        ("7.5", [], False),
        ("99999999999999999999", [], False),
        ("' or 1=1 --", [], False),
        ("a\\b%_", [], False),
    ],
)
def test_a_row_would_wait_only_for_a_key_that_fits(desk: Desk, typed: str, found: list[str], waits: bool) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    answer = desk.client.get("/tables/desk/tickets/choices/team_id", query_string={"q": typed}).json
    assert [choice["value"] for choice in answer["choices"]] == found
    assert answer["waits"] is waits
