"""The 17 products that lines are waiting for, simulated: to be sent by hand when the shop is loaded."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop.catalogue import HOUSE_BRAND, Catalogue, list_price, median_by, purchase_prices, read_catalogue
from examples.shop.columns import build, text
from examples.shop.files import records
from examples.shop.generate import DEFAULT_SEED
from examples.shop.journey import Lines, read_lines

ENTERED_AT = np.datetime64("2018-01-03T09:00:00", "s").astype(np.int64)
# Most of the 17 only ever stand on lines of quantity 0, which take a coupon's worth off.
COUPON_CATEGORY = "COUPONS/STORE & MFG"


def late_products() -> str:
    """A JSON array of rows of erp.products, one a line."""
    lines = read_lines()
    catalogue = read_catalogue(lines, DEFAULT_SEED)
    rows = [json.dumps(record) for record in records(late_rows(lines, catalogue))]
    return "[\n  " + ",\n  ".join(rows) + "\n]\n"


def late_rows(lines: Lines, catalogue: Catalogue) -> pa.Table:
    """The rows of erp.products for every product on a line that is not in the catalogue.

    Those ever sold in some quantity get their own median price and no category but
    'Unclassified'; the others are coupon adjustments, priced as coupons usually are.
    """
    unknown = ~catalogue.knows(lines.product)
    product = np.unique(lines.product[unknown])
    sold = unknown & (lines.quantity > 0)
    full = (lines.sales + lines.retail + lines.match)[sold] * 100
    own = median_by(np.searchsorted(product, lines.product[sold]), full // lines.quantity[sold], len(product))
    is_coupon = own == 0
    types = catalogue.categories.filter(pc.equal(catalogue.categories["level"], "type"))
    coupon_type = only(types, COUPON_CATEGORY)
    price = np.where(is_coupon, int(np.median(catalogue.price[catalogue.category_id == coupon_type])), own)
    kind = np.where(is_coupon, "Coupon Adjustment", "Unlisted Article")
    number = text(product)
    return build(
        "erp.products",
        product_id=product,
        name=pc.binary_join_element_wise(pa.array(kind), number, " "),
        category_id=np.where(is_coupon, coupon_type, unclassified(catalogue)),
        supplier_id=np.full(len(product), HOUSE_BRAND),
        brand_type="Private",
        package_size=None,
        list_price=list_price(price),
        unit_cost=purchase_prices(product, price, np.ones(len(product), dtype=bool), DEFAULT_SEED),
        currency_code="USD",
        status="active",
        updated_at=np.full(len(product), ENTERED_AT),
    )


def only(categories: pa.Table, name: str) -> int:
    """The id of the one category of this name. Raises ValueError when there is not exactly one."""
    (found,) = categories.filter(pc.equal(categories["name"], name))["category_id"].to_pylist()
    return found


def unclassified(catalogue: Catalogue) -> int:
    """The type of the department MISCELLANEOUS for products that nothing is known of."""
    tree = catalogue.categories
    department = only(tree.filter(pc.equal(tree["level"], "department")), "MISCELLANEOUS")
    for _ in range(2):
        children = tree.filter(pc.equal(tree["parent_category_id"], department))
        department = only(children, "Unclassified")
    return department
