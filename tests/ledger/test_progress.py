"""A load that runs tells how far it is, to whoever asks; what was killed tells nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import pytest

from loader.intake.load import LoadFailed, load_stream
from loader.ledger import progress
from loader.ledger.loads import Origin
from tests.doors.test_api import Caller
from tests.pages import desk as house
from tests.pages.desk import TICKET, Desk

desk, desk_template = house.desk, house.desk_template
LOADS = "/api/v1/loads"
ROWS = 12_000


class Stopped(Exception):
    """What a load is ended by, in a test."""


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads tell from their first batch on."""
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "PAUSE_SECONDS", 0.0)


def body(table: str) -> bytes:
    made = [
        TICKET | {"ticket_id": str(n)} if table == "tickets" else {"team_id": str(n), "name": "x"} for n in range(ROWS)
    ]
    return "\n".join(json.dumps(row) for row in made).encode()


@contextmanager
def loading(desk: Desk, table: str, principal: str = "till", breaks: bool = False) -> Iterator[None]:
    """A load of `ROWS` rows stands still after its first batch, and goes on when the block ends."""
    came, go_on, failed = threading.Event(), threading.Event(), []

    def stand_still(rows: int) -> None:
        came.set()
        assert go_on.wait(8)
        if breaks:
            raise Stopped

    def load() -> None:
        origin = Origin("api", principal, idempotency_key="k")
        stream = BytesIO(body(table))
        try:
            made = desk.contract.find(f"desk.{table}")
            load_stream(desk.engine, desk.contract, made, stream, "ndjson", origin, progress=stand_still)
        except Stopped:
            pass
        except LoadFailed as error:
            failed.append(error.message)

    runs = threading.Thread(target=load)
    runs.start()
    assert came.wait(8)
    try:
        yield
    finally:
        go_on.set()
        runs.join()
    assert not failed


@pytest.mark.usefixtures("at_once")
def test_a_running_load_is_asked_for_by_its_number(desk: Desk) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    caller = Caller(desk)
    with loading(desk, "tickets"):
        found = caller.call("GET", f"{LOADS}?status=running").get_json()["loads"]
        assert len(found) == 1
        answer = caller.call("GET", f"{LOADS}/{found[0]['load_id']}")
        assert answer.status_code == 200
        running = answer.get_json()
        assert desk.rows(f"select 1 from ledger.loads where load_id = {running['load_id']}") == []
    ended = caller.call("GET", f"{LOADS}/{running['load_id']}").get_json()
    assert (running["status"], running["source"], running["table"], running["door"]) == (
        "running", "desk", "tickets", "api",
    )  # fmt: skip
    assert 0 < running["received"] < ROWS
    assert [running[name] for name in ("accepted", "waiting", "rejected", "duplicates")] == [0, 0, 0, 0]
    told = running.pop("progress")
    assert told["rows"] == running["received"]
    assert 0 < told["bytes"] <= told["size"] == len(body("tickets"))
    assert told["rows_per_second"] > 0
    assert set(ended) == set(running)
    assert (ended["status"], ended["received"]) == ("succeeded", ROWS)
    assert caller.call("GET", f"{LOADS}?status=running").get_json() == {"loads": []}
    assert desk.rows("select count(*) from ledger.progress") == [(0,)]


@pytest.mark.usefixtures("at_once")
def test_a_load_is_found_by_its_key_by_its_own_sender_only(desk: Desk) -> None:
    """Also one that has no number yet: rows of a table that refers to itself are landed first."""
    own, other = Caller(desk), Caller(desk, name="stranger")
    with loading(desk, "teams"):
        [running] = own.call("GET", f"{LOADS}?idempotency_key=k").get_json()["loads"]
        assert (running["load_id"], running["status"]) == (None, "running")
        assert 0 < running["received"] == running["progress"]["rows"] <= ROWS
        assert other.call("GET", f"{LOADS}?idempotency_key=k").get_json() == {"loads": []}
        assert own.call("GET", f"{LOADS}?idempotency_key=other").get_json() == {"loads": []}
        assert own.call("GET", f"{LOADS}?idempotency_key=k&table=tickets").get_json() == {"loads": []}
    [ended] = own.call("GET", f"{LOADS}?idempotency_key=k").get_json()["loads"]
    assert (ended["status"], ended["received"]) == ("succeeded", ROWS)
    assert other.call("GET", f"{LOADS}?idempotency_key=k").get_json() == {"loads": []}


@pytest.mark.usefixtures("at_once")
def test_a_load_that_breaks_off_tells_nothing_any_more(desk: Desk) -> None:
    with loading(desk, "teams", breaks=True):
        assert desk.rows("select count(*) from ledger.progress") == [(1,)]
    assert desk.rows("select count(*) from ledger.progress") == [(0,)]


@pytest.mark.usefixtures("at_once")
def test_what_was_killed_counts_as_ended_and_is_swept_by_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller(desk)
    monkeypatch.setattr(progress.Report, "ends", lambda report: None)
    with loading(desk, "teams", breaks=True):
        assert len(caller.call("GET", f"{LOADS}?status=running").get_json()["loads"]) == 1
    assert desk.rows("select count(*) from ledger.progress") == [(1,)]
    assert caller.call("GET", f"{LOADS}?status=running").get_json() == {"loads": []}
    # and one of a server whose dump was restored here
    desk.execute("update ledger.progress set transaction_id = 4000000000000")
    assert caller.call("GET", f"{LOADS}?status=running").get_json() == {"loads": []}
    with loading(desk, "teams"):
        assert desk.rows("select count(*) from ledger.progress") == [(1,)]


def test_a_small_load_pays_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.Report, "_write", lambda report: pytest.fail("an entry for three rows"))
    assert desk.load("teams", *({"team_id": str(n), "name": "x"} for n in range(3))).accepted == 3


@pytest.mark.usefixtures("at_once")
def test_a_load_goes_on_when_it_can_not_tell(desk: Desk) -> None:
    """A migration may have the table's lock and wait for the load."""
    began = time.monotonic()
    with desk.engine.begin() as migration:
        migration.exec_driver_sql("lock table ledger.progress in access exclusive mode")
        made = desk.contract.find("desk.teams")
        receipt = load_stream(desk.engine, desk.contract, made, BytesIO(body("teams")), "ndjson", Origin("api", "till"))
    assert receipt.received == ROWS
    assert time.monotonic() - began < 20


def test_the_entries_are_written_to_no_log(desk: Desk) -> None:
    assert desk.rows("select relpersistence from pg_class where oid = 'ledger.progress'::regclass") == [("u",)]
