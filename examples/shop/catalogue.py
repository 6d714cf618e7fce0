"""Categories, suppliers and products: real ids and words, simulated names and prices.

All numbers here come from the whole of The Complete Journey, so that a product has
one category id, price and cost at every scale.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop import words
from examples.shop.columns import build, text
from examples.shop.hashing import between, lottery, mix, pick, share
from examples.shop.journey import DAY, Lines, integers, read

LEVELS = ("department", "product_category", "product_type")
# The source gives 540 products no category and 528 no type; so that each has all three
# levels, these hang under a name that says so.
NO_NAME = "Unclassified"
# The level's ids begin here: department 1, category 101, type 1001.
FIRST_ID = (1, 101, 1001)
HOUSE_BRAND = 69  # the manufacturer whose 12,676 products are all private label
MEASURED_BY_TEN_THOUSANDTHS = 100  # of a dollar, in a cent
VALUE_BITS = 40
KNOWN_SINCE = np.datetime64("2016-10-01", "s").astype(np.int64)


@dataclass(frozen=True)
class Catalogue:
    """The products of The Complete Journey, one position a product, sorted by id.

    `price` is the usual price before discounts and `cost` the purchase price, both in
    ten-thousandths of a dollar. `category_id` is that of the type.
    """

    product: np.ndarray
    manufacturer: np.ndarray
    brand: pa.Array
    size: pa.Array
    type_name: pa.Array
    category_id: np.ndarray
    price: np.ndarray
    cost: np.ndarray
    is_sold: np.ndarray
    categories: pa.Table

    def knows(self, products: np.ndarray) -> np.ndarray:
        """Which of these ids are products: bool[n]."""
        return np.isin(products, self.product)


def read_catalogue(lines: Lines, seed: int) -> Catalogue:
    """The catalogue, priced from all lines there are."""
    table = read("products").sort_by("product_id")
    product = integers(table, "product_id")
    is_private = pc.equal(table["brand"], "Private").to_numpy(zero_copy_only=False)
    names = [pc.fill_null(table[level], NO_NAME).to_pylist() for level in LEVELS]
    ids, categories = category_tree(names, seed)
    price = usual_prices(lines, product, ids)
    return Catalogue(
        product=product,
        manufacturer=integers(table, "manufacturer_id"),
        brand=table["brand"].combine_chunks(),
        size=table["package_size"].combine_chunks(),
        type_name=text(names[2]),
        category_id=ids[2],
        price=price,
        cost=purchase_prices(product, price, is_private, seed),
        is_sold=np.isin(product, lines.product),
        categories=categories,
    )


def category_tree(names: list[list[str]], seed: int) -> tuple[list[np.ndarray], pa.Table]:
    """For each level the category id of every product, and the table of categories.

    A category is its name and what it hangs under: BREAD of PASTRY is not BREAD of GROCERY.
    The rows are shuffled: many stand before their parent, as a system's dump has them.
    """
    ids, rows = [], []
    parents: dict[tuple[str, ...], int] = {}
    for depth, level in enumerate(("department", "category", "type")):
        paths = list(zip(*names[: depth + 1], strict=True))
        numbered = {path: FIRST_ID[depth] + place for place, path in enumerate(sorted(set(paths)))}
        rows += [(number, parents.get(path[:-1]), level, path[-1]) for path, number in numbered.items()]
        ids.append(np.array([numbered[path] for path in paths], dtype=np.int64))
        parents = numbered
    shuffled = [rows[place] for place in lottery([row[0] for row in rows], seed, "category order")]
    columns = zip(("category_id", "parent_category_id", "level", "name"), zip(*shuffled, strict=True), strict=True)
    return ids, build("erp.categories", **{name: pa.array(values) for name, values in columns})


def median_by(group: np.ndarray, value: np.ndarray, groups: int) -> np.ndarray:
    """The lower median of the values of each group 0 … groups - 1, and 0 where there are none: int64[groups].

    Values have to fit into 40 bits and groups into 23: both are sorted as one number, which is fast.
    """
    both = np.sort(group << VALUE_BITS | value)
    count = np.bincount(group, minlength=groups)
    start = np.cumsum(count) - count
    middle = np.minimum(start + (count - 1) // 2, max(len(both) - 1, 0))
    return np.where(count > 0, both[middle] & ((1 << VALUE_BITS) - 1), 0)


def usual_prices(lines: Lines, product: np.ndarray, category_ids: list[np.ndarray]) -> np.ndarray:
    """The median price of one unit before discounts, in ten-thousandths of a dollar: int64[products].

    As the source's own documentation has it: (sales value + retail discount + coupon match) / quantity.
    A product never sold, or only for nothing, takes its type's median, else its category's, else its department's.
    """
    place = np.searchsorted(product, lines.product)
    place[place == len(product)] = 0
    counts = (product[place] == lines.product) & (lines.quantity > 0)
    full = (lines.sales + lines.retail + lines.match)[counts] * MEASURED_BY_TEN_THOUSANDTHS
    quantity = lines.quantity[counts]
    price = median_by(place[counts], (2 * full + quantity) // (2 * quantity), len(product))
    for ids in reversed(category_ids):
        _, group = np.unique(ids, return_inverse=True)
        has_price = price > 0
        typical = median_by(group[has_price], price[has_price], int(group.max()) + 1)
        price = np.where(has_price, price, typical[group])
    return np.maximum(price, 1)


def purchase_prices(product: np.ndarray, price: np.ndarray, is_private: np.ndarray, seed: int) -> np.ndarray:
    """What a unit costs the shop: a margin of 38 to 46 % on private labels, of 24 to 34 % on others."""
    margin = np.where(
        is_private, between(product, seed, "margin", 380, 460), between(product, seed, "margin", 240, 340)
    )
    return price * (1000 - margin) // 1000


def list_price(price: np.ndarray) -> np.ndarray:
    """Whole cents, at least one. Fuel is sold by the thousandth of a gallon, for 0.2 cents."""
    half = MEASURED_BY_TEN_THOUSANDTHS // 2
    return np.maximum((price + half) // MEASURED_BY_TEN_THOUSANDTHS, 1)


def products(catalogue: Catalogue, keep: np.ndarray, seed: int) -> pa.Table:
    """The rows of erp.products where `keep` (bool[products]) holds."""
    product = catalogue.product[keep]
    kept = pa.array(keep)
    size = catalogue.size.filter(kept)
    # A third of what nobody bought all year is no longer carried.
    is_gone = ~catalogue.is_sold[keep] & (share(product, seed, "discontinued") < 1 / 3)
    return build(
        "erp.products",
        product_id=product,
        name=product_names(catalogue.type_name.filter(kept), size),
        category_id=catalogue.category_id[keep],
        supplier_id=catalogue.manufacturer[keep],
        brand_type=catalogue.brand.filter(kept),
        package_size=size,
        list_price=list_price(catalogue.price[keep]),
        unit_cost=catalogue.cost[keep],
        currency_code="USD",
        status=np.where(is_gone, "discontinued", "active"),
        updated_at=KNOWN_SINCE + pick(product, seed, "product entered", 90 * DAY),
    )


def product_names(type_name: pa.Array, size: pa.Array) -> pa.Array:
    """Type and package size, as in 'Tortilla/Nacho Chips 8.5 OZ': string[n]."""
    name = pc.replace_substring_regex(pc.utf8_title(type_name), r"'S\b", "'s")
    joined = pc.binary_join_element_wise(name, pc.fill_null(size, ""), " ")
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(joined, r"\s+", " "))


def suppliers(manufacturers: np.ndarray, seed: int) -> pa.Table:
    """One simulated supplier for each manufacturer id: its name ends in the id, so no two are alike."""
    supplier = np.unique(manufacturers)
    number = text(supplier)
    first = words.choose(words.SUPPLIER_FIRST, pick(supplier, seed, "supplier first", len(words.SUPPLIER_FIRST)))
    second = words.choose(words.SUPPLIER_SECOND, pick(supplier, seed, "supplier second", len(words.SUPPLIER_SECOND)))
    # Three in four are of the country; the list of others is drawn from by the same number.
    abroad = share(supplier, seed, "supplier abroad") < 0.25
    country = np.where(abroad, pick(supplier, seed, "supplier country", len(words.ABROAD)), -1)
    terms = np.array([14, 30, 45, 60])
    return build(
        "erp.suppliers",
        supplier_id=supplier,
        name=pc.binary_join_element_wise(first, second, number, " "),
        country_code=pa.array(["US" if place < 0 else words.ABROAD[place] for place in country]),
        contact_email=pc.binary_join_element_wise("orders@supplier-", number, ".example", ""),
        payment_terms_days=terms[mix(supplier, seed, "terms") % np.uint64(len(terms))],
        updated_at=KNOWN_SINCE + pick(supplier, seed, "supplier entered", 60 * DAY),
    )
