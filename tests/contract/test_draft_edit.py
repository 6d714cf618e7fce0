"""A draft is added to a sources file; nothing that stands there changes by a byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from loader.contract.draft import DraftColumn, DraftTable, sources_file
from loader.contract.draft_edit import edited, write_draft
from loader.remedy import Remedy

ORDERS = DraftTable(
    "orders",
    (
        DraftColumn("order_id", "bigint", True),
        DraftColumn("status", "text", True, "Where it stands: 'placed' or more"),
        DraftColumn("tags", "text[]"),
        DraftColumn("amount", "numeric(12,2)"),
        DraftColumn("paid", "money", remark="not a type that the doors know: choose one"),
    ),
    ("order_id",),
)
STANDING = """\
version: 2   # of dbt

sources:
  - name: shop
    # who loads it is not ours to say
    loader: fivetran
    tables:
      - name: orders      # the big one
        columns:
          - name: order_id
            data_type: integer   # as the vendor says
            data_tests: [not_null, unique]

          - {name: amount, meta: {label: "Amount"}}
          - name: status
            description: >
              Folded words
              of two lines.
            tests:
              - accepted_values:
                  arguments: {values: ['placed', "done"]}
          # the last comment

      - name: other

models: []
"""


def test_only_what_is_missing_is_added_and_all_else_stays() -> None:
    made, words = edited(STANDING, "shop", [ORDERS])
    assert (
        made
        == """\
version: 2   # of dbt

sources:
  - name: shop
    # who loads it is not ours to say
    loader: fivetran
    tables:
      - name: orders      # the big one
        config: {meta: {primary_key: [order_id]}}
        columns:
          - name: order_id
            data_type: integer   # as the vendor says
            data_tests: [not_null, unique]

          - {name: amount, data_type: "numeric(12,2)", meta: {label: "Amount"}}
          - name: status
            data_type: text
            constraints: [{type: not_null}]
            description: >
              Folded words
              of two lines.
            tests:
              - accepted_values:
                  arguments: {values: ['placed', "done"]}
          - name: tags
            data_type: text[]
          - name: paid
            data_type: money  # not a type that the doors know: choose one
          # the last comment

      - name: other

models: []
"""
    )
    assert words == [
        "shop.orders: primary_key", "shop.orders.status: data_type", "shop.orders.status: constraints",
        "shop.orders.amount: data_type", "shop.orders: tags, paid",
    ]  # fmt: skip
    assert edited(made, "shop", [ORDERS]) == (made, [])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("config: {}", "config: {meta: {primary_key: [order_id]}}"),
        ("config: {tags: [a]}", "config: {meta: {primary_key: [order_id]}, tags: [a]}"),
        ("config: {meta: {label: L}}", "config: {meta: {primary_key: [order_id], label: L}}"),
        ("config: {meta: {primary_key: [a, b]}}", None),
        ("meta: {primary_key: id}", None),
        (
            "config:\n          meta:\n            label: L",
            "config:\n          meta:\n            primary_key: [order_id]\n            label: L",
        ),
    ],
)
def test_a_key_goes_into_the_config_that_stands(config: str, expected: str | None) -> None:
    table = DraftTable("orders", (), ("order_id",))
    head = f"sources:\n  - name: shop\n    tables:\n      - name: orders\n        {config}\n"
    made, words = edited(head, "shop", [table])
    assert made == (head if expected is None else head.replace(config, expected))
    assert bool(words) == (expected is not None)


def test_line_ends_and_a_missing_last_one_are_kept() -> None:
    text = "sources:\r\n- name: shop\r\n  tables:\r\n  - name: orders\r\n    columns:\r\n    - name: order_id"
    made, _ = edited(text, "shop", [DraftTable("orders", (DraftColumn("order_id", "bigint", True),))])
    assert made == text + "\r\n      data_type: bigint\r\n" + (
        "      constraints: [{type: not_null}]\r\n      data_tests: [not_null]\r\n"
    )


def test_a_table_without_columns_and_a_new_one_are_added_whole() -> None:
    text = "sources:\n  - name: shop\n    tables:\n      - name: orders\n"
    column = DraftColumn("id", "integer")
    made, _ = edited(text, "shop", [DraftTable("orders", (column,)), DraftTable("other", (column,), ("id",))])
    assert made == text + (
        "        columns:\n          - name: id\n            data_type: integer\n"
        "      - name: other\n        config: {meta: {primary_key: [id]}}\n"
        "        columns:\n          - name: id\n            data_type: integer\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "sources:\n  - name: other\n",
        "sources:\n  - name: shop\n    tables: [{name: orders, columns: [{name: order_id}]}]\n",
        "sources:\n  - name: shop\n    tables:\n      - name: orders\n        columns: []\n",
        "sources:\n  - name: shop\n",
    ],
)
def test_where_it_can_not_be_put_the_file_stays_and_the_reader_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "_sources.yml"
    path.write_text(text)
    with pytest.raises(Remedy):
        write_draft(path, "shop", [ORDERS])
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_printed_is_yaml_that_says_the_same() -> None:
    odd = DraftColumn('a "b": #c', "varchar(5)", True, "yes: no # maybe\nsecond")
    text = sources_file("shop", "raw_shop", [DraftTable("orders", (*ORDERS.columns, odd), ('a "b": #c',), "On")])
    source = yaml.safe_load(text)["sources"][0]
    assert (source["name"], source["schema"], source["loader"]) == ("shop", "raw_shop", "gatehouse")
    (table,) = source["tables"]
    assert table["description"] == "On"
    assert table["config"] == {"meta": {"primary_key": ['a "b": #c']}}
    assert {c["name"]: c["data_type"] for c in table["columns"]} == {
        **{c.name: c.data_type for c in ORDERS.columns}, 'a "b": #c': "varchar(5)",
    }  # fmt: skip
    assert table["columns"][-1]["constraints"] == [{"type": "not_null"}]
    assert table["columns"][-1]["data_tests"] == ["not_null"]
    assert table["columns"][-1]["description"] == "yes: no # maybe\nsecond"
