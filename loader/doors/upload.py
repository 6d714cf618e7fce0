"""The door for files at the pages: one file, chosen, dropped or pasted, into one table.

The file is on disk before anything is done with it, so who hangs up leaves nothing behind. Then it is
kept, to be looked at first (:mod:`~loader.doors.imports`), or takes the path of every load. While that
runs, the page asks how far it is.
"""

from __future__ import annotations

import hashlib
import secrets
from io import BufferedReader, BytesIO
from pathlib import PurePath
from typing import BinaryIO, cast

from flask import Blueprint, abort, current_app, g, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.empty_sheet import csv_of, fill
from loader.doors.kept_files import KeptFiles
from loader.doors.opened import opened
from loader.doors.sending import LISTED, NONCE, Sending, bring, look_at, origin_of, prefix, read_choices
from loader.doors.workbook import send_workbook
from loader.intake.decode import SUFFIXES, ReadFailure, Said, format_of_file
from loader.ledger.loads import newest_with_key
from loader.ledger.models import Progress
from loader.ledger.progress import running_loads
from loader.pages.masking import Mask

uploads = Blueprint("uploads", __name__)

#: The name that pasted cells go under.
PASTED = "pasted cells.csv"
_LONGEST_NAME = 255


@uploads.get("/<source>/<table>/upload")
def new(source: str, table: str) -> ResponseReturnValue:
    """The page to choose a file on."""
    return _page(opened(source, table, "file"), Sending())


@uploads.get("/<source>/<table>/template.<kind>")
def template(source: str, table: str, kind: str) -> ResponseReturnValue:
    """An empty sheet to fill: ``csv``, or ``xlsx`` with the contract's choices in it."""
    target, name = opened(source, table, "file"), f"{source}-{table}.{kind}"
    if kind == "csv":
        return send_file(BytesIO(csv_of(target)), "text/csv", as_attachment=True, download_name=name)
    if kind != "xlsx":
        abort(404, "A template is a .csv or an .xlsx file.")
    return send_workbook(name, lambda book: fill(target, book))


@uploads.post("/<source>/<table>/upload")
def send(source: str, table: str) -> ResponseReturnValue:
    """Load the file: its receipt, or what stands in its way. With ``look``, keep it to be looked at first."""
    target = opened(source, table, "file")
    sending = read_choices(request.form)
    brought = _brought(sending)
    if brought is None:
        sending.faults = ["Choose a file first, or paste cells"]
        return _page(target, sending), 422
    name, body = brought
    try:
        format_, said = format_of_file(name), Said.of(**sending.said)
    except ReadFailure as error:
        sending.faults = [f"Nothing was loaded: {error}"]
        return _page(target, sending), 422
    if "look" in request.form:
        try:
            kept = KeptFiles(gatehouse().settings.state_dir).keep(body, name, g.principal, target)
        except OSError as error:
            current_app.logger.error("a file for %s by %s could not be kept: %s", target.id, g.principal, error)
            sending.faults = [f"This server has no room for the file ({error.strerror or error})"]
            return _page(target, sending), 503
        return redirect(look_at(target, kept, sending), 303)
    digest = hashlib.file_digest(cast("BufferedReader", body), "sha256").hexdigest()
    body.seek(0)
    if came := bring(target, body, format_, origin_of(name, digest, sending, said), sending, said):
        return came
    return _page(target, sending), sending.status


def _brought(sending: Sending) -> tuple[str, BinaryIO] | None:
    """The name and content of what came: a file, or cells that were pasted, as a spreadsheet hands them out."""
    file = request.files.get("file")
    if file is not None and file.filename:
        return _name(file), cast("BinaryIO", file.stream)
    pasted = request.form.get("pasted", "")
    if pasted.strip():
        if "\t" in pasted:  # as spreadsheets hand cells out; a comma is then a value's own
            sending.said.setdefault("separator", "tab")
        return PASTED, BytesIO(pasted.encode("utf-8", "surrogatepass"))
    return None


@uploads.get("/<source>/<table>/upload/progress")
def progress(source: str, table: str) -> ResponseReturnValue:
    """How far the reader's own file is: ``?sending=NONCE``. ``rows``, ``rows_per_second`` and
    ``share`` (0 to 1, or nothing) while it runs, ``load`` (the receipt's address) once it has ended."""
    target, nonce = opened(source, table, "file"), request.args.get("sending", "")
    if not NONCE.fullmatch(nonce):
        abort(400, "'sending' is what the page sent with the file.")
    begin = prefix(nonce)
    with gatehouse().engine.connect() as connection:
        running = running_loads(
            connection,
            Progress.source == target.source,
            Progress.table_name == target.name,
            Progress.principal == g.principal,
            Progress.idempotency_key.startswith(begin, autoescape=True),
        )
        load_id = newest_with_key(connection, target, g.principal, begin)
    if load_id is not None:
        return jsonify({"load": url_for("pages.load", load_id=load_id)})
    if not running:
        return jsonify({})
    told = running[0]
    share = told.bytes / told.size if told.size and told.bytes is not None else None
    return jsonify({"rows": told.rows, "rows_per_second": told.rows_per_second, "share": share})


def _name(file: FileStorage) -> str:
    """The file's own name; some browsers send its folders, too."""
    name = PurePath((file.filename or "").replace("\\", "/").replace("\0", "")).name
    return name[-_LONGEST_NAME:]


def _page(table: Table, sending: Sending) -> str:
    return render_template(
        "upload.html",
        table=table,
        sending=sending,
        mask=Mask(table),
        listed=LISTED,
        suffixes=SUFFIXES,
        nonce=secrets.token_hex(16),
    )
