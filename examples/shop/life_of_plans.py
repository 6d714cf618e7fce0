"""What people do to plans after the first load, and what they get wrong while they type."""

from decimal import Decimal

import pyarrow as pa

from examples.shop.files import Record, records
from examples.shop.life import Row, broken, field_too_many, spread, write_rows
from examples.shop.manifest import Manifest

UNKNOWN_CATEGORY = 99_999
RAISED = "raised with the new range"

BROKEN_TARGETS: list[tuple[str, Record]] = [
    ("a month by its fifteenth", {"month": "2017-02-15"}),
    ("an amount with a thousands separator", {"target_amount": "125,000.00"}),
    ("a negative amount", {"target_amount": "-100.00"}),
    ("a currency nobody uses", {"currency_code": "usd"}),
]
BROKEN_RATES: list[tuple[str, Record]] = [
    ("a rate of nothing", {"rate_to_base": "0"}),
    ("a currency by its sign", {"currency_code": "€"}),
    ("a date that does not exist", {"rate_date": "2017-02-30"}),
]


def write_life_of_plans(manifest: Manifest, targets: pa.Table, rates: pa.Table) -> None:
    """Targets are raised for the last quarter, some typed wrongly; a rate is set right, others can't be used."""
    rows = list(records(targets))
    raised = [
        row | {"target_amount": f"{Decimal(row['target_amount']) * 105 / 100:.2f}", "note": RAISED}
        for row in rows
        if row["month"] >= "2017-10-01"
    ]
    bad = broken(rows, BROKEN_TARGETS) + [field_too_many(record) for record in rows[len(BROKEN_TARGETS) :][:1]]
    bad += [("a target of a category nobody knows", "waiting", rows[0] | {"category_id": UNKNOWN_CATEGORY})]
    good: list[Row] = [("corrections", "accepted", record) for record in raised]
    write_rows(
        manifest, "planning.sales_targets", "sales_targets_raised.csv", "Targets of the last quarter, typed anew",
        spread(good, bad),
    )  # fmt: skip
    newest = list(records(rates))[-6:]
    mended = newest[0] | {"rate_to_base": f"{Decimal(newest[0]['rate_to_base']) * 101 / 100:.5f}"}
    set_right: list[Row] = [("corrections", "accepted", mended)]
    set_right += [("repeats of what came before", "duplicate", record) for record in newest[3:]]
    write_rows(
        manifest, "planning.exchange_rates", "exchange_rates_mended.csv", "A rate set right, and what can't be one",
        spread(set_right, broken(newest, BROKEN_RATES)),
    )  # fmt: skip
