"""A column of the source that `loader migrate` widens reaches the models by an ordinary build."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from loader.contract.read import read_contract
from loader.database import make_engine
from loader.migrate import migrate
from tests.dbt.builds.shop import Shop, line, order

TYPE = """
select format_type(atttypid, atttypmod) from pg_attribute
where attrelid = 'warehouse.fct_orders'::regclass and attname = 'sales_amount'
"""
AMOUNTS = "select order_id, sales_amount::text from warehouse.fct_orders order by 1"


def migrate_to_the_contract(shop: Shop) -> None:
    engine = make_engine(shop.settings, poolclass=sa.NullPool)
    migrate(engine, read_contract(shop.folder, shop.folder / "state"))


def bring(shop: Shop, **tables: list[tuple[Any, ...]]) -> None:
    """A load for each table, as the ledger knows them: migrate asks whose the rows are."""
    for name, rows in tables.items():
        load_id = shop.load(**{name: rows})
        shop.sql(f"update ledger.loads set table_name = '{name}' where load_id = {load_id}")


@pytest.mark.parametrize("words", [(), ("--select", "fct_orders")])
def test_a_widened_column_has_the_model_made_anew(shop: Shop, words: tuple[str, ...]) -> None:
    """The views say the same as before, word by word; the types of their columns do not."""
    shop.sql("drop schema staging_erp cascade")
    required = "constraints: [{type: not_null}]"
    for column in ("order_id", "product_id", "updated_at"):
        shop.edit("models/sources.yml", f"{{name: {column},", f"{{name: {column}, {required},")
    shop.edit("models/sources.yml", "- name: order_id\n", f"- name: order_id\n            {required}\n")
    shop.edit("models/fct_orders.sql", "config(", "config(on_schema_change='fail', ")
    shop.edit(
        "models/fct_orders.sql", "cast(coalesce(sum(lines.sales_amount), 0) as numeric(14, 2))", "lines.sales_amount"
    )
    shop.edit("models/fct_orders.sql", "group by 1, 2, 3", "")
    migrate_to_the_contract(shop)
    bring(shop, orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("run").success
    assert shop.sql(TYPE) == [("numeric(12,2)",)]

    shop.edit("models/sources.yml", '"numeric(12,2)"', '"numeric(14,2)"')
    migrate_to_the_contract(shop)
    bring(shop, orders=[order(2)], order_lines=[line(2, 7, 123456789012)])
    outcome = shop.dbt("run", *words)
    assert outcome.success, outcome.said
    assert "model fct_orders was computed by other rules: made anew" in outcome.said
    assert shop.sql(TYPE) == [("numeric(14,2)",)]
    assert shop.sql(AMOUNTS) == [(1, "5.00"), (2, "123456789012.00")]

    again = shop.dbt("run", *words)
    assert again.success
    assert "made anew" not in again.said
