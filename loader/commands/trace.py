"""``loader trace``: what a row of the warehouse or a mart was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from loader.commands.common import ALL_IN, contract_of, open_database, printable
from loader.remedy import Remedy
from loader.settings import Settings
from loader.trace.follow import SHOWN, Found, LoadOf
from loader.trace.follow import trace as trace_row


@click.command()
@click.argument("table", metavar="SCHEMA.TABLE")
@click.argument("key", nargs=-1, metavar="COLUMN=VALUE…")
@click.option("--limit", default=SHOWN, show_default=True, type=click.IntRange(0, 10_000), help="Rows shown of each.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def trace(settings: Settings, table: str, key: tuple[str, ...], limit: int, as_json: bool) -> int:
    """Say where a row comes from: the rows and versions it was made of, and who loaded them.

    An empty VALUE is NULL. The key's other columns may be left out: then it is of several rows.
    """
    values = {}
    for part in key:
        name, equals, value = part.partition("=")
        if not equals:
            raise Remedy(f"'{part}' is no COLUMN=VALUE.", "As in order_date=2017-12-31.")
        values[name] = value
    found = trace_row(open_database(settings), contract_of(settings), settings.dbt_target, table, values, limit)
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in found], indent=2, default=str))
    else:
        for line in _lines(found):
            click.echo(printable(line))
    return ALL_IN


def _lines(found: list[Found]) -> Iterator[str]:
    """The row itself whole, of the others the keys; what no row went in from is one line."""
    for one in found:
        if one is not found[0] and not (one.rows or one.states):
            continue
        into = f", in {', '.join(one.into)}" if one.into else ""
        yield f"{one.table}: {_counted(one)}{into}"
        if one.nothing:
            yield f"  made of no row: {one.nothing}"
        columns = one.columns if one is found[0] or one.source else one.key
        for row in one.first:
            cells = (f"{name}={'' if value is None else value}" for name, value in zip(columns, row, strict=False))
            yield f"  {' '.join(cells)}"
        if sum(one.states.values() or [one.rows]) > len(one.first) > 0:
            yield "  …"
        for load in one.loads:
            yield f"  ← {_load(load)}"
        if one.load_count > len(one.loads):
            yield f"  ← and {one.load_count - len(one.loads):,} more loads"
    if empty := [one.table for one in found[1:] if not (one.rows or one.states)]:
        yield f"no row of {', '.join(empty)}"


def _counted(one: Found) -> str:
    older = ", ".join(f"{rows:,} {state}" for state, rows in one.states.items() if state != "current")
    return f"{one.rows:,} row{'' if one.rows == 1 else 's'}{f' ({older})' if older else ''}"


def _load(load: LoadOf) -> str:
    what = f" {load.file_name}" if load.file_name else f" key {load.idempotency_key}" if load.idempotency_key else ""
    words = f"load {load.load_id}, {load.rows:,} of them: door {load.door}{what}, by {load.principal}"
    words += f", {load.started_at:%Y-%m-%d %H:%M:%S}"
    if load.cause_load_id:
        words += f", because of load {load.cause_load_id}"
    if load.first_load_id:
        words += f"; first sent by load {load.first_load_id}"
    return words + (" (not in the marts yet)" if load.is_later else "")
