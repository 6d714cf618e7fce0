"""The table of CONTRIBUTING's recipe passes all that is asked of the shop's own tables.

The tests of the two modules are collected here a second time, over a copy of the project in
which the example stands at the end of a source file: whoever follows the recipe meets no rule
that it does not show.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from loader.contract.read import read_contract
from tests.dbt import test_calendar_ranges, test_shop_contract
from tests.dbt.conftest import ROOT, parse
from tests.dbt.test_models_are_described import schema_faults
from tests.dbt.test_shop_contract import sources, tests_of

__all__ = ["sources", "tests_of"]

EXAMPLE = "gift_cards"
SOURCES = "dbt_project/models/staging/erp/_erp__sources.yml"
ASKED_OF_THE_SHOP = vars(test_shop_contract) | vars(test_calendar_ranges)
globals().update({name: test for name, test in ASKED_OF_THE_SHOP.items() if name.startswith("test_")})


def example() -> str:
    """The recipe's YAML, as far in as the tables of a source file stand."""
    recipe = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Recipe: add a table")[2]
    block = re.search(r"^ *```yaml\n(.*?)^ *```", recipe, re.DOTALL | re.MULTILINE)
    assert block, "the recipe has no example"
    return textwrap.indent(textwrap.dedent(block[1]), " " * 6)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the example in it."""
    folder = tmp_path_factory.mktemp("recipe") / "project"
    shutil.copytree(ROOT / "dbt_project", folder / "dbt_project")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / name, folder)
    with (folder / SOURCES).open("a", encoding="utf-8") as file:
        file.write("\n" + example())
    return folder


@pytest.fixture(scope="session")
def parsed(project: Path) -> tuple[str, dict[str, Any]]:
    return parse(project, project.parent)


@pytest.fixture(scope="session")
def manifest(parsed: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    assert f"source.gatehouse.erp.{EXAMPLE}" in parsed[1]["sources"]
    return parsed[1]


def test_the_example_follows_the_schema_that_dbt_publishes(project: Path) -> None:
    assert schema_faults(project / SOURCES, "resources/latest.json") == []


def test_the_example_is_a_contract_that_every_door_honours(project: Path, tmp_path: Path) -> None:
    table = read_contract(project, tmp_path).find(f"erp.{EXAMPLE}")
    assert table.valid_from == "updated_at"
    assert not table.unchecked
