"""Guessing passwords: it is counted for all workers, slowed down, and written to the log."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from werkzeug.test import TestResponse

from loader.app import create_app
from loader.commands.access import user
from loader.ledger import access, attempts
from loader.pages import login
from loader.remedy import Remedy
from tests.pages.desk import NAME, PASSWORD, Desk, hidden_fields, words


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """scrypt takes a tenth of a second, and is not what these tests are about."""
    monkeypatch.setattr(access, "check_password_hash", lambda _hash, password: password == PASSWORD)


def attempt(desk: Desk, name: str = NAME, password: str = "wrong", address: str = "192.0.2.1") -> TestResponse:
    client = desk.app.test_client()
    where = {"REMOTE_ADDR": address}
    fields = hidden_fields(client.get("/login", environ_overrides=where).text)
    return client.post("/login", data=fields | {"name": name, "password": password}, environ_overrides=where)


def fail(desk: Desk, times: int, **given: str) -> list[int]:
    return [attempt(desk, **given).status_code for _ in range(times)]


def later(desk: Desk, seconds: float) -> None:
    """Time goes by."""
    desk.execute(f"update ledger.failed_logins set failed_at = failed_at - interval '{seconds} seconds'")


def test_the_sixth_attempt_is_told_to_wait_even_with_the_right_password(desk: Desk) -> None:
    assert fail(desk, 5) == [401] * 5
    response = attempt(desk, password=PASSWORD)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= attempts.FIRST_SECONDS
    assert "Too many logins failed. Try again in" in words(response.text)
    assert "loader user add NAME" in words(response.text)
    later(desk, attempts.FIRST_SECONDS)
    assert attempt(desk, password=PASSWORD).status_code == 303


def test_the_wait_doubles_up_to_a_quarter_of_an_hour_and_is_not_lengthened_by_trying(desk: Desk) -> None:
    fail(desk, 5)
    for wait in (30, 60, 120, 240, 480, 900, 900):
        assert fail(desk, 2) == [429, 429]
        later(desk, wait - 10)
        assert fail(desk, 1) == [429], wait
        later(desk, 10)
        assert fail(desk, 1) == [401], wait


def test_a_login_that_fits_begins_anew(desk: Desk) -> None:
    fail(desk, 4)
    assert attempt(desk, password=PASSWORD).status_code == 303
    assert fail(desk, 5) == [401] * 5
    assert fail(desk, 1) == [429]


def test_others_and_other_places_do_not_wait(desk: Desk) -> None:
    fail(desk, 6)
    assert attempt(desk, address="192.0.2.2", password=PASSWORD).status_code == 303
    assert attempt(desk, name="bob").status_code == 401


def test_a_name_that_there_is_not_waits_like_one_that_there_is(desk: Desk) -> None:
    """Or the answer would tell which names there are."""
    for name in ("nobody", "a\0b", "", "x" * 100_000):
        assert fail(desk, 6, name=name) == [401] * 5 + [429], name[:10]
        desk.execute("delete from ledger.failed_logins")


def test_an_address_that_tries_many_names_waits_whatever_the_name(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        access.set_password(connection, "bob", PASSWORD)
    for number in range(attempts.FREE_OF_ADDRESS):
        if number % 7 == 0:  # a good login between does not free the bad ones
            assert attempt(desk, name="bob", password=PASSWORD).status_code == 303
        assert attempt(desk, name=f"n{number}").status_code == 401
    assert attempt(desk, name="one more").status_code == 429
    assert attempt(desk, name="bob", password=PASSWORD).status_code == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("unknown", "unknown", True),
    ],
)
def test_an_address_of_ipv6_is_its_network(desk: Desk, one: str, other: str, same: bool) -> None:
    fail(desk, 5, address=one)
    assert attempt(desk, address=other).status_code == (429 if same else 401)


def test_attempts_at_the_same_moment_are_all_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_turns", threading.BoundedSemaphore(20))
    with ThreadPoolExecutor(20) as guessers:
        codes = sorted(response.status_code for response in guessers.map(lambda _: attempt(desk), range(20)))
    assert codes == [401] * 5 + [429] * 15


def test_another_worker_counts_on(desk: Desk) -> None:
    fail(desk, 5)
    here, desk.app = desk.app, create_app(desk.settings)
    assert attempt(desk).status_code == 429
    desk.app.extensions["gatehouse"].engine.dispose()
    desk.app = here


def test_failures_are_forgotten_in_the_end(desk: Desk) -> None:
    fail(desk, 6)
    fail(desk, 1, address="192.0.2.9")
    later(desk, attempts.FORGOTTEN_AFTER.total_seconds() + 1)
    attempt(desk, address="192.0.2.7", password=PASSWORD)
    assert {a for (a,) in desk.rows("select address from ledger.failed_logins")} == {"192.0.2.7"}


def test_a_new_password_ends_the_wait(desk: Desk) -> None:
    fail(desk, 6)
    with desk.engine.begin() as connection:
        access.set_password(connection, NAME, PASSWORD)
    assert attempt(desk, password=PASSWORD).status_code == 303


def test_each_failure_is_a_line_of_the_log_with_name_and_address(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        attempt(desk, name="eve\nlogin of 'ann'", address="192.0.2.3")
        fail(desk, 6)
        attempt(desk, password=PASSWORD, address="192.0.2.4")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == r"""login of "eve\nlogin of 'ann'" from 192.0.2.3: name and password do not fit"""
    assert lines[1:6] == ["login of 'ann' from 192.0.2.1: name and password do not fit"] * 5
    assert lines[6].startswith("login of 'ann' from 192.0.2.1: too many failed,")
    assert len(lines) == 7
    assert not any(secret in line for line in lines for secret in ("wrong", PASSWORD))


def test_no_name_that_was_tried_is_kept(desk: Desk) -> None:
    """People type passwords into the wrong field."""
    attempt(desk, name="my secret password")
    assert "secret" not in str(desk.rows("select to_jsonb(f)::text from ledger.failed_logins as f"))


def test_only_a_few_passwords_are_hashed_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def slow(_hash: str, _password: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.5)
        with lock:
            running -= 1
        return False

    monkeypatch.setattr(access, "check_password_hash", slow)
    monkeypatch.setattr(login, "TURN_SECONDS", 0.1)
    with ThreadPoolExecutor(8) as people:
        responses = list(people.map(lambda number: attempt(desk, name=f"n{number}"), range(8)))
    assert most == login.HASHING_AT_ONCE
    busy = [response for response in responses if response.status_code == 503]
    assert {response.status_code for response in responses} == {401, 503}
    assert "Too many people log in at this moment." in words(busy[0].text)
    assert busy[0].headers["Retry-After"]


def test_behind_a_proxy_the_address_is_the_persons(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """And without one nobody chooses an address by a header."""

    def failing(forwarded: str) -> list[str]:
        client = desk.app.test_client()
        page = client.get("/login").text
        client.post(
            "/login", data=hidden_fields(page) | {"name": "x", "password": "y"}, headers={"X-Forwarded-For": forwarded}
        )
        return [a for (a,) in desk.rows("select distinct address from ledger.failed_logins order by 1")]

    assert failing("192.0.2.50") == ["127.0.0.1"]
    monkeypatch.setenv("LOADER_PROXIES", "1")
    here, desk.app = desk.app, create_app(desk.settings)
    assert failing("203.0.113.9, 192.0.2.51") == ["127.0.0.1", "192.0.2.51"]
    desk.app.extensions["gatehouse"].engine.dispose()
    desk.app = here


@pytest.mark.parametrize("given", ["one", "-1", "٣", "1000"])
def test_a_number_of_proxies_that_is_none_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("LOADER_PROXIES", given)
    with pytest.raises(Remedy, match=f"LOADER_PROXIES is '{given}'"):
        create_app(desk.settings)


@pytest.mark.parametrize(("password", "is_taken"), [("elevenchars", False), ("twelve chars", True)])
def test_a_password_has_twelve_characters(desk: Desk, password: str, is_taken: bool) -> None:
    result = CliRunner().invoke(user, ["add", "bob", "--password-stdin"], obj=desk.settings, input=f"{password}\n")
    assert (result.exit_code == 0) is is_taken
    assert (desk.rows("select count(*) from ledger.users where name = 'bob'") == [(1,)]) is is_taken
    if not is_taken:
        assert "has 11 characters; at least 12 are needed, since" in str(result.exception)
