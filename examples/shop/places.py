"""Shops and depots: the ids of the shops are real, where they stand is simulated."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop import words
from examples.shop.columns import build, text
from examples.shop.hashing import between, pick
from examples.shop.journey import DAY

# Above the highest shop id, 34,280.
FIRST_DEPOT = 90_001
KNOWN_SINCE = np.datetime64("2016-10-01", "s").astype(np.int64)


def city_of(stores: np.ndarray, seed: int) -> np.ndarray:
    """The position in words.CITIES of each shop's city: int64[n]."""
    return pick(stores, seed, "shop city", len(words.CITIES))


def locations(stores: np.ndarray, seed: int) -> pa.Table:
    """The rows of erp.locations: these shops, then three depots."""
    names = [city[0] for city in words.CITIES]
    depots = np.arange(FIRST_DEPOT, FIRST_DEPOT + len(words.DEPOTS))
    location = np.concatenate([stores, depots])
    is_depot = location >= FIRST_DEPOT
    place = np.concatenate([city_of(stores, seed), [names.index(name) for name in words.DEPOTS]])
    city, region, _, _, timezone = (words.choose(column, place) for column in zip(*words.CITIES, strict=True))
    kind = pa.array(np.where(is_depot, "Depot", "Shop"))
    number = text(location)
    opened = between(location, seed, "opened", 0, 365 * 31)
    return build(
        "erp.locations",
        location_id=location,
        location_type=np.where(is_depot, "depot", "store"),
        name=pc.binary_join_element_wise(kind, number, city, " "),
        city=city,
        region=region,
        country_code="US",
        timezone=timezone,
        opened_on=np.datetime64("1985-01-01", "D") + opened,
        updated_at=KNOWN_SINCE + pick(location, seed, "location entered", 60 * DAY),
    )
