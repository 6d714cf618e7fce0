"""What points to versions of a dimension follows them, and what versions are made of is said of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.warehouse import facts_that_follow, incremental_models

#: Dimensions with versions, by the column that points to one.
POINTS_TO = {"customer_key": "dim_customers", "product_key": "dim_products"}


def test_a_fact_that_points_to_versions_follows_them(manifest: dict[str, Any]) -> None:
    pointing = {
        (name, POINTS_TO[column])
        for name, node in incremental_models(manifest).items()
        for column in POINTS_TO.keys() & node["columns"].keys()
    }
    assert len(pointing) > 10
    assert facts_that_follow(manifest) == pointing


def test_each_is_held_to_the_version_of_its_time(manifest: dict[str, Any]) -> None:
    text = manifest["nodes"]["test.gatehouse.facts_point_to_their_time"]["raw_code"]
    held = {(fact, f"dim_{one}s") for fact, one in re.findall(r"^    \('(\w+)', '\w+', '(\w+)', '[\w.]+'", text, re.M)}
    assert held == facts_that_follow(manifest)


@pytest.mark.parametrize("dimension", sorted(POINTS_TO.values()))
def test_a_dimension_names_all_that_its_versions_are_made_of(manifest: dict[str, Any], dimension: str) -> None:
    seen: set[str] = set()
    left = [f"model.gatehouse.{dimension}"]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left += manifest["parent_map"].get(node, [])
    versioned = {node for node in seen if node.startswith("model.") and node.endswith("__versions")}
    sources = {parent for node in versioned for parent in manifest["parent_map"][node]}
    named = manifest["nodes"][f"model.gatehouse.{dimension}"]["config"]["meta"]["versions_from"]
    assert {f"source.gatehouse.{'.'.join(each['source'])}" for each in named} == sources != set()
