"""The rule macros, rendered as the doors render them: the SQL text, what it says of
values in a real PostgreSQL, and what a person is told."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jinja2
import jinja2.meta
import psycopg2
import pytest

from loader.settings import Settings
from tests.dbt.conftest import Rule

# rule, arguments, type of the column, values that pass, values that break it
ONE_COLUMN: list[tuple[str, dict[str, Any], str, list[Any], list[Any]]] = [
    ("at_least", {"minimum": 0}, "numeric(12,2)", ["0", "0.01", "89638"], ["-0.01"]),
    ("at_least", {"minimum": -5}, "integer", [-5, 0], [-6]),
    ("at_least", {"minimum": "1900-01-01"}, "date", ["1900-01-01"], ["1899-12-31"]),
    ("at_least", {"minimum": datetime.date(1900, 1, 1)}, "date", ["1900-01-01"], ["1899-12-31"]),
    ("at_most", {"maximum": 1.5}, "numeric(12,2)", ["1.50"], ["1.51"]),
    ("between", {"minimum": 1, "maximum": 53}, "smallint", [1, 53], [0, 54]),
    ("greater_than", {"value": 0}, "numeric(18,8)", ["0.00000001"], ["0"]),
    ("less_than", {"value": 10}, "integer", [9], [10]),
    ("not_equal_to", {"value": 0}, "integer", [-2, 2], [0]),
    ("not_equal_to", {"value": "can't"}, "text", ["can", "cant"], ["can't"]),
    ("matches", {"pattern": "[A-Z]{2}"}, "text", ["US"], ["us", "USA", "U", "", " US", "US\n", "\nUS", "US\nCA"]),
    ("matches", {"pattern": "a|b"}, "text", ["a", "b"], ["ab", "ax", "xb"]),
    ("matches", {"pattern": r"(.)\1"}, "text", ["aa", "bb"], ["ab", "aaa"]),
    ("matches", {"pattern": "[^']*'s"}, "text", ["Contact's"], ["Contacts"]),
    ("matches", {"pattern": "100%|:x"}, "text", ["100%", ":x"], ["100"]),
    ("accepted_values", {"values": ["can't", "US"]}, "text", ["can't", "US"], ["us", "", "US ", "can''t"]),
    ("accepted_values", {"values": [1, 2], "quote": False}, "smallint", [1, 2], [0, 3]),
    ("not_blank", {}, "text", ["x", " x ", "0", "é"], ["", " ", "\t\n\r", "\u00a0 "]),
    ("max_length", {"maximum": 3}, "text", ["", "abc", "日本語"], ["abcd"]),
    ("first_of_month", {}, "date", ["2017-01-01", "2016-02-01"], ["2017-01-31", "2016-02-29"]),
]
# rule, its column, arguments, type of both columns, pairs (x, y) that pass, pairs that break it
TWO_COLUMNS: list[tuple[str, str | None, dict[str, Any], str, list[Any], list[Any]]] = [
    ("not_after", '"x"', {"other": "y"}, "date", [("2017-01-01", "2017-01-01")], [("2017-01-02", "2017-01-01")]),
    (
        "not_before",
        '"x"',
        {"other": "y"},
        "timestamptz",
        [("2017-01-01T00:00:00Z", "2016-12-31T19:00:00-05:00"), ("2017-01-02T00:00:00Z", "2017-01-01T00:00:00Z")],
        [("2017-01-01T00:00:00Z", "2017-01-01T00:00:01Z")],
    ),
    ("compare_columns", None, {"left": "x", "operator": "=", "right": "y"}, "integer", [(1, 1)], [(1, 2)]),
    ("compare_columns", None, {"left": "x", "operator": "<>", "right": "y"}, "integer", [(1, 2)], [(1, 1)]),
    ("compare_columns", None, {"left": "x", "operator": "<", "right": "y"}, "integer", [(1, 2)], [(2, 2)]),
    ("compare_columns", None, {"left": "x", "operator": "<=", "right": "y"}, "integer", [(2, 2)], [(3, 2)]),
    ("compare_columns", None, {"left": "x", "operator": ">", "right": "y"}, "integer", [(3, 2)], [(2, 2)]),
    ("compare_columns", None, {"left": "x", "operator": ">=", "right": "y"}, "integer", [(2, 2)], [(1, 2)]),
    ("row_condition", None, {"expression": "x = 1 or y = 1"}, "integer", [(1, 0), (0, 1)], [(0, 0)]),
]
MESSAGES: list[tuple[str, dict[str, Any], str]] = [
    ("at_least", {"minimum": 0}, "must be at least 0"),
    ("at_most", {"maximum": 9}, "must be at most 9"),
    ("between", {"minimum": 1, "maximum": 53}, "must be from 1 to 53"),
    ("greater_than", {"value": 0}, "must be greater than 0"),
    ("less_than", {"value": 7}, "must be less than 7"),
    ("not_equal_to", {"value": 0}, "must not be 0"),
    ("matches", {"pattern": "[A-Z]{2}"}, "must have the form [A-Z]{2}"),
    ("matches", {"pattern": "[A-Z]{2}", "message": "must be two letters"}, "must be two letters"),
    ("accepted_values", {"values": ["can't", "won't"]}, "must be one of: can't, won't"),
    ("accepted_values", {"values": [1, True], "quote": False}, "must be one of: 1, True"),
    ("accepted_values", {"values": list("abcdefghijkl")}, "must be one of: a, b, c, d, e, f, g, h, i, j, k, l"),
    (
        "accepted_values",
        {"values": list("abcdefghijklmn")},
        "must be one of: a, b, c, d, e, f, g, h, i, j, k, l and 2 more",
    ),
    ("not_blank", {}, "must not be blank"),
    ("max_length", {"maximum": 20}, "must be at most 20 characters long"),
    ("not_after", {"other": "ended_at"}, "must not be after ended_at"),
    ("not_before", {"other": "start_date"}, "must not be before start_date"),
    ("first_of_month", {}, "must be the first day of a month"),
    (
        "compare_columns",
        {"left": "clicks", "operator": "<=", "right": "impressions"},
        "clicks must be at most impressions",
    ),
    ("row_condition", {"expression": "a = b"}, "the row must meet this condition: a = b"),
    ("row_condition", {"expression": "a = b", "message": "a and b must agree"}, "a and b must agree"),
]


@pytest.fixture
def cursor(empty_settings: Settings) -> Iterator[Any]:
    given = empty_settings
    connection = psycopg2.connect(
        host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
    )
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def is_broken(cursor: Any, rule: str, data_type: str, x: Any, y: Any = None) -> bool:
    """Whether a row (x, y) of columns of that type breaks the rule, as dbt and the doors ask."""
    cursor.execute("drop table if exists row_to_judge")
    cursor.execute(f"create temporary table row_to_judge (x {data_type}, y {data_type})")
    cursor.execute("insert into row_to_judge values (%s, %s)", (x, y))
    cursor.execute(f"select ({rule}) is false from row_to_judge")  # no parameters: % stands for itself
    return bool(cursor.fetchone()[0])


def test_a_rule_on_a_column_breaks_on_bad_values_only(render: Rule, cursor: Any) -> None:
    for name, arguments, data_type, good, bad in ONE_COLUMN:
        rule = render(f"rule_{name}", '"x"', **arguments)
        for value in [*good, None]:
            assert not is_broken(cursor, rule, data_type, value), (rule, value)
        for value in bad:
            assert is_broken(cursor, rule, data_type, value), (rule, value)


def test_a_rule_on_two_columns_breaks_on_bad_pairs_only(render: Rule, cursor: Any) -> None:
    for name, column, arguments, data_type, good, bad in TWO_COLUMNS:
        rule = render(f"rule_{name}", column, **arguments)
        for x, y in [*good, (None, None)]:
            assert not is_broken(cursor, rule, data_type, x, y), (rule, x, y)
        for x, y in bad:
            assert is_broken(cursor, rule, data_type, x, y), (rule, x, y)


def test_a_row_passes_where_null_leaves_the_verdict_open(render: Rule, cursor: Any) -> None:
    rule = render("rule_row_condition", None, expression="x = 1 or y = 1")
    assert not is_broken(cursor, rule, "integer", 0, None)
    comparison = render("rule_compare_columns", None, left="x", operator="<", right="y")
    assert not is_broken(cursor, comparison, "integer", 5, None)


def test_accepted_values_are_quoted(render: Rule, cursor: Any) -> None:
    rule = render("rule_accepted_values", '"x"', ["can't", "won''t", 'say "no"', "a\\b", "50%"])
    for value in ["can't", "won''t", 'say "no"', "a\\b", "50%", None]:
        assert not is_broken(cursor, rule, "text", value), value
    for value in ["cant", "won't", "", "a\\\\b"]:
        assert is_broken(cursor, rule, "text", value), value


def test_accepted_numbers_and_booleans_may_stand_unquoted(render: Rule, cursor: Any) -> None:
    assert render("rule_accepted_values", "n", [1, 2.5], quote=False) == "n in (1, 2.5)"
    assert render("rule_accepted_values", "n", [1, 2]) == "n in ('1', '2')"
    assert render("rule_accepted_values", "n", [True], quote=False) == "n in (true)"
    assert render("rule_accepted_values", "n", ["1", "lower('A')"], quote=False) == "n in (1, lower('A'))"
    assert is_broken(cursor, render("rule_accepted_values", "x", [1, 2]), "integer", 3)


def test_a_name_with_a_quote_stays_a_name(render: Rule) -> None:
    assert render("sql_identifier", 'odd"name') == '"odd""name"'
    assert render("rule_not_after", '"x"', other="end") == '"x" <= "end"'


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (0, "0"),
        (-5, "-5"),
        (0.5, "0.5"),
        (Decimal("1.10"), "1.10"),
        (True, "true"),
        (False, "false"),
        ("", "''"),
        ("0", "'0'"),
        ("can't", "'can''t'"),
        (datetime.date(2017, 1, 1), "'2017-01-01'"),
    ],
)
def test_a_value_becomes_a_literal(render: Rule, value: Any, literal: str) -> None:
    assert render("sql_literal", value) == literal


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        # Each would make an expression that is never false, and so let every row through.
        ("sql_literal", (None,)),
        ("sql_literal", ([1],)),
        ("sql_literal", ({"a": 1},)),
        ("sql_literal", (float("nan"),)),
        ("sql_literal", (float("inf"),)),
        ("sql_identifier", ("",)),
        ("rule_accepted_values", ("x", [])),
        ("rule_accepted_values", ("x", [None])),
        ("rule_accepted_values", ("x", "abc")),
        ("rule_at_least", ("x",)),
        ("rule_matches", ("x", "")),
        ("rule_matches", ("x", None)),
        ("rule_compare_columns", (None, "a", "like", "b")),
        ("rule_row_condition", (None, " ")),
    ],
)
def test_what_can_not_be_written_as_sql_is_an_error(render: Rule, name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(jinja2.UndefinedError, match="needs"):
        render(name, *arguments)


@pytest.mark.parametrize(("name", "arguments", "message"), MESSAGES)
def test_a_person_is_told_what_is_wanted(render: Rule, name: str, arguments: dict[str, Any], message: str) -> None:
    assert render(f"rule_{name}_message", '"x"', **arguments) == message


def rule_names(manifest: dict[str, Any]) -> set[str]:
    return {
        macro["name"].removeprefix("rule_")
        for macro in manifest["macros"].values()
        if macro["name"].startswith("rule_") and not macro["name"].endswith("_message")
    }


def test_every_rule_has_a_truth_table_a_message_and_a_test(manifest: dict[str, Any]) -> None:
    names = rule_names(manifest)
    macros = {macro["name"] for macro in manifest["macros"].values() if macro["package_name"] == "gatehouse"}
    assert names == {row[0] for row in ONE_COLUMN} | {row[0] for row in TWO_COLUMNS}
    assert names == {row[0] for row in MESSAGES}
    assert {f"rule_{name}_message" for name in names} | {f"test_{name}" for name in names} <= macros


def test_rules_use_nothing_of_dbt(manifest: dict[str, Any]) -> None:
    """Plain Jinja knows no `ref`, `var`, `adapter`, `return`; an unused branch may hide one."""
    environment = jinja2.Environment()
    pure = {
        macro["name"]: macro["macro_sql"]
        for macro in manifest["macros"].values()
        if macro["package_name"] == "gatehouse" and macro["name"].startswith(("rule_", "sql_"))
    }
    for name, text in pure.items():
        free = jinja2.meta.find_undeclared_variables(environment.parse(text))
        unknown = {other for other in free if other not in pure and "_needs_" not in other}
        assert not unknown, (name, unknown)


def test_the_documented_arguments_are_those_of_the_macro(manifest: dict[str, Any]) -> None:
    """dbt's own check (validate_macro_args) takes every generic test to have no arguments."""
    environment = jinja2.Environment()
    for macro in manifest["macros"].values():
        if not macro["original_file_path"].startswith(("dbt_project/macros/rules/", "dbt_project/tests/generic/")):
            continue
        assert macro["description"], f"{macro['name']} is not described"
        text = macro["macro_sql"].replace("{%- test ", "{%- macro test_").replace("endtest", "endmacro")
        (node,) = environment.parse(text).find_all(jinja2.nodes.Macro)
        assert [argument["name"] for argument in macro["arguments"]] == [a.name for a in node.args], macro["name"]
        for argument in macro["arguments"]:
            assert inspect.cleandoc(argument["description"]), (macro["name"], argument["name"])
            assert argument["type"], (macro["name"], argument["name"])
