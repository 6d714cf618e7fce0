"""`loader load` of a file whose columns have names of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from loader.commands.load import load
from loader.remedy import Remedy
from tests.pages.desk import TICKET, Desk


def test_it_loads_and_says_what_was_named_anew(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    names = {"No.": "ticket_id", **{name: name for name in TICKET if name != "ticket_id"}}
    path.write_text(f"Tickets of May\n{','.join(names)},Remark\n{','.join(TICKET.values())},x\n")
    desk.load("teams", {"team_id": 7, "name": "seven"})
    given = ["desk.tickets", str(path), "--header-row", "2", "--columns", '{"No.": "ticket_id", "Remark": null}']
    result = CliRunner().invoke(load, given, obj=desk.settings, standalone_mode=False)
    assert result.exception is None, result.output
    assert "1 received, 1 accepted" in result.stdout
    assert "columns column 1 is ticket_id; column 6 left out" in result.stdout
    assert desk.rows("select ticket_id from staging_desk.tickets") == [(1,)]


@pytest.mark.parametrize("option", [("--columns", "No."), ("--header-row", "none")])
def test_what_can_not_be_meant_is_said_before_anything_is_done(
    desk: Desk, tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "a.csv").write_text("team_id,name\n1,one\n")
    given = ["desk.teams", str(tmp_path / "a.csv"), *option]
    result = CliRunner().invoke(load, given, obj=desk.settings, standalone_mode=False)
    assert isinstance(result.exception, Remedy)
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
