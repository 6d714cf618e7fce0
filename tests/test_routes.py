"""Nobody comes in uninvited: every route needs a login or a token, but for a short list."""

from __future__ import annotations

from collections import Counter

from loader.app import OPEN_ENDPOINTS
from tests.pages.desk import Desk, desk, desk_template

__all__ = ["desk", "desk_template"]

OPEN = {"static", "pages.static", "pages.login", "health.healthz", "health.readyz"}


def test_the_list_of_open_routes_is_short_and_known() -> None:
    assert set(OPEN_ENDPOINTS) == OPEN


def test_every_other_route_turns_strangers_away(desk: Desk) -> None:
    # A missing form token would turn a stranger away as well, and hide a route that is open.
    desk.app.config["WTF_CSRF_ENABLED"] = False
    stranger = desk.app.test_client()
    asked: Counter[str] = Counter()
    for rule in desk.app.url_map.iter_rules():
        if rule.endpoint in OPEN:
            continue
        values = dict.fromkeys(rule.arguments, 1 if "int:" in rule.rule else "1")
        path = desk.app.url_map.bind("localhost").build(rule.endpoint, values)
        for method in rule.methods or ():
            asked[method] += 1
            if method == "GET" and not path.startswith("/api/"):
                response = stranger.get(path)
                assert response.status_code == 302, (path, response.status_code)
                assert "/login" in response.headers["Location"]
                continue
            for body in ({}, {"json": {"load_id": 1}}, {"data": {"c.name": "1"}}):
                response = stranger.open(path, method=method, **body)
                assert response.status_code == 401, (rule.endpoint, method, body, response.status_code)
    assert asked["GET"] >= 3
    assert asked["POST"] >= 3


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
