"""No mistyped year gets as far as the calendar: what feeds it has a range at the door."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import psycopg2
import pytest

from loader.settings import Settings
from tests.dbt.conftest import Rule

CALENDAR_DAYS = 100_000  # what dim_dates counts, from the earliest date on
Node = dict[str, Any]


def feeds_of(manifest: dict[str, Any]) -> dict[tuple[str, str], Node]:
    """What int_calendar_days lists as dated: (source's id, column) to the source."""
    nodes = manifest["nodes"]
    dated = re.findall(
        r"\('(\w+)', '(\w+)', '(\w+)', '(?:moment|day|year)'\),", nodes["model.gatehouse.int_calendar_days"]["raw_code"]
    )
    views = {f"model.gatehouse.{view}" for view, *_ in dated}
    assert views == set(nodes["model.gatehouse.int_calendar_days"]["depends_on"]["nodes"]), (
        "not all of it is in the list"
    )
    feeds = {}
    for name, *columns in dated:
        view = nodes[f"model.gatehouse.{name}"]
        source = manifest["sources"][one_of(view["depends_on"]["nodes"])]
        named = {new: old for old, new in re.findall(r"\b(\w+) as (\w+)", view["raw_code"])}
        feeds.update({(source["unique_id"], named.get(column, column)): source for column in columns})
    return feeds


def one_of(ids: list[str]) -> str:
    assert len(ids) == 1, ids
    return ids[0]


def stopping_ranges(manifest: dict[str, Any], source_id: str, column: str) -> list[dict[str, Any]]:
    """Arguments of the column's `between` rules that refuse each row outside."""
    return [
        node["test_metadata"]["kwargs"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name") == "between"
        and node["depends_on"]["nodes"] == [source_id]
        and node["column_name"] == column
        and node["config"]["severity"].lower() == "error"
        and not node["config"].get("where")
    ]


def day(bound: str | int) -> date:
    """The day that a range ends with; of a year, the one that feeds the calendar."""
    return date(bound, 1, 1) if isinstance(bound, int) else date.fromisoformat(bound[:10])


def test_every_column_that_feeds_the_calendar_has_a_range(manifest: dict[str, Any]) -> None:
    feeds = feeds_of(manifest)
    assert len(feeds) >= 13
    firsts, lasts = [], []
    for source_id, column in feeds:
        ranges = stopping_ranges(manifest, source_id, column)
        assert ranges, f"{source_id}: {column} feeds dim_dates and any year gets in"
        firsts.append(max(day(given["minimum"]) for given in ranges))
        lasts.append(min(day(given["maximum"]) for given in ranges))
    last_counted = date(max(lasts).year + 1, 12, 31)
    assert (last_counted - date(min(firsts).year - 1, 1, 1)).days < CALENDAR_DAYS


def test_no_mistyped_year_pins_a_record_as_its_newest_version(manifest: dict[str, Any]) -> None:
    judged = 0
    for source in manifest["sources"].values():
        if column := source["config"]["meta"].get("valid_from"):
            assert stopping_ranges(manifest, source["unique_id"], column), (source["name"], column)
            judged += 1
    assert judged >= 9


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/New_York"])
def test_a_range_means_the_same_in_every_zone(
    manifest: dict[str, Any], render: Rule, empty_settings: Settings, zone: str
) -> None:
    given = empty_settings
    connection = psycopg2.connect(
        host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
    )
    verdicts = {
        "timestamptz": {
            "0217-06-01T12:00:00Z": False,
            "1999-12-31T23:59:59Z": False,
            "2000-01-01T00:00:00Z": True,
            "2017-06-01T12:00:00Z": True,
            "2100-01-01T00:00:00Z": True,
            "2100-01-01T00:00:01Z": False,
            "20170-06-01T12:00:00Z": False,
        },
        "date": {"0217-06-01": False, "1999-12-31": False, "2000-01-01": True, "2100-01-01": True, "2100-01-02": False},
        "smallint": {"217": False, "1999": False, "2000": True, "2100": True, "2101": False, "20170": False},
    }
    seen = set()
    with connection, connection.cursor() as cursor:
        cursor.execute("select set_config('timezone', %s, false)", (zone,))
        for (source_id, column), source in feeds_of(manifest).items():
            kind = source["columns"][column]["data_type"]
            seen.add(kind)
            for told in stopping_ranges(manifest, source_id, column):
                rule = render("rule_between", '"value"', told["minimum"], told["maximum"])
                for value, verdict in verdicts[kind].items():
                    cursor.execute(f"select ({rule}) from (select cast(%s as {kind}) as value) as row", (value,))
                    assert cursor.fetchone() == (verdict,), (source["name"], column, value)
    connection.close()
    assert seen == {"timestamptz", "date", "smallint"}
