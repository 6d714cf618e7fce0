"""Nobody comes in uninvited: every route needs a login or a token, but for a short list."""

from __future__ import annotations

import pytest

from loader.app import OPEN_ENDPOINTS
from tests.pages.desk import Desk, desk, desk_template

__all__ = ["desk", "desk_template"]

OPEN = {"static", "pages.static", "pages.login", "health.healthz", "health.readyz"}


def test_the_list_of_open_routes_is_short_and_known() -> None:
    assert set(OPEN_ENDPOINTS) == OPEN


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_every_other_route_turns_strangers_away(desk: Desk, method: str) -> None:
    stranger = desk.app.test_client()
    asked = 0
    for rule in desk.app.url_map.iter_rules():
        if rule.endpoint in OPEN or method not in (rule.methods or ()):
            continue
        names = dict.fromkeys(rule.arguments, "1")
        path = desk.app.url_map.bind("localhost").build(
            rule.endpoint, {k: 1 if "int:" in rule.rule else v for k, v in names.items()}
        )
        response = stranger.open(path, method=method)
        asked += 1
        if path.startswith("/api/") or method != "GET":
            # without a login a form's token is missing too: either way nothing is done
            assert response.status_code in (400, 401), (path, response.status_code)
        else:
            assert response.status_code == 302, (path, response.status_code)
            assert "/login" in response.headers["Location"]
    if method in ("GET", "POST"):
        assert asked >= 3


def test_a_user_who_was_closed_is_out_at_once(desk: Desk) -> None:
    assert desk.client.get("/tables").status_code == 200
    desk.execute("update ledger.users set active = false")
    assert desk.client.get("/tables").status_code == 302
    assert desk.client.get("/api/v1/loads").status_code == 401


def test_every_answer_has_the_headers_that_keep_a_page_closed(desk: Desk) -> None:
    for path in ("/login", "/", "/api/v1/loads", "/nothing", "/healthz"):
        headers = desk.client.get(path).headers
        assert "default-src" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff"
