"""Nothing waits in a ring: whoever locks several tables takes them in the one order that all take."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from loader.intake.settle import lock
from loader.intake.sql import fetch
from loader.ledger import loads
from tests.intake.lab import Lab

NAMES = {f"lab.table_{number}" for number in range(12)}
ROUNDS = 150


def locks_taken(engine: sa.Engine, exclusive: set[str], shared: set[str]) -> list[int]:
    """The keys of the locks, in the order in which PostgreSQL was asked for them."""
    taken: list[int] = []

    def note(connection: sa.Connection, statement: str) -> list[tuple[Any, ...]]:
        taken.extend(int(number) for number in re.findall(r"pg_advisory_xact_lock(?:_shared)?\((-?\d+)\)", statement))
        return fetch(connection, statement)

    with engine.begin() as connection, pytest.MonkeyPatch.context() as patched:
        patched.setattr(loads, "fetch", note)
        loads.lock_tables(connection, exclusive, shared)
    return taken


def test_locks_are_taken_in_one_order_whatever_is_written_and_what_only_read(lab: Lab) -> None:
    splits = [set(written) for written in itertools.combinations(sorted(NAMES), 11)]
    orders = {tuple(locks_taken(lab.engine, written, NAMES - written)) for written in [set(), *splits, NAMES]}
    assert len(orders) == 1
    [order] = orders
    assert len(order) == len(NAMES)
    # a set has another order in every process: only one that is said holds between workers
    assert list(order) == sorted(order)


def test_loads_into_parents_and_their_children_never_wait_in_a_ring(lab: Lab) -> None:
    """A parent's load writes the child too, a child's reads the parent: PostgreSQL would end one of them.
    Half of them ask for one lock after the other, as the command does, and half for all at once."""
    tables = [lab.table(name) for name in ("regions", "shops", "tills", "visits")]
    together = Barrier(len(tables), timeout=60)

    def load_again_and_again(table: Any) -> int:
        try:
            for number in range(ROUNDS):
                together.wait()
                with lab.engine.begin() as connection:
                    if (number + tables.index(table)) % 2:
                        connection.execution_options(**{loads.WAITING: lambda _: None, loads.PATIENCE: 20_000})
                    lock(connection, lab.contract, table)
        except BaseException:
            together.abort()  # or the others would wait for this one
            raise
        return ROUNDS

    with ThreadPoolExecutor(len(tables)) as pool:
        assert list(pool.map(load_again_and_again, tables)) == [ROUNDS] * len(tables)
