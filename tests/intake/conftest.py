"""One database a worker, migrated to the lab's contract and emptied before each test.

After each test every load is counted again from what stands (invariant 1).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

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
    relations = ["ledger.rejects", "ledger.loads"]
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
