"""One database a worker, migrated to the lab's contract and emptied before each test.

After each test every load is counted again from what stands (invariant 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from loader.contract.model import Contract, Table
from loader.database import make_engine
from loader.intake import landing
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import new_database_of
from tests.intake.lab import CONTRACT, SCHEMA, Lab


@pytest.fixture(scope="session")
def lab_engine(server: Settings) -> Iterator[sa.Engine]:
    with new_database_of(server, "intake") as settings:
        engine = make_engine(settings)
        migrate(engine, CONTRACT)
        yield engine
        engine.dispose()


def empty(engine: sa.Engine) -> None:
    """No row in any staging table, and a ledger as new."""
    relations = ["ledger.mendings", "ledger.rejects", "ledger.loads"]
    relations += [f"{SCHEMA}.{table.name}{more}" for table in CONTRACT for more in ("", "__history")]
    with engine.begin() as connection:  # these tables are small: `truncate` would take five times as long
        connection.exec_driver_sql("; ".join(f"delete from {relation}" for relation in relations))
        connection.exec_driver_sql("update ledger.clock set last_seq = 0")
        connection.exec_driver_sql("select setval('ledger.loads_load_id_seq', 1, false)")


@pytest.fixture(params=["as it comes", "as if it were large"])
def lab(lab_engine: sa.Engine, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A body of few rows and one of many take different ways in, to the same end."""
    if request.param != "as it comes":
        monkeypatch.setattr(landing, "BULK", 1)
    empty(lab_engine)
    made = Lab(lab_engine)
    yield made
    made.audit()


@pytest.fixture
def lab_of(new_database: Callable[[str], Settings]) -> Iterator[Callable[..., Lab]]:
    """Makes a lab of the tables given, in a database of its own."""
    made: list[Lab] = []

    def make(*tables: Table) -> Lab:
        engine = make_engine(new_database("template1"))
        lab = Lab(engine, Contract("lab", {("lab", table.name): table for table in tables}, "own"))
        made.append(lab)
        migrate(engine, lab.contract)
        return lab

    yield make
    for lab in made:
        lab.audit()
        lab.engine.dispose()
