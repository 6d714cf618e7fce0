"""Marts are published whole, when every stopping test has passed on the state, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.dbt.builds.shop import Shop, line, order

SALES = "select order_date::text, orders, sales_amount::text from mart_sales.sales_daily order by 1"
STATUSES = "select status, count(*) from mart_operations.order_list group by 1 order by 1"


def test_run_then_test_publishes(shop: Shop) -> None:
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    outcome = shop.dbt("run")
    assert outcome.success
    assert "not published: 4 stopping tests have not run on this state; run dbt test" in outcome.said
    assert shop.latest_build()["status"] == "built"
    assert shop.sql("select to_regclass('mart_sales.sales_daily')") == [(None,)]

    # Some of the tests are not all of them.
    assert "3 stopping tests have not run" in shop.dbt("test", "--select", "order_list").said
    outcome = shop.dbt("test")
    assert "published 2 marts" in outcome.said
    build = shop.latest_build()
    assert (build["build_id"], build["status"], build["published_at"] is not None) == (1, "published", True)
    assert shop.sql(SALES) == [("2017-06-01", 1, "5.00")]
    results = shop.sql("select resource_type, severity, status, count(*) from ledger.build_results group by 1, 2, 3")
    assert sorted(results, key=str) == [
        ("model", None, "success", 5), ("test", "error", "pass", 4), ("test", "warn", "warn", 1),
    ]  # fmt: skip

    # What is run anew has to be tested anew, and so has all that reads it.
    assert "not published: 1 stopping tests" in shop.dbt("run", "--select", "order_list").said
    assert shop.latest_build()["command"] == "dbt run --select order_list"
    assert "published 2 marts (1 of them as an earlier build made it)" in shop.dbt("test").said


def test_marts_of_an_earlier_load_are_not_published_as_todays(shop: Shop) -> None:
    """A part was built after a load: what it left alone reads less, and no test sees it."""
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(1, day=2)])  # corrected: it belongs to another day

    why = "not published: these read up to load 1 and this build up to 2: {}; run dbt build"
    for words, left in [
        (["fct_orders"], "order_list, sales_daily"),
        (["order_list"], "sales_daily"),
        (["stg_erp__orders"], "sales_daily"),
    ]:
        for command in (["run", "--select", *words], ["test"]):
            assert why.format(left) in shop.dbt(*command).said
        assert shop.latest_build()["published_at"] is None
    assert shop.sql(SALES) == [("2017-06-01", 1, "5.00")]

    assert "not published: 1 stopping tests" in shop.dbt("run", "--select", "sales_daily").said
    assert "published 2 marts (1 of them as an earlier build made it)" in shop.dbt("test").said
    assert shop.sql(SALES) == [("2017-06-02", 1, "5.00")]


def test_a_mart_made_before_what_it_is_made_from_is_not_published(shop: Shop) -> None:
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(1, day=2)])
    shop.dbt("run", "--exclude", "fct_orders")
    assert "these read up to load 1 and this build up to 2: fct_orders; run dbt build" in shop.dbt("test").said
    shop.dbt("run", "--select", "fct_orders")
    why = "not published: these were made before what they are made from: order_list, sales_daily; run dbt build"
    assert why in shop.dbt("test").said
    assert shop.sql(SALES) == [("2017-06-01", 1, "5.00")]
    assert shop.dbt("build").success
    assert shop.sql(SALES) == [("2017-06-02", 1, "5.00")]


def test_a_stopping_test_that_fails_keeps_yesterdays_marts(shop: Shop) -> None:
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(2, "lost")], order_lines=[line(2, 7, 5)])

    for commands in (["build"], ["run", "test"]):
        said = [shop.dbt(command).said for command in commands]
        assert "accepted_values_order_list" in said[-1]
        build = shop.latest_build()
        assert build["status"] == "failed"
        assert build["message"].startswith("not published: accepted_values_order_list")
        assert build["published_at"] is None
        assert shop.sql(SALES) == [("2017-06-01", 1, "5.00")]
        assert shop.sql(STATUSES) == [("placed", 1)]

    # Mended in the project, not in the data: the same state, tested again, is good.
    shop.edit("models/marts.yml", "cancelled]", "cancelled, lost]")
    assert shop.dbt("test").success
    assert shop.sql(SALES) == [("2017-06-01", 2, "10.00")]
    assert shop.sql(STATUSES) == [("lost", 1), ("placed", 1)]


def test_a_model_that_failed_keeps_all_marts_until_it_is_rebuilt(shop: Shop) -> None:
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(2)], order_lines=[line(2, 7, 5)])

    shop.edit("models/sales_daily.sql", "count(*)", "count(*) / 0")
    assert not shop.dbt("build").success
    assert "sales_daily (error) failed" in shop.latest_build()["message"]
    shop.dbt("build", "--select", "order_list")  # does not make good what the other model left
    assert "sales_daily failed or was skipped in an earlier build" in shop.latest_build()["message"]
    assert shop.sql(STATUSES) == [("placed", 1)]

    shop.edit("models/sales_daily.sql", "count(*) / 0", "count(*)")
    shop.dbt("run", "--select", "sales_daily")
    shop.dbt("test")
    assert shop.sql(STATUSES) == [("placed", 2)]


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("group by 1\nunion all select min(order_date), 1, 1 from {{ ref('fct_orders') }}", "duplicate key"),
        ("group by 1\nunion all select cast('2017-01-01' as date), null, 1", "null value in column"),
    ],
)
def test_a_mart_that_breaks_its_own_constraint_is_not_made_and_keeps_all(shop: Shop, spoilt: str, said: str) -> None:
    """What no test asks, since the table refuses it: a second row of a grain, a value that is missing."""
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(2)], order_lines=[line(2, 7, 5)])
    shop.edit("models/sales_daily.sql", "group by 1", spoilt)
    outcome = shop.dbt("build")
    assert not outcome.success
    assert said in outcome.said
    assert "sales_daily (error) failed" in shop.latest_build()["message"]
    assert shop.sql(SALES) == [("2017-06-01", 1, "5.00")]
    assert shop.sql(STATUSES) == [("placed", 1)]


def test_a_table_is_counted_for_the_planner_before_the_next_model_reads_it(shop: Shop) -> None:
    shop.load(orders=[order(1), order(2)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    counted = (
        "select reltuples from pg_class where oid in ('warehouse.fct_orders'::regclass, '{}.order_list'::regclass)"
    )
    assert shop.sql(counted.format("mart_operations__build")) == [(2,), (2,)]


@pytest.mark.parametrize(("most", "counted"), [(0, 3), (1, 2)])
def test_a_fact_is_counted_again_when_many_of_its_keys_were_replaced(shop: Shop, most: int, counted: int) -> None:
    run = ("run", "--select", "fct_orders", "--vars", json.dumps({"most_keys_looked_up": most}))
    shop.load(orders=[order(1), order(2)])
    assert shop.dbt("run", *run[3:]).success
    shop.load(orders=[order(3)])
    assert shop.dbt(*run).success
    assert shop.sql("select reltuples from pg_class where oid = 'warehouse.fct_orders'::regclass") == [(counted,)]


@contextmanager
def reader(shop: Shop) -> Iterator[Any]:
    """A BI tool in a transaction that sees one state; it gives up after two seconds of waiting."""
    connection = shop.connect()
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection.cursor() as cursor:
        cursor.execute("set local statement_timeout = '2s'")
        cursor.execute("set local idle_in_transaction_session_timeout = '60s'")  # who waits for us waits no longer
        yield cursor
    connection.close()


def test_readers_go_on_reading_the_state_they_began_with(shop: Shop) -> None:
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(1, "completed", day=2), order(2)], order_lines=[line(2, 7, 5)])
    with reader(shop) as cursor:
        cursor.execute(SALES)
        before = cursor.fetchall()
        assert shop.dbt("build").success  # is not kept waiting by the reader, nor keeps it waiting
        cursor.execute(SALES)
        assert cursor.fetchall() == before
        cursor.execute(STATUSES)  # also a mart that it had not read yet
        assert cursor.fetchall() == [("placed", 1)]
    assert shop.sql(SALES) == [("2017-06-01", 1, "5.00"), ("2017-06-02", 1, "5.00")]
    assert shop.sql(STATUSES) == [("completed", 1), ("placed", 1)]


@pytest.mark.faults
def test_a_connection_that_dies_while_publishing_leaves_all_marts_as_they_were(shop: Shop) -> None:
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.load(orders=[order(2)], order_lines=[line(2, 7, 5)])
    shop.sql(
        "create schema faults; create function faults.die() returns trigger language plpgsql as"
        " 'begin perform pg_terminate_backend(pg_backend_pid()); return new; end'"
    )
    # sales_daily is the last one to be published: order_list has been by then.
    shop.sql("create trigger die before insert on mart_sales.sales_daily execute function faults.die()")
    assert not shop.dbt("build").success
    assert shop.sql(SALES) == [("2017-06-01", 1, "5.00")]
    assert shop.sql(STATUSES) == [("placed", 1)]
    assert "publishing broke off" in shop.latest_build()["message"]

    shop.sql("drop trigger die on mart_sales.sales_daily")
    assert shop.dbt("test").success
    assert shop.sql(SALES) == [("2017-06-01", 2, "10.00")]
    assert shop.sql(STATUSES) == [("placed", 2)]


def test_what_bi_has_built_upon_a_mart_stays(shop: Shop) -> None:
    shop.load(orders=[order(1), order(2), order(3, day=2)], order_lines=[line(1, 7, 5)])
    assert shop.dbt("build").success
    shop.sql("create schema bi")
    shop.sql("create view bi.days as select order_date, orders from mart_sales.sales_daily")
    shop.sql("grant select on mart_sales.sales_daily to pg_monitor")
    identity = "select oid, relacl::text from pg_class where oid = 'mart_sales.sales_daily'::regclass"
    before = shop.sql(identity)

    # Another column is added and one gets another type: rows are new, the table is not.
    shop.edit("models/sales_daily.sql", "as sales_amount", "as sales_amount, cast('x' as text) as note")
    shop.edit("models/sales_daily.sql", "numeric(14, 2)", "numeric(16, 3)")
    shop.edit("models/marts.yml", "numeric(14,2)", "numeric(16,3)")
    shop.edit("models/marts.yml", "    - {name: orders,", "    - {name: note, data_type: text}\n      - {name: orders,")
    shop.load(orders=[order(4, day=3)])
    outcome = shop.dbt("build")
    assert outcome.success, outcome.said
    assert shop.sql(identity) == before
    assert shop.sql("select order_date::text, orders from bi.days order by 1") == [
        ("2017-06-01", 2), ("2017-06-02", 1), ("2017-06-03", 1),
    ]  # fmt: skip
    assert shop.sql("select sales_amount::text, note from mart_sales.sales_daily order by order_date limit 1") == [
        ("5.000", "x")
    ]

    # A column that the view shows is renamed: nothing is published, and it is said why.
    shop.edit("models/sales_daily.sql", "as orders", "as order_count")
    shop.edit("models/marts.yml", "name: orders,", "name: order_count,")
    shop.edit("models/marts.yml", "columns: [orders]", "columns: [order_count]")
    shop.load(orders=[order(5, day=4)])
    outcome = shop.dbt("build")
    assert not outcome.success
    message = shop.latest_build()["message"]
    assert shop.latest_build()["status"] == "failed"
    assert "view bi.days depends on column orders of table mart_sales.sales_daily" in message
    assert shop.sql("select count(*) from bi.days") == [(3,)]
    assert shop.sql("select count(*) from mart_operations.order_list") == [(4,)]  # the other mart neither

    shop.sql("drop view bi.days")
    with reader(shop) as cursor:  # a column can't go while somebody reads: the wait is short, and readers come first
        cursor.execute("select orders from mart_sales.sales_daily")
        assert "somebody has been reading a mart whose columns change" in shop.dbt("test").said
    assert "published 2 marts" in shop.dbt("test").said
    assert shop.sql("select sum(order_count) from mart_sales.sales_daily") == [(5,)]


def test_a_published_table_is_described_keyed_and_indexed_as_the_model_is(shop: Shop) -> None:
    shop.load(orders=[order(1), order(2), order(3, "completed")])
    assert shop.dbt("build").success
    described = """
        select array[obj_description(t.oid), col_description(t.oid, 1)]
            || array(select pg_get_constraintdef(c.oid) from pg_constraint c where c.conrelid = t.oid order by 1)
            || array(select attname::text from pg_attribute where attrelid = t.oid and attnotnull and attnum > 0)
            || array(select substring(pg_get_indexdef(indexrelid) from ' USING .*') from pg_index
                     where indrelid = t.oid order by 1)
        from pg_class t where t.oid = %s::regclass
    """
    made = shop.sql(described, "mart_sales__build.sales_daily")
    assert made == shop.sql(described, "mart_sales.sales_daily")
    assert "What was sold, a day" in made[0][0]
    assert " USING btree (orders)" in made[0][0]

    shop.edit("models/marts.yml", "What was sold, a day", "Sales a day")
    shop.edit("models/marts.yml", "The shop's day", "A day of the shop")
    shop.edit("models/marts.yml", "[{type: not_null}, {type: primary_key}]", "[{type: not_null}]")
    shop.edit("models/marts.yml", "columns: [orders]", "columns: [sales_amount]")
    assert shop.dbt("build").success
    remade = shop.sql(described, "mart_sales__build.sales_daily")
    assert remade != made
    assert set(remade[0][0]) <= set(shop.sql(described, "mart_sales.sales_daily")[0][0])
    assert "PRIMARY KEY (order_date)" not in shop.sql(described, "mart_sales.sales_daily")[0][0]


def test_equal_rows_of_a_mart_without_a_key_are_counted(shop: Shop) -> None:
    shop.load(orders=[order(1), order(2), order(3, "completed")])
    assert shop.dbt("build").success
    assert shop.sql(STATUSES) == [("completed", 1), ("placed", 2)]
    shop.load(orders=[order(1, "completed"), order(4, "completed"), order(5)])
    outcome = shop.dbt("build")
    assert shop.sql(STATUSES) == [("completed", 3), ("placed", 2)]
    assert "published 2 marts: 3 rows in, 1 rows out" in outcome.said  # of both marts together


def test_of_two_builds_at_once_the_newer_one_goes_on(shop: Shop) -> None:
    shop.load(orders=[order(1)])

    def start_another(model: str) -> None:
        if model == "fct_orders":
            shop.sql(
                "with gone as (update ledger.builds set status = 'superseded' where status = 'running')"
                " insert into ledger.builds (upper_bound, status, invocation_id) values (1, 'running', 'another')"
            )

    shop.when_done = start_another
    outcome = shop.dbt("build")
    assert not outcome.success
    assert "this build was overtaken by a newer one" in outcome.said
    assert shop.sql("select to_regclass('mart_sales__build.sales_daily')") == [(None,)]
    assert shop.sql("select status from ledger.builds order by build_id") == [("superseded",), ("running",)]


def test_a_mart_without_a_model_stays_and_is_named(shop: Shop) -> None:
    shop.load(orders=[order(1)])
    assert shop.dbt("build").success
    shop.write("models/order_days.sql", (shop.folder / "models/order_list.sql").read_text())
    (shop.folder / "models/order_list.sql").unlink()
    shop.edit("models/marts.yml", "name: order_list", "name: order_days")
    outcome = shop.dbt("build")
    assert outcome.success, outcome.said
    assert "mart_operations.order_list has no model any more" in outcome.said
    assert shop.sql("select count(*) from mart_operations.order_list, mart_operations.order_days") == [(1,)]
