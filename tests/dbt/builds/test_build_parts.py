"""A build of a part publishes if what it left alone would come out the same; and what is due is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.dbt.builds.shop import Shop, line, order

LINES = "select product_id, sales_amount::text from mart_sales.line_list order by 1"
STATUSES = "select status, count(*) from mart_operations.order_list group by 1 order by 1"
AS_OF = "select distinct as_of::text from mart_operations.order_list"

# A mart of order lines alone, and a test on each side that only that side's rows can fail.
LINE_LIST = """
{{ config(materialized='table', schema='mart_sales__build') }}
select order_id, product_id, sales_amount from {{ ref('stg_erp__order_lines') }}
"""
LINE_LIST_YML = """
models:
  - name: line_list
    columns:
      - name: sales_amount
        data_tests:
          - accepted_values: {arguments: {values: [5, 6, 7], quote: false}}
"""


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """Two sides that have nothing in common: order_list of orders, line_list of lines."""
    shop.write("models/line_list.sql", LINE_LIST)
    shop.write("models/line_list.yml", LINE_LIST_YML)
    shop.write(
        "models/fct_orders.sql",
        "{{ config(materialized='table') }} select order_id, status, {{ business_date('ordered_at') }} as order_date,"
        " cast(0 as numeric(14, 2)) as sales_amount from {{ ref('stg_erp__orders') }}",
    )
    # without it the order of an order line is asked for when orders come, too
    shop.edit(
        "models/sources.yml",
        """
            data_tests:
              - relationships: {arguments: {to: "source('erp', 'orders')", field: order_id}}""",
        "",
    )
    shop.load(orders=[order(1)])
    shop.load(order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    assert shop.latest_build()["status"] == "published"
    return shop


def due(shop: Shop) -> dict[str, Any]:
    outcome = shop.dbt("run-operation", "say_what_is_due")
    assert outcome.success, outcome.said
    said = next(text for text in outcome.said.splitlines() if text.startswith("due: "))
    found: dict[str, Any] = json.loads(said.removeprefix("due: "))
    found["make"] = sorted(name.split(".")[2] for name in found["make"])
    found["test"] = sorted(name.split(".")[2] for name in found["test"])
    return found


def build_due(shop: Shop) -> str:
    """What the watch does."""
    found = due(shop)
    outcome = shop.dbt("build", "--select", *found["make"], *found["test"])
    return outcome.said


def test_only_what_a_load_touched_is_due_and_is_enough_to_publish(shop: Shop) -> None:
    found = due(shop)
    assert (found["make"], found["test"], found["upper_bound"], found["published"]) == ([], [], 2, 2)

    shop.load(order_lines=[line(2, 8, 6)])
    found = due(shop)
    assert found["make"] == ["line_list"]
    assert found["test"] == ["accepted_values_line_list_sales_amount__False__5__6__7"]
    written = shop.sql("select xmin::text from mart_operations.order_list")
    assert "published 3 marts (2 of them as an earlier build made it): 1 rows in, 0 rows out" in build_due(shop)
    assert shop.sql(LINES) == [(7, "5.00"), (8, "6.00")]
    assert shop.sql("select xmin::text from mart_operations.order_list") == written
    assert due(shop)["make"] == []
    assert due(shop)["published"] == 3

    shop.delete("order_lines", (1, 7))
    assert due(shop)["make"] == ["line_list"]
    shop.load(orders=[order(2)])
    assert due(shop)["make"] == ["fct_orders", "line_list", "order_list", "sales_daily"]
    # a part of what is due is not enough
    said = shop.dbt("build", "--select", "line_list").said
    assert "these read up to load 2 and this build up to 5: fct_orders, order_list, sales_daily" in said
    assert shop.sql(LINES) == [(7, "5.00"), (8, "6.00")]
    assert due(shop)["make"] == ["fct_orders", "order_list", "sales_daily"]
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(LINES) == [(8, "6.00")]
    assert shop.sql(STATUSES) == [("placed", 2)]


def test_a_test_that_reads_nothing_is_asked_in_each_build_and_is_no_reason_for_one(shop: Shop) -> None:
    shop.write("tests/reads_nothing.sql", "select 1 as number where false")
    try:
        assert shop.dbt("build").success
        assert (due(shop)["make"], due(shop)["test"]) == ([], [])
        shop.load(orders=[order(1, "completed")])
        assert "reads_nothing" in due(shop)["test"]
        assert "published 3 marts" in build_due(shop)
        assert due(shop)["test"] == []
    finally:
        (shop.folder / "tests" / "reads_nothing.sql").unlink()


def test_a_load_of_a_table_that_the_project_does_not_know_may_be_of_any(shop: Shop) -> None:
    shop.load(orders=[order(2)], order_lines=[line(2, 8, 6)])
    assert due(shop)["make"] == ["fct_orders", "line_list", "order_list", "sales_daily"]


def test_a_load_that_comes_between_the_question_and_the_build_is_not_overlooked(shop: Shop) -> None:
    shop.load(order_lines=[line(2, 8, 6)])
    found = due(shop)
    shop.load(orders=[order(2)])
    said = shop.dbt("build", "--select", *found["make"], *found["test"]).said
    assert "not published: these read up to load 2 and this build up to 4" in said
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(STATUSES) == [("placed", 2)]
    assert shop.sql(LINES) == [(7, "5.00"), (8, "6.00")]


def test_a_build_reads_no_further_than_it_is_told_and_not_back(shop: Shop) -> None:
    shop.load(order_lines=[line(2, 8, 6)])
    found = due(shop)
    shop.load(orders=[order(2)])
    up_to = ("--vars", json.dumps({"upper_bound": found["upper_bound"]}))
    said = shop.dbt("build", "--select", *found["make"], *found["test"], *up_to).said
    assert "published 3 marts" in said
    assert shop.latest_build()["upper_bound"] == 3
    assert shop.sql(STATUSES) == [("placed", 1)], "the load that came since is of the next build"
    assert shop.dbt("build").success
    shop.dbt("build", *up_to)
    assert shop.latest_build()["upper_bound"] == 4, "what was read stays read"
    assert shop.sql(STATUSES) == [("placed", 2)]


def test_a_load_that_comes_while_a_part_is_built_is_of_the_next_build(shop: Shop) -> None:
    shop.load(order_lines=[line(2, 8, 6)])

    def come(model: str) -> None:
        if model == "line_list":
            shop.load(orders=[order(2)], order_lines=[line(2, 8, 7)])

    shop.when_done = come
    assert "published 3 marts" in build_due(shop)
    shop.when_done = None
    assert shop.sql(LINES) == [(7, "5.00"), (8, "6.00")]
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(LINES) == [(7, "5.00"), (8, "7.00")]


def test_a_test_that_failed_keeps_other_parts_back_until_it_passes(shop: Shop) -> None:
    shop.load(order_lines=[line(2, 8, 9)])
    assert "not published: accepted_values_line_list" in build_due(shop)
    shop.load(orders=[order(2)])
    said = shop.dbt("build", "--select", "fct_orders+").said
    assert "not published: accepted_values_line_list" in said
    assert "failed in an earlier build and has not been run again" in said
    assert shop.sql(STATUSES) == [("placed", 1)]

    assert any(name.startswith("accepted_values_line_list") for name in due(shop)["test"]), "it is tried again"
    shop.load(order_lines=[line(2, 8, 7)])
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(STATUSES) == [("placed", 2)]
    assert shop.sql(LINES) == [(7, "5.00"), (8, "7.00")]


def test_another_day_makes_due_what_asks_for_it(shop: Shop) -> None:
    shop.sql("update ledger.loads set finished_at = '2017-06-01 12:00+00'")
    shop.load(order_lines=[line(2, 8, 6)])
    shop.sql("update ledger.loads set finished_at = '2017-06-01 13:00+00' where finished_at is null")
    assert due(shop)["make"] == ["line_list"]
    shop.sql(  # what a load of orders brings as a rule; by the back door, so that nothing else is due
        "insert into staging_erp.orders"
        " select 9, status, '2017-06-05 12:00+00', updated_at, 1, 9 from staging_erp.orders"
    )
    assert due(shop)["make"] == ["line_list", "order_list"]
    said = shop.dbt("build", "--select", "line_list").said
    assert "these are as of another day than 2017-06-02: order_list" in said
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(AS_OF) == [("2017-06-02",)]


def test_a_day_given_by_hand_is_not_taken_for_todays(shop: Shop) -> None:
    assert shop.dbt("run", "--select", "order_list", "--vars", "as_of: 2020-01-01").success
    assert due(shop)["make"] == ["order_list"]
    assert "order_list" in shop.dbt("build", "--select", "line_list").said
    assert shop.sql(AS_OF) == [("2017-06-01",)]


def change_of_a_view(shop: Shop) -> list[str]:
    shop.edit("models/stg_erp__order_lines.sql", "select *", "select order_id, product_id, 7.00 as sales_amount")
    return ["line_list", "stg_erp__order_lines"]


def change_of_a_model(shop: Shop) -> list[str]:
    shop.edit("models/line_list.sql", "product_id, sales_amount", "product_id, sales_amount + 2 as sales_amount")
    return ["line_list"]


@pytest.mark.parametrize("change", [change_of_a_view, change_of_a_model])
def test_what_was_made_by_other_rules_is_due(shop: Shop, change: Any) -> None:
    named = change(shop)
    assert due(shop)["make"] == named
    shop.load(orders=[order(2)])
    said = shop.dbt("build", "--select", "fct_orders+").said
    assert f"these were made by other rules than those of today: {named[-1]}" in said
    assert shop.sql(LINES) == [(7, "5.00")]
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(LINES) == [(7, "7.00")]


def test_a_view_goes_with_the_table_that_it_reads_and_is_due_with_it(shop: Shop) -> None:
    view = "{{ config(materialized='view') }} select product_id, sales_amount from {{ ref('line_list') }}"
    shop.write("models/line_view.sql", view)
    shop.write("models/of_view.sql", "{{ config(materialized='table') }} select * from {{ ref('line_view') }}")
    assert shop.dbt("build").success
    assert due(shop)["make"] == []
    shop.load(order_lines=[line(2, 8, 6)])
    assert due(shop)["make"] == ["line_list", "line_view", "of_view"]
    assert "published 3 marts" in build_due(shop)
    assert shop.sql("select count(*) from warehouse.line_view, warehouse.of_view") == [(4,)]
    assert shop.dbt("build", "--select", "line_list").success
    assert shop.sql("select to_regclass('warehouse.line_view')") == [(None,)]
    assert due(shop)["make"] == ["line_view", "of_view"]


def test_another_test_of_the_same_name_has_to_pass_anew(shop: Shop) -> None:
    shop.edit("models/line_list.yml", "quote: false}}", "quote: false}, config: {where: sales_amount > 0}}")
    assert due(shop)["make"] == []
    assert len(due(shop)["test"]) == 1
    shop.load(orders=[order(2)])
    said = shop.dbt("build", "--select", "source:erp.orders+").said
    assert "1 stopping tests have not run on this state" in said, shop.latest_build()["message"]
    assert "published 3 marts" in build_due(shop)


@pytest.mark.faults
def test_a_part_that_was_killed_is_known_as_far_as_it_came(shop: Shop) -> None:
    """Its rows are of another text, which is taken back: nothing but the rows' own transaction can tell."""
    shop.edit("models/line_list.sql", "product_id, sales_amount", "product_id, 6.00 as sales_amount")
    shop.sql(
        "create schema faults; create function faults.die() returns trigger language plpgsql as"
        " 'begin perform pg_terminate_backend(pg_backend_pid()); return new; end';"
        "create trigger die before update on ledger.build_results for each row execute function faults.die()"
    )  # the results of a build, written at its end, never are
    assert not shop.dbt("build", "--select", "line_list").success
    shop.sql("drop schema faults cascade")
    shop.edit("models/line_list.sql", "product_id, 6.00 as sales_amount", "product_id, sales_amount")
    assert shop.sql("select sales_amount::text from mart_sales__build.line_list") == [("6.00",)]

    shop.load(orders=[order(2)])
    said = shop.dbt("build", "--select", "fct_orders+").said
    assert "these were made by other rules than those of today: line_list" in said
    assert shop.sql(LINES) == [(7, "5.00")]
    assert "published 3 marts" in build_due(shop)
    assert shop.sql(LINES) == [(7, "5.00")]
    assert shop.sql("select sales_amount::text from mart_sales__build.line_list") == [("5.00",)]


def test_what_a_build_makes_of_nothing_new_is_read_on(shop: Shop) -> None:
    shop.write("models/line_list.yml", "")
    shop.write("models/line_list.sql", LINE_LIST.replace("stg_erp__order_lines", "stg_erp__orders").replace(
        "order_id, product_id, sales_amount", "order_id as product_id, cast(5 as numeric(4, 2)) as sales_amount"
    ))  # fmt: skip
    assert shop.dbt("build").success
    shop.load(order_lines=[line(2, 8, 6)])
    found = due(shop)
    assert (found["make"], found["test"]) == ([], [])
    assert "published 3 marts (3 of them as an earlier build made it)" in shop.dbt("run-operation", "read_on").said
    build = shop.latest_build()
    assert (build["upper_bound"], build["status"]) == (3, "published")
