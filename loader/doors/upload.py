"""The door for files at the pages: one file, chosen or dropped, into one table.

The file is on disk before anything is done with it, so who hangs up leaves nothing behind; then
it takes the path of every load. While that runs, the page asks how far it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import PurePath
from typing import BinaryIO, cast

from flask import Blueprint, abort, current_app, g, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage, MultiDict

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.opened import opened
from loader.doors.patience import patience
from loader.intake.decode import OPTIONS, SUFFIXES, ReadFailure, Said, format_of_file
from loader.intake.load import LoadFailed, Options, StillRunning, load_stream
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin, find_by_key, newest_with_key
from loader.ledger.models import Progress
from loader.ledger.progress import running_loads
from loader.pages.masking import Mask

uploads = Blueprint("uploads", __name__)

#: How long an upload waits for another load into the same table.
_WAIT_SECONDS = 5.0
_NONCE = re.compile(r"[0-9a-f]{32}")
_LISTED = 20
_LONGEST_NAME = 255


@dataclass
class Sending:
    """What was chosen on the page, and what came of it."""

    on_reject: str = "quarantine"
    dry_run: bool = False
    again: bool = False
    said: dict[str, str] = field(default_factory=dict)
    #: What is wrong, and what to do: sentences.
    faults: list[str] = field(default_factory=list)
    #: Whether the database went away before it said what became of the load.
    is_unknown: bool = False
    #: The failed load that the ledger keeps.
    failed_load: int | None = None
    #: Of a dry run, or of the load that brought the same file before.
    receipt: Receipt | None = None


@uploads.get("/<source>/<table>/upload")
def new(source: str, table: str) -> ResponseReturnValue:
    """The page to choose a file on."""
    return _page(opened(source, table, "file"), Sending())


@uploads.post("/<source>/<table>/upload")
def send(source: str, table: str) -> ResponseReturnValue:
    """Load the file; its receipt, or what stands in its way."""
    target = opened(source, table, "file")
    sending = _read(request.form)
    file = request.files.get("file")
    if file is None or not file.filename:
        sending.faults = ["Choose a file first"]
        return _page(target, sending), 422
    name = _name(file)
    try:
        format_, said = format_of_file(name), Said.of(**sending.said)
    except ReadFailure as error:
        sending.faults = [f"Nothing was loaded: {error}"]
        return _page(target, sending), 422
    digest = hashlib.file_digest(cast("BufferedReader", file.stream), "sha256").hexdigest()
    file.stream.seek(0)
    origin = Origin("file", g.principal, name, digest, _key(request.form.get("nonce", ""), digest, sending))
    return _load(target, cast("BinaryIO", file.stream), format_, origin, sending, said)


def _load(
    table: Table, body: BinaryIO, format_: str, origin: Origin, sending: Sending, said: Said
) -> ResponseReturnValue:
    here, options = gatehouse(), Options(sending.on_reject, sending.dry_run)
    try:
        with patience(_WAIT_SECONDS) as seconds_left:
            receipt = load_stream(
                here.engine, here.contract(), table, body, format_, origin, options,
                lock_seconds=seconds_left(), said=said, unless_loaded=not (sending.again or sending.dry_run),
            )  # fmt: skip
    except LoadFailed as error:
        sending.faults = [f"{error.outcome}: {Mask(table).failure(error.message)}"]
        sending.is_unknown = error.is_unknown
        sending.failed_load = error.load_id
        if not error.is_body:
            current_app.logger.error("upload into %s by %s: %s", table.id, g.principal, error.message)
        return _page(table, sending), 422 if error.is_body else 503
    except StillRunning:
        abort(409, "Your file is still being loaded. The list of loads will show it in a moment.")
    if receipt.load_id is not None and not (receipt.repeated and _came_otherwise(table, origin, receipt.load_id)):
        return redirect(url_for("pages.load", load_id=receipt.load_id), 303)
    sending.receipt = receipt
    return _page(table, sending)


def _came_otherwise(table: Table, origin: Origin, load_id: int) -> bool:
    """Whether a load that was not done again came by another sending than this one, clicked twice."""
    with gatehouse().engine.connect() as connection:
        own = find_by_key(connection, table, origin.principal, origin.idempotency_key or "")
    return own is None or own.load_id != load_id


@uploads.get("/<source>/<table>/upload/progress")
def progress(source: str, table: str) -> ResponseReturnValue:
    """How far the reader's own file is: ``?sending=NONCE``. ``rows``, ``rows_per_second`` and
    ``share`` (0 to 1, or nothing) while it runs, ``load`` (the receipt's address) once it has ended."""
    target, nonce = opened(source, table, "file"), request.args.get("sending", "")
    if not _NONCE.fullmatch(nonce):
        abort(400, "'sending' is what the page sent with the file.")
    prefix = _prefix(nonce)
    with gatehouse().engine.connect() as connection:
        running = running_loads(
            connection,
            Progress.source == target.source,
            Progress.table_name == target.name,
            Progress.principal == g.principal,
            Progress.idempotency_key.startswith(prefix, autoescape=True),
        )
        load_id = newest_with_key(connection, target, g.principal, prefix)
    if load_id is not None:
        return jsonify({"load": url_for("pages.load", load_id=load_id)})
    if not running:
        return jsonify({})
    told = running[0]
    share = told.bytes / told.size if told.size and told.bytes is not None else None
    return jsonify({"rows": told.rows, "rows_per_second": told.rows_per_second, "share": share})


def _read(form: MultiDict[str, str]) -> Sending:
    return Sending(
        "refuse" if form.get("on_reject") == "refuse" else "quarantine",
        "dry_run" in form,
        "again" in form,
        {name: form[name].strip() for name in OPTIONS if form.get(name, "").strip()},
    )


def _name(file: FileStorage) -> str:
    """The file's own name; some browsers send its folders, too."""
    name = PurePath((file.filename or "").replace("\\", "/").replace("\0", "")).name
    return name[-_LONGEST_NAME:]


def _prefix(nonce: str) -> str:
    return f"upload-{nonce}-"


def _key(nonce: str, digest: str, sending: Sending) -> str:
    """One sending of one page: a second click is the same load, another file or choice is another."""
    nonce = nonce if _NONCE.fullmatch(nonce) else secrets.token_hex(16)
    chosen = repr((digest, sending.on_reject, sending.dry_run, sending.again, sorted(sending.said.items())))
    return _prefix(nonce) + hashlib.sha256(chosen.encode()).hexdigest()[:32]


def _page(table: Table, sending: Sending) -> str:
    return render_template(
        "upload.html",
        table=table,
        sending=sending,
        mask=Mask(table),
        listed=_LISTED,
        suffixes=SUFFIXES,
        nonce=secrets.token_hex(16),
    )
