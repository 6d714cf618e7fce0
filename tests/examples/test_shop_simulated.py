"""What is simulated beside the baskets fits them: parcels, returns, stock, mails, visits and plans."""

import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from examples.shop.audience import CHANNELS
from examples.shop.stock import SPARE
from tests.examples.conftest import MadeShop


@pytest.fixture(scope="module")
def orders(small: MadeShop) -> dict[int, dict]:
    return {row["order_id"]: row for row in small.rows("orders.parquet")}


@pytest.fixture(scope="module")
def lines(small: MadeShop) -> dict[tuple[int, int], dict]:
    return {(row["order_id"], row["product_id"]): row for row in small.rows("order_lines.parquet")}


def moment(value: str) -> datetime:
    return datetime.fromisoformat(value)


def test_every_online_order_has_its_parcels_and_no_other(small: MadeShop, orders: dict[int, dict]) -> None:
    sent = small.rows("shipments.parquet")
    assert {row["order_id"] for row in sent} == {key for key, row in orders.items() if row["channel"] != "store"}
    assert Counter(row["status"] for row in sent).keys() >= {"delivered", "packed"}
    for row in sent:
        known = [moment for moment in (row["shipped_at"], row["delivered_at"]) if moment]
        assert sorted([orders[row["order_id"]]["ordered_at"], *known]) == [
            orders[row["order_id"]]["ordered_at"],
            *known,
        ]
        assert (row["tracking_number"] is None) == (row["shipped_at"] is None)
        assert row["updated_at"] >= max(known, default=row["updated_at"])


def test_an_order_that_is_completed_later_has_come_by_then(small: MadeShop) -> None:
    completed = {row["order_id"]: row["updated_at"] for row in small.rows("orders_status.ndjson")}
    came = {row["order_id"]: row["delivered_at"] for row in small.rows("shipments_status.ndjson")}
    assert completed == came != {}


def test_a_return_is_of_a_line_that_was_sold_and_gives_back_no_more(
    small: MadeShop, orders: dict[int, dict], lines: dict[tuple[int, int], dict]
) -> None:
    back = small.rows("returns.ndjson")
    assert back
    for row in back:
        line = lines[row["order_id"], row["product_id"]]
        assert 0 < row["quantity"] <= line["quantity"]
        assert 0 <= Decimal(row["refund_amount"]) <= max(line["sales_amount"] - line["coupon_discount"], Decimal(0))
        assert timedelta(days=1) <= moment(row["returned_at"]) - orders[row["order_id"]]["ordered_at"]
    came: dict[int, list[datetime | None]] = defaultdict(list)
    for row in small.rows("shipments.parquet"):
        came[row["order_id"]].append(row["delivered_at"])
    sent = [(row, came[row["order_id"]]) for row in back if row["order_id"] in came]
    assert sent
    for row, delivered in sent:
        assert all(at is not None and at < moment(row["returned_at"]) for at in delivered), row


def test_refunds_are_what_came_back_whatever_the_service_desk_typed(small: MadeShop) -> None:
    refunded = {int(row["order_id"]): Decimal(row["amount"]) for row in small.rows("payments_refunds.csv")}
    assert {row["status"] for row in small.rows("payments_refunds.csv")} == {"refunded"}
    owed: dict[int, Decimal] = defaultdict(Decimal)
    for row in small.rows("returns.ndjson"):
        owed[row["order_id"]] += Decimal(row["refund_amount"])
    typed = {int(row["order_id"]) for row in small.rows("returns_service_desk.csv")}
    assert typed
    assert {order: amount for order, amount in owed.items() if order not in typed and amount} == {
        order: amount for order, amount in refunded.items() if order not in typed
    }
    assert all(refunded[order] >= owed[order] for order in refunded)


def test_stock_is_moved_by_what_was_sold_and_never_falls_below_nothing(
    small: MadeShop, lines: dict[tuple[int, int], dict]
) -> None:
    moved = small.rows("stock_movements.parquet")
    kinds = Counter(row["movement_type"] for row in moved)
    products_of: dict[int, list[int]] = defaultdict(list)
    for order, product in lines:
        products_of[order].append(product)
    assert kinds.keys() >= {"receipt", "sale"}
    for row in moved:
        if row["movement_type"] == "sale":
            order, place = divmod(row["movement_id"] // 4, 1_000)
            assert products_of[order][place] == row["product_id"]
            assert lines[order, row["product_id"]]["quantity"] == -row["quantity"]
    on_hand: Counter[tuple[int, int]] = Counter()
    for row in sorted(moved, key=lambda row: row["moved_at"]):
        on_hand[row["product_id"], row["location_id"]] += row["quantity"]
        assert on_hand[row["product_id"], row["location_id"]] >= 0, row
    assert max(on_hand.values()) >= SPARE


def test_transfers_leave_one_depot_and_come_to_another(small: MadeShop) -> None:
    ends = defaultdict(list)
    for row in small.rows("stock_movements.parquet"):
        if row["movement_type"] == "transfer":
            ends[row["movement_id"] // 16].append(row)
    for out, into in ends.values():
        assert (out["quantity"], out["product_id"]) == (-into["quantity"], into["product_id"])
        assert out["location_id"] != into["location_id"]


def test_a_mail_goes_to_who_was_addressed_and_is_read_after_it_came(small: MadeShop) -> None:
    addressed = {
        (int(row["campaign_id"]), int(row["customer_id"])): row["addressed_on"]
        for row in small.rows("campaign_targets.csv")
    }
    events = small.rows("email_events.ndjson")
    first = {}
    for row in events:
        pair = row["campaign_id"], row["customer_id"]
        assert row["occurred_at"][:10] >= addressed[pair]
        first.setdefault((*pair, row["event_type"]), row["occurred_at"])
    assert {(campaign, customer) for campaign, customer, _ in first} == set(addressed)
    for (campaign, customer, kind), at in first.items():
        if kind != "sent":
            assert at > first[campaign, customer, "sent"]
        if kind in ("clicked", "unsubscribed", "complained"):
            assert at > first[campaign, customer, "opened"]


def test_every_online_order_ends_a_visit_of_its_customers(small: MadeShop, orders: dict[int, dict]) -> None:
    events = small.rows("activity_events.parquet")
    placed = {}
    visits = defaultdict(list)
    for row in events:
        visits[row["session_id"]].append(row)
        if row["event_type"] == "checkout":
            placed[json.loads(row["properties"])["order_id"]] = row
    assert placed.keys() == {key for key, row in orders.items() if row["channel"] != "store"}
    for order, row in placed.items():
        assert (row["customer_id"], row["occurred_at"]) == (
            orders[order]["customer_id"], orders[order]["ordered_at"]
        )  # fmt: skip
    for visit in visits.values():
        assert [row["occurred_at"] for row in visit] == sorted(row["occurred_at"] for row in visit)
        assert len({row["customer_id"] for row in visit}) == 1
    assert sum(row["customer_id"] is None for row in events) > 0
    assert all(row["product_id"] for row in events if row["event_type"] == "add_to_cart")


def test_targets_are_about_what_was_sold(
    small: MadeShop, orders: dict[int, dict], lines: dict[tuple[int, int], dict]
) -> None:
    known = set(small.column("products.parquet", "product_id"))
    sold: dict[str, Decimal] = defaultdict(Decimal)
    for (order, product), line in lines.items():
        if product in known:
            sold[f"{orders[order]['ordered_at'] - timedelta(hours=5):%Y-%m}"] += line["sales_amount"]
    target: dict[str, Decimal] = defaultdict(Decimal)
    for row in small.rows("sales_targets.csv"):
        target[row["month"][:7]] += Decimal(row["target_amount"])
    for month in ("2017-03", "2017-07", "2017-11"):
        # Targets are whole hundreds, of which this shop sells few.
        assert Decimal("0.7") < target[month] / sold[month] < Decimal("2"), month


def test_there_is_a_rate_for_every_day_that_advertising_is_charged_on(small: MadeShop) -> None:
    known = defaultdict(list)
    for row in small.rows("exchange_rates.csv"):
        known[row["currency_code"]].append(row["rate_date"])
    currencies = {channel.name: channel.currency for channel in CHANNELS}
    charged = small.rows("ad_performance.csv")
    assert {row["currency_code"] for row in charged} > {"USD", "GBP"}
    for row in charged:
        assert row["currency_code"] == currencies[row["ad_channel"]]
        if row["currency_code"] != "USD":
            assert min(known[row["currency_code"]]) <= row["performance_date"]
    for days in known.values():
        assert all(date.fromisoformat(day).weekday() < 5 for day in days)
