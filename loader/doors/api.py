"""The HTTP API: one call a batch, safe to repeat."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from typing import IO, Any, cast

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors import problems
from loader.doors.openapi import describe_table, openapi
from loader.doors.problems import problem
from loader.intake.decode import MEDIA_TYPES, OPTIONS, ReadFailure, Said
from loader.intake.load import (
    KeyReused,
    LoadFailed,
    Options,
    StillRunning,
    load_stream,
    replay,
)
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin, read_receipt
from loader.ledger.models import Load, Reject

api = Blueprint("api", __name__)
problems.register(api)

_CHUNK = 1 << 20
_IN_MEMORY = 4 << 20
_PAGE = 100
#: How long a call waits for a load into the same table to end before it is told to come again.
_LOCK_SECONDS = 10
_MAX_REPLAY = 1 << 20


@api.post("/loads/<source>/<table>")
def post_load(source: str, table: str) -> ResponseReturnValue:
    """Load a body into a table; the receipt says what became of each row."""
    target = _table(source, table)
    if "api" not in target.doors:
        return problem(403, f"The contract opens no door for the API to {target.id}.")
    format_ = MEDIA_TYPES.get(request.mimetype)
    packing = (request.content_encoding or "identity").lower()
    if format_ is None or packing not in ("identity", "gzip"):
        return problem(415, f"Send one of: {', '.join(MEDIA_TYPES)}, as it is or with Content-Encoding: gzip.")
    if packing == "gzip":
        if format_ == "zip":
            return problem(415, "A zip archive is packed already: send it without Content-Encoding.")
        format_ += ".gz"
    known = ("on_reject", "dry_run", *OPTIONS)
    unknown = set(request.args) - set(known)
    if unknown:
        return problem(400, f"There is no option {min(unknown)!r}; there are {', '.join(known)}.")
    try:
        said = Said.of(**{name: request.args.get(name) for name in OPTIONS})
    except ReadFailure as error:
        return problem(400, f"Nothing was loaded: {error}.")
    on_reject = request.args.get("on_reject", "quarantine")
    dry_run = request.args.get("dry_run", "false")
    if on_reject not in ("quarantine", "refuse"):
        return problem(400, "on_reject is `quarantine` or `refuse`.")
    if dry_run not in ("true", "false"):
        return problem(400, "dry_run is `true` or `false`.")
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= 255:
        return problem(400, "An Idempotency-Key has 1 to 255 characters.")
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
        digest = _spool(body)
        origin = Origin("api", g.principal, None, digest, key)
        options = Options(on_reject, dry_run == "true")
        here = gatehouse()
        try:
            receipt = load_stream(
                here.engine,
                here.contract(),
                target,
                cast("Any", body),
                format_,
                origin,
                options,
                lock_seconds=_LOCK_SECONDS,
                said=said,
            )
        except LoadFailed as error:
            if error.is_body:
                return problem(400, f"Nothing was loaded: {error.message}.", load_id=error.load_id)
            current_app.logger.error("load into %s by %s, key %s: %s", target.id, g.principal, key, error.message)
            return problem(503, f"Nothing was loaded: {error.message}.", load_id=error.load_id)
        except KeyReused as error:
            return problem(422, f"{error}. Nothing was loaded.")
        except StillRunning as error:
            return problem(409, f"{error}. Ask again in a moment.")
    return _receipt_response(receipt)


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
    response = jsonify(receipt.as_dict())
    if receipt.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    elif receipt.status == "succeeded":
        response.status_code = 201
        response.headers["Location"] = f"/api/v1/loads/{receipt.load_id}"
    if receipt.status == "refused":
        return problem(
            422,
            "The load was refused whole: nothing was loaded, and every row is kept.",
            receipt=receipt.as_dict(),
        )
    return response


@api.get("/loads")
def get_loads() -> ResponseReturnValue:
    """The latest loads, newest first; ``before`` a load_id for the page after."""
    query = sa.select(Load.__table__).order_by(Load.load_id.desc())
    query = _filtered(query, Load, ("source", "table", "status"))
    if "before" in request.args:
        query = query.where(Load.load_id < _integer("before"))
    limit = _integer("limit", _PAGE, 1000)
    with gatehouse().engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query.limit(limit)).mappings()]
    return jsonify({"loads": [_timed(row) for row in rows]})


@api.get("/loads/<int:load_id>")
def get_load(load_id: int) -> ResponseReturnValue:
    """The receipt of a load, as it was first given."""
    with gatehouse().engine.connect() as connection:
        receipt = read_receipt(connection, load_id)
    if receipt is None:
        return problem(404, f"There is no load {load_id}.")
    return jsonify(receipt.as_dict())


@api.get("/rejects")
def get_rejects() -> ResponseReturnValue:
    """Rows that were not let in, newest first; ``before`` a reject_id for the page after."""
    limit = _integer("limit", _PAGE, 1000)
    with gatehouse().engine.connect() as connection:
        rows = connection.execute(_rejects_query().limit(limit)).mappings()
        return jsonify({"rejects": [_timed(dict(row)) for row in rows]})


@api.get("/rejects.csv")
def get_rejects_csv() -> ResponseReturnValue:
    """The error sheet: why each row was not let in, then the row as it came.

    With ``source`` and ``table`` each of the table's columns has one of its own.
    """
    query, engine = _rejects_query(), gatehouse().engine
    table = gatehouse().contract().tables.get((request.args.get("source", ""), request.args.get("table", "")))
    columns = list(table.column_names) if table is not None else []

    def lines() -> Iterator[str]:
        out = io.StringIO()
        writer = csv.writer(out)
        names = ["reject_id", "load_id", "row", "source", "table_name", "status", "column_name", "rule", "message"]
        writer.writerow([*names, *(map(_cell, columns)), "as_it_came"])
        with engine.connect().execution_options(yield_per=1000) as connection:
            for row in connection.execute(query).mappings():
                own = {name: value for name, value in row["payload"].items() if name in columns}
                rest = {name: value for name, value in row["payload"].items() if name not in columns}
                writer.writerow([_cell(value) for value in (*(row[n] for n in names), *map(own.get, columns), rest)])
                yield out.getvalue()
                out.seek(0)
                out.truncate()
        yield out.getvalue()

    return Response(
        lines(), mimetype="text/csv",
        headers={"Content-Disposition": "attachment; filename=rejects.csv"},
    )  # fmt: skip


@api.post("/rejects/replay")
def post_replay() -> ResponseReturnValue:
    """Judge kept rows again: ``{"reject_ids": […]}`` or ``{"source": …, "table": …}``."""
    if (request.content_length or 0) > _MAX_REPLAY:
        return problem(413, "Name fewer rows at once.")
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or "\\u0000" in json.dumps(body):
        return problem(400, "Send an object with `reject_ids`, or with `source` and `table`.")
    ids = body.get("reject_ids")
    if ids is not None and not (isinstance(ids, list) and all(type(i) is int for i in ids)):
        return problem(400, "`reject_ids` is a list of numbers.")
    query = sa.select(Reject.reject_id, Reject.source, Reject.table_name).where(
        Reject.status.in_(["rejected", "waiting"])
    )
    if ids is not None:
        query = query.where(Reject.reject_id.in_(ids))
    elif isinstance(body.get("source"), str) and isinstance(body.get("table"), str):
        query = query.where(Reject.source == body["source"], Reject.table_name == body["table"])
    else:
        return problem(400, "Send `reject_ids`, or `source` and `table`.")
    here = gatehouse()
    by_table: dict[tuple[str, str], list[int]] = {}
    with here.engine.connect() as connection:
        for row in connection.execute(query):
            by_table.setdefault((row.source, row.table_name), []).append(row.reject_id)
    closed = [table.id for table in (_table(*key) for key in by_table) if "api" not in table.doors]
    if closed:
        return problem(403, f"The contract opens no door for the API to {closed[0]}.")
    receipts = [
        replay(here.engine, here.contract(), _table(*key), chosen, g.principal)
        for key, chosen in sorted(by_table.items())
    ]
    return jsonify({"receipts": [receipt.as_dict() for receipt in receipts]})


@api.get("/tables")
def get_tables() -> ResponseReturnValue:
    """The contract: every table."""
    tables = [describe_table(table) for table in gatehouse().contract()]
    return jsonify({"tables": tables})


@api.get("/tables/<source>/<table>")
def get_table(source: str, table: str) -> ResponseReturnValue:
    """The contract of one table."""
    return jsonify(describe_table(_table(source, table)))


@api.get("/openapi.json")
def get_openapi() -> ResponseReturnValue:
    """This API as an OpenAPI 3.1 document, made from the contract."""
    return jsonify(openapi(gatehouse().contract()))


def _table(source: str, name: str) -> Table:
    try:
        return gatehouse().contract().table(source, name)
    except KeyError:
        abort(404)


def _rejects_query() -> sa.Select[Any]:
    query = sa.select(Reject.__table__).order_by(Reject.reject_id.desc())
    query = _filtered(query, Reject, ("source", "table", "status"))
    if "load_id" in request.args:
        query = query.where(Reject.load_id == _integer("load_id"))
    if "before" in request.args:
        query = query.where(Reject.reject_id < _integer("before"))
    return query


def _filtered(query: sa.Select[Any], entity: Any, names: tuple[str, ...]) -> sa.Select[Any]:
    for name in names:
        if name in request.args:
            column = entity.table_name if name == "table" else getattr(entity, name)
            query = query.where(column == request.args[name])
    return query


def _integer(name: str, default: int = 0, most: int = 2**63 - 1) -> int:
    text = request.args.get(name, str(default))
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not 0 < len(digits) <= 19 or int(digits) > most:
        abort(400, f"{name} is a number from 1 to {most}.")
    return int(digits)


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()}


def _cell(value: Any) -> str:
    """Text of a cell; one that a spreadsheet would run as a formula is led by an apostrophe."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
