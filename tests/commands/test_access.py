"""`loader user` and `loader token`: what people and programs may do is said, and shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click import Command, UsageError
from click.testing import CliRunner, Result

from loader.commands.access import add_user, create_token, list_tokens, list_users
from loader.ledger import access
from loader.permissions import ACTIONS, ROLES, Principal
from loader.remedy import Remedy
from tests.pages.desk import Desk


def run(desk: Desk, command: Command, *arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(command, list(arguments), obj=desk.settings, standalone_mode=False, input=typed)


def test_a_person_is_a_viewer_unless_more_is_said(desk: Desk) -> None:
    assert run(desk, add_user, "eve").exception is None
    made = run(desk, add_user, "bob", "--role", "clerk", "--table", "desk.teams", "--table", "desk.tickets")
    assert made.exception is None
    assert "bob, password" in made.stdout
    listed = {line.split("\t")[0]: line.split("\t")[1:4] for line in run(desk, list_users).stdout.splitlines()}
    assert listed["eve"] == ["active", "viewer", "*"]
    assert listed["bob"] == ["active", "clerk", "desk.teams, desk.tickets"]
    assert run(desk, add_user, "bob", "--password-stdin", typed="another horse battery\n").exception is None
    assert "bob\tactive\tclerk\tdesk.teams, desk.tickets" in run(desk, list_users).stdout


def test_a_token_reads_and_loads_unless_it_is_said_what_it_may(desk: Desk) -> None:
    plain = run(desk, create_token, "till").stdout.strip()
    narrow = run(desk, create_token, "undoer", "--may", "undo", "--table", "desk.*").stdout.strip()
    with desk.engine.begin() as connection:
        assert access.check_token(connection, plain) == Principal("till", frozenset({"read", "load"}), ("*",))
        assert access.check_token(connection, narrow) == Principal("undoer", frozenset({"undo"}), ("desk.*",))
    listed = run(desk, list_tokens).stdout
    assert "\tload, read\t*\t" in listed
    assert "\tundo\tdesk.*\t" in listed


@pytest.mark.parametrize("pattern", ["desk.ticket", "desks.*", "desk", "*.teams", "", "desk.*.*"])
def test_a_mistyped_table_makes_nobody(desk: Desk, pattern: str) -> None:
    """Who was given it could do nothing, and nobody would know why."""
    for command, name in ((add_user, "bob"), (create_token, "till")):
        options = ("--role", "clerk") if command is add_user else ()
        failure = run(desk, command, name, *options, "--table", "desk.teams", "--table", pattern).exception
        assert isinstance(failure, Remedy), failure
        assert f"no table {pattern}." in failure.message
    assert desk.rows("select count(*) from ledger.users") == [(1,)]
    assert desk.rows("select count(*) from ledger.tokens") == [(0,)]


@pytest.mark.parametrize("options", [(), ("--role", "admin")])
def test_tables_go_with_a_role_that_can_be_for_some(desk: Desk, options: tuple[str, ...]) -> None:
    failure = run(desk, add_user, "bob", *options, "--table", "desk.teams").exception
    assert isinstance(failure, UsageError)


def test_the_page_on_roles_names_them_and_what_tokens_may_do() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for role in ROLES:
        assert f"| `{role}`" in (docs / "pages.md").read_text("utf-8")
    for action in ACTIONS:
        assert f"--may {action}" in (docs / "api.md").read_text("utf-8")
