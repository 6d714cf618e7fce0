"""Killed at any moment, a load leaves nothing or is there whole; and trying again ends right.

(Invariants 1 and 2. The steps are held, so that each kill comes in the middle of one.)
"""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from loader.intake.load import LoadFailed, StillRunning
from tests.faults.held import BODY, NAMES, WHOLE, Held, write

pytestmark = pytest.mark.faults


def retry(held: Held, key: str) -> None:
    """The same body under the same key again, and once more."""
    receipt = held.load(key)
    assert (receipt.status, receipt.received, receipt.accepted) == ("succeeded", 7, 4)
    assert held.outcome() == WHOLE
    again = held.load(key)
    assert again.repeated
    assert again == receipt
    assert held.outcome() == WHOLE


@pytest.mark.parametrize("step", NAMES)
def test_a_process_killed_in_a_step_leaves_nothing(held: Held, step: str) -> None:
    before = held.snapshot()
    with held.at(step), held.start("k") as process:
        write(process, BODY)
        held.wait_for(held.waiting)
        process.kill()
    if step == "commit":
        # the commit was on its way: nobody was told, and it stands whole
        assert held.outcome() == WHOLE
    else:
        assert held.snapshot() == before
    assert held.failures() == []
    retry(held, "k")


def test_a_process_killed_while_it_copies_into_the_table_leaves_nothing(held: Held) -> None:
    before = held.snapshot()
    with held.start("k") as process:
        write(process, BODY + b"".join(b"%d,1\n" % key for key in range(100, 500_000)))
        held.wait_for(lambda: held.ask("select 1 from pg_stat_activity where query ~ '^copy .*staging_lab.*shops'"))
        process.kill()
    held.wait_for(lambda: not held.backends())
    assert held.snapshot() == before
    retry(held, "k")


@pytest.mark.parametrize("step", NAMES)
def test_a_load_whose_connection_is_cut_in_a_step_leaves_its_failure_alone(held: Held, step: str) -> None:
    before = held.snapshot()
    with ThreadPoolExecutor(1) as pool, held.at(step):
        load = pool.submit(held.load, "k")
        held.wait_for(held.waiting)
        held.ask("delete from public.held_steps")  # the entry of the failure is not to be held
        for backend in held.waiting():
            held.ask(f"select pg_terminate_backend({backend})")
        with pytest.raises(LoadFailed, match="the database went away") as failed:
            load.result(60)
    assert not failed.value.is_body
    assert held.snapshot() == before
    assert len(held.failures()) == 1
    retry(held, "k")


def test_while_a_load_is_held_its_key_is_taken_and_other_tables_go_on(held: Held) -> None:
    with ThreadPoolExecutor(1) as pool, held.at("history"):
        pool.submit(held.load, "k")
        held.wait_for(held.waiting)
        with pytest.raises(StillRunning):
            held.load("k")
        assert held.lab.rows("notes", (1, "a")).accepted == 1
    assert held.lab.query("select count(*) from ledger.loads where idempotency_key = 'k'") == [(1,)]


@pytest.mark.parametrize("seed", range(5))
def test_a_process_killed_at_any_moment_leaves_nothing_or_all(held: Held, seed: int) -> None:
    before = held.snapshot()
    with held.start("k") as process:
        write(process, BODY)
        held.wait_for(lambda: held.backends() or process.poll() is not None)
        time.sleep(random.Random(seed).uniform(0, 0.1))
        process.kill()
    held.wait_for(lambda: not held.backends())
    assert held.outcome() == WHOLE or held.snapshot() == before
    retry(held, "k")
