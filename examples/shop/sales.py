"""Orders and their lines, which are real, and payments, which are simulated to the cent of what is owed for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from examples.shop.columns import build
from examples.shop.hashing import between, lottery, share
from examples.shop.journey import Baskets, Lines

# Three households in ten also buy online, two of five times; of all baskets about 8 % come by web and 4 % by app.
ONLINE_HOUSEHOLDS = 0.30
WEB_PART, APP_PART = 0.27, 0.13
# Online orders of the year's last week are still 'placed' when they first arrive.
STILL_OPEN_SINCE = np.datetime64("2017-12-25T05:00:00", "s").astype(np.int64)

# Payment ids are the order's id and one digit.
FAILED, FIRST, SECOND, AGAIN = 0, 1, 2, 3
SPLIT_FROM = 200  # cents: nobody pays less than two dollars in two ways


def channels(baskets: Baskets, seed: int) -> np.ndarray:
    """store, web or app for each basket: str[n]."""
    is_online = share(baskets.household, seed, "online household") < ONLINE_HOUSEHOLDS
    lot = share(baskets.order, seed, "channel")
    return np.where(is_online & (lot < WEB_PART), "web",
                    np.where(is_online & (lot < WEB_PART + APP_PART), "app", "store"))  # fmt: skip


def orders(baskets: Baskets, channel: np.ndarray, is_open: np.ndarray) -> pa.Table:
    """The rows of erp.orders. `is_open` (bool[n]): placed, and not yet completed."""
    return build(
        "erp.orders",
        order_id=baskets.order,
        customer_id=baskets.household,
        location_id=baskets.store,
        channel=channel,
        status=np.where(is_open, "placed", "completed"),
        currency_code="USD",
        ordered_at=baskets.at,
        updated_at=baskets.at,
    )


def still_open(baskets: Baskets, channel: np.ndarray) -> np.ndarray:
    """Which orders are still placed when they first arrive: bool[n]."""
    return (channel != "store") & (baskets.at >= STILL_OPEN_SINCE)


def order_lines(lines: Lines, baskets: Baskets, of_line: np.ndarray) -> pa.Table:
    """The rows of erp.order_lines, in the order of the source."""
    return build(
        "erp.order_lines",
        order_id=lines.order,
        product_id=lines.product,
        quantity=lines.quantity,
        sales_amount=lines.sales,
        retail_discount=lines.retail,
        coupon_discount=lines.coupon,
        coupon_match_discount=lines.match,
        updated_at=baskets.at[of_line],
    )


@dataclass(frozen=True)
class Payments:
    """Payments in the order of their baskets. `basket` is the basket's position, `amount` in cents."""

    payment: np.ndarray
    basket: np.ndarray
    order: np.ndarray
    method: np.ndarray
    status: np.ndarray
    amount: np.ndarray
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.payment)

    def table(self, mask: np.ndarray) -> pa.Table:
        return build(
            "erp.payments",
            payment_id=self.payment[mask],
            order_id=self.order[mask],
            method=self.method[mask],
            status=self.status[mask],
            amount=self.amount[mask],
            currency_code="USD",
            paid_at=self.at[mask],
        )

    def captured(self, baskets: int, mask: np.ndarray) -> np.ndarray:
        """What these payments captured of each basket, in cents: int64[baskets]."""
        counts = mask & (self.status == "captured")
        return np.bincount(self.basket[counts], weights=self.amount[counts], minlength=baskets).astype(np.int64)


@dataclass(frozen=True)
class PaymentFaults:
    """Positions of baskets that real life got wrong: one paid ten per cent too little, one paid twice."""

    short: np.ndarray
    twice: np.ndarray


NO_FAULTS = PaymentFaults(np.empty(0, np.int64), np.empty(0, np.int64))


def draw_faults(baskets: Baskets, seed: int, short: int = 6, twice: int = 5) -> PaymentFaults:
    """The baskets whose payment is wrong, drawn among those of ten dollars and more."""
    order = lottery(baskets.order, seed, "payment fault")
    order = order[baskets.owed[order] >= 1000]
    return PaymentFaults(np.sort(order[:short]), np.sort(order[short : short + twice]))


def payments(baskets: Baskets, channel: np.ndarray, faults: PaymentFaults, seed: int) -> Payments:
    """One payment a basket, sometimes two, that come to what the customer owes of it; none where that is nothing.

    Where a card is refused first, a failed payment stands before the one that is captured.
    """
    order, amount = baskets.order, baskets.owed
    is_store = channel == "store"
    is_faulty = np.isin(np.arange(len(order)), np.concatenate([faults.short, faults.twice]))
    is_split = (share(order, seed, "split") < 0.05) & (amount >= SPLIT_FROM) & ~is_faulty
    lot = share(order, seed, "method")
    method = np.where(lot < np.where(is_store, 0.72, 0.93), "card",
                      np.where(is_store & (lot < 0.96), "cash", "gift_card"))  # fmt: skip
    method = np.where(is_split, "gift_card", method)
    is_refused = (share(order, seed, "card refused") < 0.015) & (method == "card") & (amount > 0) & ~is_faulty
    first = np.where(is_split, amount * between(order, seed, "gift card part", 20, 70) // 100, amount)
    first[faults.short] -= amount[faults.short] // 10
    paid_at = baskets.at + np.where(
        is_store, between(order, seed, "paid", 20, 140), between(order, seed, "paid", 30, 900)
    )
    is_twice = np.zeros(len(order), dtype=bool)
    is_twice[faults.twice] = True
    card, paid, failed = (np.full(len(order), word) for word in ("card", "captured", "failed"))
    # Digit of the id, who has one, method, status, cents, when.
    kinds: tuple[tuple[Any, ...], ...] = (
        (FAILED, is_refused, card, failed, amount, baskets.at + 10),
        (FIRST, amount > 0, method, paid, first, paid_at),
        (SECOND, is_split, card, paid, amount - first, paid_at + 15),
        (AGAIN, is_twice, method, paid, amount, paid_at + 90),
    )
    place = np.concatenate([np.flatnonzero(has) for _, has, *_ in kinds])
    digit = np.concatenate([np.full(np.count_nonzero(has), number) for number, has, *_ in kinds])
    in_order = np.lexsort((digit, place))
    method, status, cents, at = (
        np.concatenate([kind[field][kind[1]] for kind in kinds])[in_order] for field in (2, 3, 4, 5)
    )
    place, digit = place[in_order], digit[in_order]
    return Payments(order[place] * 10 + digit, place, order[place], method, status, cents, at)
