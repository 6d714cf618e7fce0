"""What happens to products, orders, lines and payments after the first load, or keeps them from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from examples.shop.columns import TYPES, build, decimals
from examples.shop.files import Record, records
from examples.shop.fulfilment import completed_at, completes
from examples.shop.hashing import between, lottery, share
from examples.shop.journey import DAY, Baskets, Lines
from examples.shop.life import Row, broken, count, field_too_many, spread, write_rows
from examples.shop.manifest import Kind, Manifest
from examples.shop.sales import PaymentFaults, Payments, order_lines

PRICES_CHANGED_AT = np.datetime64("2017-07-01T04:00:00", "s").astype(np.int64)
# Two days of the shop, from midnight to midnight in New York.
LATE_DAY = np.datetime64("2017-11-24T05:00:00", "s").astype(np.int64)  # payments of this day come a file later
RESENT_DAY = np.datetime64("2017-06-15T04:00:00", "s").astype(np.int64)  # lines of this day come twice
GOOD_IN_TERMINAL = 8
# No basket, and no copy of one, has such an id.
FIRST_UNKNOWN_ORDER = 98_000_000_001


@dataclass(frozen=True)
class Withheld:
    """Payments that the main file leaves out: bool[payments] each."""

    late: np.ndarray
    terminal: np.ndarray


def withhold(baskets: Baskets, paid: Payments, faults: PaymentFaults, seed: int) -> Withheld:
    """A day's payments, and those of some baskets whose terminal sends what can't be used."""
    late = (paid.at >= LATE_DAY) & (paid.at < LATE_DAY + DAY)
    is_plain = np.bincount(paid.basket, minlength=len(baskets)) == 1
    is_plain[paid.basket[late]] = False
    is_plain[faults.short] = False
    candidates = np.flatnonzero(is_plain & (baskets.owed >= 300))
    drawn = candidates[lottery(baskets.order[candidates], seed, "terminal")][: GOOD_IN_TERMINAL + len(BROKEN) + 1]
    return Withheld(late, np.isin(paid.basket, drawn))


# What the terminal makes of a payment; mended to what it was, the payment is the basket's to the cent.
BROKEN: list[tuple[str, Callable[[Record], Record]]] = [
    ("an amount with three decimals", lambda record: {"amount": record["amount"] + "5"}),
    ("a method nobody knows", lambda record: {"method": "cheque"}),
    ("a missing not-null", lambda record: {"paid_at": None}),
    ("a time without a zone", lambda record: {"paid_at": record["paid_at"].removesuffix("Z")}),
    ("a negative amount", lambda record: {"amount": "-" + record["amount"]}),
    ("a number that is none", lambda record: {"order_id": f"A{record['order_id']}"}),
]


def write_life_of_products(manifest: Manifest, table: pa.Table, is_sold: np.ndarray) -> None:
    """New prices from July on for some of the products that are sold (`is_sold`, bool[rows])."""
    scale, seed = manifest.parameters.scale, manifest.parameters.seed
    sold = np.flatnonzero(is_sold)
    product = table["product_id"].to_numpy()
    chosen = np.sort(sold[lottery(product[sold], seed, "price change")][: count(300, scale, 10)])
    table, product = table.take(pa.array(chosen)), product[chosen]
    # Up by 3 to 12 %; one in five comes down by as much. Purchase prices go along.
    percent = between(product, seed, "percent", 3, 12) * np.where(share(product, seed, "down") < 0.2, -1, 1)
    changed = {
        name: decimals(np.maximum(units(table[name]) * (100 + percent) // 100, 1), TYPES[kind])
        for name, kind in (("list_price", "money"), ("unit_cost", "cost"))
    }
    columns = {name: table[name] for name in table.column_names}
    at = np.full(len(product), PRICES_CHANGED_AT)
    rows = records(build("erp.products", **(columns | changed | {"updated_at": at})))
    write_rows(
        manifest, "erp.products", "products_price_changes.csv", "Prices from July 2017 on",
        [("corrections", "accepted", record) for record in rows],
    )  # fmt: skip


def units(column: pa.ChunkedArray) -> np.ndarray:
    """Decimals as whole numbers of their smallest unit: int64[n]."""
    raw = np.frombuffer(column.combine_chunks().buffers()[1], dtype="<i8")[::2]
    return raw[: len(column)]


def write_life_of_orders(manifest: Manifest, opened: pa.Table) -> None:
    """Nine in ten of the orders that were still placed are completed a day or two later."""
    seed = manifest.parameters.seed
    order = opened["order_id"].to_numpy()
    opened = opened.filter(pa.array(completes(order, seed)))
    order = opened["order_id"].to_numpy()
    ordered_at = opened["ordered_at"].cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_numpy()
    columns = {name: opened[name] for name in opened.column_names}
    columns |= {"status": "completed", "updated_at": completed_at(order, ordered_at, seed)}
    write_rows(
        manifest, "erp.orders", "orders_status.ndjson", "Online orders of the last week that were handed over",
        [("corrections", "accepted", record) for record in records(build("erp.orders", **columns))],
    )  # fmt: skip


def write_repeated_lines(manifest: Manifest, lines: Lines, baskets: Baskets, of_line: np.ndarray) -> None:
    """One day's lines once more, under another name: those that wait too, and nothing new."""
    mask = (lines.at >= RESENT_DAY) & (lines.at < RESENT_DAY + DAY)
    if not mask.any():
        return
    with manifest.file("erp.order_lines", "order_lines_resent.parquet") as file:
        file.write(order_lines(lines.where(mask), baskets, of_line[mask]))
    repeated = Kind("repeats of lines that came before", "duplicate", file.rows)
    manifest.note("erp.order_lines", file, "The lines of 2017-06-15, sent twice", repeated)


def write_life_of_payments(manifest: Manifest, paid: Payments, withheld: Withheld) -> None:
    """The late day, what the terminal sends, and some payments once more."""
    scale, seed = manifest.parameters.scale, manifest.parameters.seed
    write_rows(
        manifest, "erp.payments", "payments_2017-11-24.csv", "A day's payments, a file late",
        [("late rows", "accepted", record) for record in records(paid.table(withheld.late & ~withheld.terminal))],
    )  # fmt: skip
    own = list(records(paid.table(withheld.terminal)))
    bad = broken(own, [(kind, change(record)) for record, (kind, change) in zip(own, BROKEN, strict=False)])
    bad += [field_too_many(record) for record in own[len(BROKEN) :][:1]]
    bad += [("payments of unknown orders", "waiting", record) for record in payments_of_unknown_orders()]
    good: list[Row] = [(None, "accepted", record) for record in own[len(BROKEN) + 1 :]]
    write_rows(
        manifest, "erp.payments", "payments_terminal.csv", "Payments of a terminal that errs, each of a real basket",
        spread(good, bad),
    )  # fmt: skip
    sent = np.flatnonzero(~withheld.late & ~withheld.terminal)
    again = sent[lottery(paid.payment[sent], seed, "payment again")][: count(200, scale, 20)]
    mask = np.isin(np.arange(len(paid)), again)
    write_rows(
        manifest, "erp.payments", "payments_resent.ndjson", "Payments that were sent before, amounts as JSON numbers",
        [("repeats of payments that came before", "duplicate", record | {"amount": float(record["amount"])})
         for record in records(paid.table(mask))],
    )  # fmt: skip


def payments_of_unknown_orders() -> list[Record]:
    order = np.arange(FIRST_UNKNOWN_ORDER, FIRST_UNKNOWN_ORDER + 6)
    table = build(
        "erp.payments",
        payment_id=order * 10 + 1,
        order_id=order,
        method="card",
        status="captured",
        amount=np.arange(1, 7) * 525,
        currency_code="USD",
        paid_at=LATE_DAY + np.arange(6) * 600,
    )
    return list(records(table))


def accepted_payments(paid: Payments, withheld: Withheld) -> np.ndarray:
    """Which payments are let in when the files are loaded as they are: all but the broken ones. bool[payments]."""
    accepted = np.ones(len(paid), dtype=bool)
    accepted[np.flatnonzero(withheld.terminal)[: len(BROKEN) + 1]] = False
    return accepted
