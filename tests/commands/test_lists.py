"""`loader loads` and `loader rejects`: an empty list is said, and is never a misspelt name."""

from __future__ import annotations

import json

import pytest
from click import Command
from click.testing import CliRunner, Result

from loader.commands.lists import loads, rejects
from loader.commands.load import load
from loader.remedy import Remedy
from tests.pages.desk import TICKET, Desk


def run(desk: Desk, command: Command, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), obj=desk.settings, standalone_mode=False)


@pytest.mark.parametrize("command", [loads, rejects])
def test_a_misspelt_table_is_refused_with_those_there_are(desk: Desk, command: Command) -> None:
    result = run(desk, command, "--table", "desk.ticket")
    assert isinstance(result.exception, Remedy)
    assert "no table desk.ticket." in result.exception.message
    assert "desk.tickets" in result.exception.remedy
    assert result.stdout == ""


@pytest.mark.parametrize(("command", "said"), [(loads, "nothing was loaded"), (rejects, "nothing was kept back")])
def test_a_table_of_which_there_is_nothing_is_said_to_have_nothing(desk: Desk, command: Command, said: str) -> None:
    result = run(desk, command, "--table", "desk.tickets")
    assert result.exception is None
    assert f"{said} of desk.tickets" in result.stderr
    as_json = run(desk, command, "--table", "desk.tickets", "--json")
    assert json.loads(as_json.stdout) == []


def test_a_table_that_has_left_the_contract_is_known_by_its_loads(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    desk.execute("update ledger.loads set table_name = 'gone'")
    assert "gone" in run(desk, loads, "--table", "desk.gone").stdout
    assert "nothing was kept back of desk.gone" in run(desk, rejects, "--table", "desk.gone").stderr


def test_a_load_or_status_that_there_is_not_is_refused(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    assert run(desk, rejects, "--load", "1").exception is None
    no_load = run(desk, rejects, "--load", "2").exception
    assert isinstance(no_load, Remedy)
    assert "no load 2" in no_load.message
    no_status = run(desk, rejects, "--status", "refused").exception
    assert isinstance(no_status, Remedy)
    assert "rejected, waiting" in no_status.remedy


def test_the_receipt_says_what_a_row_number_counts(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("files") / "teams.csv"
    file.write_text("team_id,name\n1,one\nx,two\n")
    said = run(desk, load, "desk.teams", str(file)).stdout
    assert "rows are records, counted from 1; a header is none" in said
    assert "  row 2: team_id" in said
    file.write_text("team_id,name\n2,two\n")
    assert "counted from 1" not in run(desk, load, "desk.teams", str(file)).stdout
