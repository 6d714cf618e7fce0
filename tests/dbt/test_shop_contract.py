"""The shop's source files: complete, and true to themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from loader.settings import Settings
from tests.dbt.conftest import Rule

TYPES = r"text|integer|bigint|smallint|boolean|date|timestamptz|uuid|jsonb|numeric\(\d+,\d+\)"
ROW_TESTS_OF_DBT = {"not_null"}
SET_TESTS = {"unique", "relationships", "unique_together", "relationships_together"}

Source = dict[str, Any]
Test = dict[str, Any]


@pytest.fixture(scope="session")
def sources(manifest: dict[str, Any]) -> list[Source]:
    found = [source for source in manifest["sources"].values() if source["loader"] == "gatehouse"]
    assert found
    return found


@pytest.fixture(scope="session")
def tests_of(manifest: dict[str, Any]) -> dict[str, list[Test]]:
    """The tests of each source by the source's id."""
    found: dict[str, list[Test]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("test_metadata"):
            found.setdefault(own_source(node), []).append(node)
    return found


def own_source(test: Test) -> str:
    model = test["test_metadata"]["kwargs"]["model"]
    pair = re.search(r"source\('(\w+)', '(\w+)'\)", model)
    return f"source.gatehouse.{pair[1]}.{pair[2]}" if pair else ""


def names_of(tests: list[Test], column: str | None) -> set[str]:
    return {test["test_metadata"]["name"] for test in tests if test["column_name"] == column}


def columns_of(sources: list[Source]) -> Iterator[tuple[Source, dict[str, Any]]]:
    for source in sources:
        for column in source["columns"].values():
            yield source, column


def test_dbt_parses_the_project_without_a_word_about_sources_or_macros(parsed: tuple[str, dict[str, Any]]) -> None:
    said = parsed[0]
    assert "sources.yml" not in said
    assert "macro" not in said
    assert "Deprecat" not in said


def test_a_mart_is_built_in_a_schema_that_is_named_after_its_folder(manifest: dict[str, Any]) -> None:
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    marts = {node["name"]: node for node in models if node["path"].startswith("marts/")}
    assert marts
    for name, node in marts.items():
        assert node["schema"] == f"mart_{Path(node['path']).parts[1]}__build", name
    assert not [node["name"] for node in models if node["schema"].endswith("__build") and node["name"] not in marts]


def test_every_table_says_what_it_is(sources: list[Source]) -> None:
    for source in sources:
        told, meta = source["config"], source["config"]["meta"]
        name = f"{source['source_name']}.{source['name']}"
        assert len(source["description"]) > 40, name
        assert source["source_description"], name
        assert meta["label"], name
        assert meta["load"] in ("versions", "events"), name
        assert source["schema"] == f"staging_{source['source_name']}", name
        assert told["loaded_at_field"] == "_loaded_at", name
        assert told["freshness"]["warn_after"]["count"], name
        assert told["freshness"]["error_after"]["count"], name


def test_keys_and_version_columns_exist_and_are_never_null(sources: list[Source]) -> None:
    for source in sources:
        meta, columns = source["config"]["meta"], source["columns"]
        wanted = meta["primary_key"] + ([meta["valid_from"]] if "valid_from" in meta else [])
        for name in wanted:
            assert {"type": "not_null"}.items() <= columns[name]["constraints"][0].items(), (source["name"], name)
        assert "valid_from" not in meta or meta["load"] == "versions", source["name"]
        if "updated_at" in columns:
            assert meta["valid_from"] == "updated_at", source["name"]


def test_every_key_is_tested(sources: list[Source], tests_of: dict[str, list[Test]]) -> None:
    for source in sources:
        key, tests = source["config"]["meta"]["primary_key"], tests_of[source["unique_id"]]
        if len(key) == 1:
            assert "unique" in names_of(tests, key[0]), source["name"]
        else:
            kwargs = [t["test_metadata"]["kwargs"] for t in tests if t["test_metadata"]["name"] == "unique_together"]
            assert [k["columns"] for k in kwargs] == [key], source["name"]


def test_every_column_says_what_it_is(sources: list[Source]) -> None:
    for source, column in columns_of(sources):
        name, meta = f"{source['name']}.{column['name']}", column["config"]["meta"]
        assert re.fullmatch(TYPES, column["data_type"]), name
        words = re.findall(r"\w+", column["description"].lower())
        said = set(words) - set(column["name"].split("_")) - {"a", "of", "the", "in", "is", "it", "this"}
        assert len(said) >= 2, f"{name} restates its name"
        assert column["description"].endswith("."), name
        assert meta["label"], name
        assert "example" in meta, name
        assert meta.get("pii", "direct") in ("direct", "indirect"), name


def test_a_constraint_and_its_test_go_together(sources: list[Source], tests_of: dict[str, list[Test]]) -> None:
    """A source's constraint alone has no test behind it, and dbt would not see the NULL."""
    for source, column in columns_of(sources):
        is_constrained = any(constraint["type"] == "not_null" for constraint in column["constraints"])
        is_tested = "not_null" in names_of(tests_of[source["unique_id"]], column["name"])
        assert is_constrained == is_tested, (source["name"], column["name"])


def test_every_text_has_a_rule(sources: list[Source], tests_of: dict[str, list[Test]]) -> None:
    for source, column in columns_of(sources):
        if column["data_type"] == "text":
            names = names_of(tests_of[source["unique_id"]], column["name"])
            assert names & {"not_blank", "matches", "accepted_values"}, (source["name"], column["name"])


def test_every_parent_column_is_there_with_the_same_type(
    sources: list[Source], tests_of: dict[str, list[Test]]
) -> None:
    by_name = {(source["source_name"], source["name"]): source["columns"] for source in sources}
    for source in sources:
        for test in tests_of[source["unique_id"]]:
            told = test["test_metadata"]["kwargs"]
            if "to" not in told:
                continue
            parent = by_name[tuple(re.findall(r"'(\w+)'", told["to"]))]  # type: ignore[index]
            fields = told["fields"] if "fields" in told else [told["field"]]
            columns = told["columns"] if "columns" in told else [told["column_name"]]
            for column, field in zip(columns, fields, strict=True):
                assert source["columns"][column]["data_type"] == parent[field]["data_type"], test["name"]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_the_examples_of_a_table_are_one_row_that_every_rule_lets_in(
    sources: list[Source], tests_of: dict[str, list[Test]], render: Rule, empty_settings: Settings, zone: str
) -> None:
    """In any session's zone; and warnings count as well."""
    given = empty_settings
    connection = psycopg2.connect(
        host=given.host, port=given.port, user=given.user, password=given.password, dbname=given.database
    )
    judged = 0
    with connection, connection.cursor() as cursor:
        cursor.execute("select set_config('timezone', %s, false)", (zone,))
        for source in sources:
            columns = source["columns"].values()
            types = ", ".join(f'"{column["name"]}" {column["data_type"]}' for column in columns)
            cursor.execute(f"create temporary table example ({types})")
            places = ", ".join(["%s"] * len(columns))
            cursor.execute(f"insert into example values ({places})", [example_of(column) for column in columns])
            for test in tests_of[source["unique_id"]]:
                if expression := row_rule(test, render):
                    cursor.execute(f"select ({expression}) from example")
                    assert cursor.fetchone()[0] is True, (source["name"], expression)
                    judged += 1
            cursor.execute("drop table example")
    connection.close()
    assert judged > 150


def example_of(column: dict[str, Any]) -> Any:
    example = column["config"]["meta"]["example"]
    return json.dumps(example) if column["data_type"] == "jsonb" else example


def row_rule(test: Test, render: Rule) -> str | None:
    """The test's SQL expression, or None for a rule on sets."""
    name = test["test_metadata"]["name"]
    told = {k: v for k, v in test["test_metadata"]["kwargs"].items() if k not in ("model", "column_name")}
    column = test["column_name"] and f'"{test["column_name"]}"'
    if name in SET_TESTS:
        return None
    if name in ROW_TESTS_OF_DBT:
        return f"{column} is not null"
    return render(f"rule_{name}", column, **told)
