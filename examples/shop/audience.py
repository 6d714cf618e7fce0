"""What campaigns did beside coupons: advertising by day and channel, and e-mails to those addressed. Simulated."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from examples.shop import words
from examples.shop.columns import build
from examples.shop.fulfilment import BOOKS_CLOSED, HOUR
from examples.shop.hashing import between, pick, share, uuids
from examples.shop.journey import DAY, days, integers, read


@dataclass(frozen=True)
class Channel:
    """How a channel of advertising is run and charged: `part` of the campaigns use it.

    `shown` is how often a day at most; clicks and orders are parts of what they follow. The
    agency charges for `charged_by` (a thousand impressions, a click or an order), in cents.
    """

    name: str
    part: float
    shown: int
    clicked: float
    won: float
    charged_by: str
    cents: int
    currency: str


# The video agency sits in London, the affiliate network in Toronto.
CHANNELS = (
    Channel("search", 1.0, 1_500, 0.035, 0.040, "click", 62, "USD"),
    Channel("social", 1.0, 4_000, 0.011, 0.018, "thousand", 710, "USD"),
    Channel("display", 0.7, 10_000, 0.002, 0.009, "thousand", 240, "USD"),
    Channel("video", 0.4, 3_000, 0.005, 0.012, "thousand", 1_150, "GBP"),
    Channel("affiliate", 0.4, 900, 0.020, 0.060, "order", 480, "CAD"),
)
# An advertisement runs from three days before the campaign's first day to its last.
BEFORE = 3


def campaign_days() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each campaign, sorted by id: the id, the first day and the last, int64[n] and datetime64[D][n]."""
    table = read("campaign_descriptions").sort_by("campaign_id")
    return integers(table, "campaign_id"), days(table, "start_date"), days(table, "end_date")


def ad_performance(seed: int) -> pa.Table:
    """The rows of marketing.ad_performance, as the agencies first send them: the day after, in the morning."""
    parts = []
    for place, channel in enumerate(CHANNELS):
        campaign, start, end = campaign_days()
        runs = share(campaign * 10 + place, seed, "advertised") < channel.part
        campaign, start, end = campaign[runs], start[runs], end[runs]
        count = (end - start).astype(np.int64) + 1 + BEFORE
        nth = np.concatenate([np.arange(one) for one in count])
        campaign, day = np.repeat(campaign, count), np.repeat(start, count) + nth - BEFORE
        number = (campaign * 10 + place) * 1_000 + nth
        shown = between(number, seed, "shown", channel.shown // 4, channel.shown)
        clicked = np.floor(shown * channel.clicked * (0.6 + 0.8 * share(number, seed, "clicked"))).astype(np.int64)
        won = np.floor(clicked * channel.won * (0.4 + 1.2 * share(number, seed, "won"))).astype(np.int64)
        charged = {"thousand": shown / 1_000, "click": clicked, "order": won}[channel.charged_by]
        rows = build(
            "marketing.ad_performance",
            campaign_id=campaign,
            ad_channel=channel.name,
            performance_date=day,
            impressions=shown,
            clicks=clicked,
            conversions=won,
            cost_amount=np.rint(charged * channel.cents).astype(np.int64),
            currency_code=channel.currency,
            updated_at=day.astype("datetime64[s]").astype(np.int64) + DAY + between(number, seed, "sent", 9, 11) * HOUR,
        )
        parts.append(rows.filter(pa.array(day.astype("datetime64[s]").astype(np.int64) + DAY < BOOKS_CLOSED)))
    return pa.concat_tables(parts).sort_by([("performance_date", "ascending"), ("campaign_id", "ascending")])


# A mail to begin with, and for some a reminder, but for those who wanted no more after the first.
MAILS = 2
REMINDED = 0.6
EVENTS = ("sent", "delivered", "bounced", "opened", "opened", "clicked", "unsubscribed", "complained")


def email_events(targets: pa.Table, seed: int) -> pa.Table:
    """The rows of marketing.email_events for rows of marketing.campaign_targets."""
    ids, _, ends = campaign_days()
    campaign, customer = (targets[name].to_numpy() for name in ("campaign_id", "customer_id"))
    first = targets["addressed_on"].to_numpy().astype("datetime64[D]")
    last = ends[np.searchsorted(ids, campaign)] - 7
    rows = []
    has_left = np.zeros(len(customer), dtype=bool)
    for mail, day in enumerate((first, last)):
        number = (customer * 100 + campaign) * MAILS + mail
        is_sent = (share(number, seed, "reminded") < REMINDED) | (mail == 0)
        is_sent &= ((day > first) & ~has_left) | (mail == 0)
        sent = day.astype("datetime64[s]").astype(np.int64) + 12 * HOUR + pick(number, seed, "mail sent", HOUR)
        bounced = share(number, seed, "mail bounced") < 0.02
        opened = ~bounced & (share(number, seed, "mail opened") < 0.31)
        again = opened & (share(number, seed, "mail opened again") < 0.25)
        clicked = opened & (share(number, seed, "mail clicked") < 0.19)
        has_left = opened & (share(number, seed, "mail ended") < 0.01)
        complains = opened & (share(number, seed, "mail complained") < 0.0015)
        at_once = sent + between(number, seed, "mail delivered", 2, 90)
        read_at = at_once + between(number, seed, "mail read", 120, 40 * HOUR)
        later = read_at + between(number, seed, "mail read again", HOUR, 50 * HOUR)
        happened = (np.ones_like(bounced), ~bounced, bounced, opened, again, clicked, has_left, complains)
        when = (sent, at_once, at_once, read_at, later, read_at + 40, read_at + 75, read_at + 90)
        for kind, (is_so, at) in enumerate(zip(happened, when, strict=True)):
            some = is_sent & is_so & (at < BOOKS_CLOSED)
            place = np.full(int(some.sum()), kind)
            rows.append((number[some] * len(EVENTS) + kind, campaign[some], customer[some], place, at[some]))
    event, campaign, customer, kind, at = (np.concatenate(column) for column in zip(*rows, strict=True))
    in_order = np.lexsort((event, at))
    return build(
        "marketing.email_events",
        event_id=pa.array(uuids(event[in_order], seed, "email event"), pa.string()),
        campaign_id=campaign[in_order],
        customer_id=customer[in_order],
        event_type=words.choose(EVENTS, kind[in_order]),
        occurred_at=at[in_order],
    )
