"""A file that is looked at before it is loaded: which of its columns is which, tried, and then loaded.

What is said of a file's columns stands in the page's form alone until the file has been loaded; then
it is remembered for the table, and proposed when a file with such columns comes again.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import BinaryIO

from flask import Blueprint, abort, current_app, g, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from loader.app import gatehouse
from loader.contract.likeness import propose
from loader.contract.model import Table
from loader.doors.kept_files import KeptFile, KeptFiles
from loader.doors.opened import opened
from loader.doors.sending import LISTED, Sending, bring, look_at, origin_of, read_choices
from loader.intake.decode import ReadFailure, Said, format_of_file
from loader.intake.decode.base import storable
from loader.intake.decode.look import Look, look
from loader.ledger.file_columns import remember, said_before
from loader.pages.masking import Mask

imports = Blueprint("imports", __name__)

#: First rows that are shown, and first values beside a column's name.
ROWS, VALUES = 8, 3
#: What is hardly a column's name: a number, a date, an address.
_VALUE = re.compile(r"^[-+]?[0-9][0-9.,:/ TZ-]*$|[^ ]@[^ ]")


@dataclass(frozen=True)
class Shown:
    """A column of the file: its place from 0, its name and first values, the table's column that it may be, and
    how often the name comes: of several columns of one name none can be meant."""

    place: int
    name: str
    values: tuple[str, ...]
    target: str | None
    times: int


@imports.get("/<source>/<table>/import/<key>")
def show(source: str, table: str, key: str) -> ResponseReturnValue:
    """The file's first rows, and what its columns are likely to be."""
    target = opened(source, table, "file")
    kept, sending = _kept(target, key), read_choices(request.args)
    try:
        seen = _look(target, kept, sending)
    except ReadFailure as error:
        sending.faults = [f"The file can't be read: {error}"]
        return _page(target, kept, sending, None, {}), 422
    with gatehouse().engine.connect() as connection:
        known = said_before(connection, target, seen.names)
    return _page(target, kept, sending, seen, propose(seen.names, target.columns, known))


@imports.post("/<source>/<table>/import/<key>")
def act(source: str, table: str, key: str) -> ResponseReturnValue:
    """Read the file anew as was said, try it, or load it."""
    target = opened(source, table, "file")
    kept, sending = _kept(target, key), read_choices(request.form)
    what = request.form.get("do")
    try:
        seen = _look(target, kept, sending)
    except ReadFailure:
        return redirect(look_at(target, kept, sending), 303)  # which says what is wrong
    if request.form.get("names") != _stamp(seen):
        return redirect(look_at(target, kept, sending), 303)  # what was said is of other columns
    meant = {name: request.form.get(f"to-{place}") or None for name, place in _places(seen).items()}
    if what not in ("load", "try"):
        return _page(target, kept, sending, seen, meant)
    sending.dry_run = what == "try"
    came = _bring(target, kept, sending, meant)
    if came is None:
        return _page(target, kept, sending, seen, meant), sending.status
    if sending.receipt is not None and sending.receipt.status == "succeeded":
        _files().drop(kept)
        try:
            with gatehouse().engine.begin() as connection:
                remember(connection, target, meant, g.principal)
        except SQLAlchemyError as error:  # the file is loaded, whatever is proposed the next time
            current_app.logger.error("columns of a file for %s could not be remembered: %s", target.id, error)
    return came


def _bring(table: Table, kept: KeptFile, sending: Sending, meant: dict[str, str | None]) -> ResponseReturnValue | None:
    """Try or load the file with its columns as they are meant; ``None``: ``sending`` says what came of it."""
    missing = [column.label for column in table.columns if column.required and column.name not in meant.values()]
    sending.faults = [f"Say which column of the file is {label}: it may not be empty" for label in missing]
    if not missing:
        try:
            said = Said.of(**sending.said, columns=json.dumps(meant))
        except ReadFailure as error:
            sending.faults = [f"Nothing was loaded: {error}"]
    if sending.faults:
        sending.status = 422
        return None
    with _opened(kept) as body:
        origin = origin_of(kept.name, kept.digest, sending, said)
        return bring(table, body, format_of_file(kept.name), origin, sending, said)


_GONE = "This file is not here any more: it has been loaded, or a day has gone by. Bring it again."


def _files() -> KeptFiles:
    return KeptFiles(gatehouse().settings.state_dir)


def _kept(table: Table, key: str) -> KeptFile:
    found = _files().find(key, g.principal, table)
    if found is None:
        abort(404, _GONE)
    return found


def _opened(kept: KeptFile) -> BinaryIO:
    try:
        return kept.path.open("rb")
    except OSError:
        abort(404, _GONE)


def _look(table: Table, kept: KeptFile, sending: Sending) -> Look:
    with _opened(kept) as body:
        return look(body, table, format_of_file(kept.name), Said.of(**sending.said), ROWS)


def _places(seen: Look) -> dict[str, int]:
    """Each name, and where it stands first, from 0."""
    places: dict[str, int] = {}
    for place, name in enumerate(seen.names):
        places.setdefault(name, place)
    return places


def _stamp(seen: Look) -> str:
    """What tells the names that a page was made of from others."""
    return hashlib.sha256(json.dumps(seen.names).encode()).hexdigest()[:16]


def _page(table: Table, kept: KeptFile, sending: Sending, seen: Look | None, meant: dict[str, str | None]) -> str:
    columns = [_column(seen, name, place, meant[name]) for name, place in _places(seen).items()] if seen else []
    names = seen.names if seen else ()
    blank = sum(not name.strip() for name in names)
    return render_template(
        "import.html",
        table=table,
        file=kept,
        sending=sending,
        seen=seen,
        stamp=_stamp(seen) if seen else "",
        may_be_lower=seen is not None and (not seen.rows or 2 * blank > len(names)),
        names=[storable(name) for name in names],
        may_be_row=[storable(name) for name in names if _VALUE.search(name)][:3],
        columns=columns,
        missing=[column for column in table.columns if column.required and column.name not in meant.values()],
        mask=Mask(table),
        listed=LISTED,
        nonce=secrets.token_hex(16),
    )


def _column(seen: Look, name: str, place: int, target: str | None) -> Shown:
    values = (row[place] for row in seen.rows)
    first = tuple(value for value in values if value)[:VALUES]
    return Shown(place, storable(name), first, target, seen.names.count(name))
