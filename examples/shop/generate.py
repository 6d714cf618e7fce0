"""Writes the whole shop into a folder, in the order in which the door is to take it."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from examples.shop import audience, marketing, places, plans, sales, stock, web
from examples.shop.catalogue import HOUSE_BRAND, Catalogue, products, read_catalogue, suppliers
from examples.shop.customers import Households, addresses, customers, read_households, visits
from examples.shop.figures import Figures
from examples.shop.files import ROWS_A_GROUP, TableFile, records
from examples.shop.fulfilment import BOOKS_CLOSED, HOUR, Parcels, Returns, parcels, refunds, returns
from examples.shop.hashing import lottery, share
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
from examples.shop.life import count
from examples.shop.life_of_channels import write_life_of_activity, write_life_of_ads, write_life_of_mails
from examples.shop.life_of_customers import People, write_life_of_customers
from examples.shop.life_of_goods import (
    BROKEN_RETURNS,
    write_life_of_parcels,
    write_life_of_returns,
    write_life_of_stock,
)
from examples.shop.life_of_plans import write_life_of_plans
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

# What the copies of households are written into: file and table.
COPIED = {
    "customers.ndjson": "crm.customers",
    "addresses.csv": "crm.addresses",
    "orders.parquet": "erp.orders",
    "order_lines.parquet": "erp.order_lines",
    "payments.parquet": "erp.payments",
    "shipments.parquet": "erp.shipments",
    "returns.ndjson": "erp.returns",
    "payments_refunds.csv": "erp.payments",
    "stock_movements.parquet": "erp.stock_movements",
    "campaign_targets.csv": "marketing.campaign_targets",
    "coupon_redemptions.ndjson": "marketing.coupon_redemptions",
    "email_events.ndjson": "marketing.email_events",
    "activity_events.parquet": "web.activity_events",
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
    stocked: np.ndarray  # ids of the products that the depots keep books on


@dataclass(frozen=True)
class Goods:
    """What became of the real orders. `is_open` (bool[parcels]): of orders that were still placed; `withheld`:
    returns that are not in the first file."""

    sent: Parcels
    is_open: np.ndarray
    returned: Returns
    withheld: Returns
    moved: list[stock.Movements]


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
    goods: Goods
    mails: pa.Table
    activity: pa.Table


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
    write_goods_notes(manifest, files)
    write_marketing(manifest, shop, files, real.lines, figures)
    targets, rates = write_plans(manifest, shop, real.lines)
    write_life(manifest, real, product_rows)
    write_life_of_goods(manifest, real.goods, shop.catalogue)
    write_life_of_ads(manifest, audience.ad_performance(manifest.parameters.seed))
    write_life_of_mails(manifest, real.mails)
    write_life_of_activity(manifest, real.activity)
    write_life_of_plans(manifest, targets, rates)
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
    return Shop(lines, households, catalogue, stores, chosen, keeps, stock.stocked(lines, catalogue))


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
        files = {name: stack.enter_context(manifest.file(table, name)) for name, table in COPIED.items()}
        for copy in shop.copies:
            lines = copy.lines(shop.lines, seed)
            baskets, of_line = baskets_of(lines)
            seen = visits(copy.customers, baskets, seed)
            people = customers(copy, shop.households, seen, seed)
            files["customers.ndjson"].write(people)
            files["addresses.csv"].write(addresses(copy, seen, seed))
            targets = marketing.campaign_targets(copy, seed)
            files["campaign_targets.csv"].write(targets)
            files["coupon_redemptions.ndjson"].write(marketing.coupon_redemptions(copy))
            mails = audience.email_events(targets, seed)
            files["email_events.ndjson"].write(mails)
            sold = (lines, baskets, of_line)
            opened, paid, withheld = write_sales(manifest, files, copy, shop, sold, figures, total)
            goods = write_goods(files, copy, shop, sold, paid, seed)
            activity = web.activity_events(sold, sales.channels(baskets, seed), shop.catalogue, seed)
            files["activity_events.parquet"].write(activity)
            if copy.number == 0:
                people_there = People(people, copy.customers, seen, shop.households.household)
                real = RealPart(
                    people_there, lines, baskets, of_line, opened, paid, withheld, goods, mails, activity.slice(0, 40)
                )  # fmt: skip
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
    files["orders.parquet"].write(orders)
    for start in range(0, len(lines), ROWS_A_GROUP):
        part = np.arange(start, min(start + ROWS_A_GROUP, len(lines)))
        files["order_lines.parquet"].write(sales.order_lines(lines.where(part), baskets, of_line[part]))
        manifest.report("orders, lines and payments", files["order_lines.parquet"].rows, total)
    faults = sales.draw_faults(baskets, seed) if is_real else sales.NO_FAULTS
    paid = sales.payments(baskets, channel, faults, seed)
    nothing = np.zeros(len(paid), dtype=bool)
    withheld = withhold(baskets, paid, faults, seed) if is_real else Withheld(nothing, nothing)
    files["payments.parquet"].write(paid.table(~withheld.late & ~withheld.terminal))
    let_in = figures.add_baskets(lines, baskets, of_line, shop.catalogue.knows(lines.product))
    accepted = accepted_payments(paid, withheld)
    faulty = {
        "paid_too_little": faults.short,
        "paid_twice": faults.twice,
        "unpaid_until_mended": paid.basket[~accepted],
    }
    figures.add_payments(baskets.owed, let_in, paid.captured(len(baskets), accepted), faulty)
    return orders.filter(pa.array(is_open)), paid, withheld


def write_goods(
    files: dict[str, TableFile],
    copy: Copy,
    shop: Shop,
    sold: tuple[Lines, Baskets, np.ndarray],
    paid: sales.Payments,
    seed: int,
) -> Goods:
    """Writes one copy's parcels, returns, refunds and stock movements, as they stood when the books were sent."""
    lines, baskets, _ = sold
    channel, is_real = sales.channels(baskets, seed), copy.number == 0
    is_open = sales.still_open(baskets, channel) & is_real
    sent = parcels(baskets, channel, is_open, seed)
    still_going = is_open[sent.basket]
    known_until = np.where(still_going, baskets.at[sent.basket] + 12 * HOUR, BOOKS_CLOSED)
    files["shipments.parquet"].write(sent.known(known_until).table())
    back = returns(sold, channel, sent, shop.catalogue.knows(lines.product), seed)
    typed = np.zeros(len(back), dtype=bool)
    if is_real:
        typed[lottery(back.number, seed, "return typed")[: len(BROKEN_RETURNS) + 4]] = True
    files["returns.ndjson"].write(back.where(~typed).table())
    files["payments_refunds.csv"].write(refunds(back, paid, seed))
    moved = stock.movements(copy, shop.stocked, sold, sent, back, seed)
    for kind in moved:
        files["stock_movements.parquet"].write(kind.table(shop.catalogue))
    return Goods(sent, still_going, back.where(~typed), back.where(typed), moved)


def write_master_data(manifest: Manifest, shop: Shop, files: dict[str, TableFile]) -> pa.Table:
    """Enters customers and addresses; writes categories, suppliers, locations and products. Returns the products."""
    seed, catalogue = manifest.parameters.seed, shop.catalogue
    manifest.note("crm.customers", files["customers.ndjson"], "Households as customers; names are simulated")
    manifest.note("crm.addresses", files["addresses.csv"], "Addresses, simulated")
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
    manifest.note("erp.orders", files["orders.parquet"], "Baskets as orders")
    manifest.note(
        "erp.order_lines", files["order_lines.parquet"], "Lines of baskets",
        Kind("lines of products that nobody knows", "waiting", counted["order_lines_waiting"]),
        Kind("lines of quantity 0, let in with a warning", "accepted", counted["order_lines_of_quantity_0_let_in"]),
    )  # fmt: skip
    manifest.note(
        "erp.payments", files["payments.parquet"], "Payments, simulated to the cent of what is owed",
        Kind("orders paid ten per cent too little", "accepted", counted["orders_paid_too_little"]),
        Kind("orders paid twice", "accepted", counted["orders_paid_twice"]),
    )  # fmt: skip


def write_goods_notes(manifest: Manifest, files: dict[str, TableFile]) -> None:
    """Enters what became of orders, which is already written."""
    for name, note in (
        ("shipments.parquet", "Parcels of online orders, simulated"),
        ("returns.ndjson", "Goods that came back, simulated; each is of a line that was sold"),
        ("payments_refunds.csv", "Refunds of what came back, simulated"),
        ("stock_movements.parquet", "The depots' stock ledger, simulated"),
    ):
        manifest.note(COPIED[name], files[name], note)


def write_plans(manifest: Manifest, shop: Shop, lines: Lines) -> tuple[pa.Table, pa.Table]:
    """Writes what people keep by hand; returns targets and exchange rates. `lines` are the real copy's."""
    seed, scale = manifest.parameters.seed, manifest.parameters.scale
    targets = plans.sales_targets(lines, shop.catalogue, scale, seed)
    rates = plans.exchange_rates(seed)
    write_whole(manifest, "planning.exchange_rates", "exchange_rates.csv", rates, "Exchange rates, simulated")
    write_whole(manifest, "planning.sales_targets", "sales_targets.csv", targets, "Sales targets, simulated")
    write_whole(manifest, "planning.budgets", "budgets.csv", plans.budgets(seed), "Budgets, simulated")
    return targets, rates


def write_marketing(
    manifest: Manifest, shop: Shop, files: dict[str, TableFile], lines: Lines, figures: Figures
) -> None:
    """Writes campaigns, coupons and promotions; enters what is already written. `lines` are the real copy's."""
    parameters = manifest.parameters
    write_whole(manifest, "marketing.campaigns", "campaigns.ndjson", marketing.campaigns(parameters.seed),
                "Campaigns; names and budgets are simulated")  # fmt: skip
    manifest.note("marketing.campaign_targets", files["campaign_targets.csv"], "Who was addressed")
    coupons = marketing.coupons(shop.keeps, shop.catalogue.product)
    repeats, waits = int(coupons.repeats.sum()), int(coupons.waits.sum())
    figures.count(coupons=len(coupons.table), coupons_repeated_exactly=repeats, coupons_waiting=waits)
    write_whole(manifest, "marketing.coupons", "coupons.csv", coupons.table, "Coupons and what they are for",
                Kind("exact repeats of an earlier row", "duplicate", repeats),
                Kind("coupons for products that nobody knows", "waiting", waits))  # fmt: skip
    manifest.note("marketing.coupon_redemptions", files["coupon_redemptions.ndjson"], "Coupons redeemed")
    write_whole(manifest, "marketing.ad_performance", "ad_performance.csv", audience.ad_performance(parameters.seed),
                "Advertising by day and channel, simulated")  # fmt: skip
    manifest.note("marketing.email_events", files["email_events.ndjson"],
                  "E-mails to those addressed, and what they did with them, simulated")  # fmt: skip
    manifest.note("web.activity_events", files["activity_events.parquet"], "Activity in the online shop, simulated")
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


def write_life_of_goods(manifest: Manifest, goods: Goods, catalogue: Catalogue) -> None:
    """What comes later of parcels, returns and stock. No parcel is in more than one kind of file."""
    seed, scale = manifest.parameters.seed, manifest.parameters.scale
    sent = goods.sent
    has_come = (sent.delivered > 0) & (sent.delivered <= BOOKS_CLOSED)
    closed = np.flatnonzero(has_come & ~goods.is_open)
    drawn = closed[lottery(sent.shipment[closed], seed, "parcels again")]
    listed, backlog = np.split(drawn[: 12 + count(40, scale, 3)], [12])
    write_life_of_parcels(
        manifest, sent.where(has_come & goods.is_open), sent.where(np.sort(listed)), sent.where(np.sort(backlog))
    )  # fmt: skip
    write_life_of_returns(manifest, goods.returned, goods.withheld)
    first = goods.moved[0]
    write_life_of_stock(manifest, first, list(records(first.table(catalogue).slice(0, 12))))
