"""The whole way on a hundredth of the shop: files → door → staging → dbt → marts, and back to the door."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from loader import demonstration
from loader.app import create_app
from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.departments import make_roles
from loader.intake.load import load_file, load_stream
from loader.ledger import access
from loader.ledger.loads import Origin
from loader.settings import Settings
from loader.steps import Steps
from tests.completeness import not_passed
from tests.conftest import ROOT
from tests.marts_page import ask, questions
from tests.pages.desk import NAME, PASSWORD, log_in
from tests.roles import assert_reads_its_mart_and_nothing_else, readable, session_of
from tests.trace.walk import count_by_hand, walk_every_mart
from tests.warehouse import checksums, incremental_models, sources_that_change

SCALE = 0.01
# Orders whose payments are not what the customer owes for their lines, less what came back. A maker's
# coupon is the maker's to pay, and pays nothing out.
PAID_OTHERWISE = """
    select count(*) from staging_erp.orders
    left join (
        select order_id, greatest(sum(sales_amount - coupon_discount), 0) as owed
        from staging_erp.order_lines group by 1
    ) as s using (order_id)
    left join (select order_id, sum(refund_amount) as back from staging_erp.returns group by 1) as r using (order_id)
    left join (
        select order_id, sum(case status when 'captured' then amount when 'refunded' then -amount else 0 end) as paid
        from staging_erp.payments group by 1
    ) as p using (order_id)
    where coalesce(owed, 0) - coalesce(back, 0) <> coalesce(paid, 0)
"""
SELLING_REGION = """
    select region from staging_erp.locations join staging_erp.orders using (location_id)
    join staging_erp.order_lines using (order_id)
    group by region order by count(*) desc, region limit 1
"""
# What comes after the first build, so that each incremental model has keys to replace by each
# source that its changed_by names: a row that stands (`had`), and what is new in it. None of
# it moves the sums that the files foretell.
CHANGES = {
    "erp.orders": """
        select had, jsonb_build_object(
            'updated_at', had.updated_at + interval '1 day',
            'channel', case had.channel when 'app' then 'web' else 'app' end,
            'customer_id', (select min(customer_id) from staging_crm.customers where customer_id <> had.customer_id),
            'location_id', (select min(location_id) from staging_erp.locations where location_id <> had.location_id)
        ) as new
        from staging_erp.orders as had
        where order_id = (
            select min(order_id) from staging_erp.returns
            join staging_erp.payments using (order_id) join staging_erp.order_lines using (order_id)
        )
    """,
    "erp.products": """
        select had, jsonb_build_object(
            'updated_at', had.updated_at + interval '1 day', 'name', 'Corrected', 'unit_cost', had.unit_cost + 1
        ) as new
        from staging_erp.products as had
        where product_id = (select min(product_id) from staging_erp.order_lines)
    """,
    "crm.customers": """
        select had, jsonb_build_object('updated_at', middle, 'status', 'closed', 'marketing_consent', false) as new
        from staging_crm.customers as had
        join lateral (
            select percentile_disc(0.5) within group (order by ordered_at) as middle
            from staging_erp.orders where customer_id = had.customer_id
        ) as orders on middle > had.updated_at
        order by customer_id limit 1
    """,
    "crm.addresses": """
        select had, jsonb_build_object('updated_at', middle, 'city', 'Elsewhere') as new
        from staging_crm.addresses as had
        join lateral (
            select percentile_disc(0.7) within group (order by ordered_at) as middle
            from staging_erp.orders where customer_id = had.customer_id
        ) as orders on middle > had.updated_at
        where address_type = 'home' order by customer_id limit 1
    """,
    "erp.payments": """
        select had, jsonb_build_object(
            'payment_id', (select max(payment_id) + 1 from staging_erp.payments),
            'paid_at', had.paid_at - interval '5 s'
        ) as new
        from staging_erp.payments as had
        where status = 'captured'
        order by order_id desc, paid_at limit 1
    """,
    "erp.shipments": """
        select had, jsonb_build_object(
            'updated_at', had.updated_at + interval '1 day', 'status', 'delivered',
            'shipped_at', had.updated_at, 'delivered_at', had.updated_at + interval '1 day'
        ) as new
        from staging_erp.shipments as had
        where had.status <> 'delivered' order by shipment_id limit 1
    """,
    "erp.returns": """
        select had, jsonb_build_object(
            'return_id', (select max(return_id) + 1 from staging_erp.returns),
            'returned_at', had.returned_at - interval '1 hour'
        ) as new
        from staging_erp.returns as had
        order by return_id limit 1
    """,
    "marketing.email_events": """
        select had, jsonb_build_object('event_id', gen_random_uuid(), 'event_type', 'opened') as new
        from staging_marketing.email_events as had
        order by event_id limit 1
    """,
    "web.activity_events": """
        select had, jsonb_build_object('event_id', gen_random_uuid()) as new
        from staging_web.activity_events as had
        order by event_id limit 1
    """,
    # Before all that its shelf is known of, so that every level after it moves.
    "erp.stock_movements": """
        select had, jsonb_build_object(
            'movement_id', (select max(movement_id) + 1 from staging_erp.stock_movements),
            'movement_type', 'adjustment', 'quantity', 3, 'moved_at', had.moved_at - interval '2 days'
        ) as new
        from staging_erp.stock_movements as had
        order by moved_at, movement_id limit 1
    """,
    # Another way of showing a product that stands in a display: its week becomes one of both.
    "marketing.promotions": """
        select had, jsonb_build_object('display_location', '0', 'mailer_location', 'D') as new
        from staging_marketing.promotions as had
        where display_location <> '0' and mailer_location = '0' and not exists (
            select from staging_marketing.promotions as others
            where (others.product_id, others.location_id, others.year, others.week, others.display_location)
                = (had.product_id, had.location_id, had.year, had.week, '0')
        )
        order by product_id, location_id, year, week limit 1
    """,
    "marketing.campaign_targets": """
        select had, jsonb_build_object('customer_id', (
            select min(customer_id) from staging_crm.customers where customer_id not in (
                select customer_id from staging_marketing.campaign_targets as others
                where others.campaign_id = had.campaign_id
            )
        )) as new
        from staging_marketing.campaign_targets as had
        order by campaign_id, customer_id limit 1
    """,
    "marketing.coupon_redemptions": """
        select had, jsonb_build_object('redeemed_on', (
            select max(redeemed_on) + 1 from staging_marketing.coupon_redemptions
        )) as new
        from staging_marketing.coupon_redemptions as had
        order by customer_id, coupon_upc, campaign_id, redeemed_on limit 1
    """,
}


def dbt(settings: Settings, scratch: Path, *arguments: str) -> str:
    """dbt as a user runs it, but for where its files go; what it printed."""
    run = subprocess.run(
        [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors", "--log-path", str(scratch),
         *arguments, "--target-path", str(scratch / "target")],
        cwd=settings.project_dir, env=os.environ | settings.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    return run.stdout


def one(engine: sa.Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).one()


def test_the_shop_from_its_files_to_its_marts(settings: Settings, engine: sa.Engine, tmp_path: Path) -> None:
    here = replace(settings, state_dir=tmp_path)
    shutil.copytree(settings.state_dir / "contract", tmp_path / "contract", dirs_exist_ok=True)
    contract = read_contract(here.project_dir, here.state_dir)
    with Steps().step("shop") as step:
        demonstration.load_shop(here, engine, contract, "sample", SCALE, step)
    folder = next((tmp_path / "shop").iterdir())

    every_receipt_is_as_the_files_foretell(engine, folder)
    lines = pq.read_table(folder / "order_lines.parquet").to_pylist()
    known = {r["product_id"] for r in pq.read_table(folder / "products.parquet", columns=["product_id"]).to_pylist()}
    let_in = [line for line in lines if line["product_id"] in known]
    assert len(let_in) < len(lines), "some lines must wait, or the release below proves nothing"
    orders = pq.read_table(folder / "orders.parquet").num_rows

    make_roles(engine, contract.departments)
    region = one(engine, SELLING_REGION)[0]
    with engine.begin() as connection:
        connection.execute(sa.text(f'create role "gatehouse_region_{region}"'))
    dbt(here, tmp_path, "build")
    assert one(engine, "select status from ledger.builds order by build_id desc limit 1")[0] == "published"
    assert_reconciled(engine, let_in, orders)
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    everything_was_tested(engine, manifest)
    everybody_reads_their_own(here, manifest, contract.departments, region)
    paid_otherwise = one(engine, PAID_OTHERWISE)[0]
    assert 0 < paid_otherwise < orders / 20
    found = "select failures from ledger.build_results where unique_id = 'test.gatehouse.payments_match_orders'"
    assert one(engine, found)[0] == paid_otherwise

    for question in questions():
        answer = ask(question.sql, here.environment())
        names = [[name.strip() for name in line.split("|")] for line in (answer.split("\n")[0], question.columns)]
        assert names[0] == names[1], question.mart
    walk_every_mart(engine, contract, tmp_path / "target")
    count_by_hand(engine, contract, tmp_path / "target")

    again = demonstration.load_shop(here, engine, contract, "sample", SCALE, step)
    assert again == "all of it is loaded already"

    late = load_file(
        engine, contract, contract.find("erp.products"), ROOT / "examples" / "late_products.json", principal="test"
    )
    released = {release.table: release.accepted for release in late.releases}
    assert released["order_lines"] == len(lines) - len(let_in)
    for table, query in CHANGES.items():
        change(engine, contract, table, query)
    assert_reconciled(engine, let_in, orders)  # yesterday's marts until the next build
    dbt(here, tmp_path, "run")
    assert one(engine, "select status from ledger.builds order by build_id desc limit 1")[0] == "built"
    assert mart(engine) == total(let_in)
    dbt(here, tmp_path, "test")
    assert one(engine, "select status from ledger.builds order by build_id desc limit 1")[0] == "published"
    assert_reconciled(engine, lines, orders)

    incremental = checksums(engine)
    assert {f"warehouse.{name}" for name in incremental_models(manifest)} < incremental.keys()
    changed = CHANGES.keys() | {"erp.order_lines"}  # those that were released
    assert sources_that_change(manifest) <= changed, "a model is not shown to follow a source of its own"
    assert any(name.startswith("mart_sales__build.") for name in incremental)
    assert all(rows for rows, _ in incremental.values())
    dbt(here, tmp_path, "run", "--full-refresh")
    full = checksums(engine)
    assert {name: (incremental.get(name), full.get(name)) for name in incremental.keys() | full.keys()
            if incremental.get(name) != full.get(name)} == {}  # fmt: skip


def change(engine: sa.Engine, contract: Contract, table: str, query: str) -> None:
    """Load the one row, as JSON, that the query makes of rows in staging."""
    sent = "(to_jsonb(had) - '{_load_id,_row,_loaded_at}'::text[]) || new"
    body = io.BytesIO(one(engine, f"select ({sent})::text from ({query}) as changed")[0].encode())
    receipt = load_stream(engine, contract, contract.find(table), body, "ndjson", Origin("api", "test"))
    assert receipt.accepted == 1, (table, receipt)


def every_receipt_is_as_the_files_foretell(engine: sa.Engine, folder: Path) -> None:
    foretold = json.loads((folder / "faults.json").read_text())["files"]
    with engine.connect() as connection:
        found = connection.execute(sa.text("select * from ledger.loads where door = 'file'")).mappings().all()
    assert len(found) == len(foretold) >= 20
    for load in found:
        expected = foretold[load["file_name"]]["expected"]
        assert {name: load[name] for name in expected} == expected, load["file_name"]
        assert load["received"] == sum(load[n] for n in ("accepted", "waiting", "rejected", "duplicates"))


def everything_was_tested(engine: sa.Engine, manifest: dict[str, Any]) -> None:
    query = (
        "select unique_id, status from ledger.build_results where build_id = (select max(build_id) from ledger.builds)"
    )
    with engine.connect() as connection:
        results = {row.unique_id: row.status for row in connection.execute(sa.text(query))}
    assert not_passed(manifest, results) == {}


def everybody_reads_their_own(
    settings: Settings, manifest: dict[str, Any], departments: tuple[str, ...], region: str
) -> None:
    marts = [
        node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["fqn"][1] == "marts"
    ]
    assert {node["fqn"][2] for node in marts} == set(departments)
    for department in departments:
        tables = {node["alias"] for node in marts if node["fqn"][2] == department}
        assert_reads_its_mart_and_nothing_else(settings, department, tables)

    by_region = {
        f"mart_{node['fqn'][2]}.{node['alias']}": access["column"]
        for node in marts
        if (access := node["config"]["meta"].get("row_access")) and access["roles"] == "gatehouse_region_"
    }
    role = f"gatehouse_region_{region}"
    assert set().union(*readable(settings, role).values()) == by_region.keys() != set()
    with session_of(settings, role) as cursor:
        for table, column in by_region.items():
            cursor.execute(f"select distinct {column} from {table}")
            assert cursor.fetchall() == [(region,)], table
        cursor.execute("reset session authorization")
        cursor.execute(f'drop owned by "{role}"')
        cursor.execute(f'drop role "{role}"')


def total(lines: list[dict[str, Any]]) -> Decimal:
    return sum((line["sales_amount"] for line in lines), Decimal(0))


def mart(engine: sa.Engine) -> Decimal:
    return one(engine, "select sum(sales_amount) from mart_sales.sales_daily")[0]


def assert_reconciled(engine: sa.Engine, lines: list[dict[str, Any]], orders: int) -> None:
    expected = total(lines)
    assert one(engine, "select count(*), sum(sales_amount) from warehouse.fct_order_lines") == (len(lines), expected)
    assert one(engine, "select count(*), sum(sales_amount) from warehouse.fct_orders") == (orders, expected)
    assert mart(engine) == expected
    wide = "select count(*), sum(sales_amount), sum(ordered_amount) from mart_sales.orders_wide"
    assert one(engine, wide) == (orders, expected, expected)
    for table in (
        "mart_finance.revenue_bridge_monthly", "mart_customers.customer_360", "mart_merchandising.product_performance",
    ):  # fmt: skip
        assert one(engine, f"select sum(sales_amount) from {table}")[0] == expected, table


@pytest.fixture
def own_project(tmp_path: Path) -> Path:
    """A copy of the dbt project that a test may change."""
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "dbt_project", tmp_path / "dbt_project")
    return tmp_path


def test_one_changed_line_changes_form_document_verdict_and_test(
    own_project: Path, settings: Settings, engine: sa.Engine
) -> None:
    here = replace(settings, project_dir=own_project, state_dir=own_project / ".gatehouse")
    row = {
        "location_id": 1, "location_type": "kiosk", "name": "Corner", "city": "Ohio", "region": "OH",
        "country_code": "US", "timezone": "America/New_York", "opened_on": "2001-01-01",
        "updated_at": "2017-01-01T00:00:00Z",
    }  # fmt: skip
    with engine.begin() as connection:
        access.set_password(connection, NAME, PASSWORD, "clerk")
    before = seen(here, engine, row)
    assert before == (False, False, "rejected")
    with pytest.raises(AssertionError, match="accepted_values"):
        force_and_test(here, engine)

    sources = own_project / "dbt_project/models/staging/erp/_erp__sources.yml"
    text = sources.read_text()
    assert text.count("values: [store, depot]") == 1
    sources.write_text(text.replace("values: [store, depot]", "values: [store, depot, kiosk]"))

    assert seen(here, engine, row) == (True, True, "accepted")
    force_and_test(here, engine)


def seen(settings: Settings, engine: sa.Engine, row: dict[str, Any]) -> tuple[bool, bool, str]:
    """Whether the form and the API's document offer the value, and what the door says of it."""
    app = create_app(settings)
    client = app.test_client()
    assert log_in(client).status_code == 303
    form = client.get("/tables/erp/locations/new").text
    document = client.get("/api/v1/openapi.json").get_json()
    choices = document["components"]["schemas"]["erp.locations"]["properties"]["location_type"]["enum"]
    contract: Contract = app.extensions["gatehouse"].contract()
    body = io.BytesIO(json.dumps(row).encode())
    receipt = load_stream(engine, contract, contract.find("erp.locations"), body, "json", Origin("api", "test"))
    app.extensions["gatehouse"].engine.dispose()
    verdict = next(v for v in ("accepted", "rejected", "waiting", "duplicates") if getattr(receipt, v))
    return "kiosk" in form, "kiosk" in choices, verdict


def force_and_test(settings: Settings, engine: sa.Engine) -> None:
    """Put the row into staging behind the door's back, if it is not there, and ask dbt."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into staging_erp.locations values (1, 'kiosk', 'Corner', 'Ohio', 'OH', 'US', "
                "'America/New_York', '2001-01-01', '2017-01-01', 0, 1) on conflict do nothing"
            )
        )
    try:
        dbt(settings, settings.state_dir, "run", "--select", "stg_erp__locations")
        dbt(settings, settings.state_dir, "test", "--select", "source:erp.locations,test_name:accepted_values")
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("delete from staging_erp.locations where _load_id = 0"))
