"""What the pages for files have in common: what was chosen, where the file comes from, and the load itself."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from flask import abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.kept_files import KeptFile
from loader.doors.patience import patience
from loader.intake.decode import DIALECT, Said
from loader.intake.load import LoadFailed, Options, StillRunning, load_stream
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin, find_by_key
from loader.pages.masking import Mask

#: Rows of a try that a page lists, one by one.
LISTED = 20
#: What a page sends with a file, to be asked about it.
NONCE = re.compile(r"[0-9a-f]{32}")
#: How long a file waits for another load into the same table.
_WAIT_SECONDS = 5.0


@dataclass
class Sending:
    """What was chosen on the page, and what came of it."""

    on_reject: str = "quarantine"
    dry_run: bool = False
    again: bool = False
    #: How the file is written, in the words of :data:`~loader.intake.decode.DIALECT`.
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


def read_choices(form: MultiDict[str, str]) -> Sending:
    """What was chosen on a page for files."""
    return Sending(
        "refuse" if form.get("on_reject") == "refuse" else "quarantine",
        "dry_run" in form,
        "again" in form,
        {name: form[name].strip() for name in DIALECT if form.get(name, "").strip()},
    )


def look_at(table: Table, kept: KeptFile, sending: Sending) -> str:
    """The page to look at a kept file on, read as was said."""
    chosen: dict[str, Any] = {**sending.said, "on_reject": sending.on_reject}
    if sending.again:
        chosen["again"] = "yes"
    return url_for("imports.show", source=table.source, table=table.name, key=kept.key, **chosen)


def prefix(nonce: str) -> str:
    """How the Idempotency-Keys of one sending of a page begin."""
    return f"upload-{nonce}-"


def origin_of(name: str, digest: str, sending: Sending, said: Said) -> Origin:
    """Where a file of this SHA-256 comes from, under the key of one sending of one page.

    A second click is the same load, another file or choice is another.
    """
    nonce, content = request.form.get("nonce", ""), said.content(digest)
    nonce = nonce if NONCE.fullmatch(nonce) else secrets.token_hex(16)
    chosen = repr((content, sending.on_reject, sending.dry_run, sending.again, sorted(sending.said.items())))
    key = prefix(nonce) + hashlib.sha256(chosen.encode()).hexdigest()[:32]
    return Origin("file", g.principal, name, content, key)


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
