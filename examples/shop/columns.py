"""The columns of each file, and how arrays of numbers become them.

Names and order are those of the contract's source tables. A file's table is built
from numpy arrays in these units:

    id     whole numbers                       int64
    money  cents                               decimal128(12, 2)
    sum    cents                               decimal128(14, 2)
    cost   ten-thousandths of a dollar         decimal128(12, 4)
    rate   hundred-millionths                  decimal128(18, 8)
    date   datetime64[D]                       date32
    at     seconds since 1970-01-01 00:00 UTC  timestamp[us, UTC]
    text   strings, also as a pyarrow array    string
    flag   booleans                            bool
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

TYPES = {
    "id": pa.int64(),
    "money": pa.decimal128(12, 2),
    "sum": pa.decimal128(14, 2),
    "cost": pa.decimal128(12, 4),
    "rate": pa.decimal128(18, 8),
    "date": pa.date32(),
    "at": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
    "flag": pa.bool_(),
}

TABLES = {
    "crm.customers": (
        "customer_id id, first_name text, last_name text, email text, phone text, birth_date date, age_band text,"
        " income_band text, home_ownership text, marital_status text, household_size text,"
        " household_composition text, kids_count text, status text, marketing_consent flag, registered_at at,"
        " updated_at at"
    ),
    "crm.addresses": (
        "address_id id, customer_id id, address_type text, street text, postal_code text, city text, region text,"
        " country_code text, updated_at at"
    ),
    "erp.categories": "category_id id, parent_category_id id, level text, name text",
    "erp.suppliers": (
        "supplier_id id, name text, country_code text, contact_email text, payment_terms_days id, updated_at at"
    ),
    "erp.products": (
        "product_id id, name text, category_id id, supplier_id id, brand_type text, package_size text,"
        " list_price money, unit_cost cost, currency_code text, status text, updated_at at"
    ),
    "erp.locations": (
        "location_id id, location_type text, name text, city text, region text, country_code text, timezone text,"
        " opened_on date, updated_at at"
    ),
    "erp.orders": (
        "order_id id, customer_id id, location_id id, channel text, status text, currency_code text, ordered_at at,"
        " updated_at at"
    ),
    "erp.order_lines": (
        "order_id id, product_id id, quantity id, sales_amount money, retail_discount money, coupon_discount money,"
        " coupon_match_discount money, updated_at at"
    ),
    "erp.payments": (
        "payment_id id, order_id id, method text, status text, amount money, currency_code text, paid_at at"
    ),
    "erp.shipments": (
        "shipment_id id, order_id id, location_id id, carrier text, tracking_number text, status text, shipped_at at,"
        " delivered_at at, updated_at at"
    ),
    "erp.returns": (
        "return_id id, order_id id, product_id id, quantity id, refund_amount money, currency_code text, reason text,"
        " returned_at at"
    ),
    "erp.stock_movements": (
        "movement_id id, product_id id, location_id id, movement_type text, quantity id, unit_cost cost, moved_at at"
    ),
    "marketing.campaigns": (
        "campaign_id id, campaign_type text, name text, start_date date, end_date date, budget_amount money,"
        " currency_code text, updated_at at"
    ),
    "marketing.campaign_targets": "campaign_id id, customer_id id, addressed_on date",
    "marketing.coupons": "coupon_upc text, product_id id, campaign_id id",
    "marketing.coupon_redemptions": "customer_id id, coupon_upc text, campaign_id id, redeemed_on date",
    "marketing.promotions": (
        "product_id id, location_id id, year id, week id, display_location text, mailer_location text"
    ),
    "marketing.ad_performance": (
        "campaign_id id, ad_channel text, performance_date date, impressions id, clicks id, conversions id,"
        " cost_amount money, currency_code text, updated_at at"
    ),
    "marketing.email_events": "event_id text, campaign_id id, customer_id id, event_type text, occurred_at at",
    "web.activity_events": (
        "event_id text, session_id text, customer_id id, event_type text, page_path text, product_id id,"
        " ip_address text, user_agent text, properties text, occurred_at at"
    ),
    "planning.sales_targets": "month date, category_id id, target_amount sum, currency_code text, note text",
    "planning.budgets": "month date, department text, cost_type text, amount sum, currency_code text, note text",
    "planning.exchange_rates": "currency_code text, rate_date date, rate_to_base rate",
}


def kinds(table: str) -> dict[str, str]:
    """The columns of a table in order, each with its unit as in the list above."""
    return dict(column.split() for column in TABLES[table].split(", "))


def schema(table: str) -> pa.Schema:
    return pa.schema([(name, TYPES[kind]) for name, kind in kinds(table).items()])


def decimals(units: np.ndarray, type_: pa.Decimal128Type) -> pa.Array:
    """Decimals from whole numbers of their smallest unit, exactly: no float is between.

    A decimal128 is a 128-bit whole number, low half first; the high half of a
    64-bit number repeats its sign.
    """
    units = np.asarray(units, dtype="<i8")
    halves = np.column_stack([units, units >> 63])
    return pa.Array.from_buffers(type_, len(units), [None, pa.py_buffer(halves)])


def text(values: Iterable[Any]) -> pa.Array:
    """The values as strings: string[n], also where there are none."""
    return pa.array([str(value) for value in values], pa.string())


def moments(seconds: np.ndarray, is_null: np.ndarray) -> pa.Array:
    """Seconds since 1970-01-01 00:00 UTC as times, null where `is_null` (bool[n]) says so."""
    return pa.array(np.asarray(seconds, dtype=np.int64) * 1_000_000, mask=is_null).cast(pa.timestamp("us"))


def _column(values: Any, kind: str, rows: int) -> pa.Array:
    type_ = TYPES[kind]
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values.cast(type_)
    if np.isscalar(values) or values is None:
        return pa.repeat(pa.scalar(values, type_), rows)
    if pa.types.is_decimal(type_):
        return decimals(values, type_)
    if kind == "at":
        return moments(values, np.zeros(len(values), dtype=bool)).cast(type_)
    if kind == "date":
        return pa.array(np.asarray(values, dtype="datetime64[D]"))
    return pa.array(values, type=type_)


def build(table: str, **values: Any) -> pa.Table:
    """A table with exactly the contract's columns. A value that is no array holds for every row.

    Raises ValueError when a column is missing or is none of the table's.
    """
    units = kinds(table)
    if set(units) != set(values):
        raise ValueError(f"{table}: these columns do not fit: {sorted(set(units) ^ set(values))}")
    rows = next(len(value) for value in values.values() if not (np.isscalar(value) or value is None))
    columns = [_column(values[name], kind, rows) for name, kind in units.items()]
    return pa.table(columns, schema=schema(table))
