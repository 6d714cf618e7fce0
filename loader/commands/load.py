"""``loader load | replay``: the door for files, and rows that are judged again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from loader.commands.common import (
    ALL_IN,
    FAILED,
    SOME_KEPT_BACK,
    contract_of,
    find_table,
    open_database,
    person,
    printable,
    say_waiting,
    wait_option,
)
from loader.commands.progress import counted, rows_of
from loader.intake.decode import ReadFailure, Said
from loader.intake.delete import why_not
from loader.intake.load import LoadFailed, Options, load_file
from loader.intake.load import replay as replay_rows
from loader.intake.receipt import Receipt
from loader.remedy import Remedy
from loader.settings import Settings


@click.command()
@click.argument("table_id", metavar="SOURCE.TABLE")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--on-reject",
    type=click.Choice(["quarantine", "refuse"]),
    default="quarantine",
    show_default=True,
    help="Keep bad rows aside and load the good ones, or refuse the file whole.",
)
@click.option("--dry-run", is_flag=True, help="Judge, and change nothing.")
@click.option("--again", is_flag=True, help="Load a file even if it is loaded already.")
@click.option("--delete", is_flag=True, help="The files hold keys: delete what stands under them.")
@click.option(
    "--cascade",
    type=click.Choice(["wait"]),
    help="With --delete: rows whose parent goes wait for it. Without this, such a parent stays.",
)
@click.option("--separator", help="Of a CSV: comma, semicolon, tab, bar, or the sign itself. Found out if not said.")
@click.option("--quote", help="Of a CSV: double or single, or the sign itself. Found out if not said.")
@click.option("--decimal", help="Of a CSV: point or comma, or the sign itself. Found out if not said.")
@click.option("--encoding", help="Of a text, such as utf-8, utf-16 or windows-1252. Found out if not said.")
@click.option("--sheet", help="Of a workbook, by name or number. The first that is not empty if not said.")
@click.option(
    "--header-row", help="Of a CSV or workbook: the row with the names. The first that is not empty if not said."
)
@click.option(
    "--columns",
    help="The file's names of columns, each with the table's, or null to leave it out: "
    '{"Order No.": "order_id", "Remark": null}.',
)
@click.option("--json", "as_json", is_flag=True, help="Print receipts as JSON.")
@wait_option
@click.pass_obj
def load(
    settings: Settings,
    table_id: str,
    files: tuple[Path, ...],
    on_reject: str,
    dry_run: bool,
    again: bool,
    delete: bool,
    cascade: str | None,
    as_json: bool,
    wait_seconds: int | None,
    separator: str | None,
    quote: str | None,
    decimal: str | None,
    encoding: str | None,
    sheet: str | None,
    header_row: str | None,
    columns: str | None,
) -> int:
    """Load files into a table: CSV, JSON, NDJSON, Parquet or Excel, as their names say.

    They may be packed: .gz after the name, or a .zip that holds one file.
    """
    try:
        said = Said.of(
            separator=separator,
            quote=quote,
            decimal=decimal,
            encoding=encoding,
            sheet=sheet,
            columns=columns,
            header_row=header_row,
        )
    except ReadFailure as error:
        raise Remedy(f"{error}.") from None
    contract = contract_of(settings)
    table = find_table(contract, table_id)
    if closed := table.closed_to("file"):
        raise Remedy(closed)
    if cascade and not delete:
        raise Remedy("--cascade says what becomes of the rows under a deleted one.", "Say --delete, too.")
    if delete and (reason := why_not(table)):
        raise Remedy(f"{reason}.", "`loader loads` lists loads, `loader undo` undoes one.")
    options = Options(on_reject, dry_run, "delete" if delete else "load", cascade)
    engine = open_database(settings)
    status = ALL_IN
    for path in files:
        shown = printable(str(path))
        try:
            with counted(f"{table.id} ← {printable(path.name)}", rows_of(path), quiet=as_json) as progress:
                receipt = load_file(
                    engine, contract, table, path, principal=person(), again=again,
                    options=options, progress=progress,
                    lock_seconds=wait_seconds, waiting=say_waiting, said=said,
                )  # fmt: skip
        except LoadFailed as error:
            click.echo(f"{shown}: {error.outcome.lower()}: {error}", err=True)
            status = FAILED
            continue
        except ReadFailure as error:
            click.echo(f"{shown}: nothing was loaded: {error}", err=True)
            status = FAILED
            continue
        except OSError as error:
            click.echo(f"{shown}: nothing was loaded: {error.strerror or error}", err=True)
            status = FAILED
            continue
        click.echo(json.dumps(receipt.as_dict(), indent=2) if as_json else _words(receipt, path))
        if receipt.status == "refused":
            status = FAILED
        elif not receipt.clean and status == ALL_IN:
            status = SOME_KEPT_BACK
    return status


def _words(receipt: Receipt, path: Path) -> str:
    """The receipt for a person at a terminal."""
    name = f"load {receipt.load_id}" if receipt.load_id else "dry run, nothing changed"
    if receipt.repeated:
        name = f"loaded already by load {receipt.load_id}, nothing changed; its receipt"
    lines = [
        f"{path.name} → {receipt.source}.{receipt.table}: {name}: {receipt.received:,} received, "
        f"{receipt.accepted:,} accepted, {receipt.waiting:,} waiting, "
        f"{receipt.rejected:,} rejected, {receipt.duplicates:,} duplicates"
    ]
    if receipt.format is not None and len(receipt.format) > 1:
        lines.append("  read as " + ", ".join(f"{name} {_sign(value)}" for name, value in receipt.format.items()))
    if receipt.status == "refused":
        lines.append("  refused whole: nothing was loaded")
    for warned in receipt.warnings:
        lines.append(
            f"  warning: {warned.column or 'row'} {warned.message} ({warned.rule}): "
            f"{warned.rows:,} rows let in, the first is row {warned.first_row}"
        )
    if receipt.rejects:
        lines.append("  kept back (rows are records, counted from 1; a header is none):")
    for reject in receipt.rejects[:20]:
        for fault in reject.faults:
            value = f" — {fault['value']!r}" if fault.get("value") is not None else ""
            lines.append(f"  row {reject.row}: {fault['column'] or 'row'}: {fault['message']} ({fault['rule']}){value}")
    kept = receipt.rejected + receipt.waiting
    if kept > 20:
        lines.append(f"  … and {kept - 20:,} more: loader rejects --load {receipt.load_id}")
    for release in receipt.releases:
        rows = f"{release.accepted:,} rows of {release.source}.{release.table}"
        if release.load_id:
            lines.append(f"  let in {rows} that had been waiting (load {release.load_id})")
        else:
            lines.append(f"  {rows} that are waiting would come in")
    lines += words_of_cascades(receipt)
    return "\n".join(map(printable, lines))


def words_of_cascades(receipt: Receipt) -> list[str]:
    """A line for each table whose rows were set to waiting."""
    lines = []
    for cascade in receipt.cascades:
        rows = f"{cascade.waiting:,} rows of {cascade.source}.{cascade.table}"
        if cascade.load_id:
            lines.append(f"  {rows} wait for their parent now (load {cascade.load_id})")
        else:
            lines.append(f"  {rows} would wait for their parent")
    return lines


def _sign(value: Any) -> str:
    if isinstance(value, dict):  # names of the file's own, and what they are in the table
        return "; ".join(f"{name} left out" if meant is None else f"{name} is {meant}" for name, meant in value.items())
    return {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", ".": "point", True: "yes"}.get(value, str(value))


@click.command()
@click.argument("table_id", metavar="SOURCE.TABLE")
@click.argument("reject_ids", nargs=-1, type=click.IntRange(1, 2**63 - 1))
@click.option("--json", "as_json", is_flag=True)
@wait_option
@click.pass_obj
def replay(
    settings: Settings, table_id: str, reject_ids: tuple[int, ...], as_json: bool, wait_seconds: int | None
) -> int:
    """Judge kept rows of a table again: those named, or all of them."""
    contract = contract_of(settings)
    table = find_table(contract, table_id)
    engine = open_database(settings)
    try:
        receipt = replay_rows(engine, contract, table, reject_ids or None, person(), wait_seconds, say_waiting)
    except LoadFailed as error:
        outcome = error.outcome.lower() if error.is_unknown else "the rows are as they were"
        click.echo(f"replay: {outcome}: {error}", err=True)
        return FAILED
    click.echo(json.dumps(receipt.as_dict(), indent=2) if as_json else _words(receipt, Path("replay")))
    return ALL_IN if receipt.clean else SOME_KEPT_BACK
