"""What happens to customers and addresses after the first load: changes, late versions, orphans, broken values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop.columns import build
from examples.shop.customers import Visits, address_rows, phones
from examples.shop.files import Record, records
from examples.shop.hashing import lottery, pick, share
from examples.shop.journey import DAY
from examples.shop.life import Row, broken, count, field_too_many, spread, write_rows
from examples.shop.manifest import Manifest

YEAR_OVER = np.datetime64("2018-01-02T12:00:00", "s").astype(np.int64)
ENTERED_AFTER = "2018-01-02T14:00:00Z"
MOVED_AT = np.datetime64("2018-01-02T13:00:00", "s").astype(np.int64)
# Nobody who closed an account comes back: it closes this long after the last basket.
CLOSED_AFTER = 30 * DAY

BROKEN_FORM: list[tuple[str, Record]] = [
    ("a bad e-mail address", {"email": "maria.lopez at example.com"}),
    ("a date that does not exist", {"birth_date": "2017-02-30"}),
    ("a boolean 'maybe'", {"marketing_consent": "maybe"}),
    ("a missing not-null", {"status": None}),
    ("a time without a zone", {"updated_at": "2018-01-02 09:00:00"}),
]
BROKEN_APP: list[tuple[str, Record]] = [
    ("a number that is none", {"customer_id": "12a"}),
    ("a status nobody knows", {"status": "deleted"}),
    ("a date in another order", {"birth_date": "31/12/1980"}),
]


@dataclass(frozen=True)
class People:
    """The real customers as they were first written: copy 0, sorted by id."""

    customers: pa.Table
    customer: np.ndarray
    visits: Visits
    households_there_are: np.ndarray


def write_life_of_customers(manifest: Manifest, people: People) -> None:
    """Four files of customers, one of addresses. No customer occurs in more than one kind of file,
    but for the late versions, which are of customers that changed."""
    scale, seed = manifest.parameters.scale, manifest.parameters.seed
    drawn = lottery(people.customer, seed, "life of customers")
    changed, rest = np.split(drawn, [count(60, scale, 6)])
    form, rest = np.split(rest, [len(BROKEN_FORM) + 4])
    app, rest = np.split(rest, [len(BROKEN_APP) + 2])
    changes = changed_customers(people, np.sort(changed), seed)
    late = changed[: max(1, len(changed) // 4)]
    write_rows(
        manifest, "crm.customers", "customers_changes.ndjson", "Customers who closed or got a new phone",
        [("corrections", "accepted", record) for record in records(changes)],
    )  # fmt: skip
    write_rows(
        manifest, "crm.customers", "customers_branch_backlog.csv", "Phones noted in a branch, sent after newer ones",
        [("older versions after newer ones", "accepted", record)
         for record in records(older_versions(people, changes, np.sort(late), seed))],
    )  # fmt: skip
    write_rows(
        manifest, "crm.customers", "customers_signup_form.csv", "Consents from a form, some of them unusable",
        form_rows(as_records(people, np.sort(form))),
    )  # fmt: skip
    write_rows(
        manifest, "crm.customers", "customers_app.ndjson", "Consents from the app, some of them unusable",
        app_rows(as_records(people, np.sort(app))),
    )  # fmt: skip
    write_rows(
        manifest, "crm.addresses", "addresses_partner.csv", "Moves reported by a partner, who also knows strangers",
        address_life(people, np.sort(rest[: count(40, scale, 3)]), seed),
    )  # fmt: skip


def as_records(people: People, places: np.ndarray) -> list[Record]:
    return list(records(people.customers.take(pa.array(places))))


def seconds(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_numpy()


def replaced(table: pa.Table, **values: Any) -> pa.Table:
    """A table of customers with some columns replaced."""
    columns = {name: table[name] for name in table.column_names}
    return build("crm.customers", **(columns | values))


def changed_customers(people: People, places: np.ndarray, seed: int) -> pa.Table:
    """New versions: closed accounts where a customer stayed away long enough, else new phones."""
    table = people.customers.take(pa.array(places))
    customer, seen = people.customer[places], people.visits
    first, last, city = seen.first_at[places], seen.last_at[places], seen.city[places]
    closes = (last + CLOSED_AFTER < YEAR_OVER) & (share(customer, seed, "closes") < 0.5)
    changed_at = np.minimum(first + DAY + pick(customer, seed, "changed", 180 * DAY), YEAR_OVER)
    is_new = pa.array(~closes)
    phone = phones(customer, city, seed, "new phone")
    return replaced(
        table,
        status=np.where(closes, "closed", "active"),
        phone=pc.if_else(is_new, phone, table["phone"]),
        updated_at=np.where(closes, last + CLOSED_AFTER, changed_at),
    )


def older_versions(people: People, changes: pa.Table, places: np.ndarray, seed: int) -> pa.Table:
    """Versions half-way in time between the first one and the change that has already arrived."""
    table = people.customers.take(pa.array(places))
    customer = people.customer[places]
    changed = changes["customer_id"].to_numpy()
    newer = seconds(changes["updated_at"])[np.searchsorted(changed, customer)]
    return replaced(
        table,
        phone=phones(customer, people.visits.city[places], seed, "phone in between"),
        updated_at=(seconds(table["updated_at"]) + newer) // 2,
    )


def consents(people: list[Record]) -> list[Record]:
    """The same customers, who changed their mind about marketing."""
    return [
        record | {"marketing_consent": not record["marketing_consent"], "updated_at": ENTERED_AFTER}
        for record in people
    ]


def form_rows(people: list[Record]) -> list[Row]:
    entered = consents(people)
    bad = broken(entered, BROKEN_FORM) + [field_too_many(record) for record in entered[len(BROKEN_FORM) :][:1]]
    good: list[Row] = [(None, "accepted", record) for record in entered[len(BROKEN_FORM) + 1 :]]
    return spread(good, bad)


def app_rows(people: list[Record]) -> list[Row]:
    entered = consents(people)
    good: list[Row] = [(None, "accepted", record) for record in entered[len(BROKEN_APP) :]]
    return spread(good, broken(entered, BROKEN_APP))


def address_life(people: People, movers: np.ndarray, seed: int) -> list[Row]:
    """New homes of customers, and homes of household ids that occur nowhere in the source."""
    strangers = np.setdiff1d(np.arange(1, people.households_there_are.max()), people.households_there_are)[:12]
    moves = homes(people.customer[movers], people.visits.city[movers], seed)
    unknown = homes(strangers, pick(strangers, seed, "stranger's city", 5), seed)
    good: list[Row] = [("corrections", "accepted", record) for record in moves]
    return spread(good, [("addresses of unknown customers", "waiting", record) for record in unknown])


def homes(customer: np.ndarray, city: np.ndarray, seed: int) -> list[Record]:
    at = np.full(len(customer), MOVED_AT)
    return list(records(address_rows(customer * 10 + 1, customer, "home", city, at, seed)))
