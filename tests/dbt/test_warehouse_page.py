"""The page that draws the warehouse says what the project says, and nothing older."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loader.commands.contract import models as command
from loader.settings import Settings
from loader.warehouse_page import warehouse_page
from tests.dbt.conftest import ROOT

Manifest = dict[str, Any]


def test_the_page_in_the_docs_is_what_the_project_makes(manifest: Manifest) -> None:
    page = (ROOT / "docs" / "warehouse.md").read_text("utf-8")
    assert page == warehouse_page(manifest), "run `loader contract models`"


def test_every_mart_with_who_asks_it_and_every_fact_is_on_the_page(manifest: Manifest) -> None:
    page = warehouse_page(manifest)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["fqn"][1] == "marts":
            section = page.split(f"### mart_{node['fqn'][2]}\n", 1)[1].split("\n### ", 1)[0]
            assert f'["{node["name"]}"]' in section
    for exposure in manifest["exposures"].values():
        assert f'(["{exposure["label"]}"])' in page
    for name in ("fct_orders", "fct_order_lines"):
        assert (
            f'dim_customers ||--o{{ {name} : "customer_key"' in page.split(f"### {name}\n", 1)[1].split("\n### ", 1)[0]
        )


def test_the_command_writes_the_page_or_prints_it(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loader.commands.contract.whole_manifest", lambda _: manifest)
    settings = Settings(project_dir=tmp_path, state_dir=tmp_path)
    assert CliRunner().invoke(command, [], obj=settings).exit_code == 0
    assert (tmp_path / "docs" / "warehouse.md").read_text("utf-8") == warehouse_page(manifest)
    assert CliRunner().invoke(command, ["--output", "-"], obj=settings).stdout == warehouse_page(manifest)


def node(kind: str, name: str, *fqn: str, made_from: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "resource_type": kind, "name": name, "unique_id": f"{kind}.shop.{name}", "fqn": ["shop", *fqn, name],
        "depends_on": {"nodes": list(made_from)}, "source_name": "erp", "description": "Lines.",
    }  # fmt: skip


def test_a_view_of_a_source_gives_way_to_it_and_what_no_mart_needs_is_left_out() -> None:
    nodes = [
        node("model", "stg_erp__orders", "staging", "erp", made_from=("source.shop.orders",)),
        node("model", "fct_orders", "warehouse", made_from=("model.shop.stg_erp__orders",)),
        node("model", "fct_other", "warehouse", made_from=("model.shop.stg_erp__orders",)),
        node("model", "sales_daily", "marts", "sales", made_from=("model.shop.fct_orders",)),
    ]
    asked = node("exposure", "sales_of_the_day", made_from=("model.shop.sales_daily",)) | {"label": 'A "day"'}
    page = warehouse_page(
        {
            "nodes": {made["unique_id"]: made for made in nodes},
            "sources": {"source.shop.orders": node("source", "orders", "staging", "erp")},
            "exposures": {asked["unique_id"]: asked},
        }
    )
    lines = [line.strip() for line in page.split("### mart_sales\n", 1)[1].splitlines()]
    for line in (
        'source_shop_orders["orders"]',
        "source_shop_orders --> model_shop_fct_orders",
        "model_shop_fct_orders --> model_shop_sales_daily",
        "exposure_shop_sales_of_the_day([\"A 'day'\"])",
        "model_shop_sales_daily --> exposure_shop_sales_of_the_day",
    ):
        assert line in lines
    assert "stg_" not in page.split("### mart_sales", 1)[1]
    assert "fct_other" not in page.split("### mart_sales", 1)[1]
