"""``loader user`` and ``loader token``: who may come in."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime, timedelta

import click
import sqlalchemy as sa

from loader.commands.common import contract_of, open_database
from loader.ledger import access
from loader.ledger.models import Token, User
from loader.permissions import ACTIONS, ALL_TABLES, ROLES, patterns_that_name_nothing
from loader.remedy import Remedy
from loader.settings import Settings


@click.group()
def user() -> None:
    """People who log in to the pages."""


_tables = click.option(
    "--table", "tables", multiple=True, metavar="SOURCE.TABLE",
    help="For this table only, or SOURCE.* for all of a system; may be given more than once.",
)  # fmt: skip


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([*ROLES]), help="What they may do; a new person is a viewer unless said.")
@_tables
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_obj
def add_user(settings: Settings, name: str, role: str | None, tables: tuple[str, ...], password_stdin: bool) -> None:
    """Add a person, or give one a new password; a password is made unless one is given.

    A viewer sees loads and kept rows, a clerk also brings rows in, a steward also mends, deletes and
    undoes, for all tables or for those that are named; an admin may do everything.
    """
    if tables and role in (None, "admin"):
        raise click.UsageError("--table goes with --role viewer, clerk or steward")
    _require_tables(settings, tables)
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
    if password_stdin and not given:
        raise click.UsageError("standard input holds no password")
    if given and len(given) < access.SHORTEST_PASSWORD:
        raise Remedy(
            f"The password has {len(given)} characters; at least {access.SHORTEST_PASSWORD} are needed, since "
            "whoever reaches the login page may guess.",
            "Take a longer one, such as four words, or leave out --password-stdin and have one made.",
        )
    password = given or secrets.token_urlsafe(12)
    with open_database(settings).begin() as connection:
        try:
            access.set_password(connection, name, password, role, tables or ALL_TABLES)
        except access.NameTaken as error:
            raise Remedy(f"{error}.", "Take another name.") from error
    click.echo(f"user {name}" + ("" if given else f", password {password} (shown this once)"))


@user.command("close")
@click.argument("name")
@click.pass_obj
def close_user(settings: Settings, name: str) -> None:
    """Let a person in no more, at once; `add` opens the way again."""
    with open_database(settings).begin() as connection:
        if not access.close_user(connection, name):
            raise Remedy(f"There is no user {name}.", "`loader user list` shows who there is.")
    click.echo(f"user {name} is closed")


@user.command("list")
@click.pass_obj
def list_users(settings: Settings) -> None:
    """List the people."""
    with open_database(settings).connect() as connection:
        people = sa.select(User.name, User.active, User.role, User.tables, User.last_login_at).order_by(User.user_id)
        for row in connection.execute(people):
            state = "active" if row.active else "closed"
            click.echo(f"{row.name}\t{state}\t{row.role}\t{', '.join(row.tables)}\t{row.last_login_at or 'never'}")


@click.group()
def token() -> None:
    """Tokens for programs that call the API."""


@token.command("create")
@click.argument("name")
@click.option("--days", default=365, show_default=True, type=click.IntRange(1, 3650))
@click.option(
    "--may", "actions", multiple=True, type=click.Choice([*ACTIONS]), default=("read", "load"), show_default=True,
    help="What it may do; may be given more than once.",
)  # fmt: skip
@_tables
@click.pass_obj
def create_token(settings: Settings, name: str, days: int, actions: tuple[str, ...], tables: tuple[str, ...]) -> None:
    """Make a token and print it: this once, only its hash is kept."""
    _require_tables(settings, tables)
    expires = datetime.now(UTC) + timedelta(days=days)
    with open_database(settings).begin() as connection:
        try:
            click.echo(access.create_token(connection, name, expires, actions, tables or ALL_TABLES))
        except access.NameTaken as error:
            raise Remedy(f"{error}.", "Take another name.") from error


@token.command("revoke")
@click.argument("name")
@click.pass_obj
def revoke_token(settings: Settings, name: str) -> None:
    """End every token of this name."""
    with open_database(settings).begin() as connection:
        ended = access.revoke_tokens(connection, name)
    click.echo(f"{ended} ended")


@token.command("list")
@click.pass_obj
def list_tokens(settings: Settings) -> None:
    """List the tokens; none can be shown again."""
    with open_database(settings).connect() as connection:
        rows = connection.execute(
            sa.select(Token.name, Token.actions, Token.tables, Token.expires_at, Token.revoked_at,
                      Token.last_used_at).order_by(Token.token_id)
        )  # fmt: skip
        for row in rows:
            state = "revoked" if row.revoked_at else f"until {row.expires_at:%Y-%m-%d}"
            scope = f"{', '.join(row.actions)}\t{', '.join(row.tables)}"
            click.echo(f"{row.name}\t{state}\t{scope}\tlast used {row.last_used_at or 'never'}")


def _require_tables(settings: Settings, patterns: tuple[str, ...]) -> None:
    """Raises :class:`Remedy` if one names no table: who was given it could do nothing."""
    if patterns and (wrong := patterns_that_name_nothing(patterns, contract_of(settings))):
        raise Remedy(
            f"The contract has no table {wrong[0]}.", "Name one as SOURCE.TABLE, or all of a system as SOURCE.*."
        )
