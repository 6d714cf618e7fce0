"""What docs/bad-data.md says of rows that are well formed and can't be true."""

from __future__ import annotations

import re
from typing import Any

import psycopg2

from loader.settings import Settings
from tests.dbt.conftest import ROOT, Rule
from tests.dbt.test_shop_contract import example_of, own_source, row_rule

PAGE = ROOT / "docs" / "bad-data.md"
Row = dict[str, Any]


def broken_rules(manifest: dict[str, Any], render: Rule, cursor: Any, table: str, changes: Row) -> set[str]:
    """The stopping row rules that the table's example breaks once it is changed, as `test column`."""
    source = manifest["sources"][f"source.gatehouse.{table}"]
    columns = source["columns"].values()
    row = {column["name"]: example_of(column) for column in columns}
    assert changes.keys() <= row.keys()
    types = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in columns)
    cursor.execute(f"create temporary table example ({types})")
    cursor.execute(f"insert into example values ({', '.join(['%s'] * len(row))})", list((row | changes).values()))
    broken = set()
    for test in manifest["nodes"].values():
        if test["resource_type"] != "test" or not test.get("test_metadata") or own_source(test) != source["unique_id"]:
            continue
        expression = row_rule(test, render)
        if expression and test["config"]["severity"].lower() == "error":
            cursor.execute(f"select ({expression}) is false from example")
            if cursor.fetchone()[0]:
                broken.add(f"{test['test_metadata']['name']} {test['column_name'] or ''}".strip())
    cursor.execute("drop table example")
    return broken


AHEAD = {"registered_at": "2050-01-01T00:00:00Z", "updated_at": "2050-01-02T00:00:00Z"}


CASES: list[tuple[str, Row, set[str]]] = [
    ("erp.orders", {"currency_code": "CHF"}, {"accepted_values currency_code"}),
    ("erp.orders", {"currency_code": "CAD"}, set()),
    ("crm.customers", {"birth_date": "2031-01-01"}, {"row_condition"}),
    ("crm.customers", {"birth_date": "2040-01-01", **AHEAD}, set()),
    ("crm.customers", {"birth_date": "1899-12-31"}, {"at_least birth_date"}),
    ("erp.orders", {"ordered_at": "1999-12-31T23:59:59Z"}, {"between ordered_at"}),
    ("erp.orders", {"ordered_at": "0217-03-01T12:00:00Z"}, {"between ordered_at"}),
    ("marketing.promotions", {"week": 54}, {"between week"}),
    ("marketing.promotions", {"week": 0}, {"between week"}),
    ("marketing.promotions", {"week": 53}, set()),
]


def test_a_row_that_can_not_be_true_meets_its_rule(
    manifest: dict[str, Any], render: Rule, empty_settings: Settings
) -> None:
    given = empty_settings
    connection = psycopg2.connect(
        host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
    )
    with connection, connection.cursor() as cursor:
        for table, changes, broken in CASES:
            assert broken_rules(manifest, render, cursor, table, changes) == broken, (table, changes)
    connection.close()


def test_every_test_that_the_page_names_is_there(manifest: dict[str, Any]) -> None:
    known = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "test"}
    known |= {node["name"]: node for node in manifest["unit_tests"].values()}
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    named = 0
    for row in rows:
        shown_by = row.split(" | ")[-1]
        for name in re.findall(r"`([^`]+)`", shown_by):
            named += 1
            if name.startswith("tests/"):
                path, _, function = name.partition("::")
                assert f"def {function}" in (ROOT / path).read_text(), name
            else:
                assert name in known, name
        for word, severity in (("stop", "error"), ("warn", "warn")):
            for names in re.findall(rf"((?:`\w+`, )*`\w+`) \({word}s?\)", shown_by):
                name = re.findall(r"`(\w+)`", names)[-1]
                assert known[name]["config"]["severity"].lower() == severity, name
    assert named > 20
