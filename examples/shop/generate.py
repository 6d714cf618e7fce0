"""Writes the whole shop into a folder, in the order in which the door is to take it."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from examples.shop import marketing, places, sales
from examples.shop.catalogue import HOUSE_BRAND, Catalogue, products, read_catalogue, suppliers
from examples.shop.customers import Households, addresses, customers, read_households, visits
from examples.shop.figures import Figures
from examples.shop.files import ROWS_A_GROUP, TableFile
from examples.shop.hashing import share
from examples.shop.journey import (
    SELECTION_SEED,
    Baskets,
    Copy,
    Lines,
    baskets_of,
    copies,
    data_folder,
    promotion_rows,
    read_lines,
)
from examples.shop.life_of_customers import People, write_life_of_customers
from examples.shop.life_of_sales import (
    Withheld,
    accepted_payments,
    withhold,
    write_life_of_orders,
    write_life_of_payments,
    write_life_of_products,
    write_repeated_lines,
)
from examples.shop.manifest import Kind, Load, Manifest, Parameters, clear, standing
from examples.shop.progress import Report, silent

DEFAULT_SEED = 20_170_101
# Ids of copied addresses would pass what an integer column holds.
HIGHEST_SCALE = 20_000

# What the copies of households are written into: table and file.
COPIED = {
    "crm.customers": "customers.ndjson",
    "crm.addresses": "addresses.csv",
    "erp.orders": "orders.parquet",
    "erp.order_lines": "order_lines.parquet",
    "erp.payments": "payments.parquet",
    "marketing.campaign_targets": "campaign_targets.csv",
    "marketing.coupon_redemptions": "coupon_redemptions.ndjson",
}


@dataclass(frozen=True)
class Shop:
    """What is read of The Complete Journey, and which part of it is written."""

    lines: Lines
    households: Households
    catalogue: Catalogue
    stores: np.ndarray
    copies: list[Copy]
    keeps: np.ndarray  # bool[products]


@dataclass(frozen=True)
class RealPart:
    """Copy 0 as it was written: what life goes on with."""

    people: People
    lines: Lines
    baskets: Baskets
    of_line: np.ndarray
    still_open: pa.Table
    paid: sales.Payments
    withheld: Withheld


def make(
    out: Path | str,
    scale: float = 1.0,
    seed: int = DEFAULT_SEED,
    promotions: str = "four-weeks",
    report: Report = silent,
) -> list[Load]:
    """Writes the shop's files into `out`, and loads.json last; returns what that holds.

    A folder that already holds the same parameters whole is left as it is. `report`
    is called with (stage, rows done, rows in all).

    Raises ValueError for a scale or a kind of promotions that there is none of, and
    when the folder holds a loads.json of somebody else's.
    """
    if promotions not in marketing.PROMOTION_WEEKS:
        raise ValueError(f"promotions is '{promotions}'; there are {', '.join(marketing.PROMOTION_WEEKS)}")
    if not 0 < scale <= HIGHEST_SCALE:
        raise ValueError(f"scale is {scale}; it goes from just above 0 to {HIGHEST_SCALE:,}")
    parameters = Parameters(float(scale), int(seed), promotions)
    folder = Path(out)
    if (loads := standing(folder, parameters)) is not None:
        return loads
    folder.mkdir(parents=True, exist_ok=True)
    clear(folder)
    manifest = Manifest(folder, parameters, report)
    shop = read_shop(parameters, report)
    figures = Figures()
    files, real = write_copies(manifest, shop, figures)
    product_rows = write_master_data(manifest, shop, files)
    write_transactions(manifest, files, figures)
    write_marketing(manifest, shop, files, real.lines, figures)
    write_life(manifest, real, product_rows)
    return manifest.finish(figures.as_json())


def read_shop(parameters: Parameters, report: Report) -> Shop:
    lines = read_lines(report)
    baskets, _ = baskets_of(lines)
    households = read_households(baskets)
    catalogue = read_catalogue(lines, parameters.seed)
    chosen = list(copies(households.household, parameters.scale))
    if not chosen:
        raise ValueError(f"a scale of {parameters.scale} keeps no household; take 0.001 or more")
    promoted = pq.read_table(data_folder() / "promotions.parquet", columns=["store_id"])["store_id"].unique()
    stores = np.union1d(lines.store, promoted.to_numpy())
    keeps = kept_products(catalogue, lines, chosen[0].households, parameters.scale)
    return Shop(lines, households, catalogue, stores, chosen, keeps)


def kept_products(catalogue: Catalogue, lines: Lines, households: np.ndarray, scale: float) -> np.ndarray:
    """Which products a scale below 1 keeps: what its households bought, their coupons, and a part of the others."""
    if scale >= 1:
        return np.ones(len(catalogue.product), dtype=bool)
    bought = lines.product[np.isin(lines.household, households)]
    redeemed = marketing.redeemed_products(households, catalogue.product)
    in_sample = share(catalogue.product, SELECTION_SEED, "product sample") < scale
    return np.isin(catalogue.product, np.union1d(bought, redeemed)) | in_sample


def write_copies(manifest: Manifest, shop: Shop, figures: Figures) -> tuple[dict[str, TableFile], RealPart]:
    """Writes everything that belongs to households, copy by copy, into files that are open side by side."""
    seed = manifest.parameters.seed
    real: RealPart | None = None
    lines_of = np.bincount(shop.lines.household, minlength=int(shop.households.household.max()) + 1)
    total = sum(int(lines_of[copy.households].sum()) for copy in shop.copies)
    manifest.report("orders, lines and payments", 0, total)
    with ExitStack() as stack:
        files = {table: stack.enter_context(manifest.file(table, name)) for table, name in COPIED.items()}
        for copy in shop.copies:
            lines = copy.lines(shop.lines, seed)
            baskets, of_line = baskets_of(lines)
            seen = visits(copy.customers, baskets, seed)
            people = customers(copy, shop.households, seen, seed)
            files["crm.customers"].write(people)
            files["crm.addresses"].write(addresses(copy, seen, seed))
            files["marketing.campaign_targets"].write(marketing.campaign_targets(copy, seed))
            files["marketing.coupon_redemptions"].write(marketing.coupon_redemptions(copy))
            written = write_sales(manifest, files, copy, shop, (lines, baskets, of_line), figures, total)
            if copy.number == 0:
                known = shop.households.household
                real = RealPart(People(people, copy.customers, seen, known), lines, baskets, of_line, *written)
    if real is None:
        raise ValueError("no copy of the households is the real one")
    return files, real


def write_sales(
    manifest: Manifest,
    files: dict[str, TableFile],
    copy: Copy,
    shop: Shop,
    basket_data: tuple[Lines, Baskets, np.ndarray],
    figures: Figures,
    total: int,
) -> tuple[pa.Table, sales.Payments, Withheld]:
    """Writes one copy's orders, lines and payments. Only the real copy has faults of its own."""
    lines, baskets, of_line = basket_data
    seed, is_real = manifest.parameters.seed, copy.number == 0
    channel = sales.channels(baskets, seed)
    is_open = sales.still_open(baskets, channel) & is_real
    orders = sales.orders(baskets, channel, is_open)
    files["erp.orders"].write(orders)
    for start in range(0, len(lines), ROWS_A_GROUP):
        part = np.arange(start, min(start + ROWS_A_GROUP, len(lines)))
        files["erp.order_lines"].write(sales.order_lines(lines.where(part), baskets, of_line[part]))
        manifest.report("orders, lines and payments", files["erp.order_lines"].rows, total)
    faults = sales.draw_faults(baskets, seed) if is_real else sales.NO_FAULTS
    paid = sales.payments(baskets, channel, faults, seed)
    nothing = np.zeros(len(paid), dtype=bool)
    withheld = withhold(baskets, paid, faults, seed) if is_real else Withheld(nothing, nothing)
    files["erp.payments"].write(paid.table(~withheld.late & ~withheld.terminal))
    let_in = figures.add_baskets(lines, baskets, of_line, shop.catalogue.knows(lines.product))
    accepted = accepted_payments(paid, withheld)
    faulty = {
        "paid_too_little": faults.short,
        "paid_twice": faults.twice,
        "unpaid_until_mended": paid.basket[~accepted],
    }
    figures.add_payments(baskets.amount, let_in, paid.captured(len(baskets), accepted), faulty)
    return orders.filter(pa.array(is_open)), paid, withheld


def write_master_data(manifest: Manifest, shop: Shop, files: dict[str, TableFile]) -> pa.Table:
    """Enters customers and addresses; writes categories, suppliers, locations and products. Returns the products."""
    seed, catalogue = manifest.parameters.seed, shop.catalogue
    manifest.note("crm.customers", files["crm.customers"], "Households as customers; names are simulated")
    manifest.note("crm.addresses", files["crm.addresses"], "Addresses, simulated")
    write_whole(manifest, "erp.categories", "categories.csv", catalogue.categories,
                "Department, category, type; many rows stand before their parent")  # fmt: skip
    rows = products(catalogue, shop.keeps, seed)
    makers = np.append(catalogue.manufacturer[shop.keeps], HOUSE_BRAND)
    write_whole(manifest, "erp.suppliers", "suppliers.ndjson", suppliers(makers, seed), "One a manufacturer, simulated")
    write_whole(manifest, "erp.locations", "locations.csv", places.locations(shop.stores, seed),
                "Shops, and three simulated depots")  # fmt: skip
    write_whole(manifest, "erp.products", "products.parquet", rows, "Products; names and prices are simulated")
    return rows


def write_transactions(manifest: Manifest, files: dict[str, TableFile], figures: Figures) -> None:
    """Enters orders, lines and payments, which are already written."""
    counted = figures.as_json()
    manifest.note("erp.orders", files["erp.orders"], "Baskets as orders")
    manifest.note(
        "erp.order_lines", files["erp.order_lines"], "Lines of baskets",
        Kind("lines of products that nobody knows", "waiting", counted["order_lines_waiting"]),
        Kind("lines of quantity 0, let in with a warning", "accepted", counted["order_lines_of_quantity_0_let_in"]),
    )  # fmt: skip
    manifest.note(
        "erp.payments", files["erp.payments"], "Payments, simulated to the cent of the baskets",
        Kind("orders paid ten per cent too little", "accepted", counted["orders_paid_too_little"]),
        Kind("orders paid twice", "accepted", counted["orders_paid_twice"]),
    )  # fmt: skip


def write_marketing(
    manifest: Manifest, shop: Shop, files: dict[str, TableFile], lines: Lines, figures: Figures
) -> None:
    """Writes campaigns, coupons and promotions; enters what is already written. `lines` are the real copy's."""
    parameters = manifest.parameters
    write_whole(manifest, "marketing.campaigns", "campaigns.ndjson", marketing.campaigns(parameters.seed),
                "Campaigns; names and budgets are simulated")  # fmt: skip
    manifest.note("marketing.campaign_targets", files["marketing.campaign_targets"], "Who was addressed")
    coupons = marketing.coupons(shop.keeps, shop.catalogue.product)
    repeats, waits = int(coupons.repeats.sum()), int(coupons.waits.sum())
    figures.count(coupons=len(coupons.table), coupons_repeated_exactly=repeats, coupons_waiting=waits)
    write_whole(manifest, "marketing.coupons", "coupons.csv", coupons.table, "Coupons and what they are for",
                Kind("exact repeats of an earlier row", "duplicate", repeats),
                Kind("coupons for products that nobody knows", "waiting", waits))  # fmt: skip
    manifest.note("marketing.coupon_redemptions", files["marketing.coupon_redemptions"], "Coupons redeemed")
    weeks = marketing.PROMOTION_WEEKS[parameters.promotions]
    if not weeks:
        return
    name = f"promotions_weeks_{weeks[0]:02d}_to_{weeks[-1]:02d}.parquet"
    kept = shop.catalogue.product[shop.keeps]
    done, total = 0, promotion_rows()
    manifest.report("promotions", done, total)
    with manifest.file("marketing.promotions", name) as file:
        for table, read in marketing.promotions(weeks, parameters.scale, lines, kept, parameters.seed):
            file.write(table)
            done += read
            manifest.report("promotions", done, total)
    manifest.note("marketing.promotions", file, "Displays and mailers by product, shop and week")


def write_whole(manifest: Manifest, table: str, name: str, rows: pa.Table, note: str, *kinds: Kind) -> None:
    with manifest.file(table, name) as file:
        file.write(rows)
    manifest.note(table, file, note, *kinds)


def write_life(manifest: Manifest, real: RealPart, product_rows: pa.Table) -> None:
    """The files that come after the first ones: corrections, late rows, repeats, orphans and broken values."""
    write_life_of_customers(manifest, real.people)
    is_sold = np.isin(product_rows["product_id"].to_numpy(), real.lines.product)
    write_life_of_products(manifest, product_rows, is_sold)
    write_life_of_orders(manifest, real.still_open)
    write_repeated_lines(manifest, real.lines, real.baskets, real.of_line)
    write_life_of_payments(manifest, real.paid, real.withheld)
