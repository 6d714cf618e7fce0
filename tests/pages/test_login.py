"""Who may see the pages, and that a wrong name and a wrong password look the same."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from loader.ledger import access
from tests.pages.desk import NAME, PASSWORD, Desk, hidden_fields, log_in

PAGES = ("/", "/tables", "/tables/desk/tickets", "/tables/desk/tickets/new", "/loads", "/loads/1", "/rejects", "/dbt/")


@pytest.mark.parametrize("path", [*PAGES, "/tables/desk/tickets/choices/team_id?q=x"])
def test_nobody_sees_a_page_without_a_login(desk: Desk, path: str) -> None:
    response = desk.app.test_client().get(path)
    assert response.status_code == 302
    assert response.location.startswith("/login?next=")


def test_a_login_leads_to_the_page_that_was_asked_for(desk: Desk) -> None:
    response = log_in(desk.app.test_client(), target="/loads?status=failed")
    assert (response.status_code, response.location) == (303, "/loads?status=failed")


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "x"],
)
def test_a_login_leads_to_no_other_site(desk: Desk, target: str) -> None:
    assert log_in(desk.app.test_client(), target=target).location == "/"


@pytest.mark.parametrize(("name", "password"), [(NAME, "wrong"), ("nobody", PASSWORD), ("a\0b", PASSWORD), ("", "")])
def test_what_does_not_fit_is_not_told(desk: Desk, name: str, password: str) -> None:
    client = desk.app.test_client()
    response = log_in(client, name, password)
    assert response.status_code == 401
    assert "Name and password do not fit." in response.text
    assert client.get("/").status_code == 302


def test_an_unknown_name_takes_a_password_check_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the time of the answer would tell which names there are."""
    checked = []
    real = access.check_password_hash
    monkeypatch.setattr(access, "check_password_hash", lambda *given: checked.append(given) or real(*given))
    log_in(desk.app.test_client(), "nobody", "x")
    log_in(desk.app.test_client(), NAME, "x")
    assert len(checked) == 2


def test_a_user_who_was_closed_does_not_come_in(desk: Desk) -> None:
    desk.execute("update ledger.users set active = false")
    assert log_in(desk.app.test_client()).status_code == 401


def test_logging_out_ends_the_session(desk: Desk) -> None:
    token = hidden_fields(desk.get("/tables"))["csrf_token"]
    assert desk.client.post("/logout", data={"csrf_token": token}).location == "/login"
    assert desk.client.get("/").status_code == 302


def _cookie(client: FlaskClient) -> str:
    cookie = client.get_cookie("session")
    assert cookie is not None
    return str(cookie.value)


def _with_cookie(desk: Desk, cookie: str) -> FlaskClient:
    client = desk.app.test_client()
    client.set_cookie("session", cookie)
    return client


def test_a_cookie_of_before_the_logout_is_out(desk: Desk) -> None:
    """And so is every other session of the user."""
    here, elsewhere = desk.app.test_client(), desk.app.test_client()
    log_in(here)
    log_in(elsewhere)
    kept = _cookie(here)
    assert _with_cookie(desk, kept).get("/").status_code == 200
    token = hidden_fields(here.get("/tables").text)["csrf_token"]
    assert here.post("/logout", data={"csrf_token": token}).status_code == 303
    assert _with_cookie(desk, kept).get("/").location.startswith("/login")
    assert elsewhere.get("/").location.startswith("/login")
    log_in(here)
    assert here.get("/").status_code == 200
    assert _with_cookie(desk, kept).get("/").status_code == 302


def test_a_new_password_ends_sessions(desk: Desk) -> None:
    client = desk.app.test_client()
    log_in(client)
    assert client.get("/").status_code == 200
    with desk.engine.begin() as connection:
        access.set_password(connection, NAME, "another horse battery")
    assert client.get("/").location.startswith("/login")
    assert log_in(client).status_code == 401
    assert log_in(client, NAME, "another horse battery").status_code == 303
    assert client.get("/").status_code == 200


def test_closing_a_user_ends_sessions(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        access.set_password(connection, "bob", PASSWORD)
    client, bob = desk.app.test_client(), desk.app.test_client()
    log_in(client)
    log_in(bob, "bob")
    with desk.engine.begin() as connection:
        assert access.close_user(connection, NAME)
        assert not access.close_user(connection, "nobody")
    assert client.get("/").location.startswith("/login")
    assert log_in(client).status_code == 401
    assert bob.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/login", "/logout", "/tables/desk/tickets/new"])
def test_a_form_from_another_site_is_refused(desk: Desk, path: str) -> None:
    response = desk.client.post(path, data={"name": NAME, "password": PASSWORD})
    assert response.status_code == 400
    assert "This form had been open too long" in response.text
    assert "Nothing was stored" in response.text


def test_a_session_starts_anew_with_the_login(desk: Desk) -> None:
    """A token that was planted before the login is worth nothing after it."""
    client = desk.app.test_client()
    planted = hidden_fields(client.get("/login").text)["csrf_token"]
    log_in(client)
    assert client.post("/logout", data={"csrf_token": planted}).status_code == 400
