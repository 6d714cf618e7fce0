"""Campaigns, who they addressed, coupons, redemptions and promotions: real, but for a campaign's name and budget."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from examples.shop.columns import build
from examples.shop.hashing import pick, share
from examples.shop.journey import DAY, Copy, Lines, days, integers, promotion_batches, read

SEASONS = ("winter", "winter", "spring", "spring", "spring", "summer", "summer", "summer", "autumn", "autumn",
           "autumn", "winter")  # fmt: skip
# The year that the weeks of the promotions count in; week 1 is its first day alone, the others begin on Mondays.
PROMOTION_YEAR = 2017
# Which weeks --promotions stands for.
PROMOTION_WEEKS = {"full": range(1, 54), "four-weeks": range(50, 54), "none": range(0)}
# Products below this id and shops below this one: a pair of both is one 64-bit number.
PAIR = 1 << 20


def campaigns(seed: int) -> pa.Table:
    """The 27 rows of marketing.campaigns. A campaign is entered two weeks before it starts."""
    table = read("campaign_descriptions").sort_by("campaign_id")
    campaign, start = integers(table, "campaign_id"), days(table, "start_date")
    addressed = np.bincount(integers(read("campaigns"), "campaign_id"), minlength=int(campaign.max()) + 1)[campaign]
    months = start.astype("datetime64[M]").astype(np.int64)
    names = [
        f"{kind}, {SEASONS[month % 12]} {1970 + month // 12}, no. {number}"
        for kind, month, number in zip(table["campaign_type"].to_pylist(), months, campaign, strict=True)
    ]
    # A flat fee and some dollars for each household addressed, to whole hundreds.
    budget = (2_000 + addressed * (4 + pick(campaign, seed, "budget", 4))) // 100 * 100
    return build(
        "marketing.campaigns",
        campaign_id=campaign,
        campaign_type=table["campaign_type"],
        name=pa.array(names),
        start_date=start,
        end_date=days(table, "end_date"),
        budget_amount=budget * 100,
        currency_code="USD",
        updated_at=start.astype("datetime64[s]").astype(np.int64) - 14 * DAY,
    )


def campaign_targets(copy: Copy, seed: int) -> pa.Table:
    """The rows of marketing.campaign_targets for one copy; addressed on the first day or up to three days before."""
    table = read("campaigns")
    starts = read("campaign_descriptions").sort_by("campaign_id")
    mine = np.isin(integers(table, "household_id"), copy.households)
    customer = integers(table, "household_id")[mine] + copy.step
    campaign = integers(table, "campaign_id")[mine]
    start = days(starts, "start_date")[np.searchsorted(integers(starts, "campaign_id"), campaign)]
    return build(
        "marketing.campaign_targets",
        campaign_id=campaign,
        customer_id=customer,
        addressed_on=start - pick(customer * 100 + campaign, seed, "addressed", 4),
    )


def upcs(table: pa.Table) -> pa.ChunkedArray:
    return table["coupon_upc"].cast(pa.string())


def coupon_redemptions(copy: Copy) -> pa.Table:
    """The rows of marketing.coupon_redemptions for one copy. A copy redeems when the original did."""
    table = read("coupon_redemptions")
    mine = np.isin(integers(table, "household_id"), copy.households)
    table = table.filter(pa.array(mine))
    return build(
        "marketing.coupon_redemptions",
        customer_id=integers(table, "household_id") + copy.step,
        coupon_upc=upcs(table),
        campaign_id=integers(table, "campaign_id"),
        redeemed_on=days(table, "redemption_date"),
    )


@dataclass(frozen=True)
class Coupons:
    """The rows of marketing.coupons, and which of them are what: bool[n] each.

    `repeats` are exact repeats of an earlier row; `waits` are first occurrences that name an unknown product.
    """

    table: pa.Table
    repeats: np.ndarray
    waits: np.ndarray


def coupons(is_kept: np.ndarray, product: np.ndarray) -> Coupons:
    """All coupons of the products that are kept (`is_kept`, bool over the sorted ids `product`),
    and those of products that nobody knows."""
    table = read("coupons")
    named = integers(table, "product_id")
    is_known = np.isin(named, product)
    table = table.filter(pa.array(~is_known | np.isin(named, product[is_kept])))
    named = integers(table, "product_id")
    keys = np.column_stack([integers(table, "coupon_upc"), named, integers(table, "campaign_id")])
    _, first = np.unique(keys, axis=0, return_index=True)
    repeats = np.ones(len(table), dtype=bool)
    repeats[first] = False
    rows = build(
        "marketing.coupons", coupon_upc=upcs(table), product_id=named, campaign_id=integers(table, "campaign_id")
    )
    return Coupons(rows, repeats, ~np.isin(named, product) & ~repeats)


def redeemed_products(households: np.ndarray, product: np.ndarray) -> np.ndarray:
    """One known product for each coupon that these households redeemed: without it the coupon would be missing."""
    redeemed = read("coupon_redemptions")
    redeemed = redeemed.filter(pa.array(np.isin(integers(redeemed, "household_id"), households)))
    table = read("coupons")
    named = integers(table, "product_id")
    pair = integers(table, "coupon_upc") * 100 + integers(table, "campaign_id")
    wanted = integers(redeemed, "coupon_upc") * 100 + integers(redeemed, "campaign_id")
    fits = np.flatnonzero(np.isin(named, product) & np.isin(pair, wanted))
    _, first = np.unique(pair[fits], return_index=True)
    return named[fits[first]]


def promotions(weeks: range, scale: float, lines: Lines, kept: np.ndarray, seed: int) -> Iterator[tuple[pa.Table, int]]:
    """The rows of marketing.promotions, batch by batch, each with the number of source rows read for it.

    A scale below 1 keeps, for the products `kept`, the pairs of product and shop that occur in
    `lines`, and of the other pairs that part.
    """
    bought = np.unique(lines.product * PAIR + lines.store) if scale < 1 else None
    for batch, read_rows in promotion_batches(weeks):
        product, store = batch["product_id"].to_numpy(), batch["store_id"].to_numpy()
        if bought is not None:
            pair = product * PAIR + store
            keep = np.isin(pair, bought) | (share(pair, seed, "promotion sample") < scale)
            keep &= np.isin(product, kept)
            batch = batch.filter(pa.array(keep))
            product, store = product[keep], store[keep]
        table = build(
            "marketing.promotions",
            product_id=product,
            location_id=store,
            year=pa.repeat(pa.scalar(PROMOTION_YEAR), len(product)),
            week=batch["week"],
            display_location=batch["display_location"],
            mailer_location=batch["mailer_location"],
        )
        yield table, read_rows
