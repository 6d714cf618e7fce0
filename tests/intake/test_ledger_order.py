"""The ledger's order and its receipts: whoever read up to N misses nothing, and no word is taken back."""

from __future__ import annotations

import io
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from loader.intake import load as intake
from loader.intake.decode import NdjsonDecoder
from loader.intake.landing import fill
from loader.intake.settle import Arrival, settle
from loader.ledger import loads
from loader.ledger.loads import Origin
from tests.intake.lab import THINGS, Lab, rule


def settle_in(connection: sa.Connection, lab: Lab, name: str, line: bytes) -> int:
    """A load up to its last act, and not committed: its load_id."""
    arrival = Arrival(fill(connection, lab.table(name), NdjsonDecoder(io.BytesIO(line), lab.table(name))))
    receipt = settle(
        connection, lab.contract, lab.table(name), Origin("api", "tester"), intake.Options(), lambda _: arrival
    )
    assert receipt.load_id is not None
    return receipt.load_id


def test_a_load_is_numbered_only_when_those_numbered_before_it_are_seen(lab: Lab) -> None:
    with ThreadPoolExecutor(1) as pool:
        with lab.engine.begin() as connection:
            first = settle_in(connection, lab, "notes", b'{"id": 1}')
            second: Future[Any] = pool.submit(lab.rows, "events", (1, "a"))  # another table: no lock in common
            with pytest.raises(TimeoutError):
                second.result(0.5)
            assert lab.query("select max(seq) from ledger.loads") == [(None,)]
        second_id = second.result(30).load_id
    found = lab.query("select load_id, seq from ledger.loads order by seq")
    assert found == [(first, 1), (second_id, 2)]


def test_a_load_that_is_undone_by_a_crash_leaves_no_gap(lab: Lab) -> None:
    with lab.engine.connect() as connection:
        connection.begin()
        settle_in(connection, lab, "notes", b'{"id": 1}')  # and left without a commit
    assert lab.counts() == dict.fromkeys(lab.counts(), 0)
    lab.rows("notes", (1, "a"))
    assert lab.query("select seq from ledger.loads") == [(1,)]


def test_a_reader_never_sees_a_later_load_without_the_earlier_ones(lab: Lab) -> None:
    done = threading.Event()
    gaps: list[tuple[Any, ...]] = []

    def read() -> int:
        looks = 0
        with lab.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not done.is_set():
                row = connection.execute(sa.text("select count(seq), coalesce(max(seq), 0) from ledger.loads")).one()
                looks += 1
                if row[0] != row[1]:
                    gaps.append(tuple(row))
                done.wait(0.002)
        return looks

    def write(name: str) -> None:
        for key in range(12):
            lab.rows(name, (key,))

    with ThreadPoolExecutor(4) as pool:
        looks = pool.submit(read)
        try:
            for writer in [pool.submit(write, name) for name in ("notes", "events", "regions")]:
                writer.result(60)
        finally:
            done.set()
        assert looks.result(10) > 10
    assert gaps == []
    assert lab.query("select count(*), max(seq) from ledger.loads") == [(36, 36)]


#: (a load that is not committed yet, a load that begins meanwhile, what the latter must come to)
MEANWHILE = [
    (("seats", b'{"id": 1, "seat": 7}'), ("seats", (3, 7)), {"rejected": 1}),
    (("notes", b'{"id": 1, "word": "a"}'), ("notes", (1, "a")), {"duplicates": 1}),
    (("regions", b'{"id": 10}'), ("shops", (1, 10)), {"accepted": 1}),
    (("shops", b'{"id": 1, "region": 10}'), ("regions", (10,)), {"accepted": 1, "releases": 1}),
]


@pytest.mark.parametrize(("first", "second", "expected"), MEANWHILE)
def test_a_load_is_judged_by_what_those_before_it_leave(
    lab: Lab, first: tuple[str, bytes], second: tuple[str, tuple[Any, ...]], expected: dict[str, int]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with lab.engine.begin() as connection:
            settle_in(connection, lab, *first)
            meanwhile: Future[Any] = pool.submit(lab.rows, *second)
            with pytest.raises(TimeoutError):
                meanwhile.result(0.5)
        receipt = meanwhile.result(30)
    names = ("accepted", "rejected", "waiting", "duplicates")
    found = {name: getattr(receipt, name) for name in names} | {"releases": len(receipt.releases)}
    assert {name: count for name, count in found.items() if count} == expected


def test_releases_are_numbered_after_the_load_that_caused_them(lab: Lab) -> None:
    lab.rows("tills", (1, 2, "a"))
    lab.rows("shops", (2, 3))
    receipt = lab.rows("regions", 3)
    released = [release.load_id for release in receipt.releases]
    order = [load_id for (load_id,) in lab.query("select load_id from ledger.loads order by seq")]
    assert order[-3:] == [receipt.load_id, *released]


def receipt_of(lab: Lab, load_id: int | None) -> Any:
    assert load_id is not None
    with lab.engine.connect() as connection:
        return loads.read_receipt(connection, load_id)


def test_a_receipt_is_read_back_as_it_was_given(lab: Lab) -> None:
    header = "id,name,size,colour\n"
    given = lab.load("things", header + "1,a,0,red\nx,,99,green\n2,b\n1,a,0,red\n")
    assert given.warnings
    assert given.rejects
    assert given.duplicates
    assert receipt_of(lab, given.load_id) == given
    assert receipt_of(lab, given.load_id).as_dict() == given.as_dict()
    assert receipt_of(lab, 999) is None


def test_a_receipt_does_not_change_when_its_waiting_rows_come_in(lab: Lab) -> None:
    given = lab.rows("shops", (1, 10), (2, 10), (3, 11))
    lab.rows("regions", 10)
    lab.replay("shops", *(row["reject_id"] for row in lab.rejects(given.load_id)))
    assert receipt_of(lab, given.load_id) == given
    resolved = [row["status"] for row in lab.rejects(given.load_id)]
    assert resolved == ["resolved", "resolved", "resolved"]


def test_rows_refused_by_a_rule_come_in_by_replay_when_the_rule_changed(lab: Lab) -> None:
    given = lab.rows("things", (1, "a", 11), (2, "b", 99), (3, "c", 5))
    ids = [row["reject_id"] for row in lab.rejects(given.load_id)]
    wider = rule("at_most", "size", '"size" <= 20', "must be at most 20")
    rules = tuple(wider if r.name == "at_most" else r for r in THINGS.row_rules)
    again = lab.with_table(replace(THINGS, row_rules=rules)).replay("things", *ids)
    assert (again.door, again.received, again.accepted, again.rejected) == ("replay", 2, 1, 1)
    assert [row[0] for row in lab.mirror("things")] == ["1", "3"]
    assert receipt_of(lab, given.load_id) == given
    first, second = lab.rejects(given.load_id)
    assert (first["status"], first["resolved_load_id"]) == ("resolved", again.load_id)
    [kept] = lab.rejects(again.load_id)
    assert (kept["status"], kept["message"], kept["payload"]["id"]) == ("rejected", "must be at most 20", "2")
    assert second["resolved_load_id"] == again.load_id
    origin = lab.query(f"select first_load_id, first_row from ledger.rejects where load_id = {again.load_id}")
    assert origin == [(given.load_id, 2)]


def test_a_row_replayed_late_does_not_overwrite_what_arrived_after_it(lab: Lab) -> None:
    given = lab.load("notes", "id,word\nx,a\n")
    [row] = lab.rejects(given.load_id)
    lab.rows("notes", (1, "new"))
    with lab.engine.begin() as connection:
        connection.execute(sa.text('update ledger.rejects set payload = payload || \'{"id": "1"}\''))
    assert lab.replay("notes", row["reject_id"]).accepted == 1
    assert lab.mirror("notes") == [("1", "new")]
    assert lab.history("notes") == [("1", "a", "older")]


def test_a_row_is_replayed_once(lab: Lab) -> None:
    given = lab.rows("shops", (1, 10))
    [row] = lab.rejects(given.load_id)
    assert lab.replay("shops", row["reject_id"]).waiting == 1
    assert lab.replay("shops", row["reject_id"]).received == 0
    assert lab.replay("notes", row["reject_id"]).received == 0, "nor as a row of another table"
    assert lab.rows("regions", 10).releases[0].received == 1


def test_a_line_that_no_column_could_hold_is_not_replayed(lab: Lab) -> None:
    given = lab.load("notes", "id,word\n1,a,b\n")
    [row] = lab.rejects(given.load_id)
    assert lab.replay("notes", row["reject_id"]).received == 0
    assert lab.rejects(given.load_id)[0]["status"] == "rejected"
