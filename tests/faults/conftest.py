"""A database in which a load can be held at any of its steps, for as long as a test wants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from loader.database import make_engine
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import new_database_of
from tests.faults.held import STEPS, Held
from tests.intake.conftest import empty
from tests.intake.lab import CONTRACT, Lab


@pytest.fixture(scope="session")
def held_database(server: Settings) -> Iterator[tuple[Settings, sa.Engine]]:
    with new_database_of(server, "faults") as settings:
        engine = make_engine(settings)
        migrate(engine, CONTRACT)
        with engine.begin() as connection:
            for statement in STEPS:
                connection.exec_driver_sql(statement)
        yield settings, engine
        engine.dispose()


@pytest.fixture
def held(held_database: tuple[Settings, sa.Engine]) -> Iterator[Held]:
    """What stands before each test: a shop, and stalls that wait for shops that have not come."""
    settings, engine = held_database
    empty(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("truncate public.held_steps")
    lab = Lab(engine)
    lab.rows("regions", 1)
    lab.rows("shops", (1, 1), (4, 1))
    lab.rows("stalls", (1, 10, "a", "2024-01-01T00:00:00Z"), (2, 11, "b", "2024-01-01T00:00:00Z"))
    with Held(lab, settings) as made:
        yield made
    lab.audit()
