"""``loader loads | rejects``: what the ledger holds."""

from __future__ import annotations

import json
from typing import Any

import click
import sqlalchemy as sa

from loader.commands.common import ALL_IN, contract_of, find_table, only_table, open_database, printable
from loader.ledger.models import REJECT_STATUSES, Load, Reject
from loader.remedy import Remedy
from loader.settings import Settings


@click.command()
@click.option("--table", "table_id", help="Only this SOURCE.TABLE.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def loads(settings: Settings, table_id: str | None, limit: int, as_json: bool) -> int:
    """List the latest loads."""
    columns: tuple[Any, ...] = (
        Load.load_id, Load.seq, Load.started_at, Load.source, Load.table_name, Load.door,
        Load.principal, Load.status, Load.received, Load.accepted, Load.waiting, Load.rejected,
        Load.duplicates, Load.file_name, Load.message,
    )  # fmt: skip
    query: sa.Select[Any] = sa.select(*columns).order_by(Load.load_id.desc()).limit(limit)
    engine = open_database(settings)
    _require_known_table(settings, engine, table_id)
    query = only_table(query, Load, table_id)
    _print_rows(engine, query, as_json, f"nothing was loaded{_into(table_id)}")
    return ALL_IN


@click.command()
@click.option("--table", "table_id", help="Only this SOURCE.TABLE.")
@click.option("--load", "load_id", type=int, help="Only this load's.")
@click.option(
    "--status",
    default="rejected,waiting",
    show_default=True,
    help="rejected, waiting, resolved, dismissed.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def rejects(
    settings: Settings,
    table_id: str | None,
    load_id: int | None,
    status: str,
    limit: int,
    as_json: bool,
) -> int:
    """List rows that were not let in: row, column, rule, message, and the row as it came."""
    columns: tuple[Any, ...] = (
        Reject.reject_id, Reject.load_id, Reject.row, Reject.source, Reject.table_name,
        Reject.status, Reject.column_name, Reject.rule, Reject.message, Reject.payload,
    )  # fmt: skip
    statuses = _statuses(status)
    engine = open_database(settings)
    _require_known_table(settings, engine, table_id)
    query: sa.Select[Any] = sa.select(*columns).where(Reject.status.in_(statuses))
    query = only_table(query, Reject, table_id)
    if load_id is not None:
        _require_load(engine, load_id)
        query = query.where(Reject.load_id == load_id)
    nothing = f"nothing was kept back{_into(table_id)}: no row is {' or '.join(statuses)}"
    _print_rows(engine, query.order_by(Reject.load_id, Reject.row).limit(limit), as_json, nothing)
    return ALL_IN


def _require_known_table(settings: Settings, engine: sa.Engine, table_id: str | None) -> None:
    """An empty list for a misspelt table would look like good news: raises :class:`Remedy`
    for one that neither the ledger nor the contract knows."""
    if table_id is None:
        return
    with engine.connect() as connection:
        if connection.scalar(only_table(sa.select(sa.literal(1)), Load, table_id).limit(1)) is not None:
            return
    find_table(contract_of(settings), table_id)


def _require_load(engine: sa.Engine, load_id: int) -> None:
    with engine.connect() as connection:
        if connection.scalar(sa.select(sa.literal(1)).where(Load.load_id == load_id)) is None:
            raise Remedy(f"There is no load {load_id}.", "`loader loads` lists them.")


def _statuses(text: str) -> list[str]:
    statuses = [status.strip() for status in text.split(",") if status.strip()]
    if not statuses or set(statuses) - set(REJECT_STATUSES):
        raise Remedy(f"--status {text!r} names no status of a kept row.", f"There are: {', '.join(REJECT_STATUSES)}.")
    return statuses


def _into(table_id: str | None) -> str:
    return f" of {table_id}" if table_id else ""


def _print_rows(engine: sa.Engine, query: sa.Select[Any], as_json: bool, nothing: str) -> None:
    """The rows as a table or as JSON; `nothing` is said on standard error when there are none."""
    with engine.connect() as connection:
        result = connection.execute(query)
        names = list(result.keys())
        rows = result.all()
    if as_json:
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2, default=str))
    else:
        click.echo("\t".join(names))
        for row in rows:
            click.echo("\t".join("" if value is None else _cell(value) for value in row))
    if not rows:
        click.echo(nothing, err=True)


def _cell(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return printable(text)
