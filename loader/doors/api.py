"""The HTTP API: one call a batch, safe to repeat."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, Any, cast

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import RequestEntityTooLarge

from loader.app import gatehouse, require
from loader.contract.model import Table
from loader.doors import problems
from loader.doors.error_sheet import cell
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
    replay,
)
from loader.intake.receipt import Receipt
from loader.intake.undo import NoSuchLoad, UndoRefused, undo
from loader.ledger.loads import Origin, read_receipt
from loader.ledger.models import LOAD_STATUSES, REJECT_STATUSES, Load, Progress, Reject, shown
from loader.ledger.progress import running_load, running_loads

api = Blueprint("api", __name__)
problems.register(api)

_CHUNK = 1 << 20
_IN_MEMORY = 4 << 20
_PAGE = 100
#: How long a call waits for a load into the same table to end before it is told to come again.
_LOCK_SECONDS = 10
_MAX_REPLAY = 1 << 20
#: Characters of kept rows after which a list of them ends before its limit.
_ANSWER_SIZE = 8 << 20
_KEY = re.compile(KEY_PATTERN)


@api.post("/loads/<source>/<table>")
def post_load(source: str, table: str) -> ResponseReturnValue:
    """Load a body into a table; the receipt says what became of each row."""
    require("delete" if request.args.get("op") == "delete" else "load", source, table)
    target = _table(source, table)
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
        origin = Origin("api", g.principal, None, digest, key)
        here = gatehouse()
        try:
            with patience(_LOCK_SECONDS) as seconds_left:
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
    _only(names)
    given = request.args.to_dict()
    for name, values in options.items():
        if given.get(name, values[0]) not in values:
            abort(400, f"{name} is {' or '.join(f'`{value}`' for value in values)}.")
    return {name: given.get(name) for name in names}


def _only(names: Iterable[str]) -> None:
    """End the request if its query names anything else: a mistyped filter would not filter."""
    unknown = set(request.args) - set(names)
    if unknown:
        *most, last = sorted(names) or ["none"]
        there_are = f"{', '.join(most)} and {last}" if most else last
        abort(400, f"There is no option {min(unknown)!r}; there are {there_are}.")


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
        with patience(_LOCK_SECONDS) as seconds_left:
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
    _only((*_FILTERS, "before", "limit", "idempotency_key"))
    query = sa.select(Load.__table__).order_by(Load.load_id.desc())
    query = _filtered(query, Load, LOAD_STATUSES).where(g.who.reads(Load))
    if "before" in request.args:
        query = query.where(Load.load_id < _integer("before"))
    if "idempotency_key" in request.args:
        query = query.where(Load.principal == g.principal, Load.idempotency_key == request.args["idempotency_key"])
    limit = _integer("limit", _PAGE, 1000)
    with gatehouse().engine.connect() as connection:
        running = _running(connection)  # first: what ends meanwhile is in the ledger
        rows = [_timed(_own_key(dict(row))) for row in connection.execute(query.limit(limit)).mappings()]
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
    _only(())
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


@api.get("/rejects")
def get_rejects() -> ResponseReturnValue:
    """Rows that were not let in, newest first; ``before`` a reject_id for the page after."""
    _only((*_FILTERS, "load_id", "before", "limit"))
    limit = _integer("limit", _PAGE, 1000)
    with gatehouse().engine.connect() as connection:
        found = connection.execution_options(yield_per=10).execute(_rejects_query().limit(limit)).mappings()
        rows, size = [], 0
        for row in found:
            rows.append(_timed(dict(row)))
            size += sum(len(value) for value in row["payload"].values() if isinstance(value, str))
            if size > _ANSWER_SIZE:  # `before` leads on from here, as it does from a full page
                break
        return jsonify({"rejects": rows})


@api.get("/rejects.csv")
def get_rejects_csv() -> ResponseReturnValue:
    """The error sheet: why each row was not let in, then the row as it came.

    With ``source`` and ``table`` each of the table's columns has one of its own.
    """
    _only((*_FILTERS, "load_id", "before"))
    query, engine = _rejects_query(), gatehouse().engine
    table = gatehouse().readable().tables.get((request.args.get("source", ""), request.args.get("table", "")))
    columns = list(table.column_names) if table is not None else []

    def lines() -> Iterator[str]:
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        names = ["reject_id", "load_id", "row", "source", "table_name", "status", "column_name", "rule", "message"]
        writer.writerow([*names, *(map(cell, columns)), "as_it_came"])
        with engine.connect().execution_options(yield_per=1000) as connection:
            for row in connection.execute(query).mappings():
                own = {name: value for name, value in row["payload"].items() if name in columns}
                rest = {name: value for name, value in row["payload"].items() if name not in columns}
                writer.writerow([cell(value) for value in (*(row[n] for n in names), *map(own.get, columns), rest)])
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
    """Judge kept rows again: ``{"reject_ids": […]}`` or ``{"source": …, "table": …}``.

    Each table's rows are a load of their own. When one fails, the answer has the receipts of
    those before it beside the problem: what they say stands.
    """
    _only(())
    body = _small_json()
    if not isinstance(body, dict):
        return problem(400, "Send an object with `reject_ids`, or with `source` and `table`.")
    ids = body.get("reject_ids")
    if isinstance(ids, list):  # 411.0 is a whole number to JSON Schema, and some languages write no other
        ids = [int(i) if type(i) is float and i.is_integer() and abs(i) < 2**53 else i for i in ids]
    if ids is not None and not (isinstance(ids, list) and all(type(i) is int and 0 < i < 2**63 for i in ids)):
        return problem(400, f"`reject_ids` is a list of whole numbers from 1 to {2**63 - 1}.")
    query = sa.select(Reject.source, Reject.table_name).distinct().where(Reject.status.in_(["rejected", "waiting"]))
    query = query.where(g.who.reads(Reject))
    if ids is not None:
        query = query.where(Reject.reject_id.in_(ids))
    elif isinstance(body.get("source"), str) and isinstance(body.get("table"), str):
        query = query.where(Reject.source == body["source"], Reject.table_name == body["table"]).limit(1)
    else:
        return problem(400, "Send `reject_ids`, or `source` and `table`.")
    here = gatehouse()
    with here.engine.connect() as connection:
        tables = sorted((row.source, row.table_name) for row in connection.execute(query))
    for key in tables:
        require("mend", *key)
        if closed := _table(*key).closed_to("api"):
            return problem(403, closed)
    receipts: list[dict[str, Any]] = []
    with patience(_LOCK_SECONDS) as seconds_left:
        for key in tables:
            table = _table(*key)
            try:
                receipt = replay(here.engine, here.contract(), table, ids, g.principal, lock_seconds=seconds_left())
            except LoadFailed as error:
                current_app.logger.error("replay into %s by %s: %s", table.id, g.principal, error.message)
                words = f"The rows of {table.id} and of tables after it are as they were: {error.message}."
                if error.is_unknown:
                    words = f"{error.outcome} into {table.id}; tables after it are as they were: {error.message}."
                return problem(503, words, load_id=error.load_id, receipts=receipts)
            receipts.append(receipt.as_dict())
    return jsonify({"receipts": receipts})


def _small_json() -> Any:
    """The body as JSON that the database can be asked about, else ``None``."""
    request.max_content_length = _MAX_REPLAY  # holds for a body in chunks too, which says no length
    try:
        sent = request.get_data()
        request.stream.read(1)  # of a body in chunks get_data() takes what fits, without a word
        body = json.loads(sent)
        text = json.dumps(body, ensure_ascii=False)
        text.encode()
    except RequestEntityTooLarge:
        abort(problem(413, "Name fewer rows at once."))
    except (ValueError, RecursionError):  # half a surrogate pair is a ValueError: it has no UTF-8
        return None
    return None if "\\u0000" in text else body


@api.get("/tables")
def get_tables() -> ResponseReturnValue:
    """The contract: every table."""
    _only(())
    tables = [describe_table(table) for table in gatehouse().readable()]
    return jsonify({"tables": tables})


@api.get("/tables/<source>/<table>")
def get_table(source: str, table: str) -> ResponseReturnValue:
    """The contract of one table."""
    _only(())
    return jsonify(describe_table(_table(source, table)))


@api.get("/openapi.json")
def get_openapi() -> ResponseReturnValue:
    """This API as an OpenAPI 3.1 document, made from the contract."""
    _only(())
    return jsonify(openapi(gatehouse().readable()))


def _table(source: str, name: str) -> Table:
    try:
        return gatehouse().contract().table(source, name)
    except KeyError:
        abort(404)


def _rejects_query() -> sa.Select[Any]:
    query = sa.select(*shown(Reject)).order_by(Reject.reject_id.desc()).where(g.who.reads(Reject))
    query = _filtered(query, Reject, REJECT_STATUSES)
    if "load_id" in request.args:
        query = query.where(Reject.load_id == _integer("load_id"))
    if "before" in request.args:
        query = query.where(Reject.reject_id < _integer("before"))
    return query


_FILTERS = ("source", "table", "status")


def _filtered(query: sa.Select[Any], entity: Any, statuses: tuple[str, ...]) -> sa.Select[Any]:
    if request.args.get("status", statuses[0]) not in statuses:
        abort(400, f"status is {' or '.join(f'`{status}`' for status in statuses)}.")
    for name in _FILTERS:
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


def _own_key(load: dict[str, Any]) -> dict[str, Any]:
    """A load's columns, with the key that it came under for who sent it only."""
    return load if load["principal"] == g.principal else load | {"idempotency_key": None}


def _timed(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()}
