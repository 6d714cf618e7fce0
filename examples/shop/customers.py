"""Customers and their addresses: households are real, the people in them are simulated."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop import words
from examples.shop.columns import build, text
from examples.shop.hashing import between, mix, pick, share
from examples.shop.journey import DAY, Baskets, Copy, integers, read
from examples.shop.places import city_of

# The contract's columns, and those of demographics.parquet.
BANDS = {
    "age_band": "age",
    "income_band": "income",
    "home_ownership": "home_ownership",
    "marital_status": "marital_status",
    "household_size": "household_size",
    "household_composition": "household_comp",
    "kids_count": "kids_count",
}
# Ages are as of the first day of the year that the baskets cover.
AGES_AS_OF = np.datetime64("2017-01-01", "D")
OLDEST = 92
# 555-0100 to 555-0199 are kept for fiction; mail to these domains goes nowhere (RFC 2606).
FICTIONAL_NUMBERS = 100
MAIL_DOMAINS = ("example.com", "example.net", "example.org")


@dataclass(frozen=True)
class Households:
    """What the shop knows of each household, one position a household, sorted by id."""

    household: np.ndarray
    bands: pa.Table
    is_targeted: np.ndarray


def read_households(baskets: Baskets) -> Households:
    """All households that occur anywhere: with baskets, in demographics, campaigns or redemptions."""
    demographics = read("demographics")
    campaigns, redemptions = read("campaigns"), read("coupon_redemptions")
    known = [integers(table, "household_id") for table in (demographics, campaigns, redemptions)]
    household = np.unique(np.concatenate([baskets.household, *known]))
    place = pc.index_in(pa.array(household), value_set=demographics["household_id"])
    bands = demographics.select(list(BANDS.values())).take(place).rename_columns(list(BANDS))
    return Households(household, bands, np.isin(household, known[1]))


@dataclass(frozen=True)
class Visits:
    """When and where each customer shopped: first and last basket in seconds UTC, the city of the
    shop they went to most (a position in words.CITIES)."""

    first_at: np.ndarray
    last_at: np.ndarray
    city: np.ndarray


def visits(customers: np.ndarray, baskets: Baskets, seed: int) -> Visits:
    """The visits of these customers (sorted ids). Those without a basket get the year's first day and a shop by lot."""
    start = AGES_AS_OF.astype("datetime64[s]").astype(np.int64)
    place = np.searchsorted(customers, baskets.household)
    first = np.full(len(customers), np.iinfo(np.int64).max)
    last = np.full(len(customers), np.iinfo(np.int64).min)
    np.minimum.at(first, place, baskets.at)
    np.maximum.at(last, place, baskets.at)
    has_none = np.bincount(place, minlength=len(customers)) == 0
    first[has_none] = last[has_none] = start
    pairs, count = np.unique(np.column_stack([place, baskets.store]), axis=0, return_counts=True)
    # The most visited shop of each customer comes first; of equals the one with the lowest id.
    order = np.lexsort((pairs[:, 1], -count, pairs[:, 0]))
    customer, at = np.unique(pairs[order, 0], return_index=True)
    store = customers.copy()
    store[customer] = pairs[order[at], 1]
    return Visits(first, last, city_of(store, seed))


def birth_dates(customers: np.ndarray, age_band: pa.ChunkedArray, seed: int) -> pa.Array:
    """A date of birth within each age band ('45-54', '65+'), null where no band is known: date32[n]."""
    ages = [tuple(int(age) for age in re.findall(r"\d+", band or "")) for band in age_band.to_pylist()]
    # Born after this date would be younger than the band, on or before that one older.
    youngest = np.array([age[0] if age else 0 for age in ages])
    oldest = np.array([age[1] if len(age) == 2 else OLDEST for age in ages])
    year = AGES_AS_OF.astype("datetime64[Y]")
    latest = (year - youngest.astype("timedelta64[Y]")).astype("datetime64[D]").astype(np.int64)
    earliest = (year - (oldest + 1).astype("timedelta64[Y]")).astype("datetime64[D]").astype(np.int64) + 1
    born = between(customers, seed, "birth date", earliest, latest).astype("datetime64[D]")
    return pa.array(born, mask=np.array([not age for age in ages]))


def phones(customers: np.ndarray, city: np.ndarray, seed: int, purpose: str) -> pa.Array:
    """Numbers kept for fiction, with the city's area code: string[n], as +1-513-555-0142."""
    area = words.choose([one[3] for one in words.CITIES], city)
    number = pick(customers, seed, purpose, FICTIONAL_NUMBERS)
    return pc.binary_join_element_wise("+1", area, "555", text(f"01{one:02d}" for one in number), "-")


def registered(customers: np.ndarray, first_at: np.ndarray, seed: int) -> np.ndarray:
    """Some time in the five years before the first basket, in seconds UTC: int64[n]."""
    return first_at - between(customers, seed, "registered", DAY // 24, 5 * 365 * DAY)


def customers(copy: Copy, households: Households, seen: Visits, seed: int) -> pa.Table:
    """The rows of crm.customers for one copy of the households, as they were on registration."""
    place = np.searchsorted(households.household, copy.households)
    bands = households.bands.take(pa.array(place))
    customer = copy.customers
    first = words.choose(words.FIRST_NAMES, pick(customer, seed, "first name", len(words.FIRST_NAMES)))
    last = words.choose(words.LAST_NAMES, pick(customer, seed, "last name", len(words.LAST_NAMES)))
    number = text(customer)
    domain = words.choose(MAIL_DOMAINS, pick(customer, seed, "mail", len(MAIL_DOMAINS)))
    # The id in the address keeps it unique at any scale.
    local = pc.binary_join_element_wise(pc.utf8_lower(first), pc.utf8_lower(last), number, ".")
    since = registered(customer, seen.first_at, seed)
    return build(
        "crm.customers",
        customer_id=customer,
        first_name=first,
        last_name=last,
        email=pc.binary_join_element_wise(local, domain, "@"),
        phone=phones(customer, seen.city, seed, "phone"),
        birth_date=birth_dates(customer, bands["age_band"], seed),
        **{band: bands[band] for band in BANDS},
        status="active",
        # Who a campaign addressed had agreed to it.
        marketing_consent=households.is_targeted[place] | (share(customer, seed, "consent") < 0.55),
        registered_at=since,
        updated_at=since,
    )


def addresses(copy: Copy, seen: Visits, seed: int) -> pa.Table:
    """The rows of crm.addresses: a home each, for some a billing or shipping address beside it."""
    customer = copy.customers
    kinds = (("home", 1.0), ("billing", 0.12), ("shipping", 0.25))
    since = registered(customer, seen.first_at, seed)
    parts = []
    for number, (kind, part) in enumerate(kinds, start=1):
        has = share(customer, seed, f"has {kind}") < part
        address = customer[has] * 10 + number
        city = seen.city[has]
        parts.append(address_rows(address, customer[has], kind, city, since[has], seed))
    return pa.concat_tables(parts).sort_by("address_id")


def address_rows(
    address: np.ndarray, customer: np.ndarray, kind: str, city: np.ndarray, at: np.ndarray, seed: int
) -> pa.Table:
    """Addresses in these cities (positions in words.CITIES); street and postal code follow from id and time."""
    drawn = address + mix(at, seed, "moved").astype(np.int64)
    name, region, prefix, _, _ = (words.choose(column, city) for column in zip(*words.CITIES, strict=True))
    house = text(between(drawn, seed, "house", 1, 9899))
    street = words.choose(words.STREETS, pick(drawn, seed, "street", len(words.STREETS)))
    suffix = text(f"{one:02d}" for one in pick(drawn, seed, "postal code", 60) + 1)
    return build(
        "crm.addresses",
        address_id=address,
        customer_id=customer,
        address_type=kind,
        street=pc.binary_join_element_wise(house, street, " "),
        postal_code=pc.binary_join_element_wise(prefix, suffix, ""),
        city=name,
        region=region,
        country_code="US",
        updated_at=at,
    )
