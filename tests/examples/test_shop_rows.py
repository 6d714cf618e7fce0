"""What the shop's rows say: real where The Complete Journey has them, consistent with it where it has not."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
import pytest

from examples.shop.columns import schema
from examples.shop.journey import Copy, Lines, baskets_of, copies, data_folder, read_lines
from examples.shop.late import late_products
from tests.conftest import ROOT
from tests.examples.conftest import MadeShop
from tests.examples.judge import KEYS, Door, counts

YEAR = date(2017, 1, 1)


@pytest.fixture(scope="session")
def real_lines() -> Lines:
    return read_lines()


def unknown_products() -> set[int]:
    read = {name: pq.read_table(data_folder() / f"{name}.parquet", columns=["product_id"]) for name in
            ("transactions", "products")}  # fmt: skip
    return set(read["transactions"]["product_id"].unique().to_pylist()) - set(
        read["products"]["product_id"].to_pylist()
    )


def test_first_files_repeat_no_key_but_the_coupons_that_do_in_life(small: MadeShop) -> None:
    first_of_table = {load.table: load for load in reversed(small.loads)}
    assert set(first_of_table) == set(KEYS)
    for table, load in first_of_table.items():
        count = Counter(tuple(row[column] for column in KEYS[table]) for row in small.rows(load.file))
        repeated = sum(count.values()) - len(count)
        assert repeated == small.faults["files"][load.file]["expected"]["duplicates"], table
        assert bool(repeated) == (table == "marketing.coupons")


def test_parquet_files_have_the_contracts_types(small: MadeShop) -> None:
    for load in small.loads:
        if load.file.endswith(".parquet"):
            assert pq.read_schema(small.folder / load.file).equals(schema(load.table)), load.file


def test_orders_and_lines_are_the_baskets_of_the_source(small: MadeShop) -> None:
    source = pq.read_table(data_folder() / "transactions.parquet").to_pandas()
    customers = set(small.column("customers.ndjson", "customer_id"))
    mine = source[source.household_id.isin(customers)]
    assert {(row["order_id"], row["product_id"]): (row["quantity"], row["sales_amount"], row["retail_discount"],
                                                   row["coupon_discount"], row["coupon_match_discount"])
            for row in small.rows("order_lines.parquet")} == {
        (basket, product): (quantity, *(Decimal(f"{value:.2f}") for value in money))
        for basket, product, quantity, *money in mine[
            ["basket_id", "product_id", "quantity", "sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
        ].itertuples(index=False)
    }  # fmt: skip
    baskets = mine.groupby("basket_id").agg(
        {"household_id": "first", "store_id": "first", "transaction_timestamp": "min"}
    )
    assert {row["order_id"]: (row["customer_id"], row["location_id"], row["ordered_at"].replace(tzinfo=None))
            for row in small.rows("orders.parquet")} == {
        basket: (household, store, at.to_pydatetime()) for basket, household, store, at in baskets.itertuples()
    }  # fmt: skip


def test_real_rows_were_updated_when_they_happened(small: MadeShop) -> None:
    ordered_at = {row["order_id"]: row["ordered_at"] for row in small.rows("orders.parquet")}
    assert all(row["updated_at"] == row["ordered_at"] for row in small.rows("orders.parquet"))
    assert all(row["updated_at"] == ordered_at[row["order_id"]] for row in small.rows("order_lines.parquet"))


def test_a_hundredth_still_has_the_faults_of_the_whole(small: MadeShop) -> None:
    figures = small.faults["figures"]
    assert 0.005 < figures["customers_with_orders"] / 2469 < 0.02
    assert figures["order_lines_waiting"] > 0
    assert figures["order_lines_of_quantity_0_let_in"] > 0
    assert figures["order_lines_of_quantity_0_waiting"] > 0
    assert figures["coupons_repeated_exactly"] > 0
    assert figures["coupons_waiting"] == 16
    assert small.faults["files"]["payments_2017-11-24.csv"]["expected"]["received"] > 0
    unknown = unknown_products()
    assert len(unknown) == 17
    assert not unknown & set(small.column("products.parquet", "product_id"))


def test_a_household_and_a_product_are_the_same_at_any_scale(
    small: MadeShop, make_shop: Callable[..., MadeShop]
) -> None:
    smaller = make_shop(scale=0.003, promotions="none")
    for name, key in (("customers.ndjson", "customer_id"), ("addresses.csv", "address_id"),
                      ("products.parquet", "product_id"), ("suppliers.ndjson", "supplier_id"),
                      ("locations.csv", "location_id"), ("categories.csv", "category_id")):  # fmt: skip
        here = {row[key]: row for row in small.rows(name)}
        there = {row[key]: row for row in smaller.rows(name)}
        assert there, name
        assert there.items() <= here.items(), name


def test_another_seed_changes_the_simulated_and_keeps_the_real(
    small: MadeShop, make_shop: Callable[..., MadeShop]
) -> None:
    other = make_shop(scale=0.01, seed=1, promotions="none")
    assert not {load.key for load in other.loads} & {load.key for load in small.loads}
    assert other.rows("order_lines.parquet") == small.rows("order_lines.parquet")
    assert other.column("customers.ndjson", "customer_id") == small.column("customers.ndjson", "customer_id")
    assert other.column("customers.ndjson", "last_name") != small.column("customers.ndjson", "last_name")


def owed(small: MadeShop) -> dict[int, Decimal]:
    """What the customer owes for each basket: its lines less the makers' coupons, which pay nothing out."""
    found: dict[int, Decimal] = defaultdict(Decimal)
    for line in small.rows("order_lines.parquet"):
        found[line["order_id"]] += line["sales_amount"] - line["coupon_discount"]
    return {order: max(amount, Decimal(0)) for order, amount in found.items()}


def test_payments_come_to_the_cent_of_what_is_owed_but_for_the_faults_that_are_counted(small: MadeShop) -> None:
    due = owed(small)
    paid: dict[int, Decimal] = defaultdict(Decimal)
    for name in ("payments.parquet", "payments_2017-11-24.csv"):
        for row in small.rows(name):
            if row["status"] == "captured":
                paid[int(row["order_id"])] += Decimal(row["amount"])
    terminal = small.faults["files"]["payments_terminal.csv"]
    refused = {place for kind in terminal["kinds"] for place in kind["where"]}
    rows = (small.folder / "payments_terminal.csv").read_text().splitlines()[1:]
    for place, row in enumerate(rows, start=1):
        if place not in refused:
            _, order, _, status, amount, *_ = row.split(",")
            assert status == "captured"
            paid[int(order)] += Decimal(amount)
    differs = Counter(
        "unpaid" if not paid[order] else "twice" if paid[order] == 2 * due[order] else "short"
        for order in due
        if paid[order] != due[order]
    )
    figures = small.faults["figures"]
    assert differs == {
        "unpaid": figures["orders_unpaid_until_mended"],
        "twice": figures["orders_paid_twice"],
        "short": figures["orders_paid_too_little"],
    }
    assert set(paid) <= set(due)
    assert sum(paid.values()) == Decimal(figures["payments_captured"])


def test_a_refused_payment_is_the_baskets_own_when_mended(small: MadeShop) -> None:
    """Mending a row of the terminal's takes away the difference it makes, and makes no other."""
    due = {str(order): amount for order, amount in owed(small).items()}
    said = {kind["kind"]: kind["where"][0] for kind in small.faults["files"]["payments_terminal.csv"]["kinds"]}
    rows = [row.split(",") for row in (small.folder / "payments_terminal.csv").read_text().splitlines()[1:]]
    three_decimals, negative = (rows[said[kind] - 1] for kind in ("an amount with three decimals", "a negative amount"))
    assert Decimal(three_decimals[4][:-1]) == due[three_decimals[1]]
    assert -Decimal(negative[4]) == due[negative[1]]
    extra = rows[said["a field too many"] - 1]
    assert Decimal(extra[4]) == due[extra[1]]
    for name in ("payments.parquet", "payments_2017-11-24.csv"):
        assert not {int(row[0]) for row in rows} & {int(one) for one in small.column(name, "payment_id")}


def test_paid_after_the_order_and_registered_before_it(small: MadeShop) -> None:
    ordered = {row["order_id"]: row["ordered_at"] for row in small.rows("orders.parquet")}
    for row in small.rows("payments.parquet"):
        assert 0 < (row["paid_at"] - ordered[row["order_id"]]).total_seconds() < 1200
    first: dict[int, str] = {}
    for row in small.rows("orders.parquet"):
        first.setdefault(row["customer_id"], row["ordered_at"].isoformat())
    for row in small.rows("customers.ndjson"):
        assert row["registered_at"] < first[row["customer_id"]]


def test_a_date_of_birth_lies_within_the_age_band(small: MadeShop) -> None:
    known = [row for row in small.rows("customers.ndjson") if row["age_band"]]
    assert known
    for row in known:
        born = date.fromisoformat(row["birth_date"])
        age = YEAR.year - born.year - ((YEAR.month, YEAR.day) < (born.month, born.day))
        low, _, high = row["age_band"].replace("+", "-120").partition("-")
        assert int(low) <= age <= int(high)
    assert all(row["birth_date"] is None for row in small.rows("customers.ndjson") if not row["age_band"])


def test_categories_are_a_tree_of_three_levels_and_some_stand_before_their_parent(small: MadeShop) -> None:
    rows = small.rows("categories.csv")
    level = {row["category_id"]: row["level"] for row in rows}
    above = {"category": "department", "type": "category"}
    seen, early = set(), 0
    for row in rows:
        parent = row["parent_category_id"]
        assert (level[parent] if parent else None) == above.get(row["level"])
        early += parent is not None and parent not in seen
        seen.add(row["category_id"])
    assert 0 < early < len(rows)
    types = {int(number) for number, name in level.items() if name == "type"}
    assert set(small.column("products.parquet", "category_id")) <= types


def test_what_a_product_costs_is_less_than_its_price_and_private_labels_earn_more(small: MadeShop) -> None:
    margin = defaultdict(list)
    for row in small.rows("products.parquet"):
        assert 0 <= row["unit_cost"] < row["list_price"]
        if row["list_price"] >= 1:
            margin[row["brand_type"]].append(float(1 - row["unit_cost"] / row["list_price"]))
    assert 0.2 < np.mean(margin["National"]) < np.mean(margin["Private"]) < 0.5


def test_list_prices_are_the_median_of_what_a_unit_cost_before_discounts(small: MadeShop, real_lines: Lines) -> None:
    price = {row["product_id"]: row["list_price"] for row in small.rows("products.parquet")}
    sold = Counter(real_lines.product.tolist())
    product = next(product for product, _ in sold.most_common() if product in price and sold[product] % 2)
    mine = real_lines.where((real_lines.product == product) & (real_lines.quantity > 0))
    median = np.median((mine.sales + mine.retail + mine.match) / mine.quantity)
    assert abs(float(price[product]) * 100 - median) <= 1


def test_older_versions_come_after_newer_ones(small: MadeShop) -> None:
    names = [load.file for load in small.loads]
    assert names.index("customers_branch_backlog.csv") > names.index("customers_changes.ndjson")
    first = {row["customer_id"]: row["updated_at"] for row in small.rows("customers.ndjson")}
    newer = {row["customer_id"]: row["updated_at"] for row in small.rows("customers_changes.ndjson")}
    for row in small.rows("customers_branch_backlog.csv"):
        customer = int(row["customer_id"])
        assert first[customer] < row["updated_at"] < newer[customer]


def test_corrections_are_newer_and_change_something(small: MadeShop) -> None:
    for first, later, key in (
        ("customers.ndjson", "customers_changes.ndjson", "customer_id"),
        ("products.parquet", "products_price_changes.csv", "product_id"),
        ("orders.parquet", "orders_status.ndjson", "order_id"),
    ):
        before = {str(row[key]): row for row in small.rows(first)}
        for row in small.rows(later):
            old = before[str(row[key])]
            old_at = old["updated_at"] if isinstance(old["updated_at"], str) else old["updated_at"].isoformat()
            assert old_at < row["updated_at"]
            changed = {name for name in row if name != "updated_at" and str(old[name]) != str(row[name] or None)}
            assert changed - {"package_size", "ordered_at", "marketing_consent"} == changed & {
                "phone", "status", "list_price", "unit_cost"
            } != set(), (later, changed)  # fmt: skip


def test_copies_have_ids_of_their_own_and_shop_at_other_times(real_lines: Lines) -> None:
    households = np.unique(real_lines.household)
    made = list(copies(households, 2.5))
    assert [copy.number for copy in made] == [0, 1, 2]
    assert [len(copy.households) == 2469 for copy in made] == [True, True, False]
    assert 0.45 < len(made[2].households) / 2469 < 0.55
    customers = np.concatenate([copy.customers for copy in made])
    assert len(np.unique(customers)) == len(customers)
    few = Copy(1, households[:50])
    lines, original = few.lines(real_lines, seed=7), Copy(0, households[:50]).lines(real_lines, seed=7)
    assert not set(lines.order.tolist()) & set(real_lines.order.tolist())
    assert np.array_equal(lines.sales, original.sales)
    days_earlier = (original.at - lines.at) / 86_400
    assert set(days_earlier.tolist()) == {0, 1, 2, 3, 4, 5, 6}
    baskets, _ = baskets_of(lines)
    assert int(baskets.amount.sum()) == int(original.sales.sum())


def test_smaller_scales_are_parts_of_larger_ones(real_lines: Lines) -> None:
    households = np.unique(real_lines.household)
    small, large = (next(copies(households, scale)).households for scale in (0.01, 0.2))
    assert set(small.tolist()) < set(large.tolist())


def test_late_products_json_is_what_the_command_prints_and_lets_the_lines_in(small: MadeShop) -> None:
    text = (ROOT / "examples/late_products.json").read_text()
    assert text == late_products()
    rows = json.loads(text)
    assert {row["product_id"] for row in rows} == unknown_products()
    assert {str(row["category_id"]) for row in rows} <= set(small.column("categories.csv", "category_id"))
    assert {row["supplier_id"] for row in rows} <= set(small.column("suppliers.ndjson", "supplier_id"))


def test_messy_orders_csv_is_judged_as_the_readme_says(small: MadeShop) -> None:
    door = Door()
    for load in small.loads:
        if load.table in ("crm.customers", "erp.locations", "erp.orders"):
            door.take(load.table, small.folder / load.file)
    verdicts = door.take("erp.orders", ROOT / "examples/messy_orders.csv")
    readme = (ROOT / "examples/README.md").read_text()
    table = readme[readme.index("## messy_orders.csv") :]
    said = [line.split("|")[3].strip() for line in table.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert verdicts == said
    assert counts(verdicts) == {"received": 10, "accepted": 3, "waiting": 1, "rejected": 5, "duplicates": 1}
