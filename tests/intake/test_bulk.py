"""A large body: its plain rows are copied into the table, the others are judged as any are."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

import loader.intake.load as intake
from loader.intake import bulk, landing
from loader.intake.ahead import ReadAhead
from loader.ledger.loads import Origin
from tests.intake.lab import Lab

HEAD = "id,region\n"


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each piece that was tried, whether it could be copied."""
    tried: list[bool] = []
    takes = bulk._Copying.takes

    def noted(self: bulk._Copying, piece: bulk._Piece) -> bool:
        tried.append(takes(self, piece))
        return tried[-1]

    monkeypatch.setattr(bulk._Copying, "takes", noted)
    monkeypatch.setattr(landing, "BULK", 1)
    return tried


def batches(lab: Lab, *bodies: str) -> intake.Receipt:
    """A load into `shops` of which each body is a batch of its own."""
    table = lab.table("shops")

    class Pieces:
        columns = table.column_names
        found = None

        def __iter__(self) -> Iterator[intake.Batch]:
            number = 0
            for body in bodies:
                for batch in intake.open_body(io.BytesIO((HEAD + body).encode()), table, "csv"):
                    rows = batch.rows
                    numbers = pa.array(range(number + 1, number + rows.num_rows + 1), pa.int64())
                    number += rows.num_rows
                    yield intake.Batch(rows.set_column(0, "_row", numbers))

    return intake.load(lab.engine, lab.contract, table, Pieces, Origin("api", "tester"))


def test_clean_rows_are_copied_and_never_land(lab: Lab, pieces: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    lab.rows("regions", 1)
    pieces.clear()
    landed: list[int] = []
    add = landing.add
    monkeypatch.setattr(landing, "add", lambda c, rows, plain: (landed.append(rows.num_rows), add(c, rows, plain)))
    assert lab.load("shops", HEAD + "1,1\n2,1\n3,\n").accepted == 3
    assert pieces == [True]
    assert sum(landed) == 0


def test_a_copied_row_against_which_something_speaks_is_kept_as_it_came(lab: Lab, pieces: list[bool]) -> None:
    lab.rows("regions", 1)
    receipt = lab.load("shops", HEAD + "1,1\n002,9\n3,1\n")
    assert (receipt.accepted, receipt.waiting) == (2, 1)
    assert lab.rejects(receipt.load_id)[0]["payload"] == {"id": "002", "region": "9"}
    assert lab.rows("regions", 9).releases[0].accepted == 1


def test_a_piece_with_a_key_that_stands_takes_the_other_way_and_the_next_ones_are_tried_again(
    lab: Lab, pieces: list[bool]
) -> None:
    lab.rows("regions", 1)
    lab.rows("shops", (3, None))
    pieces.clear()
    receipt = batches(lab, "1,1\n2,1\n", "3,1\n4,1\n", "5,1\n", "6,1\n", "6,\n")
    assert pieces == [True, False, False, True, False]
    assert (receipt.received, receipt.accepted, receipt.rejected) == (7, 7, 0)
    assert lab.mirror("shops") == [("1", "1"), ("2", "1"), ("3", "1"), ("4", "1"), ("5", "1"), ("6", None)]
    assert lab.history("shops") == [("3", None, "replaced"), ("6", "1", "replaced")]


def test_a_body_that_is_another_when_it_is_read_again_loads_nothing(lab: Lab, pieces: list[bool]) -> None:
    table, bodies = lab.table("shops"), [b"id,region\n1,9\n", b"id,region\n"]

    def open_decoder() -> intake.Decoder:
        return intake.open_body(io.BytesIO(bodies.pop(0)), table, "csv")

    with pytest.raises(intake.LoadFailed, match="changed while it was read"):
        intake.load(lab.engine, lab.contract, table, open_decoder, Origin("api", "tester"))
    assert lab.mirror("shops") == []


def test_what_is_read_ahead_comes_in_order_with_its_error_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("three")

    with ReadAhead(items()) as ahead:
        assert [next(ahead), next(ahead)] == [1, 2]
        with pytest.raises(ValueError, match="three"):
            next(ahead)
    with ReadAhead(iter(range(1000))) as ahead:
        assert list(ahead) == list(range(1000))


def test_reading_ahead_ends_its_thread_when_nobody_reads_on() -> None:
    before = threading.active_count()

    def endless() -> Iterator[int]:
        while True:
            yield 1

    with ReadAhead(endless()) as ahead:
        assert next(ahead) == 1
    assert threading.active_count() == before


def test_the_planner_knows_what_came_in_also_when_nothing_could_be_copied(lab: Lab, pieces: list[bool]) -> None:
    """Else whoever joins with the table next takes it for an empty one."""
    lab.rows("regions", 1)
    pieces.clear()
    lab.query_and_commit(f"analyze {lab.table('shops').mirror}")
    body = "1,1\n1,1\n" + "".join(f"{number},1\n" for number in range(2, 2500))
    assert batches(lab, body).accepted == 2499
    assert pieces == [False]
    counted = f"select reltuples from pg_class where oid = '{lab.table('shops').mirror}'::regclass"
    assert lab.query(counted) == [(2499,)]


def test_who_vacuums_does_not_hold_a_load_up(lab: Lab, pieces: list[bool]) -> None:
    """The planner's count, and the index's, can do without; the rows can't."""
    lab.rows("regions", 1)
    body = "".join(f"{number},1\n" for number in range(2000))
    with lab.engine.connect() as other:
        other.exec_driver_sql(f"lock table {lab.table('shops').mirror} in share update exclusive mode")
        began = time.monotonic()
        assert lab.load("shops", HEAD + body).accepted == 2000
        assert time.monotonic() - began < 5
    assert pieces[-1]


def test_few_rows_of_many_bytes_are_a_large_body(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held until the way in is known is bounded by bytes, too."""
    monkeypatch.setattr(landing, "BULK", 5000)
    monkeypatch.setattr(intake, "_LARGE", 10_000)
    brought: list[str] = []
    bring = bulk.bring
    monkeypatch.setattr(bulk, "bring", lambda *given: brought.append("large") or bring(*given))
    lines = "".join(f'{{"id": {number}, "word": "{"x" * 3000}"}}\n' for number in range(3))
    assert lab.load("notes", lines, "ndjson").accepted == 3
    assert brought == []
    lines = "".join(f'{{"id": {number}, "word": "{"y" * 3000}"}}\n' for number in range(6))
    assert lab.load("notes", lines, "ndjson").accepted == 6
    assert brought == ["large"]


def test_a_statement_that_could_not_be_planned_is_planned_when_it_can(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a table that was not there yet: the connection goes on to be used."""
    monkeypatch.setattr(landing, "BULK", 5000)
    notes = lab.table("notes")
    later = lab.with_table(replace(notes, identifier="later"))
    for _ in range(3):
        with pytest.raises(intake.LoadFailed, match="after `loader migrate`"):
            later.rows("notes", (1, "a"))
    lab.query_and_commit("create table staging_lab.later (like staging_lab.notes including all)")
    lab.query_and_commit("create table staging_lab.later__history (like staging_lab.notes__history including all)")
    try:
        assert later.rows("notes", (1, "a")).accepted == 1
    finally:
        lab.query_and_commit("drop table staging_lab.later, staging_lab.later__history; delete from ledger.loads")
