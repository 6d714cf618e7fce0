"""Rows that an incremental model keeps were computed by the rules of today, or they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dbt.builds.shop import Shop, line, order

FCT_ORDERS = "select order_id, status, order_date::text, sales_amount::text from warehouse.fct_orders order by 1"
WHERE_WRITTEN = "select order_id, ctid::text, xmin::text from warehouse.fct_orders where order_id <> 3 order by 1"
WATERMARK = "select seq, fingerprint from ledger.model_watermarks where relation = 'warehouse.fct_orders'"
SAID = "model fct_orders was computed by other rules: made anew"
TOKYO = ("--vars", "business_timezone: Asia/Tokyo")


def begin(shop: Shop) -> list[tuple[Any, ...]]:
    """Two orders late in New York's evening, built; then a third one comes. Returns the rows built."""
    shop.write("macros/amount.sql", "{% macro amount(column) %}{{ times_one(column) }}{% endmacro %}")
    shop.write("macros/times_one.sql", "{% macro times_one(column) %}{{ column }} * 1{% endmacro %}")
    shop.edit("dbt_project.yml", "macro-paths: [", "macro-paths: [macros, ")
    shop.edit("models/fct_orders.sql", "sum(lines.sales_amount)", "sum({{ amount('lines.sales_amount') }})")
    shop.load(orders=[order(1, hour=20), order(2, hour=20)], order_lines=[line(1, 7, 5), line(2, 7, 6)])
    outcome = shop.dbt("run")
    assert outcome.success, outcome.said
    assert SAID not in outcome.said
    built = shop.sql(FCT_ORDERS)
    shop.load(orders=[order(3, hour=20)], order_lines=[line(3, 7, 7)])
    return built


def other_zone(shop: Shop) -> tuple[str, ...]:
    return TOKYO


def other_model(shop: Shop) -> tuple[str, ...]:
    shop.edit("models/fct_orders.sql", "orders.status,", "upper(orders.status) as status,")
    return ()


def other_ancestor(shop: Shop) -> tuple[str, ...]:
    shop.edit(
        "models/stg_erp__orders.sql",
        "select * from",
        "select order_id, ordered_at, updated_at, _load_id, 'so ' || status as status from",
    )
    return ()


def other_macro_of_a_macro(shop: Shop) -> tuple[str, ...]:
    shop.write("macros/times_one.sql", "{% macro times_one(column) %}{{ column }} * 100{% endmacro %}")
    return ()


@pytest.mark.parametrize("change", [other_zone, other_model, other_ancestor, other_macro_of_a_macro])
def test_after_a_change_of_rules_an_ordinary_build_gives_what_a_full_one_gives(
    shop: Shop, change: Callable[[Shop], tuple[str, ...]]
) -> None:
    before = begin(shop)
    shop.sql("insert into warehouse.fct_orders values (99, 'of no source', '2017-06-01', 0)")
    words = change(shop)
    outcome = shop.dbt("run", *words)
    assert outcome.success, outcome.said
    assert outcome.said.count(SAID) == 1
    after = shop.sql(FCT_ORDERS)
    assert [row[0] for row in after] == [1, 2, 3]
    assert not set(before) & set(after)

    # From here on it is incremental again.
    written, watermark = shop.sql(WHERE_WRITTEN), shop.sql(WATERMARK)
    again = shop.dbt("run", *words)
    assert SAID not in again.said
    assert (shop.sql(WHERE_WRITTEN), shop.sql(WATERMARK)) == (written, watermark)

    assert shop.dbt("run", "--full-refresh", *words).success
    assert (shop.sql(FCT_ORDERS), shop.sql(WATERMARK)) == (after, watermark)


def test_without_a_change_of_rules_untouched_rows_stay_where_they_are(shop: Shop) -> None:
    before = begin(shop)
    written, ((_, fingerprint),) = shop.sql(WHERE_WRITTEN), shop.sql(WATERMARK)
    outcome = shop.dbt("run", "--vars", "as_of: 2017-12-31")  # a day is no rule
    assert outcome.success, outcome.said
    assert SAID not in outcome.said
    assert shop.sql(WHERE_WRITTEN) == written
    assert shop.sql(FCT_ORDERS) == [*before, (3, "placed", "2017-06-01", "7.00")]
    assert shop.sql(WATERMARK) == [(2, fingerprint)]


def test_a_model_built_alone_is_of_the_view_that_stands_not_of_its_new_text(shop: Shop) -> None:
    begin(shop)
    other_ancestor(shop)
    assert shop.dbt("run", "--select", "fct_orders").success
    assert [row[1] for row in shop.sql(FCT_ORDERS)] == ["placed"] * 3
    assert SAID in shop.dbt("run").said
    assert [row[1] for row in shop.sql(FCT_ORDERS)] == ["so placed"] * 3


def test_a_column_that_the_model_has_anew_is_filled_for_every_row(shop: Shop) -> None:
    begin(shop)
    shop.edit("models/fct_orders.sql", "orders.status,", "orders.status, upper(orders.status) as loud,")
    shop.edit("models/fct_orders.sql", "group by 1, 2, 3", "group by 1, 2, 3, 4")
    assert shop.dbt("run").success
    assert shop.sql("select distinct loud from warehouse.fct_orders") == [("PLACED",)]


@pytest.mark.faults
def test_a_build_that_dies_while_it_makes_anew_leaves_rows_and_fingerprint(shop: Shop) -> None:
    before = begin(shop)
    watermark = shop.sql(WATERMARK)
    shop.sql(
        "create schema faults; create function faults.die() returns trigger language plpgsql as"
        " 'begin perform pg_terminate_backend(pg_backend_pid()); return new; end';"
        "create trigger die before insert or update on ledger.model_watermarks"
        " for each row execute function faults.die()"
    )
    assert not shop.dbt("run", *TOKYO).success
    assert (shop.sql(FCT_ORDERS), shop.sql(WATERMARK)) == (before, watermark)

    shop.sql("drop schema faults cascade")
    assert shop.dbt("run", *TOKYO).success
    assert [row[2] for row in shop.sql(FCT_ORDERS)] == ["2017-06-02"] * 3
