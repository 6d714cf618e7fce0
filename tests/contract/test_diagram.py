"""The page of the source tables says what the contract says, and nothing older."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from loader.commands.contract import contract as command
from loader.contract.diagram import er_diagram, ods_page
from loader.contract.model import Contract, Freshness, Relationship, RowRule, UncheckedTest, UniqueRule
from loader.contract.read import read_contract
from loader.settings import Settings
from tests.conftest import ROOT, RUN_FOLDER
from tests.migrate.contracts import contract, table


@pytest.fixture(scope="module")
def shop() -> Contract:
    return read_contract(ROOT, Path(os.environ[RUN_FOLDER]) / "loader")


def test_the_page_in_the_docs_is_what_the_contract_makes(shop: Contract) -> None:
    page = (ROOT / "docs" / "ods.md").read_text("utf-8")
    assert page == ods_page(shop), "run `loader contract diagram`"


def test_every_table_column_and_relation_is_on_the_page(shop: Contract) -> None:
    page = ods_page(shop)
    for made in shop:
        section = page.split(f"### {made.id}\n", 1)[1].split("\n### ", 1)[0]
        for column in made.columns:
            assert f"| `{column.name}` | `{column.type.sql}` |" in section
        for relationship in made.relationships:
            assert f"in {'.'.join(relationship.parent)} (" in section


def test_the_command_writes_the_page_or_prints_it(
    shop: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loader.commands.contract.contract_of", lambda *_: shop)
    settings = Settings(project_dir=tmp_path, state_dir=tmp_path)
    assert CliRunner().invoke(command, ["diagram"], obj=settings).exit_code == 0
    assert (tmp_path / "docs" / "ods.md").read_text("utf-8") == ods_page(shop)
    assert CliRunner().invoke(command, ["diagram", "--output", "-"], obj=settings).stdout == ods_page(shop)


def relations(*relationships: Relationship, **more: object) -> list[str]:
    """The lines of the diagram between a child and the parents that it names."""
    child = table(
        "lines", "order_id bigint", "product_id bigint", "code text", "note text!",
        primary_key=("order_id", "product_id"), relationships=relationships, **more,
    )  # fmt: skip
    parent = table("orders", unique_rules=(UniqueRule(("note",)),))
    return re.findall(r"    (\S+ \S+ \S+ : .*)", er_diagram(contract(parent, child), [child], with_columns=True))


@pytest.mark.parametrize(
    ("columns", "parent_columns", "more", "ends"),
    [
        (("note",), ("order_id",), {}, "||--o{"),
        (("code",), ("order_id",), {}, "|o--o{"),
        (("note",), ("note",), {}, "||--o{"),  # unique in the parent, though not its key
        (("note",), ("status",), {}, "}|--o{"),  # any number of parents
        (("code",), ("status",), {}, "}o--o{"),
        (("order_id", "product_id"), ("order_id", "quantity"), {}, "|o--o|"),  # the child's key: one child at most
        (("note",), ("order_id",), {"severity": "warn"}, "||..o{"),
        (("note",), ("order_id",), {"where": "code = 'x'"}, "||..o{"),
    ],
)
def test_a_line_says_how_many_and_how_strict(
    columns: tuple[str, ...], parent_columns: tuple[str, ...], more: dict[str, str], ends: str
) -> None:
    relationship = Relationship(columns, ("erp", "orders"), parent_columns, **more)  # type: ignore[arg-type]
    assert relations(relationship) == [f'erp__orders {ends} erp__lines : "{", ".join(columns)}"']


def test_names_and_types_that_mermaid_would_not_take() -> None:
    odd = table(
        "1st table", "Größe bigint", 'a"b numeric(12,2)', "c double precision", "d varchar(3)", source="my shop"
    )
    drawn = er_diagram(contract(odd), [odd], with_columns=True)
    assert 'my_shop__1st_table["my shop.1st table"] {' in drawn
    assert [line.split(' "')[0].strip() for line in drawn.splitlines()[3:7]] == [
        "bigint Gr__e PK", "numeric a_b", "double_precision c", "varchar(3) d",
    ]  # fmt: skip


def test_the_table_tells_rules_warnings_conditions_and_what_only_dbt_checks() -> None:
    made = table(
        load="events", doors=("api", "file"), freshness=Freshness(3600.0, 172800.0), description="One row | an order.",
        row_rules=(
            RowRule("not_null", ("status",), "true", "must not be empty"),
            RowRule("not_null", ("note",), "true", "must not be empty", severity="warn"),
            RowRule("matches", ("note",), "true", "must be a|b", where="status = 'x'"),
            RowRule("row_condition", (), "true", "quantity must be paid"),
        ),
        unique_rules=(UniqueRule(("note",), severity="warn"), UniqueRule(("status", "note"))),
        relationships=(
            Relationship(("quantity",), ("erp", "stock"), ("id",)),
            Relationship(("status", "note"), ("erp", "codes"), ("a", "b"), where="true"),
        ),
        unchecked=(UncheckedTest("custom", ("amount",), "custom limit"),),
    )  # fmt: skip
    section = ods_page(contract(made)).split("### erp.orders\n", 1)[1]
    for line in (
        "One row | an order.",
        "- key: `order_id`",
        "- events: a row never changes",
        "- doors: api, file",
        "- without a load: a warning after 1 hour, an error after 2 days",
        "| `status` | `text` | required |  |",
        "| `quantity` | `integer` | in erp.stock (`id`) |  |",
        "| `note` | `varchar(20)` | filled (warning only); must be a\\|b (where `status = 'x'`); "
        "unique (warning only) |  |",
        "- quantity must be paid",
        "- `status`, `note` together unique",
        "- `status`, `note` together in erp.codes (`a`, `b`) (where `true`)",
        "- `custom` of `amount`: custom limit",
    ):
        assert line in section.splitlines()
