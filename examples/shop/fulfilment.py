"""What becomes of orders: parcels of those placed online, goods that come back, and refunds. Simulated."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop import words
from examples.shop.columns import build, moments, text
from examples.shop.hashing import between, pick, share
from examples.shop.journey import DAY, Baskets, Lines
from examples.shop.places import FIRST_DEPOT
from examples.shop.sales import FIRST, Payments

HOUR = 3_600
CARRIERS = ("UPS", "FedEx", "USPS", "Ohio Valley Couriers")
# What a carrier's numbers begin with.
TRACKING = ("1Z", "96", "94", "OV")
BY_DEPOT, IN_TWO_PARCELS, LOST = 0.7, 0.08, 0.004
# A parcel that has not come by then is lost.
LOST_AFTER = 10 * DAY
# When the shop's books of the year were sent: what happened to goods, mails and visits later is in none of its files.
BOOKS_CLOSED = np.datetime64("2018-01-03T12:00:00", "s").astype(np.int64)

RETURNING_ORDERS, RETURNING_ORDERS_ONLINE, RETURNED_LINES = 0.025, 0.08, 0.12
# Nobody brings back a tank of fuel, which is sold by the thousandth of a gallon.
MOST_PIECES = 12
REASONS = ("unwanted", "damaged", "wrong_item", "late", "other")
UNWANTED, DAMAGED, WRONG_ITEM, LATE, OTHER = range(len(REASONS))
# Payment ids are the order's id and one digit; this one is the refund's.
REFUND = 4
# No basket has as many lines.
LINES_A_BASKET = 1_000


def completed_at(order: np.ndarray, ordered_at: np.ndarray, seed: int) -> np.ndarray:
    """When an order that was still placed is handed over, in seconds UTC: int64[n]."""
    return ordered_at + DAY + pick(order, seed, "completed", DAY)


def completes(order: np.ndarray, seed: int) -> np.ndarray:
    """Which of the orders that are still placed are handed over before the books are closed: bool[n]."""
    return share(order, seed, "completes") < 0.9


@dataclass(frozen=True)
class Parcels:
    """Parcels, int64[n] each unless said. `basket` is the basket's position; times in seconds UTC.

    `shipped` and `delivered` are 0 where that has not happened.
    """

    shipment: np.ndarray
    basket: np.ndarray
    order: np.ndarray
    location: np.ndarray
    carrier: np.ndarray  # a place in CARRIERS
    packed: np.ndarray
    shipped: np.ndarray
    delivered: np.ndarray
    is_lost: np.ndarray  # bool

    def __len__(self) -> int:
        return len(self.shipment)

    def where(self, mask: np.ndarray) -> "Parcels":
        return Parcels(*(getattr(self, field.name)[mask] for field in fields(self)))

    def known(self, until: np.ndarray) -> "Parcels":
        """The parcels as they stood at these moments, int64[n]: what came later has not happened."""
        return Parcels(
            self.shipment, self.basket, self.order, self.location, self.carrier, self.packed,
            np.where(self.shipped <= until, self.shipped, 0),
            np.where(self.delivered <= until, self.delivered, 0),
            self.is_lost & (self.shipped + LOST_AFTER <= until),
        )  # fmt: skip

    def table(self) -> pa.Table:
        """The rows of erp.shipments."""
        has_left, has_come = self.shipped > 0, self.delivered > 0
        prefix = words.choose(TRACKING, self.carrier)
        tracking = pc.binary_join_element_wise(prefix, text(f"{one:019d}" for one in self.shipment), "")
        status = np.where(
            self.is_lost, "lost", np.where(has_come, "delivered", np.where(has_left, "shipped", "packed"))
        )
        lost_at = np.where(self.is_lost, self.shipped + LOST_AFTER, 0)
        return build(
            "erp.shipments",
            shipment_id=self.shipment,
            order_id=self.order,
            location_id=self.location,
            carrier=words.choose(CARRIERS, self.carrier),
            tracking_number=pc.if_else(pa.array(has_left), tracking, pa.scalar(None, pa.string())),
            status=status,
            shipped_at=moments(self.shipped, ~has_left),
            delivered_at=moments(self.delivered, ~has_come),
            updated_at=np.maximum.reduce([self.packed, self.shipped, self.delivered, lost_at]),
        )


def parcels(baskets: Baskets, channel: np.ndarray, is_open: np.ndarray, seed: int) -> Parcels:
    """The parcels of all online orders, with everything that ever happens to them.

    `is_open` (bool[baskets]): orders of the year's last days, which are handed over when they
    are completed, if they are.
    """
    basket = np.flatnonzero(channel != "store")
    second = basket[share(baskets.order[basket], seed, "two parcels") < IN_TWO_PARCELS]
    basket, number = np.concatenate([basket, second]), np.repeat([1, 2], [len(basket), len(second)])
    in_order = np.lexsort((number, basket))
    basket, number = basket[in_order], number[in_order]
    order, ordered_at, still_open = baskets.order[basket], baskets.at[basket], is_open[basket]
    shipment = order * 10 + number
    packed = ordered_at + between(shipment, seed, "packed", HOUR, 6 * HOUR)
    shipped = packed + between(shipment, seed, "shipped", HOUR, np.where(still_open, 14 * HOUR, 30 * HOUR))
    on_the_way = between(shipment, seed, "on the way", 20 * HOUR, 4 * DAY)
    is_lost = (share(shipment, seed, "lost") < LOST) & ~still_open
    delivered = np.where(still_open, completed_at(order, ordered_at, seed), shipped + on_the_way)
    comes = ~is_lost & (completes(order, seed) | ~still_open)
    return Parcels(
        shipment=shipment,
        basket=basket,
        order=order,
        location=packed_in(order, baskets.store[basket], seed),
        carrier=pick(order, seed, "carrier", len(CARRIERS)),
        packed=packed,
        shipped=shipped,
        delivered=np.where(comes, delivered, 0),
        is_lost=is_lost,
    )


def packed_in(order: np.ndarray, store: np.ndarray, seed: int) -> np.ndarray:
    """The depot, or the shop, that packs the parcels of an order: int64[n]."""
    depot = FIRST_DEPOT + pick(order, seed, "depot", len(words.DEPOTS))
    return np.where(share(order, seed, "by depot") < BY_DEPOT, depot, store)


def place_in_basket(of_line: np.ndarray) -> np.ndarray:
    """Each line's place among those of its basket, from 0: int64[lines]."""
    in_order = np.argsort(of_line, kind="stable")
    first = np.searchsorted(of_line[in_order], of_line[in_order])
    place = np.empty_like(in_order)
    place[in_order] = np.arange(len(of_line)) - first
    return place


@dataclass(frozen=True)
class Returns:
    """Lines that came back, in whole or in part: int64[n] each. `line` is the line's position, `refund` in cents."""

    line: np.ndarray
    number: np.ndarray
    order: np.ndarray
    product: np.ndarray
    basket: np.ndarray
    quantity: np.ndarray
    refund: np.ndarray
    reason: np.ndarray  # a place in REASONS
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.line)

    def where(self, mask: np.ndarray) -> "Returns":
        return Returns(*(getattr(self, field.name)[mask] for field in fields(self)))

    def table(self) -> pa.Table:
        """The rows of erp.returns."""
        return build(
            "erp.returns",
            return_id=self.number,
            order_id=self.order,
            product_id=self.product,
            quantity=self.quantity,
            refund_amount=self.refund,
            currency_code="USD",
            reason=words.choose(REASONS, self.reason),
            returned_at=self.at,
        )


def arrived_at(baskets: Baskets, sent: Parcels) -> np.ndarray:
    """When all of each basket was with its customer, in seconds UTC; the last moment there is for never: int64[n]."""
    at = baskets.at.copy()
    never = np.iinfo(np.int64).max
    np.maximum.at(at, sent.basket, np.where(sent.delivered > 0, sent.delivered, never))
    return at


def returns(
    sold: tuple[Lines, Baskets, np.ndarray], channel: np.ndarray, sent: Parcels, is_known: np.ndarray, seed: int
) -> Returns:
    """What customers bring or send back within a month, of products that the catalogue knows (bool[lines]).

    All that comes back of an order comes at once, and after all of it has come. What a maker's
    coupon paid for a line is not given back to the customer.
    """
    lines, baskets, of_line = sold
    is_online = (channel != "store")[of_line]
    number = lines.order * LINES_A_BASKET + place_in_basket(of_line)
    part = np.where(is_online, RETURNING_ORDERS_ONLINE, RETURNING_ORDERS)
    comes_back = (share(lines.order, seed, "returns") < part) & (share(number, seed, "returned") < RETURNED_LINES)
    comes_back &= is_known & (lines.quantity > 0) & (lines.quantity <= MOST_PIECES) & (lines.sales > 0)
    days = between(lines.order, seed, "returned after", np.where(is_online, 8, 1), 30)
    at = baskets.at[of_line] + days * DAY + pick(lines.order, seed, "returned at", 2 * HOUR)
    line = np.flatnonzero(comes_back & (at > arrived_at(baskets, sent)[of_line]) & (at < BOOKS_CLOSED))
    number, order, bought = number[line], lines.order[line], lines.quantity[line]
    paid = np.maximum(lines.sales[line] - lines.coupon[line], 0)
    quantity = between(number, seed, "pieces returned", 1, bought)
    lot = share(number, seed, "reason")
    late = np.where(is_online[line], 0.12, 0.0)
    reason = np.select(
        [lot < 0.45, lot < 0.65, lot < 0.75, lot < 0.75 + late], [UNWANTED, DAMAGED, WRONG_ITEM, LATE], OTHER
    )  # fmt: skip
    return Returns(
        line=line,
        number=number,
        order=order,
        product=lines.product[line],
        basket=of_line[line],
        quantity=quantity,
        refund=paid * quantity // bought,
        reason=reason,
        at=at[line],
    )


def refunds(sent_back: Returns, paid: Payments, seed: int) -> pa.Table:
    """The rows of erp.payments that give back what returns are worth, one an order, by the way it was first paid."""
    basket, first, inverse = np.unique(sent_back.basket, return_index=True, return_inverse=True)
    amount = np.bincount(inverse, weights=sent_back.refund, minlength=len(basket)).astype(np.int64)
    order, at = sent_back.order[first], sent_back.at[first]
    method = np.full(int(basket.max(initial=-1)) + 1, "card", dtype="<U9")
    is_first = (paid.payment % 10 == FIRST) & (paid.basket < len(method))
    method[paid.basket[is_first]] = paid.method[is_first]
    is_some = amount > 0
    return build(
        "erp.payments",
        payment_id=(order * 10 + REFUND)[is_some],
        order_id=order[is_some],
        method=method[basket][is_some],
        status="refunded",
        amount=amount[is_some],
        currency_code="USD",
        paid_at=(at + between(order, seed, "refunded", 60, 900))[is_some],
    )
