"""The generic tests as dbt runs them: a project of two small tables, each with rows
that are good, bad and NULL."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from loader.settings import Settings
from tests.dbt.conftest import ROOT, run_dbt

TABLES = """
create schema shop;
create table shop.parents (a integer, b integer);
insert into shop.parents values (1, 1), (1, 1), (1, 2), (null, 3);
create table shop.things (
    id integer, amount numeric(12, 2), label text, code text, opened date, closed date, is_new boolean, a integer,
    b integer
);
insert into shop.things values
    (1, 5, 'can''t', 'AB', '2017-01-01', '2017-01-02', true, 1, 1),
    (2, -1, ' ', 'AB1', '2017-01-02', '2017-01-01', false, 1, 1),
    (3, null, null, null, null, null, null, null, null),
    (4, 0, 'other', 'xAB', '2017-02-01', '2017-02-01', null, 1, 2),
    (5, 7, 'other', '', '2017-01-02', null, true, 9, 3),
    (6, 7.5, 'fine', 'CD', null, '2017-01-05', true, null, 3)
"""
PARENTS = "source('shop', 'parents')"
# column or None, test, its arguments, its config, rows (or keys, or values) that dbt has to find
CASES: list[tuple[str | None, str, dict[str, Any], dict[str, Any], int]] = [
    ("amount", "at_least", {"minimum": 0}, {}, 1),
    ("amount", "at_least", {"minimum": 5}, {}, 2),
    ("amount", "at_least", {"minimum": 5}, {"where": "id <> 2"}, 1),
    ("amount", "at_least", {"minimum": 5}, {"severity": "Warn"}, 2),
    ("opened", "at_least", {"minimum": "2017-01-02"}, {}, 1),
    ("amount", "at_most", {"maximum": 5}, {}, 2),
    ("amount", "between", {"minimum": 0, "maximum": 7}, {}, 2),
    ("amount", "greater_than", {"value": 0}, {}, 2),
    ("amount", "less_than", {"value": 7}, {}, 2),
    ("amount", "not_equal_to", {"value": 0}, {}, 1),
    ("code", "matches", {"pattern": "[A-Z]{2}"}, {}, 3),
    ("code", "matches", {"pattern": "[A-Z]{2}", "message": "can't be that"}, {"where": "id > 2"}, 2),
    ("label", "not_blank", {}, {}, 1),
    ("label", "max_length", {"maximum": 4}, {}, 3),
    ("opened", "not_after", {"other": "closed"}, {}, 1),
    ("closed", "not_before", {"other": "opened"}, {"where": "label <> ' '"}, 0),
    ("opened", "first_of_month", {}, {}, 2),
    (None, "compare_columns", {"left": "opened", "operator": "<", "right": "closed"}, {}, 2),
    (None, "row_condition", {"expression": "label <> 'can''t' or amount > 5", "message": "that can't be"}, {}, 1),
    (None, "row_condition", {"expression": "is_new or id < 3"}, {"where": "id > 1"}, 0),
    ("label", "accepted_values", {"values": ["can't", "fine"]}, {}, 2),
    ("label", "accepted_values", {"values": ["can't", "fine"]}, {"where": "id > 2"}, 1),
    ("b", "accepted_values", {"values": [1, 2], "quote": False}, {}, 1),
    ("b", "accepted_values", {"values": [1, 2]}, {}, 1),
    ("is_new", "accepted_values", {"values": [True], "quote": False}, {}, 1),
    (None, "unique_together", {"columns": ["a", "b"]}, {}, 1),
    (None, "unique_together", {"columns": ["a", "b"]}, {"where": "id <> 2"}, 0),
    (None, "relationships_together", {"columns": ["a", "b"], "to": PARENTS}, {}, 1),
    (
        None,
        "relationships_together",
        {"columns": ["a", "b"], "to": PARENTS},
        {"where": "id < 5"},
        0,
    ),
]


def source_file(cases: list[tuple[str | None, str, dict[str, Any], dict[str, Any], int]]) -> dict[str, Any]:
    things: dict[str, Any] = {"name": "things", "data_tests": []}
    columns: dict[str, list[Any]] = {}
    for number, (column, test, arguments, config, _) in enumerate(cases):
        if test == "relationships_together":
            arguments = arguments | {"fields": arguments["columns"]}
        entry = {test: {"name": f"case_{number}", "arguments": arguments, "config": config}}
        (columns.setdefault(column, []) if column else things["data_tests"]).append(entry)
    things["columns"] = [{"name": name, "data_tests": tests} for name, tests in columns.items()]
    return {"version": 2, "sources": [{"name": "shop", "tables": [things, {"name": "parents"}]}]}


def project(folder: Path, cases: list[tuple[str | None, str, dict[str, Any], dict[str, Any], int]]) -> Path:
    """A dbt project with our macros and tests, and those cases on one source."""
    shutil.copytree(ROOT / "dbt_project" / "macros" / "rules", folder / "macros")
    shutil.copytree(ROOT / "dbt_project" / "tests" / "generic", folder / "tests" / "generic")
    shutil.copy(ROOT / "profiles.yml", folder)
    (folder / "macros" / "no_builds_here.sql").write_text(
        "{% macro relation_as_of(relation) %}{{ return(relation) }}{% endmacro %}"
    )
    (folder / "models").mkdir()
    (folder / "models" / "sources.yml").write_text(yaml.safe_dump(source_file(cases)))
    (folder / "dbt_project.yml").write_text(
        yaml.safe_dump({"name": "small", "profile": "gatehouse", "flags": {"send_anonymous_usage_stats": False}})
    )
    return folder


def test_dbt_finds_the_bad_rows_and_no_others(empty_settings: Settings, tmp_path: Path) -> None:
    given = empty_settings
    connection = psycopg2.connect(
        host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    connection.close()
    folder = project(tmp_path / "small", CASES)
    ran = run_dbt("test", folder=folder, scratch=tmp_path, **given.environment())
    results = json.loads((tmp_path / "target" / "run_results.json").read_text())["results"]
    found = {int(r["unique_id"].split(".")[2].removeprefix("case_")): (r["status"], r["failures"]) for r in results}
    assert len(found) == len(CASES), ran.stdout
    for number, (column, test, arguments, config, rows) in enumerate(CASES):
        bad = "warn" if config.get("severity") == "Warn" else "fail"
        assert found[number] == (bad if rows else "pass", rows), (column, test, arguments, config)


def test_every_generic_test_is_run_here() -> None:
    files = {path.stem for path in (ROOT / "dbt_project" / "tests" / "generic").glob("*.sql")}
    assert files == {case[1] for case in CASES}


@pytest.mark.parametrize(
    ("column", "test", "arguments"),
    [
        ("amount", "at_least", {"minimum": None}),
        ("label", "accepted_values", {"values": []}),
        (None, "compare_columns", {"left": "a", "operator": "is", "right": "b"}),
        (None, "unique_together", {"columns": []}),
    ],
)
def test_a_rule_that_could_refuse_nothing_stops_dbt(
    column: str | None, test: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    folder = project(tmp_path / "small", [(column, test, arguments, {}, 0)])
    parse = run_dbt("parse", folder=folder, scratch=tmp_path)
    assert parse.returncode != 0
    assert "needs" in parse.stdout
