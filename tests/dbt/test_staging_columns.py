"""A stg_ view shows each column of its source once, under its own name or one made from it.

Most of them feed no mart yet, so no test of a model's rows would see two that are swapped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.conftest import ROOT

VIEWS = sorted((ROOT / "dbt_project" / "models" / "staging").glob("*/stg_*.sql"))
# What a view may do to a value: spaces and upper case go, and what is then nothing is NULL.
CLEANED = r"(?:nullif\()?(?:(?:trim|lower)\()*(\w+)\)*(?:, ''\))?"
ADDED = {name: name[1:] for name in ("_load_id", "_loaded_at", "_ended_at", "_is_forgotten")}


def shown(text: str) -> dict[str, str]:
    """Column of the view → column of the source; fails on an expression that is not one column, cleaned."""
    selected = re.search(r"\nselect\n(.*?)\nfrom source(?:\nwhere _ended_at is null)?\s*\Z", text, re.DOTALL)
    assert selected, "the view ends in one select from source"
    found = {}
    for part in selected[1].split(",\n"):
        expression, _, alias = part.strip().partition(" as ")
        column = re.fullmatch(CLEANED, expression)
        assert column, f"not one column, cleaned: {expression}"
        found[alias or column[1]] = column[1]
    return found


def faults(text: str, columns: list[str]) -> list[str]:
    """What is wrong with a view of a source with these columns."""
    view = shown(text)
    wrong = [
        f"{column} as {name}"
        for name, column in view.items()
        if name != ADDED.get(column, column) and (name in columns or not name.endswith(f"_{column}"))
    ]
    twice = [f"{column} twice" for column in columns if list(view.values()).count(column) > 1]
    return wrong + twice + [f"{column} missing" for column in columns if column not in view.values()]


def source_of(manifest: dict[str, Any], view: Path) -> dict[str, Any]:
    source, table, *_ = view.stem.removeprefix("stg_").split("__")
    return manifest["sources"][f"source.gatehouse.{source}.{table}"]  # type: ignore[no-any-return]


def columns_of(manifest: dict[str, Any], view: Path) -> list[str]:
    """Columns that a view must show: those of its source; of all its versions, no direct personal data."""
    is_of_versions = view.stem.endswith("__versions")
    return [
        name
        for name, column in source_of(manifest, view)["columns"].items()
        if not (is_of_versions and column["config"]["meta"].get("pii") == "direct")
    ]


@pytest.mark.parametrize("view", VIEWS, ids=lambda path: path.stem)
def test_a_view_shows_each_column_under_a_name_of_its_own(manifest: dict[str, Any], view: Path) -> None:
    assert faults(view.read_text(), columns_of(manifest, view)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("    retail_discount,\n", "    coupon_discount as retail_discount,\n", "coupon_discount as retail_discount"),
        ("    retail_discount,\n", "    coupon_discount as retail_rebate,\n", "coupon_discount as retail_rebate"),
        ("    quantity,\n", "", "quantity missing"),
        ("    _load_id as load_id", "    order_id as load_id", "order_id as load_id"),
    ],
)
def test_a_wrong_column_is_found(old: str, new: str, fault: str) -> None:
    text = (ROOT / "dbt_project/models/staging/erp/stg_erp__order_lines.sql").read_text()
    columns = ["order_id", "product_id", "quantity", "sales_amount", "retail_discount", "coupon_discount",
               "coupon_match_discount", "updated_at"]  # fmt: skip
    assert faults(text, columns) == []
    assert text.count(old) == 1
    assert fault in faults(text.replace(old, new), columns)


@pytest.mark.parametrize("view", VIEWS, ids=lambda path: path.stem)
def test_a_column_that_is_shown_as_it_came_has_the_words_of_its_source(manifest: dict[str, Any], view: Path) -> None:
    """Two texts on one thing drift apart. Keys say shorter what they are; personal columns say that first."""
    described = manifest["nodes"][f"model.gatehouse.{view.stem}"]["columns"]
    source = source_of(manifest, view)
    keys = source["config"]["meta"].get("primary_key", ["load_id", "reject_id"])
    if view.stem.endswith("__versions"):
        keys = [*keys, source["config"]["meta"]["valid_from"]]
    for name, column in source["columns"].items():
        is_shown_as_it_came = re.search(rf"^ +{name},?$", view.read_text(), re.MULTILINE)
        if is_shown_as_it_came and name not in keys and column["config"]["meta"].get("pii") != "direct":
            assert described[name]["description"] == column["description"], name
