"""Nobody comes in uninvited: every route needs a login or a token, but for a short list."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from itsdangerous import TimestampSigner

from loader.app import API_PAGES, FOR_PROGRAMS, OPEN_ENDPOINTS, create_app
from tests.pages.desk import Desk, desk, desk_template, log_in

__all__ = ["desk", "desk_template"]

OPEN = {"pages.static", "pages.login", "health.healthz", "health.readyz"}
STYLE = "/assets/gatehouse.css"


def test_the_list_of_open_routes_is_short_and_known() -> None:
    assert set(OPEN_ENDPOINTS) == OPEN


def test_an_open_route_is_one_that_there_is(desk: Desk) -> None:
    """A name that no longer is one's own would open whatever takes it next."""
    assert {rule.endpoint for rule in desk.app.url_map.iter_rules()} >= OPEN_ENDPOINTS


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
            is_page = rule.endpoint in API_PAGES or not path.startswith("/api/")
            if method == "GET" and is_page and rule.endpoint not in FOR_PROGRAMS:
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
    for path in ("/login", "/", "/api/v1/loads", "/nothing", "/healthz", STYLE):
        with desk.client.get(path) as response:
            headers = response.headers
        for told in ("default-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
            assert told in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path
        # rows stay in no cache; the style, which is everybody's, is asked for again each time
        assert headers["Cache-Control"] == ("no-cache" if path == STYLE else "no-store"), path


def test_the_login_is_a_cookie_that_no_script_and_no_other_site_can_use(desk: Desk) -> None:
    told = log_in(desk.app.test_client()).headers["Set-Cookie"].split("; ")
    assert told[0].startswith("session=")
    assert sorted(told[1:]) == ["HttpOnly", "Path=/", "SameSite=Lax"], "and it ends with the browser"


def test_behind_https_the_cookie_is_sent_over_https_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADER_HTTPS", "1")
    app = create_app(desk.settings)
    try:
        assert "Secure" in app.test_client().get("/login").headers["Set-Cookie"].split("; ")
    finally:
        app.extensions["gatehouse"].engine.dispose()


@pytest.mark.parametrize(("hours", "status"), [(11.9, 200), (12.1, 302)])
def test_a_login_ends_after_twelve_hours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, hours: float, status: int
) -> None:
    client = desk.app.test_client()
    log_in(client)
    later = int(time.time() + hours * 3600)
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: later)
    assert client.get("/").status_code == status
