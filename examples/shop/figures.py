"""The sums that must come out of the door and the warehouse, counted while the files are written."""

from collections import Counter
from typing import Any

import numpy as np

from examples.shop.journey import Baskets, Lines


def dollars(cents: int) -> str:
    """Cents as a decimal number with two places, without a float between."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


class Figures:
    """Counts and sums over all copies. Money is kept in cents and given as text in dollars."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._cents: Counter[str] = Counter()

    def add_baskets(self, lines: Lines, baskets: Baskets, of_line: np.ndarray, is_known: np.ndarray) -> np.ndarray:
        """Counts one copy's lines; `is_known` (bool[lines]): the product is in the catalogue.

        Returns what customers owe for the lines let in of each basket, in cents: int64[baskets].
        """
        has_none = lines.quantity == 0
        less_coupons = (lines.sales - lines.coupon)[is_known]
        owed = np.bincount(of_line[is_known], weights=less_coupons, minlength=len(baskets)).astype(np.int64)
        lines_let_in = np.bincount(of_line[is_known], minlength=len(baskets))
        self._counts.update(
            customers_with_orders=len(np.unique(baskets.household)),
            orders=len(baskets),
            orders_with_waiting_lines_only=int((lines_let_in == 0).sum()),
            orders_worth_nothing=int((baskets.amount == 0).sum()),
            orders_paid_by_coupons_alone=int(((baskets.amount > 0) & (baskets.owed == 0)).sum()),
            order_lines=len(lines),
            order_lines_let_in=int(is_known.sum()),
            order_lines_waiting=int((~is_known).sum()),
            order_lines_of_quantity_0_let_in=int((has_none & is_known).sum()),
            order_lines_of_quantity_0_waiting=int((has_none & ~is_known).sum()),
        )
        self._cents.update(
            sales_amount=int(lines.sales.sum()),
            sales_amount_let_in=int(lines.sales[is_known].sum()),
            sales_amount_waiting=int(lines.sales[~is_known].sum()),
        )
        return np.maximum(owed, 0)

    def add_payments(
        self, due: np.ndarray, let_in: np.ndarray, captured: np.ndarray, faulty: dict[str, np.ndarray]
    ) -> None:
        """Counts one copy's payments: cents due, due for lines let in and captured of each basket, int64[baskets] each.

        `faulty` names the positions of baskets whose payments are wrong, by what is wrong.
        """
        differs = captured != let_in
        is_faulty = np.zeros(len(due), dtype=bool)
        for name, places in faulty.items():
            self._counts[f"orders_{name}"] += len(places)
            is_faulty[places] = True
        waits = differs & (let_in != due) & ~is_faulty
        if not np.array_equal(captured[~is_faulty], due[~is_faulty]):
            raise ValueError("payments do not come to what is owed for the baskets")
        self._counts.update(
            orders_paid_otherwise_than_lines_let_in=int(differs.sum()),
            orders_paid_otherwise_for_waiting_lines=int(waits.sum()),
        )
        self._cents.update(
            payments_captured=int(captured.sum()), payments_less_lines_let_in=int((captured - let_in).sum())
        )

    def count(self, **numbers: int) -> None:
        self._counts.update(numbers)

    def as_json(self) -> dict[str, Any]:
        return dict(self._counts) | {name: dollars(cents) for name, cents in self._cents.items()}
