"""`loader undo` and `loader load --delete`: says first what changes, and does it when told to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loader.commands.load import load
from loader.commands.undo import undo
from loader.remedy import Remedy
from loader.settings import Settings
from tests.intake.lab import CONTRACT, Lab


@pytest.fixture
def here(lab: Lab, server: Settings, monkeypatch: pytest.MonkeyPatch) -> Lab:
    for module in ("load", "undo"):
        monkeypatch.setattr(f"loader.commands.{module}.contract_of", lambda *_: CONTRACT)
        monkeypatch.setattr(f"loader.commands.{module}.open_database", lambda *_: lab.engine)
    return lab


def run(command: object, *words: str, settings: Settings) -> Result:
    return CliRunner().invoke(command, list(words), obj=settings, standalone_mode=False)  # type: ignore[arg-type]


def test_a_plan_is_said_and_nothing_done(here: Lab, server: Settings) -> None:
    receipt = here.rows("notes", (1, "a"), (2, "b"))
    said = run(undo, str(receipt.load_id), "--plan", settings=server)
    assert said.return_value == 0
    assert said.stdout.splitlines() == [
        f"load {receipt.load_id} of lab.notes: plan, nothing changed",
        "  2 versions or deletes taken back",
        "  2 rows gone from the table: 1; 2",
    ]
    assert len(here.mirror("notes")) == 2


def test_without_yes_and_without_anybody_nothing_is_done(here: Lab, server: Settings) -> None:
    receipt = here.rows("notes", (1, "a"))
    said = run(undo, str(receipt.load_id), settings=server)
    assert isinstance(said.exception, Remedy)
    assert "--yes" in str(said.exception)
    assert len(here.mirror("notes")) == 1


def test_with_yes_it_is_done_and_the_second_time_there_is_nothing(here: Lab, server: Settings) -> None:
    receipt = here.rows("notes", (1, "a"))
    done = run(undo, str(receipt.load_id), "--yes", "--json", settings=server)
    undo_id = json.loads(done.stdout)["load_id"]
    assert here.mirror("notes") == []
    again = run(undo, str(receipt.load_id), "--yes", settings=server)
    assert (again.return_value, again.stdout) == (0, f"nothing to undo: it was undone already, by load {undo_id}\n")


def test_rows_of_other_loads_under_it_are_named(here: Lab, server: Settings) -> None:
    receipt = here.rows("shops", 10)
    here.rows("tills", (1, 10, "x"))
    refused = run(undo, str(receipt.load_id), settings=server)
    assert refused.return_value == 1
    assert "  1 rows of lab.tills lose their parent and wait: 1" in refused.stdout
    assert "--cascade wait" in refused.stderr
    assert isinstance(run(undo, str(receipt.load_id), "--yes", settings=server).exception, Remedy)
    done = run(undo, str(receipt.load_id), "--yes", "--cascade", "wait", settings=server)
    assert "  1 rows of lab.tills wait for their parent now" in done.stdout


def test_a_file_of_keys_is_deleted_once(here: Lab, server: Settings, tmp_path: Path) -> None:
    here.rows("notes", (1, "a"), (2, "b"))
    file = tmp_path / "gone.csv"
    file.write_text("id\n1\n")
    done = run(load, "lab.notes", str(file), "--delete", settings=server)
    assert "1 accepted" in done.stdout
    assert here.mirror("notes") == [("2", "b")]
    assert "loaded already" in run(load, "lab.notes", str(file), "--delete", settings=server).stdout
    for words in (["lab.events", str(file), "--delete"], ["lab.notes", str(file), "--cascade", "wait"]):
        assert isinstance(run(load, *words, settings=server).exception, Remedy)


def test_a_dry_run_says_which_rows_would_wait_and_which_would_come(here: Lab, server: Settings, tmp_path: Path) -> None:
    here.rows("shops", 10)
    here.rows("tills", (1, 10, "x"), (2, 20, "y"))
    file = tmp_path / "shops.csv"
    file.write_text("id\n10\n")
    gone = run(load, "lab.shops", str(file), "--delete", "--cascade", "wait", "--dry-run", settings=server)
    assert "  1 rows of lab.tills would wait for their parent\n" in gone.stdout
    file.write_text("id\n20\n")
    come = run(load, "lab.shops", str(file), "--dry-run", settings=server)
    assert "  1 rows of lab.tills that are waiting would come in\n" in come.stdout
    assert len(here.mirror("tills")) == 1
