"""A door in small: what a receipt should say of the shop's files, worked out from the files alone.

It shares no code with the generator, whose expectations it is held against. It knows
the types, keys, parents and values that the shop's faults touch, and no more.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow.parquet as pq

KEYS = {
    "crm.customers": ("customer_id",),
    "crm.addresses": ("address_id",),
    "erp.categories": ("category_id",),
    "erp.suppliers": ("supplier_id",),
    "erp.locations": ("location_id",),
    "erp.products": ("product_id",),
    "erp.orders": ("order_id",),
    "erp.order_lines": ("order_id", "product_id"),
    "erp.payments": ("payment_id",),
    "erp.shipments": ("shipment_id",),
    "erp.returns": ("return_id",),
    "erp.stock_movements": ("movement_id",),
    "marketing.campaigns": ("campaign_id",),
    "marketing.campaign_targets": ("campaign_id", "customer_id"),
    "marketing.coupons": ("coupon_upc", "product_id", "campaign_id"),
    "marketing.coupon_redemptions": ("customer_id", "coupon_upc", "campaign_id", "redeemed_on"),
    "marketing.promotions": ("product_id", "location_id", "year", "week", "display_location", "mailer_location"),
    "marketing.ad_performance": ("campaign_id", "ad_channel", "performance_date"),
    "marketing.email_events": ("event_id",),
    "web.activity_events": ("event_id",),
    "planning.sales_targets": ("month", "category_id"),
    "planning.budgets": ("month", "department", "cost_type"),
    "planning.exchange_rates": ("currency_code", "rate_date"),
}
#: Tables of versions that have no time of their own: the one that came last counts.
BY_ARRIVAL = ("planning.sales_targets", "planning.budgets", "planning.exchange_rates")
PARENTS = {
    "crm.addresses": [("crm.customers", ("customer_id",))],
    "erp.categories": [("erp.categories", ("parent_category_id",))],
    "erp.products": [("erp.categories", ("category_id",)), ("erp.suppliers", ("supplier_id",))],
    "erp.orders": [("crm.customers", ("customer_id",)), ("erp.locations", ("location_id",))],
    "erp.order_lines": [("erp.orders", ("order_id",)), ("erp.products", ("product_id",))],
    "erp.payments": [("erp.orders", ("order_id",))],
    "erp.shipments": [("erp.orders", ("order_id",)), ("erp.locations", ("location_id",))],
    "erp.returns": [("erp.order_lines", ("order_id", "product_id"))],
    "erp.stock_movements": [("erp.products", ("product_id",)), ("erp.locations", ("location_id",))],
    "marketing.campaign_targets": [("marketing.campaigns", ("campaign_id",)), ("crm.customers", ("customer_id",))],
    "marketing.coupons": [("erp.products", ("product_id",)), ("marketing.campaigns", ("campaign_id",))],
    "marketing.coupon_redemptions": [
        ("crm.customers", ("customer_id",)),
        ("marketing.coupons", ("coupon_upc", "campaign_id")),
    ],
    "marketing.promotions": [("erp.products", ("product_id",)), ("erp.locations", ("location_id",))],
    "marketing.ad_performance": [("marketing.campaigns", ("campaign_id",))],
    "marketing.email_events": [("marketing.campaigns", ("campaign_id",)), ("crm.customers", ("customer_id",))],
    "web.activity_events": [("crm.customers", ("customer_id",)), ("erp.products", ("product_id",))],
    "planning.sales_targets": [("erp.categories", ("category_id",))],
}
VALUES = {
    ("crm.customers", "status"): {"active", "closed"},
    ("erp.orders", "channel"): {"store", "web", "app"},
    ("erp.orders", "status"): {"placed", "completed", "cancelled"},
    ("erp.products", "status"): {"active", "discontinued"},
    ("erp.payments", "method"): {"card", "cash", "gift_card", "voucher"},
    ("erp.payments", "status"): {"captured", "refunded", "failed"},
    ("erp.categories", "level"): {"department", "category", "type"},
    ("erp.shipments", "status"): {"packed", "shipped", "delivered", "lost"},
    ("erp.returns", "reason"): {"damaged", "wrong_item", "late", "unwanted", "other"},
    ("erp.stock_movements", "movement_type"): {"receipt", "sale", "return", "transfer", "adjustment"},
    ("marketing.ad_performance", "ad_channel"): {"search", "social", "display", "video", "affiliate"},
    ("marketing.email_events", "event_type"): {
        "sent", "delivered", "opened", "clicked", "bounced", "unsubscribed", "complained"
    },
    ("web.activity_events", "event_type"): {
        "page_view", "search", "add_to_cart", "remove_from_cart", "checkout", "login", "logout", "account_change"
    },
    ("planning.sales_targets", "currency_code"): {"USD", "CAD", "EUR", "GBP"},
}  # fmt: skip
MAY_BE_NULL = {
    "crm.customers": {"first_name", "last_name", "email", "phone", "birth_date", "age_band", "income_band",
                      "home_ownership", "marital_status", "household_size", "household_composition", "kids_count"},
    "crm.addresses": {"street", "postal_code"},
    "erp.categories": {"parent_category_id"},
    "erp.suppliers": {"contact_email"},
    "erp.products": {"package_size"},
    "erp.shipments": {"tracking_number", "shipped_at", "delivered_at"},
    "erp.stock_movements": {"unit_cost"},
    "marketing.campaigns": {"budget_amount"},
    "web.activity_events": {"customer_id", "product_id", "ip_address", "user_agent", "properties"},
    "planning.sales_targets": {"note"},
    "planning.budgets": {"note"},
}  # fmt: skip
MONEY = ("list_price", "sales_amount", "retail_discount", "coupon_discount", "coupon_match_discount", "amount",
         "budget_amount", "refund_amount", "cost_amount", "target_amount")  # fmt: skip
PLACES = dict.fromkeys(MONEY, 2) | {"unit_cost": 4, "rate_to_base": 8}
WHOLE = ("quantity", "payment_terms_days", "year", "week", "impressions", "clicks", "conversions")
TEXTS = ("coupon_upc", "session_id", "event_id")
# What a whole row has to be, or a value that is not merely typed.
RULES: dict[str, Callable[[dict], bool]] = {
    "erp.shipments": lambda row: (
        (row["status"] not in ("shipped", "delivered") or row["shipped_at"] is not None)
        and (row["status"] != "delivered" or row["delivered_at"] is not None)
        and (None in (row["delivered_at"], row["shipped_at"]) or row["delivered_at"] >= row["shipped_at"])
    ),
    "erp.returns": lambda row: row["quantity"] >= 1,
    "erp.stock_movements": lambda row: row["quantity"] != 0,
    "marketing.ad_performance": lambda row: row["impressions"] >= row["clicks"] >= row["conversions"] >= 0,
    "marketing.email_events": lambda row: UUID.fullmatch(row["event_id"]) is not None,
    "web.activity_events": lambda row: (
        UUID.fullmatch(row["event_id"]) is not None
        and re.fullmatch(r"/[^ ?#]*", row["page_path"]) is not None
        and re.fullmatch(r"[0-9]+([.][0-9]+){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+", row["ip_address"] or "::") is not None
    ),
    "planning.sales_targets": lambda row: row["month"].day == 1,
    "planning.exchange_rates": lambda row: (
        row["rate_to_base"] > 0 and re.fullmatch("[A-Z]{3}", row["currency_code"]) is not None
    ),
}
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAIL = re.compile(r"[^@ ]+@[^@ ]+[.][^@ .]+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


class Refused(Exception):
    """A value that a door would not take."""


def rows_of(path: Path) -> Iterator[dict | None]:
    """The rows of a file; None for a CSV row that has not as many fields as the header."""
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    elif path.suffix == ".ndjson":
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines)
    else:
        with path.open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
            for row in rows:
                fits = len(row) == len(header)
                yield {name: value or None for name, value in zip(header, row, strict=True)} if fits else None


def value_of(column: str, value: object) -> object:
    """The value as its column would hold it. Raises Refused."""
    try:
        if column in PLACES:
            number = Decimal(str(value))
            if number < 0 or number != round(number, PLACES[column]):
                raise Refused(column)
            return number
        if column in WHOLE or (column.endswith("_id") and column not in TEXTS):
            return int(str(value))
        if column == "month" or column.endswith(("_on", "_date")):
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        if column.endswith("_at"):
            if isinstance(value, datetime):
                return value
            if not MOMENT.fullmatch(str(value)):
                raise Refused(column)
            return datetime.fromisoformat(str(value))
        if column == "properties":
            return json.loads(value) if isinstance(value, str) else value
        if column == "marketing_consent":
            return {"true": True, "false": False}[str(value).lower()]
        if column.endswith("email") and not MAIL.fullmatch(str(value)):
            raise Refused(column)
    except (ValueError, KeyError, InvalidOperation) as error:
        raise Refused(column) from error
    return str(value)


def typed(table: str, row: dict | None) -> dict:
    if row is None:
        raise Refused("fields")
    held = {}
    for column, value in row.items():
        if value is None:
            if column not in MAY_BE_NULL.get(table, ()):
                raise Refused(column)
            held[column] = None
        else:
            held[column] = value_of(column, value)
            allowed = VALUES.get((table, column))
            if allowed is not None and held[column] not in allowed:
                raise Refused(column)
    if not RULES.get(table, lambda row: True)(held):
        raise Refused("row")
    return held


class Door:
    """Takes files in order and remembers what it let in or keeps waiting."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[tuple, dict]] = {table: {} for table in KEYS}
        self.let_in: dict[tuple[str, tuple[str, ...]], set[tuple]] = {}
        for parents in PARENTS.values():
            for parent, columns in parents:
                self.let_in[(parent, self._referenced(parent, columns))] = set()

    @staticmethod
    def _referenced(parent: str, columns: tuple[str, ...]) -> tuple[str, ...]:
        return KEYS[parent] if len(columns) == 1 else columns

    def take(self, table: str, path: Path) -> list[str]:
        """The verdict on each row of the file, in order."""
        judged = []
        for row in rows_of(path):
            try:
                judged.append(typed(table, row))
            except Refused:
                judged.append(None)
        if any(parent == table for parent, _ in PARENTS.get(table, ())):
            for row in judged:
                self._let_in(table, row)
        return ["rejected" if row is None else self._store(table, row) for row in judged]

    def _store(self, table: str, row: dict) -> str:
        key = (*(row[column] for column in KEYS[table]), row.get("updated_at"))
        known = self.versions[table].get(key)
        if known == row:
            return "duplicate"
        if known is not None and table not in BY_ARRIVAL:
            return "rejected"
        self.versions[table][key] = row
        for parent, columns in PARENTS.get(table, ()):
            wanted = tuple(row[column] for column in columns)
            if None not in wanted and wanted not in self.let_in[(parent, self._referenced(parent, columns))]:
                return "waiting"
        self._let_in(table, row)
        return "accepted"

    def _let_in(self, table: str, row: dict) -> None:
        for (parent, columns), keys in self.let_in.items():
            if parent == table:
                keys.add(tuple(row[column] for column in columns))


def counts(verdicts: list[str]) -> dict[str, int]:
    """Verdicts as a receipt counts them."""
    count = Counter(verdicts)
    return {
        "received": len(verdicts),
        "accepted": count["accepted"],
        "waiting": count["waiting"],
        "rejected": count["rejected"],
        "duplicates": count["duplicate"],
    }
