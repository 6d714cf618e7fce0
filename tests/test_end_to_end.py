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
from loader.intake.load import load_file, load_stream
from loader.ledger.loads import Origin
from loader.settings import Settings
from loader.steps import Steps
from tests.conftest import ROOT

SCALE = 0.01


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

    dbt(here, tmp_path, "build")
    assert one(engine, "select status from ledger.builds order by build_id desc limit 1")[0] == "published"
    assert_reconciled(engine, let_in, orders)

    again = demonstration.load_shop(here, engine, contract, "sample", SCALE, step)
    assert again == "all of it is loaded already"

    late = load_file(
        engine, contract, contract.find("erp.products"), ROOT / "examples" / "late_products.json", principal="test"
    )
    released = {release.table: release.accepted for release in late.releases}
    assert released["order_lines"] == len(lines) - len(let_in)
    assert_reconciled(engine, let_in, orders)  # yesterday's marts until the next build
    dbt(here, tmp_path, "run")
    assert one(engine, "select status from ledger.builds order by build_id desc limit 1")[0] == "built"
    assert mart(engine) == total(let_in)
    dbt(here, tmp_path, "test")
    assert one(engine, "select status from ledger.builds order by build_id desc limit 1")[0] == "published"
    assert_reconciled(engine, lines, orders)


def every_receipt_is_as_the_files_foretell(engine: sa.Engine, folder: Path) -> None:
    foretold = json.loads((folder / "faults.json").read_text())["files"]
    with engine.connect() as connection:
        found = connection.execute(sa.text("select * from ledger.loads where door = 'file'")).mappings().all()
    assert len(found) == len(foretold) >= 20
    for load in found:
        expected = foretold[load["file_name"]]["expected"]
        assert {name: load[name] for name in expected} == expected, load["file_name"]
        assert load["received"] == sum(load[n] for n in ("accepted", "waiting", "rejected", "duplicates"))


def total(lines: list[dict[str, Any]]) -> Decimal:
    return sum((line["sales_amount"] for line in lines), Decimal(0))


def mart(engine: sa.Engine) -> Decimal:
    return one(engine, "select sum(sales_amount) from mart_sales.sales_daily")[0]


def assert_reconciled(engine: sa.Engine, lines: list[dict[str, Any]], orders: int) -> None:
    expected = total(lines)
    assert one(engine, "select count(*), sum(sales_amount) from warehouse.fct_order_lines") == (len(lines), expected)
    assert one(engine, "select count(*), sum(sales_amount) from warehouse.fct_orders") == (orders, expected)
    assert mart(engine) == expected
    assert one(engine, "select sum(sales_amount) from mart_customers.customer_360")[0] == expected
    assert one(engine, "select sum(sales_amount) from mart_merchandising.product_performance")[0] == expected


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
    with client.session_transaction() as session:
        session["user_id"], session["user"] = 1, "ann"
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
