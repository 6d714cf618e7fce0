"""Two projects, or two names, in one database: what would be mixed up is refused."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from loader.migrate import Refused, migrate
from tests.migrate.contracts import contract, insert, table

LOADED = (
    "insert into ledger.loads (load_id, seq, source, table_name, door, principal, status, received, accepted) "
    "overriding system value values (1, 1, 'erp', 'orders', 'api', 'somebody', 'succeeded', 1, 1)"
)


@pytest.fixture
def engine(empty_engine: sa.Engine) -> sa.Engine:
    """A project's orders with one row, brought by a load of that project."""
    migrate(empty_engine, contract())
    with empty_engine.begin() as connection:
        connection.exec_driver_sql(LOADED)
    insert(empty_engine, "1, 'open', 5, 12.50, 'first'")
    return empty_engine


def refusals(engine: sa.Engine, **more: str) -> list[str]:
    try:
        migrate(engine, contract(table(more.pop("name", "orders"), **more)))
    except Refused as refused:
        return [f"{fault.problem} | {fault.remedy}" for fault in refused.plan.refusals]
    return []


def test_one_source_may_not_stand_in_two_schemas(engine: sa.Engine) -> None:
    (words,) = refusals(engine, schema="other")
    assert "erp.orders has rows already, in the schema staging_erp" in words
    assert "use another database" in words


def test_one_table_may_not_be_two_sources(engine: sa.Engine) -> None:
    (words,) = refusals(engine, source="shop")
    assert "staging_erp.orders holds the rows of erp.orders" in words


@pytest.mark.parametrize(
    "more", [{}, {"name": "bills"}, {"source": "shop", "schema": "staging_shop"}, {"schema": "other", "name": "bills"}]
)
def test_what_can_stand_side_by_side_does(engine: sa.Engine, more: dict[str, str]) -> None:
    assert refusals(engine, **more) == []


def test_tables_without_a_row_are_nobodys(empty_engine: sa.Engine) -> None:
    migrate(empty_engine, contract())
    assert refusals(empty_engine, source="shop") == []
    assert refusals(empty_engine, schema="other") == []
