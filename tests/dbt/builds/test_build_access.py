"""Who reads a published mart: its department's role, those that the model names, and of some rows only who may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from loader.database import make_engine
from loader.departments import make_roles, role_of, standing_of
from tests.dbt.builds.shop import Shop, line, order
from tests.roles import RELATIONS, session_of

OWN = {"sales": "mart_sales.sales_daily", "operations": "mart_operations.order_list"}
STATUSES = "select status, count(*) from mart_operations.order_list group by 1 order by 1"


@pytest.fixture
def role(shop: Shop) -> Iterator[Any]:
    """A function that makes a role, which is gone after the test: roles are the server's."""
    made: list[str] = []

    def make(name: str) -> str:
        shop.sql(f'create role "{name}"')
        made.append(name)
        return name

    yield make
    for name in reversed(made):
        shop.sql(f'drop owned by "{name}"')
        shop.sql(f'drop role "{name}"')


def build(shop: Shop) -> str:
    outcome = shop.dbt("build")
    assert outcome.success, outcome.said
    return outcome.said


def test_a_department_reads_its_mart_and_nothing_else(shop: Shop) -> None:
    engine = make_engine(shop.settings)
    make_roles(engine, OWN)
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    build(shop)
    relations = {relation for relation, _ in shop.sql(RELATIONS)}
    assert {"mart_sales__build.sales_daily", "warehouse.fct_orders", "staging.stg_erp__orders", "ledger.loads",
            "staging_erp.orders"} < relations  # fmt: skip
    for department, own in OWN.items():
        with session_of(shop.settings, role_of(department)) as cursor:
            cursor.execute(f"select * from {own}")
            assert cursor.fetchall()
            for statement in [f"delete from {own}", *(f"select from {r}" for r in relations - {own})]:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)
    with engine.connect() as connection:
        for standing in standing_of(connection, list(OWN)):
            assert (standing.reads, standing.beyond) == ((OWN[standing.department],), ())
    engine.dispose()


def test_a_role_that_comes_later_reads_from_the_next_publishing_on(shop: Shop, role: Any) -> None:
    shop.edit("models/order_list.sql", "mart_operations__build", "mart_depot__build")
    shop.load(orders=[order(1)])
    assert "Without a role on this server, and so without a reader: gatehouse_mart_depot" in build(shop)
    with session_of(shop.settings, role("gatehouse_mart_depot")) as cursor:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("select from mart_depot.order_list")
        assert "Without a role" not in shop.dbt("test").said
        cursor.execute("select status from mart_depot.order_list")
        assert cursor.fetchall() == [("placed",)]


def test_who_the_model_names_reads_the_published_table_and_not_the_built_one(shop: Shop, role: Any) -> None:
    auditor, build_table = role("gatehouse_auditor_of_test"), "mart_sales__build.sales_daily"
    grants = "      materialized: table\n      grants: {{{}: [gatehouse_auditor_of_test, gatehouse_no_such_role]}}"
    shop.edit("models/marts.yml", "      materialized: table", grants.format("select"))
    shop.load(orders=[order(1)], order_lines=[line(1, 7, 5)])
    assert "gatehouse_no_such_role" in build(shop)
    rights = "select has_table_privilege(%s, %s, 'select')"
    assert shop.sql(rights, auditor, "mart_sales.sales_daily") == [(True,)]
    assert shop.sql(rights, auditor, build_table) == [(False,)]

    # Whom the model names no more is shut out, also where the rows are those of before; a grant by hand stays.
    by_hand = role("gatehouse_guest_of_test")
    shop.sql(f"grant select on mart_sales.sales_daily to {by_hand}")
    shop.edit("models/marts.yml", "[gatehouse_auditor_of_test, ", "[")
    build(shop)
    assert shop.sql(rights, auditor, "mart_sales.sales_daily") == [(False,)]
    assert shop.sql(rights, by_hand, "mart_sales.sales_daily") == [(True,)]

    shop.edit("models/marts.yml", "grants: {select:", "grants: {update:")
    outcome = shop.dbt("build")
    assert not outcome.success
    assert "sales_daily grants update: a mart grants select and nothing else" in outcome.said


ROWS = "  - name: order_list\n    config: {{meta: {{row_access: {{column: {}, roles: {}}}}}}}"


def test_rows_are_seen_by_the_department_and_by_the_role_named_by_their_value(shop: Shop, role: Any) -> None:
    engine = make_engine(shop.settings)
    make_roles(engine, OWN)
    placed, lost = role("gatehouse_status_placed"), role("gatehouse_status_lost")
    ann, both, stranger = role("ann of test"), role("both of test"), role("stranger of test")
    shop.sql(f'grant "{placed}" to "{ann}"')
    shop.sql(f'grant "{placed}", gatehouse_mart_operations to "{both}"')
    shop.edit("models/marts.yml", "  - name: order_list", ROWS.format("status", "gatehouse_status_"))
    shop.load(orders=[order(1), order(2), order(3, "completed")])
    build(shop)
    shop.sql(f'grant usage on schema mart_operations to "{stranger}"')
    shop.sql(f'grant select on mart_operations.order_list to "{stranger}"')

    everything = [("completed", 1), ("placed", 2)]
    seen = {"gatehouse_mart_operations": everything, placed: [("placed", 2)], lost: [], ann: [("placed", 2)],
            both: everything, stranger: []}  # fmt: skip
    for name, expected in seen.items():
        with session_of(shop.settings, name) as cursor:
            cursor.execute(STATUSES)
            assert cursor.fetchall() == expected, name
    with session_of(shop.settings, ann) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("select from mart_sales.sales_daily")  # a table without a rule is the department's alone

    # The next publishing goes by the same rule, also when a column comes and its own changes.
    shop.load(orders=[order(4)])
    shop.edit("models/order_list.sql", "select status,", "select cast(status as varchar(20)) as status, 1 as more,")
    build(shop)
    with session_of(shop.settings, ann) as cursor:
        cursor.execute(STATUSES)
        assert cursor.fetchall() == [("placed", 3)]

    # With the rule goes who was let in by it: they would see all rows.
    shop.edit("models/marts.yml", ROWS.format("status", "gatehouse_status_"), "  - name: order_list")
    build(shop)
    with session_of(shop.settings, ann) as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute(STATUSES)
    with session_of(shop.settings, "gatehouse_mart_operations") as cursor:
        cursor.execute(STATUSES)
        assert cursor.fetchall() == [("completed", 1), ("placed", 3)]
    engine.dispose()


@pytest.mark.parametrize(
    ("column", "roles", "why"),
    [
        ("status", "gatehouse_mart_", "meta.row_access.roles is 'gatehouse_mart_'"),
        ("status", "''", "meta.row_access.roles is ''"),
        ("region", "gatehouse_region_", "meta.row_access.column is 'region'"),
    ],
)
def test_a_row_rule_that_can_not_be_meant_stops_the_publishing(shop: Shop, column: str, roles: str, why: str) -> None:
    shop.edit("models/marts.yml", "  - name: order_list", ROWS.format(column, roles))
    shop.load(orders=[order(1)])
    outcome = shop.dbt("build")
    assert not outcome.success
    assert why in outcome.said
    assert shop.sql("select to_regclass('mart_operations.order_list')") == [(None,)]
