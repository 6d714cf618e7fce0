"""Numbers, times and clock times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from loader.contract.model import Freshness
from loader.pages import words
from loader.pages.moments import NoSuchMoment, is_zone, with_zone


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (119, "119 seconds"),
        (120, "2 minutes"), (3600, "1 hour"), (36 * 3600, "36 hours"), (48 * 3600, "2 days"), (86400, "1 day"),
    ],
)  # fmt: skip
def test_a_length_of_time(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_a_moment_is_shown_in_utc() -> None:
    assert words.moment(datetime(2026, 3, 1, 1, 5, tzinfo=timezone(timedelta(hours=3)))) == "28 Feb 2026, 22:05 UTC"
    assert words.moment(None) == "–"
    assert words.ago(datetime.now(UTC) - timedelta(hours=5)) == "5 hours ago"
    assert words.ago(None) == "never"


def test_what_a_contract_promises() -> None:
    assert words.promise(Freshness(3600.0, None)) == "late after 1 hour"
    assert words.promise(Freshness(None, 172800.0)) == "overdue after 2 days"
    assert words.promise(None) == "none"


def test_a_message_as_a_sentence() -> None:
    assert words.sentence("must be at least 0") == "Must be at least 0."
    assert words.sentence("Really? ") == "Really?"
    assert words.sentence("") == ""
    assert words.sentence("birth_date must be past") == "birth_date must be past."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("published 5 marts: 378687 rows in, 4031 rows out", "published 5 marts: 378,687 rows in, 4,031 rows out"),
        ("Got 4065 results, configured to warn if != 0", "Got 4,065 results, configured to warn if != 0"),
        ("999 rows in", "999 rows in"),
        ("as of 2017-12-31, load 12345, table_2024 rows", "as of 2017-12-31, load 12345, table_2024 rows"),
        ("1234.5678 rows, 12,3456 rows", "1234.5678 rows, 12,3456 rows"),
    ],
)
def test_the_counts_of_a_message_are_grouped(message: str, shown: str) -> None:
    assert words.grouped(message) == shown


@pytest.mark.parametrize(
    ("local", "zone", "moment"),
    [
        ("2024-02-29T08:45", "America/New_York", "2024-02-29T13:45:00Z"),
        ("2024-07-01 08:45:30", "America/New_York", "2024-07-01T12:45:30Z"),
        ("2024-02-29T08:45", "UTC", "2024-02-29T08:45Z"),
        ("1850-02-28T08:45", "America/New_York", "1850-02-28T13:41:02Z"),  # before there were zones
        ("2024-02-29T13:45:00Z", "America/New_York", "2024-02-29T13:45:00Z"),  # says its zone itself
        ("2024-02-30T08:45", "America/New_York", "2024-02-30T08:45"),  # for the door to judge
        ("0001-01-01T00:00", "Asia/Tokyo", "0001-01-01T00:00"),
        ("tomorrow", "UTC", "tomorrow"),
        ("", "UTC", ""),
    ],
)
def test_a_clock_time_becomes_a_moment(local: str, zone: str, moment: str) -> None:
    assert with_zone(local, zone) == moment


@pytest.mark.parametrize(
    ("local", "said"), [("2024-03-10T02:30", "never happened in"), ("2024-11-03T01:30", "happened twice in")]
)
def test_a_clock_time_that_nobody_can_tell(local: str, said: str) -> None:
    with pytest.raises(NoSuchMoment, match=said):
        with_zone(local, "America/New_York")


@pytest.mark.parametrize(
    ("name", "known"), [("Europe/Berlin", True), ("Mars/Base", False), ("../etc", False), ("", False), ("a\0b", False)]
)
def test_zones_that_this_machine_knows(name: str, known: bool) -> None:
    assert is_zone(name) is known


@pytest.mark.parametrize(("found", "said"), [
    ({"format": "ndjson", "encoding": "utf-8"}, "NDJSON in utf-8"),
    ({"format": "csv", "encoding": "utf-16-le", "bom": True, "separator": "\t", "quote": "'", "decimal": ",",
      "packed": "gzip"},
     "CSV in utf-16-le with its mark, tab between fields, ' around them where need be, decimal comma, packed as gzip"),
    ({"format": "xlsx", "sheet": "<Prices>"}, "XLSX, sheet <Prices>"),
])  # fmt: skip
def test_what_a_body_was_read_as(found: dict[str, Any], said: str) -> None:
    assert words.read_as(found) == said
