"""The shop at full size: every figure that the design promises, summed from the files themselves."""

import json
import re
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT
from tests.examples.conftest import MadeShop
from tests.examples.judge import Door, counts

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def full(make_shop: Callable[..., MadeShop]) -> MadeShop:
    return make_shop()


def test_lines_orders_and_sales_come_out(full: MadeShop) -> None:
    lines = pq.read_table(full.folder / "order_lines.parquet")
    products = pq.read_table(full.folder / "products.parquet", columns=["product_id"])["product_id"]
    assert len(lines.select(["order_id", "product_id"]).group_by(["order_id", "product_id"]).aggregate([])) == 1_469_307
    known = pc.is_in(lines["product_id"], value_set=products)
    waiting, let_in = lines.filter(pc.invert(known)), lines.filter(known)
    assert (len(products), len(lines), len(waiting), len(let_in)) == (92_331, 1_469_307, 4_836, 1_464_471)
    assert len(waiting["product_id"].unique()) == 17
    assert pc.sum(let_in["sales_amount"]).as_py() == Decimal("4595867.01")
    assert pc.sum(waiting["sales_amount"]).as_py() == Decimal("172.57")
    assert pc.sum(pc.equal(let_in["quantity"], 0)).as_py() == 4_065
    assert pc.sum(pc.equal(waiting["quantity"], 0)).as_py() == 4_804
    orders = pq.read_table(full.folder / "orders.parquet")["order_id"].unique()
    assert len(orders) == 155_848
    assert len(orders) - len(let_in["order_id"].unique()) == 157
    assert pc.all(pc.is_in(lines["order_id"], value_set=orders)).as_py()


def test_customers_and_coupons_come_out(full: MadeShop) -> None:
    assert len(set(full.column("customers.ndjson", "customer_id"))) == 2_469
    assert full.faults["files"]["coupons.csv"]["expected"] == {
        "received": 116_204, "accepted": 111_316, "waiting": 16, "rejected": 0, "duplicates": 4_872
    }  # fmt: skip
    products = set(pq.read_table(full.folder / "products.parquet", columns=["product_id"])["product_id"].to_pylist())
    unknown = [row["product_id"] for row in full.rows("coupons.csv") if int(row["product_id"]) not in products]
    assert (len(unknown), len(set(unknown))) == (16, 6)
    late = {str(row["product_id"]) for row in json.loads((ROOT / "examples/late_products.json").read_text())}
    assert len(set(unknown) & late) == 3
    assert sum(one in late for one in unknown) == 8


def test_nobody_is_given_back_what_a_coupon_paid(full: MadeShop) -> None:
    table = pq.read_table(full.folder / "order_lines.parquet")
    table = table.filter(pc.greater(table["coupon_discount"], Decimal("0.00")))
    lines = {(line["order_id"], line["product_id"]): line for line in table.to_pylist()}
    back = [row for row in full.rows("returns.ndjson") if (row["order_id"], row["product_id"]) in lines]
    assert back
    for row in back:
        line = lines[row["order_id"], row["product_id"]]
        assert Decimal(row["refund_amount"]) <= max(line["sales_amount"] - line["coupon_discount"], Decimal(0))


def test_about_one_basket_in_twelve_came_by_web_and_one_in_twenty_five_by_app(full: MadeShop) -> None:
    channel = np.array(pq.read_table(full.folder / "orders.parquet")["channel"].to_pylist())
    assert 0.07 < np.mean(channel == "web") < 0.09
    assert 0.03 < np.mean(channel == "app") < 0.05


def test_figures_are_those_of_the_design(full: MadeShop) -> None:
    figures = full.faults["figures"]
    assert figures["orders"] == 155_848
    assert figures["order_lines_let_in"] == 1_464_471
    assert figures["sales_amount_let_in"] == "4595867.01"
    assert figures["orders_with_waiting_lines_only"] == 157
    assert figures["orders_paid_otherwise_than_lines_let_in"] == sum(
        figures[f"orders_{why}"]
        for why in ("paid_otherwise_for_waiting_lines", "paid_too_little", "paid_twice", "unpaid_until_mended")
    )


def test_all_files_are_judged_as_faults_json_says(full: MadeShop) -> None:
    door = Door()
    for load in full.loads:
        if load.table == "marketing.promotions":
            continue  # 1.7 million dictionaries for nothing: the small shop has these too
        verdicts = door.take(load.table, full.folder / load.file)
        assert counts(verdicts) == full.faults["files"][load.file]["expected"], load.file


def test_the_readme_gives_the_rows_that_there_are(full: MadeShop) -> None:
    readme = (ROOT / "examples/README.md").read_text()
    said = dict(re.findall(r"^\| `([\w.]+)` \| ([\d,]+) \|", readme, re.MULTILINE))
    there = {load.file: f"{load.rows:,}" for load in full.loads}
    assert len(said) == 24
    assert said.items() <= there.items()
    figures = full.faults["figures"]
    assert f"by {figures['payments_less_lines_let_in']}, on {figures['orders_paid_otherwise_than_lines_let_in']}" in (
        " ".join(readme.split())
    )


def test_all_promotions_are_there(make_shop: Callable[..., MadeShop]) -> None:
    whole = make_shop(promotions="full")
    file = pq.ParquetFile(whole.folder / "promotions_weeks_01_to_53.parquet")
    assert file.metadata.num_rows == 20_940_529
    assert max(file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)) <= 131_072


def test_copies_multiply_the_sums_and_repeat_no_key(make_shop: Callable[..., MadeShop]) -> None:
    twice = make_shop(scale=2.0, promotions="none")
    figures = twice.faults["figures"]
    assert figures["sales_amount_let_in"] == "9191734.02"
    assert figures["order_lines_waiting"] == 2 * 4_836
    for name, key, rows in (
        ("orders.parquet", "order_id", 311_696), ("payments.parquet", "payment_id", None),
        ("shipments.parquet", "shipment_id", None), ("stock_movements.parquet", "movement_id", None),
        ("activity_events.parquet", "event_id", None),
    ):  # fmt: skip
        keys = pq.read_table(twice.folder / name, columns=[key])[key]
        assert len(keys.unique()) == len(keys) == (rows or len(keys))
    for name, key in (("returns.ndjson", "return_id"), ("email_events.ndjson", "event_id")):
        keys = twice.column(name, key)
        assert len(set(keys)) == len(keys)
    customers = twice.column("customers.ndjson", "customer_id")
    assert len(set(customers)) == len(customers) == 2 * 2_469
    assert len(set(twice.column("customers.ndjson", "email"))) == len(customers)
