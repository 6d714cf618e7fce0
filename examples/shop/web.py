"""The audit trail of the online shop: the visits that ended in orders, and visits that did not. Simulated."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop import words
from examples.shop.catalogue import Catalogue
from examples.shop.columns import build, text
from examples.shop.fulfilment import place_in_basket
from examples.shop.hashing import between, pick, share, uuids
from examples.shop.journey import DAY, Baskets, Lines

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/58.0.3029.110 "
    "Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; rv:52.0) Gecko/20100101 Firefox/52.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_12_5) AppleWebKit/603.2.4 (KHTML, like Gecko) Version/10.1.1 "
    "Safari/603.2.4",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_2 like Mac OS X) AppleWebKit/603.2.4 (KHTML, like Gecko) Version/10.0 "
    "Mobile/14F89 Safari/602.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/59.0.3071.86 Safari/537.36",
)
APPS = ("GatehouseShop/4.2.1 (iPhone; iOS 10.3.2)", "GatehouseShop/4.2.0 (Android 7.0; SM-G930V)")
# Networks kept for documentation (RFC 5737, RFC 3849).
NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8::")
# Of a basket the first lines are looked at and put in the cart on the page; the rest is reordered in one go.
LINES_SHOWN = 4
SEARCHED = 0.6

# What may happen in a visit, in this order. A buying visit looks at its lines one by one; of one that
# looks around, two lines of a later basket are what was looked at.
LOGIN, HOME, SEARCH, VIEW, ADD, CART, CHECKOUT, LOGOUT = range(8)
TYPES = ("login", "page_view", "search", "page_view", "add_to_cart", "page_view", "checkout", "logout")
PATHS = ("/login", "/", "/search", None, None, "/cart", "/checkout", "/logout")
STEPS_A_VISIT = 64


def activity_events(
    sold: tuple[Lines, Baskets, np.ndarray], channel: np.ndarray, catalogue: Catalogue, seed: int
) -> pa.Table:
    """The rows of web.activity_events for the online baskets of one copy, visit after visit."""
    lines, baskets, of_line = sold
    basket = np.flatnonzero(channel != "store")
    shown = np.flatnonzero(
        (channel != "store")[of_line] & (place_in_basket(of_line) < LINES_SHOWN) & catalogue.knows(lines.product)
    )
    events = [*_buying(lines, baskets, of_line, basket, shown, seed), *_looking(lines, baskets, of_line, shown, seed)]
    return _table(events, baskets, channel, seed)


# An event: basket, step within the visit, kind, product (0: none), pieces, seconds UTC, and whether the
# visit only looked around; int64[n] each.
Events = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _events(
    basket: np.ndarray, step: np.ndarray | int, kind: int, at: np.ndarray, looks: int,
    product: np.ndarray | int = 0, pieces: np.ndarray | int = 0,
) -> Events:  # fmt: skip
    columns = (basket, step, kind, product, pieces, at, looks)
    basket, step, kinds, product, pieces, at, visit = (
        np.broadcast_to(np.asarray(column, dtype=np.int64), basket.shape) for column in columns
    )
    return basket, step, kinds, product, pieces, at, visit


def _buying(
    lines: Lines, baskets: Baskets, of_line: np.ndarray, basket: np.ndarray, shown: np.ndarray, seed: int
) -> list[Events]:
    """The visits that ended in these baskets: the order is placed at the checkout."""
    order, end = baskets.order[basket], baskets.at[basket]
    start = end - between(order, seed, "visit", 420, 1_700)
    searches, leaves = share(order, seed, "searched") < SEARCHED, share(order, seed, "logged out") < 0.15
    place = place_in_basket(of_line)[shown]
    of_shown = of_line[shown]
    began = np.zeros(len(baskets), dtype=np.int64)
    began[basket] = start
    pace = (baskets.at[of_shown] - began[of_shown] - 180) // (LINES_SHOWN + 1)
    seen_at = began[of_shown] + 60 + pace * (place + 1)
    product, pieces = lines.product[shown], lines.quantity[shown]
    return [
        _events(basket, 0, LOGIN, start, 0),
        _events(basket, 1, HOME, start + 4, 0),
        _events(basket[searches], 2, SEARCH, start[searches] + 25, 0),
        _events(of_shown, 10 + 2 * place, VIEW, seen_at, 0, product),
        _events(of_shown, 11 + 2 * place, ADD, seen_at + 12, 0, product, np.maximum(pieces, 1)),
        _events(basket, 30, CART, end - 95, 0),
        _events(basket, 31, CHECKOUT, end, 0),
        _events(basket[leaves], 32, LOGOUT, end[leaves] + 50, 0),
    ]


def _looking(lines: Lines, baskets: Baskets, of_line: np.ndarray, shown: np.ndarray, seed: int) -> list[Events]:
    """A visit some days before each of these baskets that looked around, at up to two of its products."""
    place = place_in_basket(of_line)[shown]
    shown, place = shown[place < 2], place[place < 2]
    basket = np.unique(of_line[shown])
    order = baskets.order[basket]
    start = baskets.at[basket] - DAY * between(order, seed, "looked", 1, 4) - pick(order, seed, "looked at", 5 * 3_600)
    began = np.zeros(len(baskets), dtype=np.int64)
    began[basket] = start
    of_shown = of_line[shown]
    seen_at = began[of_shown] + 40 + 75 * place
    leaves_it = share(lines.order[shown] * 10 + place, seed, "cart left") < 0.2
    product = lines.product[shown]
    return [
        _events(basket, 0, HOME, start, 1),
        _events(of_shown, 10 + 2 * place, VIEW, seen_at, 1, product),
        _events(of_shown[leaves_it], 11 + 2 * place[leaves_it], ADD, seen_at[leaves_it] + 20, 1, product[leaves_it], 1),
    ]  # fmt: skip


def _table(events: list[Events], baskets: Baskets, channel: np.ndarray, seed: int) -> pa.Table:
    basket, step, kind, product, pieces, at, looks = (np.concatenate(column) for column in zip(*events, strict=True))
    in_order = np.lexsort((step, looks, basket))
    basket, step, kind, product, pieces, at, looks = (
        column[in_order] for column in (basket, step, kind, product, pieces, at, looks)
    )
    order, customer = baskets.order[basket], baskets.household[basket]
    visit = order * 2 + looks
    is_known = (looks == 0) | (share(visit, seed, "logged in") < 0.6)
    is_app = channel[basket] == "app"
    agent = np.where(is_app, len(BROWSERS) + pick(customer, seed, "app", len(APPS)),
                     pick(customer, seed, "browser", len(BROWSERS)))  # fmt: skip
    network = words.choose(NETWORKS, pick(customer, seed, "network", len(NETWORKS)))
    number = text(product)
    page = pc.if_else(pa.array(product > 0), pc.binary_join_element_wise("/products/", number, ""),
                      words.choose([path or "" for path in PATHS], kind))  # fmt: skip
    who = pc.if_else(pa.array(is_known), text(customer), pa.scalar("anonymous"))
    return build(
        "web.activity_events",
        event_id=pa.array(uuids(visit * STEPS_A_VISIT + step, seed, "activity"), pa.string()),
        session_id=pc.binary_join_element_wise("s", who, text(visit), "-"),
        customer_id=pa.array(customer, mask=~is_known),
        event_type=words.choose(TYPES, kind),
        page_path=page,
        product_id=pa.array(product, mask=product == 0),
        ip_address=pc.binary_join_element_wise(network, text(between(customer, seed, "host", 1, 99)), ""),
        user_agent=words.choose(BROWSERS + APPS, agent),
        properties=pa.array(_details(kind, order, pieces, seed), pa.string()),
        occurred_at=at,
    )


def _details(kind: np.ndarray, order: np.ndarray, pieces: np.ndarray, seed: int) -> list[str | None]:
    """What only one kind of event has, as JSON."""
    searched = pick(order, seed, "words", len(words.SEARCHES))
    rows = zip(*(column.tolist() for column in (kind, order, pieces, searched)), strict=True)
    return [
        f'{{"quantity": {piece}}}' if one == ADD
        else f'{{"order_id": {number}}}' if one == CHECKOUT
        else f'{{"query": "{words.SEARCHES[query]}"}}' if one == SEARCH
        else None
        for one, number, piece, query in rows
    ]  # fmt: skip
