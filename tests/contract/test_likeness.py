"""What a file's columns are proposed to be."""

from __future__ import annotations

import pytest

from loader.contract.likeness import propose
from loader.contract.model import Column
from loader.contract.types import DataType

TEXT = DataType("text", "text")
COLUMNS = [
    Column("order_id", TEXT, True, "Order", ""),
    Column("customer_id", TEXT, True, "Customer", ""),
    Column("ordered_at", TEXT, False, "Ordered at", ""),
    Column("city", TEXT, False, "City", ""),
    Column("note", TEXT, False, "Remark", ""),
]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("order_id", "order_id"),
        ("ORDER_ID", "order_id"),
        ("Order No.", "order_id"),
        ("orderId", "order_id"),
        ("  Order ", "order_id"),
        ("id order", "order_id"),
        ("Customer Number", "customer_id"),
        ("Orderd at", "ordered_at"),
        ("Cíty", "city"),
        ("remarks", "note"),
        ("turnover", None),
        ("", None),
        ("???", None),
        ("x" * 10_000, None),
    ],
)
def test_a_name_is_proposed_for_the_column_that_it_is_like(name: str, target: str | None) -> None:
    assert propose([name], COLUMNS, {}) == {name: target}


def test_a_column_is_proposed_once_for_what_is_most_like_it() -> None:
    assert propose(["Order-Nr", "order_id", "Order"], COLUMNS, {}) == {
        "Order-Nr": None, "order_id": "order_id", "Order": None,
    }  # fmt: skip
    assert propose(["cities", "City"], COLUMNS, {}) == {"cities": None, "City": "city"}


def test_what_was_said_before_goes_first() -> None:
    known = {"Place": "city", "City": None, "Gone": "a column that was taken away", "order_id": "city"}
    assert propose(["Place", "City", "Gone", "order_id", "New"], COLUMNS, known) == {
        "Place": "city", "City": None, "Gone": None, "order_id": "order_id", "New": None,
    }  # fmt: skip


def test_of_two_that_were_said_to_be_one_the_first_is_it() -> None:
    assert propose(["Place", "Town"], COLUMNS, {"Place": "city", "Town": "city"}) == {"Place": "city", "Town": None}
