"""What is said of a load whose commit was done and not answered; and of a file that two load at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from loader.database import make_engine
from loader.intake import attempt
from loader.intake.load import LoadFailed, load_file
from loader.intake.receipt import Receipt
from tests.faults.cut import Wire
from tests.faults.held import BODY, WHOLE, Held
from tests.intake.lab import Lab

pytestmark = pytest.mark.faults


@contextmanager
def over_a_wire(held: Held, *, mends: bool) -> Iterator[Lab]:
    """The lab by a wire that breaks at the next commit."""
    with Wire(held.settings.port, mends=mends) as wire:
        engine = make_engine(replace(held.settings, port=wire.port))
        engine.connect().close()  # what a first connection asks, SQLAlchemy asks now
        wire.is_armed = True
        yield Lab(engine)
        engine.dispose()


def load(lab: Lab) -> Receipt:
    return lab.load("shops", BODY, door="file", content_hash="k", idempotency_key="k")


def test_a_commit_that_was_done_and_not_answered_is_found_out(held: Held) -> None:
    with over_a_wire(held, mends=True) as lab:
        receipt = load(lab)
    assert (receipt.status, receipt.accepted, receipt.repeated) == ("succeeded", 4, False)
    assert held.outcome() == WHOLE
    assert held.failures() == []
    assert replace(held.load("k"), repeated=False) == receipt


def test_while_the_database_stays_away_it_is_said_that_nobody_knows(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "_COME_BACK_SECONDS", 0.5)
    with over_a_wire(held, mends=False) as lab, pytest.raises(LoadFailed, match="the database went away") as failed:
        load(lab)
    assert failed.value.is_unknown
    assert failed.value.outcome == "It is not known whether it was loaded"
    assert held.outcome() == WHOLE
    assert held.load("k").repeated


def test_an_undo_that_was_done_and_not_answered_is_found_out(held: Held) -> None:
    loaded = held.load("k")
    with over_a_wire(held, mends=True) as lab:
        undone = lab.undo(loaded.load_id).receipt
    assert (undone.status, undone.accepted, undone.repeated) == ("succeeded", 4, False)
    assert held.lab.undo(loaded.load_id).receipt == replace(undone, repeated=True)
    assert held.failures() == []


def test_while_the_database_stays_away_nobody_knows_of_an_undo(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "_COME_BACK_SECONDS", 0.5)
    loaded = held.load("k")
    with over_a_wire(held, mends=False) as lab, pytest.raises(LoadFailed, match="the database went away") as failed:
        lab.undo(loaded.load_id)
    assert failed.value.outcome == "It is not known whether it was undone"
    assert held.lab.undo(loaded.load_id).receipt.repeated


def test_a_file_that_two_load_at_once_comes_in_once(held: Held, tmp_path: Path) -> None:
    path = tmp_path / "shops.csv"
    path.write_bytes(BODY)

    def load_it() -> Receipt:
        contract = held.lab.contract
        return load_file(held.lab.engine, contract, held.lab.table("shops"), path, principal="tester")

    with ThreadPoolExecutor(2) as pool:
        with held.at("history"):
            first = pool.submit(load_it)
            held.wait_for(held.waiting)
            second = pool.submit(load_it)
            held.wait_for(lambda: len(held.backends()) == 2)
        assert not first.result(60).repeated
        assert second.result(60).repeated
    assert held.outcome() == WHOLE
