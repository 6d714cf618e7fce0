"""The door for people: a form generated from the contract, one row at a time.

A form leaves nothing behind that its sender did not mean to leave. The row is judged by a dry
run first; a refused one goes back to the page with every fault beside its field. One that
would wait is kept only if the sender says so.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator

from flask import Blueprint, abort, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from loader.app import gatehouse
from loader.contract.model import Contract, Table
from loader.contract.types import identifier, literal
from loader.doors.entry import Entry, as_row, fields_of, note_faults, picked, read
from loader.doors.opened import opened
from loader.doors.patience import patience
from loader.intake.decode import Batch
from loader.intake.decode.base import Piece
from loader.intake.load import LoadFailed, Options, StillRunning, load
from loader.intake.receipt import Receipt
from loader.intake.sql import fetch
from loader.ledger.loads import Origin
from loader.pages import choices
from loader.pages.fields import first_values, row_rules
from loader.pages.masking import Mask

forms = Blueprint("forms", __name__)

#: How long a form waits: for a load into the same table, or a second click for the first one's.
_WAIT_SECONDS = 5.0
_NONCE = re.compile(r"[0-9a-f]{32}")


@forms.get("/<source>/<table>/new")
def new(source: str, table: str) -> ResponseReturnValue:
    """An empty form; ``?like=LOAD`` fills it with the row that a load brought."""
    target = opened(source, table, "form")
    entry = Entry(first_values(target))
    like = request.args.get("like", "")
    if like.isascii() and like.isdigit() and len(like) < 19:
        entry.typed = _values_of(target, int(like)) | entry.typed
    return _page(target, entry)


@forms.post("/<source>/<table>/new")
def create(source: str, table: str) -> ResponseReturnValue:
    """Judge the row; load it if it may come in, else show the form with what is wrong."""
    target, contract = opened(source, table, "form"), gatehouse().contract()
    fields = fields_of(target)
    entry = read(fields, request.form)
    row, unsure = as_row(fields, entry)
    origin = _origin(row, request.form.get("nonce", ""))
    try:
        with patience(_WAIT_SECONDS) as seconds_left:
            receipt = _load(contract, target, row, origin, Options(dry_run=True), seconds_left)
            if receipt.load_id is None and receipt.waiting and "keep" in request.form and not unsure:
                receipt = _load(contract, target, row, origin, Options("quarantine"), seconds_left)
            elif receipt.load_id is None and receipt.clean and not unsure:
                receipt = _load(contract, target, row, origin, Options("refuse"), seconds_left)
    except LoadFailed as error:
        entry.faults[None] = [f"{error.outcome}: {error.message}. What you typed is still here."]
        return _page(target, entry), 503
    except StillRunning:
        abort(409, "Your row is still being loaded. The list of loads will show it in a moment.")
    if receipt.load_id is not None and receipt.status != "refused":
        return redirect(url_for("pages.load", load_id=receipt.load_id), 303)
    note_faults(entry, receipt, unsure, fields, Mask(target))
    return _page(target, entry), 422


@forms.get("/<source>/<table>/choices/<column>")
def pick(source: str, table: str, column: str) -> ResponseReturnValue:
    """Rows of a column's parent table that fit ``?q=``: key and words of at most 20, and
    whether a row with that value would wait for its parent."""
    target = opened(source, table, "form")
    found = next((f for f in fields_of(target) if f.column.name == column), None)
    relationship = target.relationship_of(column)
    if found is None or found.parent is None or relationship is None:
        abort(404, f"{column} is not picked from another table.")
    words = request.args.get("q", "").strip()[:100]
    key, waits = relationship.parent_columns[0], False
    with gatehouse().engine.connect() as connection:
        rows = choices.search(connection, found.parent, key, words)
    if words and not rows:  # on a connection of its own: a search that took too long spoils its own
        with gatehouse().engine.connect() as connection:
            same = choices.find(connection, found.parent, key, words)  # 007 is 7
            rows = [same] if same else []
            waits = not same and choices.fits(connection, found.column, words)
    return jsonify({"choices": [vars(row) for row in rows], "waits": waits})


def _origin(row: dict[str, str | None], nonce: str) -> Origin:
    """One sending of one form: the same again is the same load, changed values are another."""
    content = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
    nonce = nonce if _NONCE.fullmatch(nonce) else secrets.token_hex(16)
    return Origin("form", g.principal, None, content, f"form-{nonce}-{content[:32]}")


class _OneRow:
    """A decoder of a row that is in hand already."""

    def __init__(self, row: dict[str, str | None]) -> None:
        self.columns = tuple(row)
        self.found = None
        self._row = row

    def __iter__(self) -> Iterator[Batch]:
        piece = Piece(self.columns)
        piece.add(1, list(self._row.values()))
        yield piece.batch()


def _load(
    contract: Contract,
    table: Table,
    row: dict[str, str | None],
    origin: Origin,
    options: Options,
    seconds_left: Callable[[], float],
) -> Receipt:
    """Load the row. While an equal sending of the same form runs, wait for its receipt."""
    give_up = time.monotonic() + seconds_left()
    while True:
        try:
            engine = gatehouse().engine
            return load(engine, contract, table, lambda: _OneRow(row), origin, options, lock_seconds=seconds_left())
        except StillRunning:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def _page(table: Table, entry: Entry) -> str:
    fields = fields_of(table)
    return render_template(
        "form.html",
        table=table,
        fields=fields,
        row_rules=row_rules(table),
        entry=entry,
        picked=picked(table, fields, entry),
        # a new one on every page: what is sent from it is a sending of its own
        nonce=secrets.token_hex(16),
    )


def _values_of(table: Table, load_id: int) -> dict[str, str]:
    """The row that a load of one row brought, as a form shows it; nothing personal, and no
    column with a format of its own."""
    shown = [c for c in table.columns if c.pii != "direct" and c.type.format is None]
    columns = ", ".join(
        f"replace(({c.sql} at time zone {literal(c.type.timezone or 'UTC')})::text, ' ', 'T')"
        if c.type.family == "timestamptz"
        else f"to_json({c.sql})::text" if c.type.family == "array"
        else f"replace({c.sql}::text, ' ', 'T')" if c.type.family == "timestamp" else f"{c.sql}::text"
        for c in shown
    )  # fmt: skip
    if not columns:
        return {}
    with gatehouse().engine.connect() as connection:
        rows = fetch(
            connection,
            f"select {columns} from {table.mirror} where {identifier('_load_id')} = {load_id} limit 2",
        )
    if len(rows) != 1:
        return {}
    return {column.name: value for column, value in zip(shown, rows[0], strict=True) if value is not None}
