"""What commands share: exit statuses, the database and the contract to work with, and words for a terminal."""

from __future__ import annotations

import getpass
from typing import Any

import click
import sqlalchemy as sa

from loader.contract.model import Contract, Table
from loader.contract.read import read_contract
from loader.database import connection_faults, make_engine, require_version
from loader.remedy import Remedy
from loader.settings import Settings

#: Exit statuses.
ALL_IN, FAILED, SOME_KEPT_BACK = 0, 1, 3

wait_option = click.option(
    "--wait",
    "wait_seconds",
    metavar="SECONDS",
    type=click.IntRange(min=1),
    help="Wait so long for another load into the table to end, then give up; else for as long as it takes.",
)


def contract_of(settings: Settings) -> Contract:
    """The project's contract; says on standard error that dbt has to read it, which takes seconds."""
    return read_contract(settings.project_dir, settings.state_dir, say=lambda words: click.echo(words, err=True))


def open_database(settings: Settings) -> sa.Engine:
    """An engine on a server that answers and is new enough; raises :class:`Remedy`."""
    engine = make_engine(settings)
    with connection_faults(settings):
        require_version(engine)
    return engine


def find_table(contract: Contract, table_id: str) -> Table:
    """The table of ``source.table``; raises :class:`Remedy` with those there are."""
    try:
        return contract.find(table_id)
    except KeyError:
        known = ", ".join(sorted(table.id for table in contract))
        raise Remedy(f"The contract has no table {table_id}.", f"It has: {known}.") from None


def only_table(query: sa.Select[Any], entity: Any, table_id: str | None) -> sa.Select[Any]:
    if table_id is None:
        return query
    source, _, name = table_id.partition(".")
    return query.where(entity.source == source, entity.table_name == name)


def say_waiting(table_id: str) -> None:
    """Told to whoever is at the keyboard while another load holds the table."""
    click.echo(f"waiting for another load into {table_id}", err=True)


def person() -> str:
    """Who is at the keyboard, as the operating system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def printable(text: str) -> str:
    """``text`` without signs that would steer a terminal: they are shown, not sent."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
