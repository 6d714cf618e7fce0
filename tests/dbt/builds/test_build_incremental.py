"""Incremental models: which keys are done anew, and that rows and watermark move together."""

from __future__ import annotations

import json

import pytest

from tests.dbt.builds.shop import Shop, line, order

FCT_ORDERS = "select order_id, status, sales_amount::text from warehouse.fct_orders order by 1"
WATERMARK = "select seq from ledger.model_watermarks where relation = 'warehouse.fct_orders'"


def test_every_kind_of_change_reaches_an_incremental_model(shop: Shop) -> None:
    shop.load(
        orders=[order(n) for n in range(1, 6)],
        order_lines=[line(n, product, 1) for n in range(1, 6) for product in (7, 8)],
    )
    assert shop.dbt("run").success
    written = "select order_id from warehouse.fct_orders where xmin = %s::text::xid order by 1"
    (first_build,) = shop.sql("select distinct xmin::text from warehouse.fct_orders")

    shop.load(orders=[order(1, "completed", day=2)])  # replaced
    shop.load(order_lines=[line(2, 9, 5)])  # a late line of an order that stands
    shop.delete("order_lines", (3, 7))  # a child deleted
    shop.delete("order_lines", (4, 7), (4, 8))
    shop.delete("orders", (4,))  # a key gone altogether
    shop.load(orders=[order(6)])  # a new key
    assert shop.dbt("run").success
    incremental = shop.sql(FCT_ORDERS)
    assert incremental == [
        (1, "completed", "2.00"), (2, "placed", "7.00"), (3, "placed", "1.00"), (5, "placed", "2.00"),
        (6, "placed", "0.00"),
    ]  # fmt: skip
    assert shop.sql(written, *first_build) == [(5,)]  # nothing happened to it: left alone
    assert shop.sql(WATERMARK) == [(7,)]

    assert shop.dbt("run", "--full-refresh").success
    assert shop.sql(FCT_ORDERS) == incremental
    assert shop.sql(WATERMARK) == [(7,)]


FCT_LINES = """
{{ config(materialized='incremental', incremental_strategy='replace_changed',
unique_key=['order_id', 'product_id'], meta={
    'changed_by': [{'source': ['erp', 'order_lines'], 'key': {'order_id': 'order_id', 'product_id': 'product_id'}}]
}) }}
select order_id, product_id, sales_amount
from {{ ref('stg_erp__order_lines') }}
{% if is_incremental() %} where {{ is_changed() }} {% endif %}
"""


@pytest.mark.parametrize("most", [0, 10])
def test_few_keys_are_looked_up_and_many_are_joined_to_the_same_rows(shop: Shop, most: int) -> None:
    shop.write("models/fct_lines.sql", FCT_LINES)
    shop.load(order_lines=[line(n, product, 1) for n in range(1, 4) for product in (7, 8, 9)])
    run = ("run", "--vars", json.dumps({"most_keys_looked_up": most}))
    assert shop.dbt(*run).success
    written = "select order_id, product_id from warehouse.fct_lines where xmin = %s::text::xid order by 1, 2"
    (first_build,) = shop.sql("select distinct xmin::text from warehouse.fct_lines")
    shop.load(order_lines=[line(1, 7, 5), line(2, 8, 6)])
    shop.delete("order_lines", (3, 9))
    assert shop.dbt(*run).success
    compiled = (shop.folder / "target/compiled/gatehouse/models/fct_lines.sql").read_text()
    assert ("= any(array(" in compiled) == (most > 0)
    rows = shop.sql("select order_id, product_id, sales_amount::int from warehouse.fct_lines order by 1, 2")
    assert rows == [(1, 7, 5), (1, 8, 1), (1, 9, 1), (2, 7, 1), (2, 8, 6), (2, 9, 1), (3, 7, 1), (3, 8, 1)]
    left_alone = [(1, 8), (1, 9), (2, 7), (2, 9), (3, 7), (3, 8)]
    assert shop.sql(written, *first_build) == left_alone, "keys crossed with each other are none"


def test_keys_that_nobody_builds_are_looked_for_where_they_are_asked_for(shop: Shop) -> None:
    shop.load(orders=[order(1)])
    assert shop.dbt("run").success
    shop.load(orders=[order(2)])
    assert shop.dbt("compile", "--select", "fct_orders").success
    compiled = (shop.folder / "target/compiled/gatehouse/models/fct_orders.sql").read_text()
    assert "pg_temp" not in compiled
    shop.sql(compiled)


def test_a_new_key_that_is_replaced_after_the_bound_is_not_overlooked(shop: Shop) -> None:
    shop.load(orders=[order(1)])
    assert shop.dbt("run").success
    shop.load(orders=[order(2)])

    def replace_it(model: str) -> None:
        if model == "stg_erp__orders":
            shop.load(orders=[order(2, "completed", day=2)])

    shop.when_done = replace_it
    assert shop.dbt("run").success
    assert shop.sql(FCT_ORDERS) == [(1, "placed", "0.00"), (2, "placed", "0.00")]


def test_a_model_that_selects_more_than_the_changed_keys_doubles_nothing(shop: Shop) -> None:
    shop.edit("models/fct_orders.sql", "where {{ is_changed() }}", "where true")
    shop.load(orders=[order(1), order(2)])
    assert shop.dbt("run").success
    shop.load(orders=[order(2, "completed", day=2)])
    assert shop.dbt("run").success
    assert shop.sql(FCT_ORDERS) == [(1, "placed", "0.00"), (2, "completed", "0.00")]


DIE = """
create schema faults; create function faults.die() returns trigger language plpgsql as
'begin perform pg_terminate_backend(pg_backend_pid()); return new; end'
"""
BETWEEN_ROWS_AND_WATERMARK = """
create trigger die before insert or update on ledger.model_watermarks for each row execute function faults.die()
"""
BETWEEN_WATERMARK_AND_COMMIT = """
create constraint trigger die after insert or update on ledger.model_watermarks
deferrable initially deferred for each row execute function faults.die()
"""


@pytest.mark.faults
@pytest.mark.parametrize("moment", [BETWEEN_ROWS_AND_WATERMARK, BETWEEN_WATERMARK_AND_COMMIT])
def test_a_connection_that_dies_leaves_rows_and_watermark_where_they_were(shop: Shop, moment: str) -> None:
    shop.load(orders=[order(1), order(2)])
    shop.sql(DIE)
    only = ("--select", "stg_erp__orders", "stg_erp__order_lines", "fct_orders")

    shop.sql(moment)  # the first build of the table
    assert not shop.dbt("run", *only).success
    assert shop.sql("select to_regclass('warehouse.fct_orders')") == [(None,)]
    assert shop.sql(WATERMARK) == []

    shop.sql("drop trigger die on ledger.model_watermarks")
    assert shop.dbt("run", *only).success
    before = shop.sql(FCT_ORDERS)
    shop.load(orders=[order(1, "completed", day=2), order(3)])

    shop.sql(moment)  # an incremental one, then one that replaces the table
    for words in (only, (*only, "--full-refresh")):
        assert not shop.dbt("run", *words).success
        assert shop.sql(FCT_ORDERS) == before
        assert shop.sql(WATERMARK) == [(1,)]

    shop.sql("drop trigger die on ledger.model_watermarks")
    assert shop.dbt("run", *only).success
    assert shop.sql(FCT_ORDERS) == [(1, "completed", "0.00"), (2, "placed", "0.00"), (3, "placed", "0.00")]
    assert shop.sql(WATERMARK) == [(2,)]


def test_a_fact_that_follows_a_dimension_of_no_such_name_stops_the_build(shop: Shop) -> None:
    shop.edit(
        "models/fct_orders.sql", "{'source': ['erp', 'order_lines'], 'key': {'order_id': 'order_id'}},",
        "{'versions_of': 'customers', 'through': 'stg_erp__orders', 'at': 'ordered_at', 'key': ['order_id']},",
    )  # fmt: skip
    outcome = shop.dbt("run")
    assert not outcome.success
    assert "versions_of: no model customers with config.meta.versions_from" in outcome.said
