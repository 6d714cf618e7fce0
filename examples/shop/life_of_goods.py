"""What happens to parcels, returns and stock after the first load, or keeps them from it."""

from typing import Any

import numpy as np

from examples.shop.columns import build
from examples.shop.files import Record, records
from examples.shop.fulfilment import HOUR, Parcels, Returns
from examples.shop.hashing import lottery
from examples.shop.journey import DAY
from examples.shop.life import Row, broken, count, field_too_many, spread, write_rows
from examples.shop.life_of_sales import FIRST_UNKNOWN_ORDER
from examples.shop.manifest import Manifest
from examples.shop.stock import Movements

UNKNOWN_PRODUCT = 99_000_001

BROKEN_PARCELS: list[tuple[str, Record]] = [
    ("delivered and never shipped", {"shipped_at": None}),
    ("delivered before it was shipped", {"delivered_at": "2016-12-01T10:00:00Z"}),
    ("a status nobody knows", {"status": "on its way"}),
    ("a time without a zone", {"updated_at": "2018-01-02 09:00:00"}),
]
BROKEN_RETURNS: list[tuple[str, Record]] = [
    ("no piece came back", {"quantity": "0"}),
    ("half a piece", {"quantity": "0.5"}),
    ("a refund with three decimals", {"refund_amount": "1.005"}),
    ("a reason nobody knows", {"reason": "did not like it"}),
    ("a missing not-null", {"returned_at": None}),
]
BROKEN_MOVEMENTS: list[tuple[str, Record]] = [
    ("a movement of nothing", {"quantity": "0"}),
    ("a kind nobody knows", {"movement_type": "theft"}),
    ("a negative cost", {"unit_cost": "-1.2500"}),
    ("a number written in hexadecimal", {"quantity": "0x10"}),
]


def write_life_of_parcels(manifest: Manifest, late: Parcels, now: Parcels, came: Parcels) -> None:
    """Parcels of the year's last days arrive (`late`); news of others come again, and some that are older (`came`).

    `now` are parcels of the first file that a carrier sends broken news of.
    """
    older = came.known(came.shipped)
    write_rows(
        manifest, "erp.shipments", "shipments_status.ndjson", "Parcels of the last days that came to their customers",
        [("corrections", "accepted", record) for record in records(late.table())],
    )  # fmt: skip
    write_rows(
        manifest, "erp.shipments", "shipments_carrier_backlog.csv", "When parcels left, sent after they had come",
        [("older versions after newer ones", "accepted", record) for record in records(older.table())],
    )  # fmt: skip
    rows = list(records(now.table()))
    bad = broken(rows, BROKEN_PARCELS) + [field_too_many(record) for record in rows[len(BROKEN_PARCELS) :][:1]]
    bad += [("parcels of unknown orders", "waiting", record) for record in _strange_parcels(rows[:3])]
    again: list[Row] = [
        ("repeats of what came before", "duplicate", record) for record in rows[len(BROKEN_PARCELS) + 1 :]
    ]
    write_rows(
        manifest, "erp.shipments", "shipments_carrier.csv", "A carrier's own list, which errs and repeats",
        spread(again, bad),
    )  # fmt: skip


def _strange_parcels(rows: list[Record]) -> list[Record]:
    return [
        row | {"shipment_id": (FIRST_UNKNOWN_ORDER + place) * 10 + 1, "order_id": FIRST_UNKNOWN_ORDER + place}
        for place, row in enumerate(rows)
    ]


def write_life_of_returns(manifest: Manifest, sent: Returns, withheld: Returns) -> None:
    """A service desk's returns (`withheld` from the first file), some unusable, and returns that are sent twice."""
    seed, scale = manifest.parameters.seed, manifest.parameters.scale
    rows = list(records(withheld.table()))
    bad = broken(rows, BROKEN_RETURNS)
    strangers = [
        row | {"return_id": FIRST_UNKNOWN_ORDER * 1_000 + place, "order_id": FIRST_UNKNOWN_ORDER + place}
        for place, row in enumerate(rows[:4])
    ]
    bad += [("returns of lines that nobody sold", "waiting", record) for record in strangers]
    good: list[Row] = [(None, "accepted", record) for record in rows[len(BROKEN_RETURNS) :]]
    write_rows(
        manifest, "erp.returns", "returns_service_desk.csv", "Returns as a service desk typed them", spread(good, bad)
    )
    again = np.sort(lottery(sent.number, seed, "return again")[: count(60, scale, 5)])
    write_rows(
        manifest, "erp.returns", "returns_resent.ndjson", "Returns that were sent before",
        [("repeats of what came before", "duplicate", record)
         for record in records(sent.where(np.isin(np.arange(len(sent)), again)).table())],
    )  # fmt: skip


def write_life_of_stock(manifest: Manifest, sold: Movements, rows: list[Record]) -> None:
    """A count by hand: good rows, one with the wrong sign, unusable ones. `rows` are movements of the first file."""
    if len(rows) < len(BROKEN_MOVEMENTS) + 4:
        return
    at = int(sold.at.max())
    by_hand = [_by_hand(row, place, at) for place, row in enumerate(rows)]
    bad = broken(by_hand, BROKEN_MOVEMENTS) + [
        field_too_many(record) for record in by_hand[len(BROKEN_MOVEMENTS) :][:1]
    ]
    rest = by_hand[len(BROKEN_MOVEMENTS) + 1 :]
    unknown = rest[0] | {"movement_id": rest[0]["movement_id"] + 400, "product_id": UNKNOWN_PRODUCT}
    changed = rows[0] | {"quantity": rows[0]["quantity"] - 1}
    bad += [
        ("a movement of a product nobody knows", "waiting", unknown),
        ("a booked movement with another quantity", "rejected", changed),
        ("a sale that adds pieces, let in with a warning", "accepted",
         rest[1] | {"movement_type": "sale", "quantity": 1}),
    ]  # fmt: skip
    good: list[Row] = [(None, "accepted", record) for record in rest[2:]]
    write_rows(
        manifest,
        "erp.stock_movements",
        "stock_count.csv",
        "Adjustments after a count, typed by hand",
        spread(good, bad),
    )


def _by_hand(row: Record, place: int, at: int) -> Record:
    """An adjustment of one piece on the shelf of this movement, after all others."""
    table = build(
        "erp.stock_movements",
        movement_id=np.array([4 * place + 3]),  # no other movement's last two bits are both set
        product_id=np.array([row["product_id"]]),
        location_id=np.array([row["location_id"]]),
        movement_type="adjustment",
        quantity=1,
        unit_cost=None,
        moved_at=np.array([at + DAY + place * HOUR // 60]),
    )
    (record,) = records(table)
    return dict[str, Any](record)
