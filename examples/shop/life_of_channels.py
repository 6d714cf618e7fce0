"""What happens to advertising, e-mails and web activity after the first load, or keeps them from it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop.columns import TYPES, build
from examples.shop.files import Record, records
from examples.shop.hashing import lottery, uuids
from examples.shop.journey import DAY
from examples.shop.life import Row, broken, count, field_too_many, spread, write_rows
from examples.shop.life_of_customers import seconds
from examples.shop.life_of_sales import units
from examples.shop.manifest import Manifest

UNKNOWN_CUSTOMER = 9_999
CORRECTED_AFTER = 3 * DAY
UNKNOWN_CAMPAIGN = 99

BROKEN_ADS: list[tuple[str, Record]] = [
    ("more clicks than impressions", {"impressions": "10", "clicks": "11"}),
    ("a channel nobody knows", {"ad_channel": "billboard"}),
    ("a number with a thousands separator", {"impressions": "12,500"}),
    ("an amount with a currency sign", {"cost_amount": "$186.40"}),
    ("a date in another order", {"performance_date": "31/03/2017"}),
]
BROKEN_MAILS: list[tuple[str, Record]] = [
    ("a kind nobody knows", {"event_type": "open"}),
    ("an identifier that is none", {"event_id": "not-a-uuid"}),
    ("a missing not-null", {"customer_id": None}),
]
BROKEN_ACTIVITY: list[tuple[str, Record]] = [
    ("a path with a query", {"page_path": "/search?q=milk"}),
    ("a kind nobody knows", {"event_type": "click"}),
    ("an address that is none", {"ip_address": "localhost"}),
    ("an identifier that is none", {"event_id": "42"}),
    ("a time that does not exist", {"occurred_at": "2017-02-30T10:00:00Z"}),
]


def write_life_of_ads(manifest: Manifest, sent: pa.Table) -> None:
    """The agencies take invalid clicks back: the whole day once more, three days later. And a list that errs."""
    seed = manifest.parameters.seed
    drawn = np.sort(lottery(np.arange(len(sent)), seed, "ads corrected")[: len(sent) // 12])
    table = sent.take(pa.array(drawn))
    clicks = table["clicks"].to_numpy()
    valid = clicks - clicks // 20 - 1
    valid = np.maximum(valid, table["conversions"].to_numpy())
    charged = pc.cast(table["cost_amount"], TYPES["money"])
    cents = units(charged) * np.maximum(valid, 1) // np.maximum(clicks, 1)
    columns = {name: table[name] for name in table.column_names}
    columns |= {"clicks": valid, "cost_amount": cents, "updated_at": seconds(table["updated_at"]) + CORRECTED_AFTER}
    corrected = build("marketing.ad_performance", **columns)
    write_rows(
        manifest, "marketing.ad_performance", "ad_performance_corrected.csv", "Days without their invalid clicks",
        [("corrections", "accepted", record) for record in records(corrected)],
    )  # fmt: skip
    again = list(records(sent.slice(0, len(BROKEN_ADS) + 9)))
    bad = broken(again, BROKEN_ADS) + [field_too_many(record) for record in again[len(BROKEN_ADS) :][:1]]
    stranger = again[len(BROKEN_ADS) + 1] | {"campaign_id": UNKNOWN_CAMPAIGN}
    bad += [("advertising of a campaign nobody knows", "waiting", stranger)]
    kept: list[Row] = [("repeats of what came before", "duplicate", record) for record in again[len(BROKEN_ADS) + 2 :]]
    write_rows(
        manifest, "marketing.ad_performance", "ad_performance_agency.csv", "A list of an agency's, which errs",
        spread(kept, bad),
    )  # fmt: skip


def write_life_of_mails(manifest: Manifest, sent: pa.Table) -> None:
    """The mail service sends events again, knows strangers, and uses words of its own."""
    if not len(sent):
        return
    seed, scale = manifest.parameters.seed, manifest.parameters.scale
    drawn = lottery(np.arange(len(sent)), seed, "mail event again")
    again = records(sent.take(pa.array(np.sort(drawn[: count(400, scale, 8)]))))
    own = list(records(sent.take(pa.array(np.sort(drawn[-len(BROKEN_MAILS) - 5 :])))))
    fresh = uuids(np.arange(len(own)), seed, "email event of strangers")
    own = [row | {"event_id": event} for row, event in zip(own, fresh, strict=True)]
    bad = broken(own, BROKEN_MAILS)
    bad += [
        ("events of customers nobody knows", "waiting", row | {"customer_id": UNKNOWN_CUSTOMER})
        for row in own[len(BROKEN_MAILS) :]
    ]
    repeats: list[Row] = [("repeats of what came before", "duplicate", record) for record in again]
    write_rows(
        manifest, "marketing.email_events", "email_events_webhook.ndjson", "What the mail service sent again, and more",
        spread(repeats, bad),
    )  # fmt: skip


def write_life_of_activity(manifest: Manifest, sent: pa.Table) -> None:
    """A tracker that was offline sends again what it had sent before, and some that can't be used."""
    if not len(sent):
        return
    seed = manifest.parameters.seed
    rows = [
        row | {"properties": json.loads(row["properties"]) if row["properties"] else None}
        for row in records(sent.slice(0, 40))
    ]
    fresh = uuids(np.arange(len(rows)), seed, "activity of a tracker")
    own = [row | {"event_id": event} for row, event in zip(rows, fresh, strict=True)]
    bad = broken(own, BROKEN_ACTIVITY)
    cart = own[len(BROKEN_ACTIVITY)] | {"event_type": "add_to_cart", "product_id": None}
    bad += [
        ("a cart event without a product, let in with a warning", "accepted", cart),
        ("activity of a customer nobody knows", "waiting",
         own[len(BROKEN_ACTIVITY) + 1] | {"customer_id": UNKNOWN_CUSTOMER}),
        ("an event with other content", "rejected", rows[0] | {"page_path": "/elsewhere"}),
    ]  # fmt: skip
    repeats: list[Row] = [("repeats of what came before", "duplicate", record) for record in rows[1:]]
    write_rows(
        manifest, "web.activity_events", "activity_events_offline.ndjson", "Events that a tracker kept while offline",
        spread(repeats, bad),
    )  # fmt: skip
