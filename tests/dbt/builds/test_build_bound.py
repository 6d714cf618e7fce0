"""A build sees staging as it stood at its start, whatever is loaded meanwhile."""

from __future__ import annotations

from datetime import date

from tests.dbt.builds.shop import Shop, line, order

FCT_ORDERS = "select order_id, status, sales_amount::text from warehouse.fct_orders order by 1"


def test_loads_that_commit_during_a_build_are_seen_by_the_next_one_only(shop: Shop) -> None:
    shop.load(orders=[order(1), order(2), order(3)], order_lines=[line(1, 7, 5), line(2, 7, 6), line(3, 7, 7)])

    def load_between_models(model: str) -> None:
        if model == "stg_erp__orders":
            shop.load(orders=[order(1, "completed", day=2), order(4)], order_lines=[line(1, 7, 50), line(4, 7, 8)])
            shop.load(orders=[order(1, "cancelled", day=3)])
            shop.delete("order_lines", (2, 7))

    shop.when_done = load_between_models
    outcome = shop.dbt("build")
    shop.when_done = None

    assert outcome.success, outcome.said
    assert shop.latest_build()["upper_bound"] == 1
    assert shop.sql(FCT_ORDERS) == [(1, "placed", "5.00"), (2, "placed", "6.00"), (3, "placed", "7.00")]
    assert shop.sql("select seq from ledger.model_watermarks where relation = 'warehouse.fct_orders'") == [(1,)]

    assert shop.dbt("build").success
    assert shop.latest_build()["upper_bound"] == 4
    assert shop.sql(FCT_ORDERS) == [
        (1, "cancelled", "50.00"), (2, "placed", "0.00"), (3, "placed", "7.00"), (4, "placed", "8.00"),
    ]  # fmt: skip


def test_what_was_current_at_the_bound_is_seen_whatever_became_of_it(shop: Shop) -> None:
    shop.load(orders=[order(n) for n in range(1, 7)])
    shop.load(orders=[order(2, "completed", day=2)])  # 2 was replaced before the bound
    shop.delete("orders", (3,))  # and 3 deleted
    assert shop.dbt("run", "--select", "stg_erp__orders").success
    before = shop.sql("select * from staging.stg_erp__orders order by order_id")
    assert [(row[0], row[1]) for row in before] == [
        (1, "placed"), (2, "completed"), (4, "placed"), (5, "placed"), (6, "placed"),
    ]  # fmt: skip

    shop.load(orders=[order(1, "completed", day=2), order(2, "cancelled", day=3), order(3, "placed", day=4), order(9)])
    shop.delete("orders", (1,), (4,), (9,))
    shop.load(orders=[order(4, "cancelled", day=5)])
    late = shop.load()
    shop.sql(  # a version that was older than the current one when it came: never current
        "insert into staging_erp.orders__history select order_id, 'late', ordered_at, updated_at, %s, 1, now(), %s,"
        " now(), 'older' from staging_erp.orders where order_id = 5",
        late, late,
    )  # fmt: skip
    assert shop.sql("select * from staging.stg_erp__orders order by order_id") == before


def test_a_test_sees_sources_as_of_the_build_it_tests(shop: Shop) -> None:
    shop.load(orders=[order(1), order(2)], order_lines=[line(1, 7, 5), line(2, 7, 5)])
    assert shop.dbt("run").success
    # An order that a line of the build's state still needs is gone, and its line too.
    shop.delete("order_lines", (2, 7))
    shop.delete("orders", (2,))
    # What the next build will stumble upon does not concern this one.
    shop.load(order_lines=[line(3, 7, 5)])

    outcome = shop.dbt("test")
    assert outcome.success, outcome.said
    assert shop.latest_build()["status"] == "published"

    assert not shop.dbt("build").success
    assert "source_relationships_erp_order_lines" in shop.latest_build()["message"]


def test_as_of_is_the_latest_business_date_let_in_or_what_the_caller_says(shop: Shop) -> None:
    shop.sql(f"alter database {shop.settings.database} set timezone = 'Asia/Tokyo'")  # is nobody's business
    shop.load(orders=[order(1, day=3), order(2, day=4, hour=3)])  # 23:00 of the 3rd in New York
    assert shop.dbt("build").success
    assert shop.latest_build()["as_of"] == date(2017, 6, 3)
    assert shop.sql("select distinct order_date, as_of from mart_operations.order_list") == [
        (date(2017, 6, 3), date(2017, 6, 3))
    ]
    assert shop.dbt("run", "--vars", "as_of: 2017-12-31").success
    assert shop.latest_build()["as_of"] == date(2017, 12, 31)
    assert shop.dbt("test").success  # attaches: the day stays
    assert shop.sql("select distinct as_of from mart_operations.order_list") == [(date(2017, 12, 31),)]


def test_an_order_dated_in_the_future_moves_today_no_further_than_the_newest_load(shop: Shop) -> None:
    """The day after the load's own day in the shop's zone, and only loads up to the bound count."""
    in_2107 = (2, "placed", "2107-06-01 12:00+00", "2017-06-04 12:00+00")
    shop.load(orders=[order(1, day=3)])
    future = shop.load(orders=[in_2107])
    finished = "update ledger.loads set finished_at = %s where load_id = %s"
    shop.sql(finished, "2017-06-04 12:00+00", future - 1)
    shop.sql(finished, "2017-06-06 03:00+00", future)  # 23:00 of the 5th in New York
    shop.sql(
        "insert into ledger.loads (source, table_name, door, principal, status, finished_at)"
        " values ('erp', 'orders', 'hand', 'test', 'failed', '2018-01-01')"  # has no number: let nothing in
    )
    assert shop.dbt("run").success
    assert shop.latest_build()["as_of"] == date(2017, 6, 6)
    assert shop.dbt("run", "--vars", "as_of: 2107-06-01").success
    assert shop.latest_build()["as_of"] == date(2107, 6, 1)

    shop.load(orders=[order(2, day=4)])  # set right
    assert shop.dbt("run").success
    assert shop.latest_build()["as_of"] == date(2017, 6, 4)


def test_what_can_not_be_a_build_is_said_clearly(shop: Shop) -> None:
    shop.load(orders=[order(1)])
    assert "no build to test yet" in shop.dbt("test").said
    assert "not in this warehouse" in shop.dbt("run", "--empty").said
    assert shop.sql("select count(*) from ledger.builds") == [(0,)]

    shop.sql("insert into ledger.builds (upper_bound, status, invocation_id) values (1, 'running', 'killed')")
    assert "has not ended" in shop.dbt("test").said
    assert "this build takes over" in shop.dbt("run").said
    assert shop.sql("select status from ledger.builds order by build_id") == [("superseded",), ("built",)]

    shop.sql("alter schema ledger rename to ledger_away")
    for command in ("build", "test"):
        outcome = shop.dbt(command)
        assert not outcome.success
        assert "loader migrate" in outcome.said
