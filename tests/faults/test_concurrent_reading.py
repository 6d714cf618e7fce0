"""Eight write, each commit with a delay of its own, and one reads on by the watermark: it misses
nothing and reads nothing twice. (DESIGN: loads are numbered in the order in which they became visible.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from loader.database import make_engine
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import new_database_of
from tests.faults.reader import DELAYS, VERSIONS, write_and_read
from tests.intake.lab import CONTRACT, Lab

pytestmark = pytest.mark.faults
SECONDS, LONG_SECONDS = 8, float(os.environ.get("SECONDS_TO_WRITE", "120"))


@pytest.fixture
def delayed(server: Settings) -> Iterator[Lab]:
    """A database of its own in which commits take their time."""
    with new_database_of(server, "delayed") as settings:
        engine = make_engine(settings, pool_size=12)
        migrate(engine, CONTRACT)
        with engine.begin() as connection:
            for statement in DELAYS:
                connection.exec_driver_sql(statement)
        yield Lab(engine)
        engine.dispose()


def check(lab: Lab, seconds: float, note: Callable[[str, object], None]) -> None:
    reader, writers = write_and_read(lab, seconds)
    loads, failures = sum(w.loads for w in writers), sum(w.failures for w in writers)
    there = lab.query(VERSIONS)
    assert reader.numbers == list(range(1, len(reader.numbers) + 1)), "a number was missed, or read twice"
    assert len(reader.versions) == len(set(reader.versions)), "a row was read twice"
    assert sorted(reader.versions) == sorted(there), "a row was missed"
    # that the test has seen what it is about: loads in between, failures, releases
    assert reader.batches > seconds
    assert failures
    assert lab.query("select 1 from ledger.loads where door = 'release' limit 1")
    assert len(reader.numbers) >= loads
    note("reading", f"{loads} loads by {len(writers)} writers ({failures} failed and repeated), "
         f"{len(there)} rows, read in {reader.batches} pieces")  # fmt: skip


def test_who_reads_by_the_watermark_misses_nothing(
    delayed: Lab, record_property: Callable[[str, object], None]
) -> None:
    check(delayed, SECONDS, record_property)
    delayed.audit()


@pytest.mark.deep
def test_who_reads_by_the_watermark_for_long_misses_nothing(
    delayed: Lab, record_property: Callable[[str, object], None]
) -> None:
    check(delayed, LONG_SECONDS, record_property)
