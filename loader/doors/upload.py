"""The door for files at the pages: one file, chosen, dropped or pasted, into one table.

The file is on disk before anything is done with it, so who hangs up leaves nothing behind. Then it is
kept, to be looked at first (:mod:`~loader.doors.imports`), or takes the path of every load. While that
runs, the page asks how far it is.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from flask import Blueprint, abort, current_app, g, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage, MultiDict

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.empty_sheet import csv_of, write_xlsx
from loader.doors.kept_files import KeptFile, KeptFiles
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
#: Rows of a try that a page lists, one by one.
LISTED = 20
#: The name that pasted cells go under.
PASTED = "pasted cells.csv"
_LONGEST_NAME = 255
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


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
    #: That the answer has.
    status: int = 200
    #: Of a dry run, or of the load that brought the same file before.
    receipt: Receipt | None = None


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
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    write_xlsx(target, file)
    file.seek(0)
    return send_file(file, _XLSX, as_attachment=True, download_name=name)


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
    origin = Origin(
        "file", g.principal, name, said.content(digest), key_of(request.form.get("nonce", ""), digest, sending)
    )
    if came := bring(target, body, format_, origin, sending, said):
        return came
    return _page(target, sending), sending.status


def look_at(table: Table, kept: KeptFile, sending: Sending) -> str:
    """The page to look at a kept file on, read as was said."""
    said: dict[str, Any] = {name: word for name, word in sending.said.items() if name != "columns"}
    if sending.again:
        said["again"] = "yes"
    return url_for(
        "imports.show", source=table.source, table=table.name, key=kept.key, on_reject=sending.on_reject, **said
    )


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


def bring(
    table: Table, body: BinaryIO, format_: str, origin: Origin, sending: Sending, said: Said
) -> ResponseReturnValue | None:
    """Load or try a body: the way to its receipt, or ``None`` when ``sending`` has what is to be said."""
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
        sending.status = 422 if error.is_body else 503
        if not error.is_body:
            current_app.logger.error("upload into %s by %s: %s", table.id, g.principal, error.message)
        return None
    except StillRunning:
        abort(409, "Your file is still being loaded. The list of loads will show it in a moment.")
    sending.receipt = receipt
    if receipt.load_id is not None and not (receipt.repeated and _came_otherwise(table, origin, receipt.load_id)):
        return redirect(url_for("pages.load", load_id=receipt.load_id), 303)
    return None


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


def read_choices(form: MultiDict[str, str]) -> Sending:
    """What was chosen on a page for files."""
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


def key_of(nonce: str, digest: str, sending: Sending) -> str:
    """The Idempotency-Key of one sending of one page.

    A second click is the same load, another file or choice is another.
    """
    nonce = nonce if _NONCE.fullmatch(nonce) else secrets.token_hex(16)
    chosen = repr((digest, sending.on_reject, sending.dry_run, sending.again, sorted(sending.said.items())))
    return _prefix(nonce) + hashlib.sha256(chosen.encode()).hexdigest()[:32]


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
