"""What a file's columns are proposed to be."""

from __future__ import annotations

from time import process_time

import pytest

from loader.contract.likeness import propose
from loader.contract.model import Column
from loader.contract.types import DataType

TEXT = DataType("text", "text")
COLUMNS = [
    Column("order_id", TEXT, True, "Order number", ""),
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
        ("id order", "order_id"),
        ("Customer Number", "customer_id"),
        ("At ordered", "ordered_at"),
        ("Cíty", "city"),
        ("remarks", "note"),
        ("turnover", None),
        ("Order", None),
        ("Reordered at", None),
        ("No order", None),
        ("no", None),
        ("Order no customer", None),
        ("Ordered to", None),
        ("Customer", "customer_id"),
        ("County", None),
        ("Second city", None),
        ("", None),
        ("???", None),
        ("x" * 10_000, None),
    ],
)
def test_a_name_is_proposed_for_the_column_that_it_is_like(name: str, target: str | None) -> None:
    assert propose([name], COLUMNS, {}) == {name: target}


def test_a_column_is_proposed_once_for_its_own_name_first() -> None:
    assert propose(["Order-Nr", "order_id", "Order No"], COLUMNS, {}) == {
        "Order-Nr": None, "order_id": "order_id", "Order No": None,
    }  # fmt: skip
    assert propose(["CITY", "City"], COLUMNS, {}) == {"CITY": "city", "City": None}


def test_what_was_said_before_goes_first() -> None:
    known = {"Place": "city", "city": None, "Gone": "a column that was taken away", "order_id": "note"}
    assert propose(["Place", "city", "Gone", "order_id", "New"], COLUMNS, known) == {
        "Place": "city", "city": None, "Gone": None, "order_id": "note", "New": None,
    }  # fmt: skip


def test_of_two_that_were_said_to_be_one_the_first_is_it() -> None:
    assert propose(["Place", "Town"], COLUMNS, {"Place": "city", "Town": "city"}) == {"Place": "city", "Town": None}


def test_a_name_that_comes_twice_is_nothing() -> None:
    assert propose(["city", "order_id", "city"], COLUMNS, {"city": "city"}) == {"city": None, "order_id": "order_id"}


def test_thousands_of_names_take_no_time() -> None:
    names = [f"column {number} of a very wide sheet" for number in range(5000)]
    began = process_time()
    assert set(propose(names, COLUMNS * 8, {}).values()) == {None}
    assert process_time() - began < 2
