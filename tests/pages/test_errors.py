"""Errors are pages too: what happened, that nothing is half done, what to do."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from loader.database import make_engine
from loader.ledger import access
from tests.pages.desk import Desk, hidden_fields, words


@pytest.mark.parametrize(
    ("path", "status", "title"),
    [
        ("/nothing", 404, "There is nothing at this address"),
        ("/tables/desk/chairs/new", 403, "This is not open to you"),
        ("/logout", 405, "This address can't be used that way"),
        ("/rejects?load=x", 400, "This could not be read"),
        ("/tables/desk/tickets/choices/kind", 404, "kind is not picked from another table"),
    ],
)
def test_an_error_is_a_page_of_the_same_house(desk: Desk, path: str, status: int, title: str) -> None:
    page = desk.get(path, status)
    assert title in words(page)
    assert f"Error {status}" in page
    assert "/assets/gatehouse.css" in page
    assert "Go to the overview" in page


def test_who_sends_a_form_after_the_session_ended_is_told_to_log_in(desk: Desk) -> None:
    client = desk.app.test_client()
    token = hidden_fields(client.get("/login").text)["csrf_token"]
    response = client.post("/tables/desk/tickets/new", data={"csrf_token": token})
    assert response.status_code == 401
    assert "Please log in first" in response.text


def test_a_fault_of_the_program_tells_no_secrets(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("loader.pages.blueprint.arrivals.latest_loads", broken)
    page = desk.get("/loads", 500)
    assert "Something went wrong here" in page
    assert "nothing is half done" in page
    assert "swordfish" not in page


def test_a_database_that_does_not_answer(desk: Desk) -> None:
    here = desk.app.extensions["gatehouse"]
    standing = here.engine
    here.engine = make_engine(replace(desk.settings, port=1))
    try:
        for path in ("/", "/tables", "/loads", "/rejects", "/tables/desk/tickets/new?like=1"):
            page = desk.get(path, 503)
            assert "The database does not answer" in page
        client = desk.app.test_client()
        token = hidden_fields(client.get("/login").text)["csrf_token"]
        sent = client.post("/login", data={"csrf_token": token, "name": "ann", "password": "x"})
        assert sent.status_code == 503
    finally:
        here.engine.dispose()
        here.engine = standing


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/loads/99"])
def test_the_api_keeps_its_own_envelope(desk: Desk, path: str) -> None:
    with desk.engine.begin() as connection:
        token = access.create_token(connection, "system", datetime.now(UTC) + timedelta(hours=1))
    bearer = {"Authorization": f"Bearer {token}"}
    for headers, status in ((bearer, 404), ({}, 401)):  # a login alone reads no loads there
        response = desk.client.get(path, headers=headers)
        assert response.status_code == status
        assert response.mimetype == "application/problem+json"
        assert response.json["status"] == status


def test_a_form_that_is_too_large(desk: Desk) -> None:
    response = desk.fill("teams", team_id="1", name="x" * 2_000_000)
    assert response.status_code == 413
    assert "too large for a form" in response.text
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


class Endless(io.RawIOBase):
    """A body that goes on for as long as it is read."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        self.taken += len(buffer)
        assert self.taken < 8 << 20, "reads on and on"
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


@pytest.mark.parametrize("told", [{"CONTENT_LENGTH": str(1 << 30)}, {"wsgi.input_terminated": True}])
def test_nobody_fills_the_memory_before_logging_in(desk: Desk, told: dict[str, str]) -> None:
    """Whether the length is told or, as in chunks, not."""
    environ = create_environ("/login", method="POST", content_type="application/x-www-form-urlencoded")
    status = run_wsgi_app(desk.app, environ | {"wsgi.input": Endless()} | told)[1]
    assert status[:3] in ("413", "400")  # too large, or cut off before the CSRF token
