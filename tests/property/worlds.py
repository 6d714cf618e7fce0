"""The rows that stand before an example begins, and those that dbt itself is run on.

Two rows a table, so that there are parents to point at; then rows that break each rule that
only warns, so that the one run of `dbt test` has warnings to count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from graphlib import TopologicalSorter
from typing import Any

import yaml

from tests.property.projects import FOLDERS, Row

#: Where the columns' examples are not a row that can stand by itself.
_SHOP: dict[str, list[dict[str, Any]]] = {
    "erp.categories": [{"category_id": 3, "parent_category_id": None, "level": "department"}, {}],
}
#: Rows let in with a warning: what they change of the table's first row.
_SHOP_WARNED: dict[str, list[dict[str, Any]]] = {
    "crm.customers": [{"customer_id": 77, "registered_at": "2031-01-01T00:00:00Z"}],
    "erp.orders": [{"order_id": 77, "updated_at": "2016-01-01T00:00:00Z"}],
    "erp.order_lines": [{"order_id": 77, "quantity": 0}],
    "erp.stock_movements": [{"movement_id": 77, "movement_type": "sale", "quantity": 5},
                            {"movement_id": 78, "movement_type": "receipt", "quantity": -5}],
    "web.activity_events": [
        {"event_id": "00000000-0000-0000-0000-000000000077", "product_id": None},
        {"event_id": "00000000-0000-0000-0000-000000000078", "event_type": "login", "customer_id": None},
    ],
}  # fmt: skip
#: Rows of which only several columns together break a rule: what they change of the table's last row.
TOGETHER: dict[str, list[Row]] = {
    "erp.categories": [
        {"category_id": "7", "parent_category_id": "7"},
        {"category_id": "8", "parent_category_id": "4711"},
    ],
    "web.activity_events": [
        {"event_id": "00000000-0000-0000-0000-000000009999", "event_type": "login", "customer_id": None},
    ],
    "lab.rules": [
        {"id": "90", "low": "5", "high": "0"},
        {"id": "91", "low": "5", "flag": "false"},
        {"id": "92", "low": "2", "begins": "2020-03-01", "ends": "2020-02-01"},
        {"id": "93", "low": "1", "begins": "2020-03-01", "ends": "2020-02-01"},
        {"id": "94", "low": "2", "word": "won't"},
        {"id": "95", "low": "5", "word": "can't", "high": "5"},
        {"id": "96", "low": "2", "price": "2.00"},
        {"id": "97", "low": "-1", "high": "0"},
        {"id": "98", "low": "2", "price": None},
        {"id": "99", "letters": "xyz"},
    ],
    "lab.people": [
        {"person_id": "90", "first_name": "Bo", "desk": "8"}, {"person_id": "91", "first_name": "Bo", "desk": "8"},
        {"person_id": "92", "first_name": "Bo", "desk": "0"}, {"person_id": "93", "first_name": "Bo", "desk": "0"},
        {"person_id": "94", "email": "x"}, {"person_id": "95", "email": "x"}, {"person_id": "96", "phone": "x"},
        {"person_id": "97", "phone": "x"}, {"person_id": "98", "badge": "9"}, {"person_id": "99", "badge": "9"},
        {"person_id": "100", "manager_id": "4711"}, {"person_id": "101", "deputy_id": "4711"},
    ],
    "lab.rooms": [
        {"building": "C", "floor": "1", "sign": "x"}, {"building": "C", "floor": "2", "sign": "x"},
        {"building": "C", "floor": "0", "sign": "x"},
    ],
    "lab.visits": [
        {"visit_id": "00000000-0000-0000-0000-000000009991", "pass_number": "9"},
        {"visit_id": "00000000-0000-0000-0000-000000009992", "pass_number": "9"},
        {"visit_id": "00000000-0000-0000-0000-000000009993", "guest_id": "4711", "minute": "1"},
        {"visit_id": "00000000-0000-0000-0000-000000009994", "guest_id": "4711", "minute": "-1"},
        {"visit_id": "00000000-0000-0000-0000-000000009995", "next_building": "Z"},
        {"visit_id": "00000000-0000-0000-0000-000000009996", "building": "Z"},
        {"visit_id": "00000000-0000-0000-0000-000000009997", "minute": "7777"},
        {"visit_id": "00000000-0000-0000-0000-000000009998", "minute": "7777"},
    ],
}  # fmt: skip
_PERSON = {"first_name": "Ada", "desk": "1", "email": "a@x", "badge": "1", "phone": "1", "manager_id": None,
           "deputy_id": None, "updated_at": "2020-01-01T00:00:00Z"}  # fmt: skip
_VISIT = {"person_id": "1", "guest_id": None, "building": "A", "next_building": "A", "floor": "1", "minute": "0"}
_RULED = {"low": "1", "high": "2", "price": "1.50", "begins": "2020-02-01", "ends": "2020-03-01",
          "at": "2020-05-01T00:00:00Z", "word": "é", "answer": "True", "flag": "true", "letters": "ab"}  # fmt: skip
LABORATORY: list[tuple[str, list[Row]]] = [
    ("lab.kinds", [{"id": "1"}, {"id": "2"}]),
    ("lab.rules", [{"id": "11", **_RULED}]),
    ("lab.rooms", [{"building": "A", "floor": "1", "sign": "one"}, {"building": "B", "floor": "2", "sign": "two"}]),
    ("lab.people", [
        {"person_id": "1", **_PERSON},
        {"person_id": "2", **_PERSON, "desk": "2", "email": "b@x", "badge": "2", "phone": "2", "manager_id": "1"},
    ]),
    ("lab.visits", [{"visit_id": "00000000-0000-0000-0000-000000000001", **_VISIT, "pass_number": "1"}]),
]  # fmt: skip
LABORATORY_WARNED: list[tuple[str, list[Row]]] = [
    ("lab.rules", [
        {"id": "12", **_RULED, "low": "-1", "high": "5", "word": "can't"},
        {"id": "13", **_RULED, "low": "2", "price": "2.00", "letters": "xyz"},
        {"id": "14", **_RULED, "low": "2", "price": None, "begins": None},
        {"id": "15", **_RULED, "ends": "2020-01-01", "letters": "xyz"},
    ]),
    ("lab.people", [
        {"person_id": "3", **_PERSON, "desk": "3", "email": "c@x", "badge": "3", "phone": "2", "deputy_id": "99"},
        {"person_id": "4", **_PERSON, "desk": "4", "email": "d@x", "badge": "4", "phone": "2"},
    ]),
    ("lab.visits", [
        {"visit_id": "00000000-0000-0000-0000-000000000002", **_VISIT, "next_building": "Z", "pass_number": "2"},
        {"visit_id": "00000000-0000-0000-0000-000000000003", **_VISIT, "minute": "9", "next_building": "Z"},
    ]),
]  # fmt: skip


def shop() -> tuple[list[tuple[str, list[Row]]], list[tuple[str, list[Row]]]]:
    """(world, rows that warn) of the shop, made of its columns' own examples, parents first."""
    world: dict[str, list[Row]] = {}
    warned: list[tuple[str, list[Row]]] = []
    tables = source_tables()
    for name in _parents_first(tables):
        made = list(_rows(tables[name], world, _SHOP.get(name, [{}, {}])))
        world[name] = made
        changes = _SHOP_WARNED.get(name, [])
        if changes:
            warned.append((name, [{**made[0], **{k: _text(v) for k, v in change.items()}} for change in changes]))
    return list(world.items()), warned


def source_tables() -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted((FOLDERS["shop"] / "dbt_project" / "models" / "staging").glob("*/_*__sources.yml")):
        for source in yaml.safe_load(path.read_text("utf-8"))["sources"]:
            if source.get("loader") == "gatehouse":
                found |= {f"{source['name']}.{table['name']}": table for table in source["tables"]}
    return found


def relations(table: dict[str, Any]) -> Iterator[tuple[list[str], str, list[str]]]:
    """(own columns, parent, its columns) of each relationship."""
    for column in [{"name": None, **table}, *table["columns"]]:
        for test in column.get("data_tests", []):
            for name, body in test.items() if isinstance(test, dict) else ():
                if name.startswith("relationships"):
                    given = body["arguments"]
                    parent = ".".join(given["to"].split("'")[1::2])
                    yield given.get("columns") or [column["name"]], parent, given.get("fields") or [given["field"]]


def _parents_first(tables: dict[str, dict[str, Any]]) -> list[str]:
    graph = {name: {p for _, p, _ in relations(table) if p != name} for name, table in tables.items()}
    return list(TopologicalSorter(graph).static_order())


def _rows(table: dict[str, Any], world: dict[str, list[Row]], changes: list[dict[str, Any]]) -> Iterator[Row]:
    key = table["config"]["meta"]["primary_key"]
    for number, change in enumerate(changes):
        row = {column["name"]: _text(column["config"]["meta"].get("example")) for column in table["columns"]}
        foreign = set()
        for own, parent, fields in relations(table):
            if parent in world:
                row.update(zip(own, (world[parent][number][field] for field in fields), strict=True))
                foreign |= set(own)
        if number and not change and not set(key) <= foreign:
            name, kind = next(
                (column["name"], column["data_type"])
                for column in table["columns"]
                if column["name"] in key and column["name"] not in foreign and "accepted_values" not in str(column)
            )
            row[name] = _another(row[name] or "", kind)
        yield {**row, **{name: _text(value) for name, value in change.items()}}


def _another(text: str, kind: str) -> str:
    """Another value of the kind: a number or month later, or another last letter."""
    if kind == "date":
        day = date.fromisoformat(text)
        return str(day.replace(month=day.month % 12 + 1))
    if kind in ("integer", "bigint", "smallint"):
        return str(int(text) + 1)
    return text[:-1] + ("3" if text[-1] != "3" else "4") if text[-1].isdigit() else text[:-1] + "S"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
