"""Rules that one row decides by itself: each kind of fault, all of them kept, the first in the columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.intake.lab import THINGS, Lab, rule

GOOD = {"id": "1", "name": "a", "size": "5", "colour": "red", "begins": "2024-01-01", "ends": "2024-01-02",
        "price": "2.50"}  # fmt: skip
HEADER = ",".join(GOOD)
FAULTS = [
    ({"id": "one"}, "id", "data_type", "one"),
    ({"id": ""}, "id", "not_null", None),
    ({"name": ""}, "name", "not_null", None),
    ({"size": "1.5"}, "size", "data_type", "1.5"),
    ({"size": "-1"}, "size", "at_least", "-1"),
    ({"size": "11"}, "size", "at_most", "11"),
    ({"size": "99999999999999"}, "size", "data_type", "99999999999999"),
    ({"colour": "Red"}, "colour", "accepted_values", "Red"),
    ({"colour": '""'}, "colour", "accepted_values", ""),
    ({"begins": "01/02/2024"}, "begins", "data_type", "01/02/2024"),
    ({"ends": "2023-12-31"}, None, "compare_columns", None),
    ({"price": "1.005"}, "price", "data_type", "1.005"),
    ({"price": "10000"}, "price", "data_type", "10000"),
    ({"price": "1.00"}, "price", "greater_than", "1.00"),
]
PASSES = [
    {},
    {"size": "0"},
    {"size": "10"},
    {"size": "", "colour": "", "begins": "", "ends": "", "price": ""},  # NULL passes
    {"begins": ""},
    {"colour": "can't"},
    {"colour": "blue", "price": "0.50"},  # the rule on the price asks for red things only
    {"colour": "", "price": "0.50"},
    {"name": '""'},  # an empty text is not NULL
    {"size": "+3", "price": "1e1"},  # spelled oddly, and stored as meant
    {"ends": "2024-01-01"},
]


def row(**changes: str) -> str:
    return ",".join((GOOD | changes).values())


@pytest.mark.parametrize(("changes", "column", "name", "value"), FAULTS)
def test_a_row_that_breaks_one_rule_is_refused_with_its_reason(
    lab: Lab, changes: dict[str, str], column: str | None, name: str, value: str | None
) -> None:
    receipt = lab.load("things", f"{HEADER}\n{row(**changes)}\n{row(id='2')}\n")
    assert (receipt.received, receipt.accepted, receipt.rejected) == (2, 1, 1)
    [reject] = receipt.rejects
    assert (reject.row, reject.column, reject.rule, reject.value) == (1, column, name, value)
    assert reject.message
    [kept] = lab.rejects(receipt.load_id)
    assert (kept["status"], kept["rule"], kept["column_name"]) == ("rejected", name, column)
    assert len(kept["faults"]) == 1
    sent = {name: value or None for name, value in (GOOD | changes).items()}
    assert kept["payload"] == {name: "" if value == '""' else value for name, value in sent.items()}
    assert [key for key, *_ in lab.mirror("things")] == ["2"]


@pytest.mark.parametrize("changes", PASSES)
def test_a_row_that_breaks_none_is_let_in(lab: Lab, changes: dict[str, str]) -> None:
    receipt = lab.load("things", f"{HEADER}\n{row(**changes)}\n")
    assert (receipt.accepted, receipt.rejects) == (1, ())


def test_all_faults_of_a_row_are_kept_and_the_first_stands_in_the_columns(lab: Lab) -> None:
    receipt = lab.load("things", f"{HEADER}\nx,,12,green,2024-01-03,2024-01-02,1.005\n")
    [kept] = lab.rejects(receipt.load_id)
    found = [(fault["column"], fault["rule"], fault["value"]) for fault in kept["faults"]]
    assert found == [
        ("id", "data_type", "x"),
        ("price", "data_type", "1.005"),
        ("name", "not_null", None),
        ("size", "at_most", "12"),
        ("colour", "accepted_values", "green"),
        (None, "compare_columns", None),
    ]
    assert (kept["column_name"], kept["rule"]) == ("id", "data_type")
    assert kept["message"] == kept["faults"][0]["message"]
    assert [*receipt.rejects[0].faults] == kept["faults"]


def test_a_value_of_the_wrong_type_is_not_also_called_empty(lab: Lab) -> None:
    receipt = lab.load("things", f"{HEADER}\n{row(id='one', size='many')}\n")
    assert [fault["rule"] for fault in receipt.rejects[0].faults] == ["data_type", "data_type"]


def test_a_rule_that_warns_lets_the_row_in_and_counts_it(lab: Lab) -> None:
    lines = [row(id=str(number), size=size) for number, size in enumerate(("5", "0", "", "0", "-1"), 1)]
    receipt = lab.load("things", "\n".join([HEADER, *lines]))
    assert (receipt.accepted, receipt.rejected) == (4, 1)
    [warned] = receipt.warnings
    assert (warned.column, warned.rule, warned.rows, warned.first_row) == ("size", "at_least", 2, 2)


def test_a_message_and_a_pattern_with_signs_that_drivers_read_are_taken_as_they_are(lab: Lab) -> None:
    odd = rule("matches", "name", "\"name\" ~ '^%[a-z]:b$'", "must look like %s, or {0}, :b or can't")
    receipt = lab.with_table(replace(THINGS, row_rules=(odd,))).load(
        "things", f"{HEADER}\n{row()}\n{row(id='2', name='%a:b')}"
    )
    assert (receipt.accepted, receipt.rejects[0].message) == (1, odd.message)


def test_a_long_value_is_cut_in_the_fault_and_whole_in_the_payload(lab: Lab) -> None:
    receipt = lab.load("things", f"{HEADER}\n{row(colour='é' * 5000)}\n")
    [kept] = lab.rejects(receipt.load_id)
    assert (len(kept["faults"][0]["value"]), len(kept["payload"]["colour"])) == (200, 5000)
