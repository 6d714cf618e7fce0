"""A draft from live tables: what the loader made comes back as the contract that it was made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner

from loader.commands.contract import contract as command
from loader.contract.draft import DraftColumn
from loader.contract.draft_database import draft_tables
from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.migrate import migrate
from loader.remedy import Remedy
from loader.settings import Settings
from tests.property.projects import LABORATORY


@pytest.fixture
def here(empty_settings: Settings, tmp_path: Path) -> Settings:
    """An empty database, and a project folder of the test's own with nothing but its name and profile."""
    shutil.copy(LABORATORY / "profiles.yml", tmp_path)
    project = yaml.safe_load((LABORATORY / "dbt_project.yml").read_text())
    made = {"name": "drafted", "version": "1.0", "profile": project["profile"], "flags": project.get("flags", {})}
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump(made))
    (tmp_path / "models").mkdir()
    return replace(empty_settings, project_dir=tmp_path)


@pytest.fixture
def empty_engine(here: Settings) -> Iterator[sa.Engine]:
    engine = make_engine(here)
    yield engine
    engine.dispose()


def said(contract: Contract) -> dict[str, object]:
    """Types, keys and what may not be empty."""
    return {
        table.id: (table.primary_key, [(c.name, c.type.sql, c.required) for c in table.columns]) for table in contract
    }


def test_a_draft_of_what_the_loader_made_is_the_contract_again(here: Settings, empty_engine: sa.Engine) -> None:
    original = read_contract(LABORATORY, here.state_dir)
    migrate(empty_engine, original)
    drafted = CliRunner().invoke(command, ["draft", "lab", "--from-database", "--schema", "staging_lab"], obj=here)
    assert drafted.exit_code == 0, drafted.output
    (here.project_dir / "models" / "_lab__sources.yml").write_text(drafted.stdout)
    assert said(read_contract(here.project_dir, here.state_dir)) == said(original)


def test_a_draft_is_written_into_the_file_that_names_the_source(here: Settings, empty_engine: sa.Engine) -> None:
    with empty_engine.begin() as connection:
        connection.exec_driver_sql(
            "create schema raw; create table raw.orders_v2 (id bigint primary key, placed date not null, tags text[]);"
            "comment on column raw.orders_v2.placed is 'Day of the order';"
        )
    path = here.project_dir / "models" / "_raw.yml"
    path.write_text(
        "sources:\n  - name: raw  # theirs\n    tables:\n      - name: orders\n        identifier: orders_v2\n"
        "        columns:\n          - {name: id}\n"
    )
    run = CliRunner().invoke(command, ["draft", "raw", "--from-database", "--write"], obj=here)
    assert run.exit_code == 0, run.output
    assert "added raw.orders: primary_key" in run.output
    assert path.read_text() == (
        "sources:\n  - name: raw  # theirs\n    tables:\n      - name: orders\n"
        "        config: {meta: {primary_key: [id]}}\n        identifier: orders_v2\n"
        "        columns:\n"
        "          - {name: id, data_type: bigint, constraints: [{type: not_null}], data_tests: [not_null]}\n"
        "          - name: placed\n            description: Day of the order\n            data_type: date\n"
        "            constraints: [{type: not_null}]\n            data_tests: [not_null]\n"
        "          - name: tags\n            data_type: text[]\n"
    )
    checked = CliRunner().invoke(command, ["check", "--json"], obj=here, standalone_mode=False)
    (table,) = json.loads(checked.stdout)["tables"]
    assert (table["honoured"], table["loaded"], table["primary_key"]) == (True, False, ["id"])


def test_a_type_that_the_doors_do_not_know_is_marked(empty_engine: sa.Engine) -> None:
    with empty_engine.begin() as connection:
        connection.exec_driver_sql("create schema raw; create table raw.t (a money, b integer[][], c varchar)")
    (table,) = draft_tables(empty_engine, "raw", None)
    assert table.columns[0].data_type == "money"
    assert "choose one" in table.columns[0].remark
    assert table.columns[1:] == (DraftColumn("b", "integer[]"), DraftColumn("c", "text"))
    assert "no primary key" in table.key_remark


def test_a_table_that_is_not_there_is_named(empty_engine: sa.Engine) -> None:
    with pytest.raises(Remedy, match=r"There is no table raw\.t"):
        draft_tables(empty_engine, "raw", {"t": "t"})
    with pytest.raises(Remedy, match="holds no table"):
        draft_tables(empty_engine, "raw", None)
