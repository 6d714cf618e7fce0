"""The HTTP API: one call a batch, safe to repeat."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from typing import IO, Any, cast

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue

from loader.app import gatehouse, require
from loader.doors import problems
from loader.doors.asked import FILTERS, LOCK_SECONDS, PAGE, filtered, integer, only, table_of, timed
from loader.doors.openapi import KEY_PATTERN, describe_table, openapi
from loader.doors.patience import patience
from loader.doors.problems import problem
from loader.intake.decode import IN_ORDER, MEDIA_TYPES, OPTIONS, ReadFailure, Said
from loader.intake.delete import why_not
from loader.intake.load import (
    KeyReused,
    LoadFailed,
    Options,
    StillRunning,
    load_stream,
)
from loader.intake.receipt import Receipt
from loader.intake.undo import NoSuchLoad, UndoRefused, undo
from loader.ledger.loads import Origin, read_receipt
from loader.ledger.models import LOAD_STATUSES, Load, Progress
from loader.ledger.progress import running_load, running_loads

api = Blueprint("api", __name__)
problems.register(api)

_CHUNK = 1 << 20
_IN_MEMORY = 4 << 20
_KEY = re.compile(KEY_PATTERN)


@api.post("/loads/<source>/<table>")
def post_load(source: str, table: str) -> ResponseReturnValue:
    """Load a body into a table; the receipt says what became of each row."""
    require("delete" if request.args.get("op") == "delete" else "load", source, table)
    target = table_of(source, table)
    if closed := target.closed_to("api"):
        return problem(403, closed)
    format_ = MEDIA_TYPES.get(request.mimetype)
    packing = (request.content_encoding or "identity").lower()
    if format_ is None or packing not in ("identity", "gzip"):
        return problem(415, f"Send one of: {', '.join(MEDIA_TYPES)}, as it is or with Content-Encoding: gzip.")
    if packing == "gzip":
        if format_ == "zip":
            return problem(415, "A zip archive is packed already: send it without Content-Encoding.")
        format_ += ".gz"
    chosen = _chosen(_LOAD_OPTIONS, OPTIONS)
    options = Options(
        chosen["on_reject"] or "quarantine", chosen["dry_run"] == "true", chosen["op"] or "load", chosen["cascade"],
    )  # fmt: skip
    try:
        said = _said(chosen, format_)
    except ReadFailure as error:
        return problem(400, f"Nothing was loaded: {error}.")
    if options.op == "delete" and (reason := why_not(target)):
        return problem(422, f"{reason}.")
    if options.op == "load" and options.cascade:
        return problem(400, "cascade belongs to op=delete.")
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        return problem(400, "An Idempotency-Key has 1 to 255 characters, and none that controls a terminal.")
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
        try:
            digest = _spool(body)
        except OSError as error:
            current_app.logger.error("a body for %s by %s could not be kept: %s", target.id, g.principal, error)
            return problem(
                503, f"Nothing was loaded: this server has no room for the body ({error.strerror or error})."
            )
        origin = Origin("api", g.principal, None, said.content(digest), key)
        here = gatehouse()
        try:
            with patience(LOCK_SECONDS) as seconds_left:
                receipt = load_stream(
                    here.engine,
                    here.contract(),
                    target,
                    cast("Any", body),
                    format_,
                    origin,
                    options,
                    lock_seconds=seconds_left(),
                    said=said,
                )
        except LoadFailed as error:
            if error.is_body:
                return problem(400, f"Nothing was loaded: {error.message}.", load_id=error.load_id)
            current_app.logger.error("load into %s by %s, key %s: %s", target.id, g.principal, key, error.message)
            return problem(503, f"{error.outcome}: {error.message}.", load_id=error.load_id)
        except KeyReused as error:
            return problem(422, f"{error}. Nothing was loaded.")
        except StillRunning as error:
            return problem(409, f"{error}. Ask again in a moment.")
    return _receipt_response(receipt)


def _said(chosen: dict[str, str | None], format_: str) -> Said:
    """What the query says of the body, and its type's ``charset``; raises :class:`ReadFailure`."""
    said = Said.of(**{name: chosen[name] for name in OPTIONS})
    charset = request.mimetype_params.get("charset")
    if charset is None or format_.partition(".")[0] not in IN_ORDER:
        return said
    stated = Said.of(encoding=charset)
    if said.encoding not in (None, stated.encoding):
        raise ReadFailure(f"Content-Type says charset {charset}, and the option encoding says {said.encoding}")
    return replace(said, encoding=stated.encoding)


_LOAD_OPTIONS = {
    "on_reject": ("quarantine", "refuse"),
    "dry_run": ("true", "false"),
    "op": ("load", "delete"),
    "cascade": ("wait",),
}
_UNDO_OPTIONS = {name: _LOAD_OPTIONS[name] for name in ("dry_run", "cascade")}


def _chosen(options: dict[str, tuple[str, ...]], free: Iterable[str] = ()) -> dict[str, str | None]:
    """The query's options, each one of those it may be or ``None``; anything else ends the request.

    ``free`` ones are judged by who reads them.
    """
    names = [*options, *free]
    only(names)
    given = request.args.to_dict()
    for name, values in options.items():
        if given.get(name, values[0]) not in values:
            abort(400, f"{name} is {' or '.join(f'`{value}`' for value in values)}.")
    return {name: given.get(name) for name in names}


@api.post("/loads/<int:load_id>/undo")
def post_undo(load_id: int) -> ResponseReturnValue:
    """Undo a load, or say what that would change: ``?dry_run=true``."""
    chosen = _chosen(_UNDO_OPTIONS)
    here = gatehouse()
    contract = here.contract()
    receipt = _receipt_of(load_id, "undo")
    table = contract.tables.get((receipt.source, receipt.table))
    if table is not None and (closed := table.closed_to("api")):
        return problem(403, closed)
    try:
        with patience(LOCK_SECONDS) as seconds_left:
            undone = undo(
                here.engine, contract, load_id, g.principal, chosen["cascade"], chosen["dry_run"] == "true",
                lock_seconds=seconds_left(),
            )  # fmt: skip
    except NoSuchLoad as error:
        return problem(404, str(error))
    except UndoRefused as error:
        plan = {"plan": error.plan.as_dict()} if error.plan is not None else {}
        return problem(409, f"Nothing was changed: {error}.", **plan)
    except LoadFailed as error:
        current_app.logger.error("undo of load %s by %s: %s", load_id, g.principal, error.message)
        return problem(503, f"{error.outcome}: {error.message}.", load_id=error.load_id)
    response = jsonify({**undone.receipt.as_dict(), "plan": undone.plan.as_dict() if undone.plan else None})
    if undone.receipt.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    elif undone.receipt.load_id is not None:
        response.status_code = 201
        response.headers["Location"] = f"/api/v1/loads/{undone.receipt.load_id}"
    return response


def _spool(body: IO[bytes]) -> str:
    """Take the whole body before anything is done: who hangs up leaves nothing behind."""
    digest, size = hashlib.sha256(), 0
    while piece := request.stream.read(_CHUNK):
        digest.update(piece)
        size += len(piece)
        body.write(piece)
    if request.content_length is not None and size < request.content_length:
        abort(400, "The body ended before its Content-Length. Nothing was loaded.")
    body.seek(0)
    return digest.hexdigest()


def _receipt_response(receipt: Receipt) -> ResponseReturnValue:
    if receipt.status == "refused":
        response = problem(
            422,
            "The load was refused whole: nothing was loaded, and every row is kept.",
            receipt=receipt.as_dict(),
        )
    else:
        response = jsonify(receipt.as_dict())
    if receipt.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    elif receipt.status == "succeeded":
        response.status_code = 201
        response.headers["Location"] = f"/api/v1/loads/{receipt.load_id}"
    return response


@api.get("/loads")
def get_loads() -> ResponseReturnValue:
    """The latest loads, newest first; ``before`` a load_id for the page after.

    ``status=running`` lists those that run, which the ledger does not show yet, and
    ``idempotency_key`` the caller's own of that key, running or not.
    """
    only((*FILTERS, "before", "limit", "idempotency_key"))
    query = sa.select(Load.__table__).order_by(Load.load_id.desc())
    query = filtered(query, Load, LOAD_STATUSES).where(g.who.reads(Load))
    if "before" in request.args:
        query = query.where(Load.load_id < integer("before"))
    if "idempotency_key" in request.args:
        query = query.where(Load.principal == g.principal, Load.idempotency_key == request.args["idempotency_key"])
    limit = integer("limit", PAGE, 1000)
    with gatehouse().engine.connect() as connection:
        running = _running(connection)  # first: what ends meanwhile is in the ledger
        rows = [timed(_own_key(dict(row))) for row in connection.execute(query.limit(limit)).mappings()]
    ended = {row["load_id"] for row in rows}
    return jsonify({"loads": [*(row for row in running if row["load_id"] not in ended), *rows][:limit]})


def _running(connection: sa.Connection) -> list[dict[str, Any]]:
    """The loads that run, of those asked for, with the columns of the ledger and ``progress``."""
    asked = request.args
    if "before" in asked or asked.get("status", "running") != "running" or not {"status", "idempotency_key"} & {*asked}:
        return []
    conditions = [g.who.reads(Progress)]
    conditions += [
        (Progress.table_name if name == "table" else Progress.source) == asked[name]
        for name in ("source", "table")
        if name in asked
    ]
    if "idempotency_key" in asked:
        conditions += [Progress.principal == g.principal, Progress.idempotency_key == asked["idempotency_key"]]
    return [
        dict.fromkeys(Load.__table__.columns.keys())
        | {
            "load_id": load.load_id, "source": load.source, "table_name": load.table, "door": load.door,
            "principal": load.principal, "status": "running",
            "idempotency_key": load.idempotency_key if load.principal == g.principal else None,
            "received": load.rows, "accepted": 0, "waiting": 0, "rejected": 0, "duplicates": 0, "warnings": [],
            "started_at": load.started_at.isoformat(), "progress": load.progress(),
        }
        for load in running_loads(connection, *conditions)
    ]  # fmt: skip


@api.get("/loads/<int:load_id>")
def get_load(load_id: int) -> ResponseReturnValue:
    """The receipt of a load, as it was first given; of one that runs, how far it is."""
    only(())
    if load_id >= 2**63:
        return problem(404, f"There is no load {load_id}.")
    with gatehouse().engine.connect() as connection:
        running = running_load(connection, load_id)  # first: what ends meanwhile is in the ledger
        receipt = read_receipt(connection, load_id)
    if receipt is not None:
        _require_of_load(load_id, "read", receipt.source, receipt.table)
        return jsonify(receipt.as_dict())
    if running is None:
        return problem(404, f"There is no load {load_id}.")
    _require_of_load(load_id, "read", running.source, running.table)
    return jsonify(running.receipt().as_dict() | {"progress": running.progress()})


def _receipt_of(load_id: int, action: str) -> Receipt:
    """The receipt of a load into a table with which who comes may do this."""
    with gatehouse().engine.connect() as connection:
        receipt = read_receipt(connection, load_id) if load_id < 2**63 else None
    if receipt is None:
        abort(problem(404, f"There is no load {load_id}."))
    _require_of_load(load_id, action, receipt.source, receipt.table)
    return receipt


def _require_of_load(load_id: int, action: str, source: str, table: str) -> None:
    """A load into a table that who comes may not read is one that there is not."""
    if not g.who.may("read", source, table):
        abort(problem(404, f"There is no load {load_id}."))
    require(action, source, table)


@api.get("/tables")
def get_tables() -> ResponseReturnValue:
    """The contract: every table."""
    only(())
    tables = [describe_table(table) for table in gatehouse().readable()]
    return jsonify({"tables": tables})


@api.get("/tables/<source>/<table>")
def get_table(source: str, table: str) -> ResponseReturnValue:
    """The contract of one table."""
    only(())
    return jsonify(describe_table(table_of(source, table)))


@api.get("/openapi.json")
def get_openapi() -> ResponseReturnValue:
    """This API as an OpenAPI 3.1 document, made from the contract."""
    only(())
    return jsonify(openapi(gatehouse().readable()))


def _own_key(load: dict[str, Any]) -> dict[str, Any]:
    """A load's columns, with the key that it came under for who sent it only."""
    return load if load["principal"] == g.principal else load | {"idempotency_key": None}
