"""What is asked of every model: that it is described, and of a mart that it is a contract somebody uses.

Nothing here names a model: one that is new is held to the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import dbt.jsonschemas
import jsonschema
import pytest
import yaml

from tests.dbt.conftest import ROOT

Manifest = dict[str, Any]
Node = dict[str, Any]


def models_of(manifest: Manifest) -> list[Node]:
    found = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert found
    return found


def marts_of(manifest: Manifest) -> list[Node]:
    found = [node for node in models_of(manifest) if node["fqn"][1] == "marts"]
    assert found
    return found


def department_of(node: Node) -> str:
    return str(node["fqn"][2])


def undescribed(nodes: Iterable[Node]) -> list[str]:
    """Models, and `model.column`, without words."""
    found = []
    for node in nodes:
        found += [] if node["description"].strip() else [node["name"]]
        found += [] if node["columns"] else [f"{node['name']}: no column"]
        found += [f"{node['name']}.{c['name']}" for c in node["columns"].values() if not c["description"].strip()]
    return found


def without_contract(marts: Iterable[Node]) -> list[str]:
    """Marts whose columns and types are no contract, or not whole, or not in the database's own comments."""
    found = []
    for node in marts:
        config = node["config"]
        if not config["contract"]["enforced"]:
            found.append(f"{node['name']}: contract is not enforced")
        found += [f"{node['name']}.{c['name']}: no data_type" for c in node["columns"].values() if not c["data_type"]]
        if not (config["persist_docs"].get("relation") and config["persist_docs"].get("columns")):
            found.append(f"{node['name']}: persist_docs {{relation: true, columns: true}} is missing")
        if not any(constraint["type"] == "primary_key" for constraint in node["constraints"]):
            found.append(f"{node['name']}: no primary_key among its constraints")
    return found


def held_twice(manifest: Manifest, marts: Iterable[Node]) -> list[str]:
    """Tests that can't fail: the table's own constraints have refused such a row before they are run."""
    by_id, found = {node["unique_id"]: node for node in marts}, []
    for test in manifest["nodes"].values():
        node = by_id.get(test.get("attached_node"))
        if test["resource_type"] != "test" or node is None:
            continue
        (key,) = (constraint["columns"] for constraint in node["constraints"] if constraint["type"] == "primary_key")
        metadata, column = test["test_metadata"], test.get("column_name")
        constraints = {constraint["type"] for constraint in node["columns"].get(column, {}).get("constraints", [])}
        if (
            (metadata["name"] == "not_null" and (column in key or "not_null" in constraints))
            or (metadata["name"] == "unique" and key == [column])
            or (metadata["name"] == "unique_together" and sorted(metadata["kwargs"]["columns"]) == sorted(key))
        ):
            found.append(test["name"])
    return found


def read_whole(models: Iterable[Node]) -> list[str]:
    """Models that replace what changed and yet read, or search, a whole table for it."""
    found = []
    for node in models:
        config = node["config"]
        if config.get("incremental_strategy") != "replace_changed":
            continue
        if config["unique_key"] not in [index["columns"] for index in config.get("indexes") or []]:
            found.append(f"{node['name']}: no index on its unique_key")
        if "is_changed()" not in node["raw_code"]:
            found.append(f"{node['name']}: nothing it reads is_changed()")
    return found


def unasked(manifest: Manifest) -> list[str]:
    """Marts that no exposure of their own department depends on, with what to write where."""
    asked = {
        (exposure["original_file_path"], name)
        for exposure in manifest["exposures"].values()
        for name in exposure["depends_on"]["nodes"]
    }
    found = []
    for node in marts_of(manifest):
        path = f"dbt_project/models/marts/{department_of(node)}/_exposures.yml"
        if (path, node["unique_id"]) not in asked:
            found.append(
                f"{node['name']}: nobody asks it. Add to {path} an exposure (name, label, type, maturity, owner, "
                f"description, config.meta.asked_by and .question) with depends_on: [ref('{node['name']}')]"
            )
    return found


def test_every_model_and_column_is_described(manifest: Manifest) -> None:
    assert undescribed(models_of(manifest)) == []


def test_every_seed_and_its_columns_are_described(manifest: Manifest) -> None:
    assert undescribed(node for node in manifest["nodes"].values() if node["resource_type"] == "seed") == []


def test_every_mart_is_a_contract(manifest: Manifest) -> None:
    assert without_contract(marts_of(manifest)) == []


def test_what_a_marts_constraint_holds_is_not_tested_again(manifest: Manifest) -> None:
    assert held_twice(manifest, marts_of(manifest)) == []


@pytest.mark.parametrize(
    ("name", "column", "columns"),
    [("not_null", "a", None), ("not_null", "c", None), ("unique_together", None, ["b", "a"])],
)
def test_a_test_that_can_not_fail_is_found(name: str, column: str | None, columns: list[str] | None) -> None:
    mart = {
        "unique_id": "model.of_test", "constraints": [{"type": "primary_key", "columns": ["a", "b"]}],
        "columns": {"a": {"constraints": []}, "c": {"constraints": [{"type": "not_null"}]}},
    }  # fmt: skip
    metadata = {"name": name, "kwargs": {"columns": columns}}
    test = {
        "name": "spoilt", "resource_type": "test", "attached_node": "model.of_test", "test_metadata": metadata,
        "column_name": column,
    }  # fmt: skip
    assert held_twice({"nodes": {"t": test}}, [mart]) == ["spoilt"]
    assert (
        held_twice(
            {"nodes": {"t": test | {"column_name": "d", "test_metadata": metadata | {"kwargs": {"columns": ["a"]}}}}},
            [mart],
        )
        == []
    )


def test_what_replaces_what_changed_looks_for_it_by_its_key(manifest: Manifest) -> None:
    assert read_whole(models_of(manifest)) == []
    replaced = {"incremental_strategy": "replace_changed", "unique_key": ["a", "b"]}
    config = replaced | {"indexes": [{"columns": ["a", "b"]}]}
    good = {"name": "good", "config": config, "raw_code": "{{ is_changed() }}"}
    unlike = {"name": "unlike", "config": replaced | {"indexes": [{"columns": ["b"]}]}, "raw_code": "changed_keys()"}
    assert read_whole([good, unlike]) == [
        "unlike: no index on its unique_key", "unlike: nothing it reads is_changed()"
    ]  # fmt: skip


def test_every_mart_is_asked_by_somebody(manifest: Manifest) -> None:
    assert unasked(manifest) == []


def test_an_exposure_says_who_asks_what_and_whom_to_write_to(manifest: Manifest) -> None:
    marts = {node["unique_id"]: node for node in marts_of(manifest)}
    for exposure in manifest["exposures"].values():
        name, meta = exposure["name"], exposure["config"]["meta"]
        department = Path(exposure["original_file_path"]).parent.name
        assert exposure["label"], name
        assert exposure["maturity"], name
        assert meta["asked_by"], name
        assert meta["question"].endswith("?"), name
        assert "?" in exposure["description"], f"{name}: the description has the question in it"
        assert re.fullmatch(rf"{department}@example\.com", exposure["owner"]["email"]), name
        assert {department_of(marts[node]) for node in exposure["depends_on"]["nodes"]} == {department}, (
            f"{name}: a department asks its own mart"
        )


def schema_faults(path: Path, schema: str) -> list[tuple[list[str | int], str]]:
    """Where a YAML file does not follow one of the JSON schemas that come with dbt, and how."""
    text = Path(*dbt.jsonschemas.__path__, schema).read_text()
    judge = jsonschema.validators.validator_for(json.loads(text))(json.loads(text))
    return [(list(f.absolute_path), f.message[:300]) for f in judge.iter_errors(yaml.safe_load(path.read_text()))]


@pytest.mark.parametrize("path", sorted((ROOT / "dbt_project").rglob("*.yml")), ids=lambda path: path.name)
def test_a_file_follows_the_schema_that_dbt_publishes(path: Path) -> None:
    """dbt 1.x passes wrong keys on Postgres in silence; dbt 2.x does not."""
    assert schema_faults(path, "resources/latest.json") == []


def test_the_project_file_follows_the_schema_that_dbt_publishes() -> None:
    assert schema_faults(ROOT / "dbt_project.yml", "project/0.0.110.json") == []


def test_a_wrong_key_is_found(tmp_path: Path) -> None:
    text = (ROOT / "dbt_project/models/marts/sales/_exposures.yml").read_text()
    (tmp_path / "wrong.yml").write_text(text.replace("    label:", "    lable:", 1))
    assert schema_faults(tmp_path / "wrong.yml", "resources/latest.json")


def test_dbt_parses_the_project_without_a_warning(parsed: tuple[str, Manifest]) -> None:
    """`dbt --warn-error parse` is one of the checks; here stands what it would say."""
    assert not re.search(r"\bWARN|[Dd]eprecat", parsed[0]), parsed[0]


def test_no_test_is_switched_off(manifest: Manifest) -> None:
    off = [name for name in manifest["disabled"] if name.split(".")[0] in ("test", "unit_test", "model")]
    assert off == []


@pytest.mark.parametrize(
    ("spoil", "judge", "said"),
    [
        (lambda node: node.update(description=" "), undescribed, "of_test"),
        (lambda node: node["columns"]["a"].update(description=""), undescribed, "of_test.a"),
        (lambda node: node.update(columns={}), undescribed, "of_test: no column"),
        (lambda node: node["config"]["contract"].update(enforced=False), without_contract, "is not enforced"),
        (lambda node: node["columns"]["a"].update(data_type=None), without_contract, "of_test.a: no data_type"),
        (lambda node: node["config"]["persist_docs"].clear(), without_contract, "persist_docs"),
        (lambda node: node.update(constraints=[]), without_contract, "no primary_key"),
    ],
)
def test_what_is_missing_is_found(
    spoil: Callable[[Node], None], judge: Callable[[Iterable[Node]], list[str]], said: str
) -> None:
    config = {"contract": {"enforced": True}, "persist_docs": {"relation": True, "columns": True}}
    node: Node = {
        "name": "of_test", "description": "One row a day.", "config": config, "constraints": [{"type": "primary_key"}],
        "columns": {"a": {"name": "a", "description": "The day.", "data_type": "date"}},
    }  # fmt: skip
    assert judge([node]) == []
    spoil(node)
    assert len(found := judge([node])) == 1
    assert said in found[0]


def test_a_mart_that_nobody_asks_is_named_with_what_to_add(manifest: Manifest) -> None:
    asked = {name: exposure for name, exposure in manifest["exposures"].items() if "sales_of_the_day" not in name}
    found = unasked(manifest | {"exposures": asked})
    assert [words.split(":")[0] for words in found] == ["orders_daily", "sales_daily"]
    assert "Add to dbt_project/models/marts/sales/_exposures.yml" in found[0]
