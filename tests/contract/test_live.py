"""A running server takes up a changed contract, and keeps the old one where the new can't be honoured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loader.contract import live
from loader.contract.faults import ContractError
from loader.contract.in_force import last_kept, take_up
from loader.contract.live import LiveContract, NoContract
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.migrate import migrate
from loader.remedy import Remedy
from loader.settings import Settings
from tests.conftest import ROOT

SOURCES = """
version: 2
sources:
  - name: till
    schema: staging_till
    loader: gatehouse
    tables:
      - name: sales
        description: One row a sale.
        config: {meta: {primary_key: [sale_id]}}
        columns:
          - {name: sale_id, data_type: integer}
          - {name: kind, data_type: text, data_tests: [accepted_values: {arguments: {values: [cash, card]}}]}
"""


@pytest.fixture
def project(tmp_path: Path, empty_settings: Settings) -> Settings:
    (tmp_path / "dbt_project.yml").write_text("name: till\nversion: '1.0'\nprofile: gatehouse\nconfig-version: 2\n")
    shutil.copy(ROOT / "profiles.yml", tmp_path / "profiles.yml")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sources.yml").write_text(SOURCES)
    return replace(empty_settings, project_dir=tmp_path, state_dir=tmp_path / "state")


@pytest.fixture
def contract(project: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveContract]:
    monkeypatch.setattr(live, "_LOOK_EVERY_SECONDS", 0.0)
    engine = make_engine(project)
    migrate(engine, read_contract(project.project_dir, project.state_dir))
    yield LiveContract(project, engine)
    engine.dispose()


def change(settings: Settings, old: str, new: str) -> None:
    path = settings.project_dir / "models" / "sources.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def accepted(contract: LiveContract) -> tuple[str, ...] | None:
    return contract.current().find("till.sales").column("kind").accepted_values


def test_a_changed_rule_is_in_force_at_once(project: Settings, contract: LiveContract) -> None:
    assert accepted(contract) == ("cash", "card")
    change(project, "[cash, card]", "[cash, card, cheque]")
    assert accepted(contract) == ("cash", "card", "cheque")
    assert contract.notice is None


def test_a_link_to_itself_among_the_files_ends_nothing(project: Settings, contract: LiveContract) -> None:
    link = project.project_dir / "models" / "again.yml"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(link)
    assert accepted(contract) == ("cash", "card")


def test_rows_are_never_judged_by_a_contract_known_to_be_old(
    project: Settings, contract: LiveContract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LOOK_EVERY_SECONDS", 3600.0)
    change(project, "[cash, card]", "[cash]")
    assert accepted(contract) == ("cash", "card")  # a page may show the one in force
    time.sleep(live._LOOK_TO_JUDGE_SECONDS)
    assert contract.current(to_judge=True).find("till.sales").column("kind").accepted_values == ("cash",)


def test_other_words_need_no_migration(project: Settings, contract: LiveContract) -> None:
    change(project, "One row a sale.", "One row for each sale at the till.")
    assert contract.current().find("till.sales").description == "One row for each sale at the till."
    assert contract.notice is None


def test_a_new_column_waits_for_the_migration(project: Settings, contract: LiveContract) -> None:
    change(project, "          - {name: kind", "          - {name: note, data_type: text}\n          - {name: kind")
    assert "note" not in contract.current().find("till.sales").column_names
    assert "loader migrate" in str(contract.notice)
    engine = make_engine(project)
    migrate(engine, read_contract(project.project_dir, project.state_dir))
    engine.dispose()
    assert "note" in contract.current().find("till.sales").column_names
    assert contract.notice is None


def test_a_faulty_contract_is_not_taken_up_and_a_mended_one_is(project: Settings, contract: LiveContract) -> None:
    change(project, "data_type: integer", "data_type: intger")
    assert accepted(contract) == ("cash", "card")
    notice = str(contract.notice)
    assert "models/sources.yml:12" in notice
    assert "'intger'" in notice
    change(project, "intger", "integer")
    assert accepted(contract) == ("cash", "card")
    assert contract.notice is None


def test_a_server_does_not_start_on_a_database_that_was_not_migrated(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LOOK_EVERY_SECONDS", 0.0)
    engine = make_engine(project)
    with pytest.raises(Remedy, match="loader migrate"):
        take_up(project, engine)
    waiting = LiveContract(project, engine)
    with pytest.raises(NoContract, match="loader migrate"):
        waiting.current()
    assert not waiting.is_there
    migrate(engine, read_contract(project.project_dir, project.state_dir))
    assert waiting.is_there
    engine.dispose()


def test_the_contract_in_force_is_kept_until_another_is_taken_up(project: Settings, contract: LiveContract) -> None:
    kept = last_kept(project.state_dir)
    assert kept is not None
    assert kept.fingerprint == contract.current().fingerprint
    assert kept.find("till.sales").row_rules == contract.current().find("till.sales").row_rules
    change(project, "        columns:", "       columns:")
    contract.current()
    assert last_kept(project.state_dir) == kept
    (project.state_dir / "contract_in_force.json").write_text("{")
    assert last_kept(project.state_dir) is None


@pytest.mark.parametrize(
    ("old", "new", "place", "problem"),
    [
        ("data_type: integer", "data_type: intger", "models/sources.yml:12 (till.sales, column sale_id)", "not one of"),
        ("data_type: integer}", "}", "models/sources.yml:12 (till.sales, column sale_id)", "no data_type"),
        ("[sale_id]", "[sale_number]", "models/sources.yml:8 (till.sales", "not a column of the table"),
        ("config: {meta: {primary_key: [sale_id]}}", "", "models/sources.yml:8 (till.sales)", "primary_key is missing"),
        ("values: [cash, card]", "values: []", "models/sources.yml:13 (till.sales, column kind)", "accepts nothing"),
        ("        columns:", "       columns:", "models/sources.yml:11", "broken YAML"),
        ("name: kind", "name: sale_id", "models/sources.yml:13 (till.sales, column sale_id)", "declared twice"),
        ("[sale_id]}}", "[sale_id], load: often}}", "models/sources.yml:8 (till.sales)", "'often'"),
        ("[sale_id]}}", "[sale_id], valid_from: kind}}", "models/sources.yml:13", "valid_from"),
    ],
)
def test_a_fault_names_its_place_and_a_remedy(project: Settings, old: str, new: str, place: str, problem: str) -> None:
    change(project, old, new)
    with pytest.raises(ContractError) as caught:
        read_contract(project.project_dir, project.state_dir)
    words = str(caught.value)
    assert place in words
    assert problem in words
    assert "Remedy: " in words


def test_two_tables_of_one_name_are_named_both(project: Settings) -> None:
    other = project.project_dir / "models" / "more.yml"
    other.write_text(SOURCES)
    with pytest.raises(ContractError, match=r"sources\.yml:8.*declared twice, first at models/more\.yml:8"):
        read_contract(project.project_dir, project.state_dir)


def test_the_manifest_is_parsed_again_only_when_a_file_changed(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loader.contract import manifest

    read_contract(project.project_dir, project.state_dir)
    monkeypatch.setattr(manifest, "_parse", lambda _: pytest.fail("dbt was asked"))
    read_contract(project.project_dir, project.state_dir)
    (project.state_dir / "contract").joinpath(next((project.state_dir / "contract").iterdir()).name).write_text("{")
    monkeypatch.undo()
    assert read_contract(project.project_dir, project.state_dir).find("till.sales")
