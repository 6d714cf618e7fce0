"""`loader department`: who reads a mart in the database itself, by psql or a BI tool."""

from __future__ import annotations

import json
import secrets
import sys

import click

from loader import departments
from loader.commands.common import ALL_IN, FAILED, contract_of, open_database
from loader.departments import Standing
from loader.embedded import is_embedded
from loader.ledger.access import SHORTEST_PASSWORD
from loader.remedy import Remedy
from loader.settings import Settings


@click.group()
def department() -> None:
    """Departments' roles in the database: each reads its mart and nothing else."""


@department.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def list_departments(context: click.Context, as_json: bool) -> None:
    """Say of each department who may log in, what it reads, and what it could do beyond that; then who else
    was granted something in a mart.

    Exit status 0: each has a role that reads its mart and nothing else. 1: one lacks, or may do more; or
    a role is left of a department that is no more, or everybody reads a mart.
    """
    settings: Settings = context.obj
    known = contract_of(settings).departments
    with open_database(settings).connect() as connection:
        found = departments.standing_of(connection, known)
        others = departments.other_readers(connection, known)
    if as_json:
        click.echo(json.dumps([_as_dict(standing) for standing in found + others], indent=2))
    else:
        for standing in found + others:
            _print(standing)
        if any(standing.may_make_temporary for standing in found):
            click.echo(
                "Every role may make temporary tables in this database. To let only those who load and build: "
                "revoke temporary on database … from public; grant temporary on database … to them.",
                err=True,
            )
        if any(standing.may_take_locks for standing in found):
            click.echo(
                "Every role may take the locks by which loads and builds take turns, and so stop both. "
                "docs/departments.md has the statements that leave them to those who load and build.",
                err=True,
            )
    bad = any(standing.may_log_in is None or standing.beyond for standing in found + others)
    context.exit(FAILED if bad else ALL_IN)


@department.command("open")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input; else one is made.")
@click.pass_obj
def open_department(settings: Settings, name: str, password_stdin: bool) -> None:
    """Let a department's role log in, with a new password: this once it is shown, and nowhere kept."""
    _known(settings, name)
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
    if password_stdin and len(given) < SHORTEST_PASSWORD:
        raise Remedy(
            f"The password has {len(given)} characters; at least {SHORTEST_PASSWORD} are needed.",
            "Take a longer one, or leave out --password-stdin and have one made.",
        )
    password = given or secrets.token_urlsafe(18)
    engine = open_database(settings)
    departments.make_roles(engine, [name])
    standing = departments.let_in(engine, name, password)
    _print(standing)
    if not standing.reads:
        click.echo("Nothing is published for it yet, or not by this user: the next build grants it.", err=True)
    shown = {
        "PGHOST": settings.host, "PGPORT": str(settings.port), "PGDATABASE": settings.database,
        "PGUSER": standing.role,
    }  # fmt: skip
    if not given:
        shown["PGPASSWORD"] = password
    click.echo(" ".join(f"{key}={value}" for key, value in shown.items()) + " psql")
    if not given:
        click.echo("The password is shown this once.", err=True)
    if is_embedded(settings):
        click.echo(
            "This is the embedded server, for one person's machine: its superuser's name and password are known, "
            "and whoever runs programs here reads everything by them. The role protects on a server of your own.",
            err=True,
        )


@department.command("close")
@click.argument("name")
@click.pass_obj
def close_department(settings: Settings, name: str) -> None:
    """Let a department's role in no more, at once; its grants stay for when it is opened again."""
    ended = departments.shut_out(open_database(settings), name)
    click.echo(f"{departments.role_of(name)} may not log in; {ended} sessions ended")


def _known(settings: Settings, name: str) -> None:
    known = contract_of(settings).departments
    if name not in known:
        raise Remedy(
            f"The project has no mart for a department {name}.",
            f"It has: {', '.join(known)}." if known else "A mart's models lie in models/marts/<department>/.",
        )


def _print(standing: Standing) -> None:
    state = {None: "no such role", True: "may log in", False: "may not log in"}[standing.may_log_in]
    reads = ", ".join(standing.reads) or "nothing"
    click.echo(f"{standing.department or '-'}\t{standing.role}\t{state}\treads {reads}")
    if standing.members:
        click.echo(f"  and by it {', '.join(standing.members)}")
    for words in standing.beyond:
        click.echo(f"  beyond its mart: {words}" if standing.department else f"  {standing.role} {words}", err=True)


def _as_dict(standing: Standing) -> dict[str, object]:
    return {
        "department": standing.department,
        "role": standing.role,
        "may_log_in": standing.may_log_in,
        "reads": standing.reads,
        "beyond": standing.beyond,
        "members": standing.members,
        "may_make_temporary": standing.may_make_temporary,
        "may_take_locks": standing.may_take_locks,
    }
