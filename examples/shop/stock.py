"""The depots' stock ledger: simulated, and such that there is always as much as goes out.

The depots keep books on the products that most baskets hold. Each copy of the households is
supplied for itself, so that a larger shop has more of the same.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from examples.shop import words
from examples.shop.catalogue import Catalogue
from examples.shop.columns import build
from examples.shop.fulfilment import (
    BOOKS_CLOSED,
    DAMAGED,
    HOUR,
    LINES_A_BASKET,
    MOST_PIECES,
    Parcels,
    Returns,
    place_in_basket,
)
from examples.shop.hashing import between, pick, share
from examples.shop.journey import DAY, Baskets, Copy, Lines
from examples.shop.places import FIRST_DEPOT

PRODUCTS = 1_000
# Weeks of the ledger begin on Mondays at 06:00 in New York, the first a week before any copy's first basket.
FIRST_WEEK = np.datetime64("2016-12-19T11:00:00", "s").astype(np.int64)
WEEK, WEEKS = 7 * DAY, 56
LATE_SUPPLY, COUNTED_OTHERWISE, MOVED = 0.03, 0.005, 0.002
# What a shelf holds beyond three weeks of the best sales, for pieces that are missing when it is counted.
SPARE = 10

# A movement's id says by its last two bits what it is: of a line sold, of one that came back, or of a shelf.
SOLD, RETURNED, SHELF = 0, 1, 2
RECEIVED, COUNTED, MOVED_OUT, MOVED_IN = range(4)


def stocked(lines: Lines, catalogue: Catalogue) -> np.ndarray:
    """The ids of the products that the depots keep books on, sorted: int64[PRODUCTS].

    `lines` are those of all households, so that it is the same products at every scale.
    """
    counts = catalogue.knows(lines.product) & (lines.quantity > 0) & (lines.quantity <= MOST_PIECES)
    product, count = np.unique(lines.product[counts], return_counts=True)
    return np.sort(product[np.lexsort((product, -count))[:PRODUCTS]])


@dataclass(frozen=True)
class Movements:
    """Movements of one kind, int64[n] each; `at` in seconds UTC."""

    number: np.ndarray
    product: np.ndarray
    location: np.ndarray
    kind: str
    quantity: np.ndarray
    at: np.ndarray

    def table(self, catalogue: Catalogue) -> pa.Table:
        """The rows of erp.stock_movements, at the catalogue's purchase prices."""
        return build(
            "erp.stock_movements",
            movement_id=self.number,
            product_id=self.product,
            location_id=self.location,
            movement_type=self.kind,
            quantity=self.quantity,
            unit_cost=catalogue.cost[np.searchsorted(catalogue.product, self.product)],
            moved_at=self.at,
        )


def movements(
    copy: Copy,
    stocked_products: np.ndarray,
    sold: tuple[Lines, Baskets, np.ndarray],
    sent: Parcels,
    came_back: Returns,
    seed: int,
) -> list[Movements]:
    """All movements of one copy's goods: `stocked_products` are the ids that the depots keep books on."""
    lines, baskets, of_line = sold
    depot, packed = np.zeros(len(baskets), dtype=np.int64), np.zeros(len(baskets), dtype=np.int64)
    first = sent.where(sent.shipment % 10 == 1)
    depot[first.basket], packed[first.basket] = first.location, first.packed
    from_depot = depot[of_line] >= FIRST_DEPOT
    line = np.flatnonzero(
        from_depot & np.isin(lines.product, stocked_products) & (lines.quantity > 0) & (lines.quantity <= MOST_PIECES)
    )
    number = lines.order * LINES_A_BASKET + place_in_basket(of_line)
    out = Movements(
        number[line] * 4 + SOLD, lines.product[line], depot[of_line[line]], "sale", -lines.quantity[line],
        packed[of_line[line]],
    )  # fmt: skip
    back = came_back.where(np.isin(came_back.line, line) & (came_back.reason != DAMAGED))
    again = Movements(
        back.number * 4 + RETURNED, back.product, depot[back.basket], "return", back.quantity, back.at
    )  # fmt: skip
    return [out, again, *_shelves(copy, stocked_products, out, seed)]


def _shelves(copy: Copy, stocked_products: np.ndarray, out: Movements, seed: int) -> list[Movements]:
    """What comes to the shelves (product and depot) of one copy, is found missing there, or moves between them."""
    if not len(out.number):
        return []
    place = np.searchsorted(stocked_products, out.product) * len(words.DEPOTS) + out.location - FIRST_DEPOT
    shelf, inverse = np.unique(place, return_inverse=True)
    product, depot = stocked_products[shelf // len(words.DEPOTS)], FIRST_DEPOT + shelf % len(words.DEPOTS)
    went = np.zeros((len(shelf), WEEKS), dtype=np.int64)
    np.add.at(went, (inverse, (out.at - FIRST_WEEK) // WEEK), -out.quantity)
    # Rows are shelves and columns weeks, here and below.
    shelves, weeks = np.indices(went.shape)
    event = (copy.number * PRODUCTS * len(words.DEPOTS) + shelf[shelves]) * 64 + weeks

    def book(kind: int, name: str, quantity: np.ndarray, at: np.ndarray, to: np.ndarray = depot) -> Movements:
        some = np.nonzero((quantity != 0) & (at < BOOKS_CLOSED))
        number = (event[some] * 4 + kind) * 4 + SHELF
        return Movements(number, product[some[0]], to[some[0]], name, quantity[some], at[some])

    monday = FIRST_WEEK + weeks * WEEK
    received = np.zeros_like(went)
    received[:, 1:] = went[:, :-1]
    is_late = share(event, seed, "late supply") < LATE_SUPPLY
    late = np.where(is_late, received, 0)
    received -= late
    received[:, 1:] += late[:, :-1]
    three_weeks = went.copy()
    three_weeks[:, 1:] += went[:, :-1]
    three_weeks[:, 2:] += went[:, :-2]
    received[:, 0] = three_weeks.max(axis=1) + SPARE
    counted = np.where(
        share(event, seed, "counted") < COUNTED_OTHERWISE, between(event, seed, "missing", 1, 4) - 3, 0
    )  # fmt: skip
    has_others = len(words.DEPOTS) - 1
    moved = np.where((share(event, seed, "moved") < MOVED) & (went > 0), between(event, seed, "pieces moved", 1, 2), 0)
    to = FIRST_DEPOT + (depot - FIRST_DEPOT + 1 + pick(shelf, seed, "moved to", has_others)) % len(words.DEPOTS)
    return [
        book(RECEIVED, "receipt", received, monday),
        book(COUNTED, "adjustment", counted, monday + 3 * DAY + 14 * HOUR),
        book(MOVED_OUT, "transfer", -moved, monday + 2 * DAY),
        book(MOVED_IN, "transfer", moved, monday + 2 * DAY + 9 * HOUR, to),
    ]
