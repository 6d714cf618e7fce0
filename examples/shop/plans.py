"""What people keep by hand: sales targets, budgets and exchange rates. Simulated."""

import numpy as np
import pyarrow as pa

from examples.shop.catalogue import Catalogue
from examples.shop.columns import build, text
from examples.shop.hashing import between, share
from examples.shop.journey import Lines

MONTHS = np.arange("2017-01", "2018-01", dtype="datetime64[M]")
# The shop's days are New York's. In summer a day's first hour counts to the day before, which no target minds.
ZONE = 5 * 3_600

# What a unit of each was worth in US dollars, roughly, at the beginning of each month from October 2016 to
# January 2018; the days between are drawn about the line from one to the next.
RATES = {
    "EUR": (1.12, 1.10, 1.06, 1.05, 1.08, 1.06, 1.07, 1.09, 1.12, 1.14, 1.18, 1.19, 1.18, 1.16, 1.19, 1.20),
    "GBP": (1.28, 1.23, 1.26, 1.23, 1.26, 1.24, 1.25, 1.29, 1.29, 1.30, 1.32, 1.29, 1.34, 1.33, 1.35, 1.35),
    "CAD": (0.76, 0.75, 0.75, 0.74, 0.77, 0.75, 0.75, 0.73, 0.74, 0.77, 0.80, 0.80, 0.80, 0.78, 0.79, 0.80),
}
FIRST_RATE, LAST_RATE = np.datetime64("2016-10-03"), np.datetime64("2018-01-02")
RATE_UNITS = 10**8

# Dollars a month: department, kind of cost.
BUDGETS = {
    ("sales", "people"): 64_000, ("sales", "systems"): 2_500, ("sales", "other"): 3_000,
    ("marketing", "people"): 14_000, ("marketing", "advertising"): 6_500, ("marketing", "systems"): 1_800,
    ("finance", "people"): 9_000, ("finance", "systems"): 2_200,
    ("merchandising", "people"): 16_000, ("merchandising", "other"): 2_400,
    ("customers", "people"): 8_500, ("customers", "systems"): 1_500,
    ("operations", "people"): 31_000, ("operations", "logistics"): 18_500, ("operations", "systems"): 4_000,
}  # fmt: skip


def exchange_rates(seed: int) -> pa.Table:
    """The rows of planning.exchange_rates: Mondays to Fridays, three currencies."""
    day = np.arange(FIRST_RATE, LAST_RATE + 1)
    day = day[np.is_busday(day)]
    known = np.arange("2016-10", "2018-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
    parts = []
    for place, (currency, rates) in enumerate(RATES.items()):
        number = day.astype(np.int64) * 10 + place
        line = np.interp(day.astype(np.int64), known, rates)
        drawn = line * (0.994 + 0.012 * share(number, seed, "rate"))
        # To five places, as rates are quoted.
        units = np.rint(drawn * 10**5).astype(np.int64) * (RATE_UNITS // 10**5)
        currencies = pa.repeat(pa.scalar(currency), len(day))
        parts.append(build("planning.exchange_rates", currency_code=currencies, rate_date=day, rate_to_base=units))
    return pa.concat_tables(parts).sort_by([("rate_date", "ascending"), ("currency_code", "ascending")])


def departments(catalogue: Catalogue) -> np.ndarray:
    """The category id of each product's department: int64[products]."""
    ids = catalogue.categories["category_id"].to_numpy()
    above = catalogue.categories["parent_category_id"].fill_null(0).to_numpy()
    parent = np.zeros(int(ids.max()) + 1, dtype=np.int64)
    parent[ids] = above
    return parent[parent[catalogue.category_id]]


def sales_targets(lines: Lines, catalogue: Catalogue, scale: float, seed: int) -> pa.Table:
    """The rows of planning.sales_targets: a department and month each, about what was sold then.

    `lines` are the real ones that are written, of which a scale above 1 has that many copies.
    """
    mine = lines.where(catalogue.knows(lines.product))
    category = departments(catalogue)[np.searchsorted(catalogue.product, mine.product)]
    month = (mine.at - ZONE).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    pair, inverse = np.unique(np.column_stack([month, category]), axis=0, return_inverse=True)
    sold = np.bincount(inverse.reshape(-1), weights=mine.sales, minlength=len(pair)).astype(np.int64)
    inside = np.isin(pair[:, 0], MONTHS.astype(np.int64)) & (sold > 0)
    month, category, sold = pair[inside, 0], pair[inside, 1], sold[inside]
    percent = between(month * 10_000 + category, seed, "target", 90, 113)
    hundreds = np.maximum(sold * percent // 100 * round(max(scale, 1.0) * 100) // 100 // 10_000, 1)
    return build(
        "planning.sales_targets",
        month=month.astype("datetime64[M]").astype("datetime64[D]"),
        category_id=category,
        target_amount=hundreds * 10_000,
        currency_code="USD",
        note=None,
    )


def budgets(seed: int) -> pa.Table:
    """The rows of planning.budgets: every month, a little different."""
    place = np.arange(len(BUDGETS) * len(MONTHS))
    month, line = MONTHS[place // len(BUDGETS)], place % len(BUDGETS)
    dollars = np.array(list(BUDGETS.values()))[line] * between(place, seed, "budget of a month", 95, 108) // 100
    names = list(BUDGETS)
    return build(
        "planning.budgets",
        month=month.astype("datetime64[D]"),
        department=text(names[one][0] for one in line),
        cost_type=text(names[one][1] for one in line),
        amount=dollars // 50 * 5_000,
        currency_code="USD",
        note=None,
    )
