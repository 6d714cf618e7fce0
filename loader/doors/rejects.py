"""The API's calls about rows that were not let in: listed, mended, tried again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, g, jsonify, request
from flask.typing import ResponseReturnValue

from loader.app import gatehouse, require
from loader.contract.model import Table
from loader.doors import problems
from loader.doors.asked import FILTERS, LOCK_SECONDS, PAGE, filtered, integer, only, small_json, table_of, timed
from loader.doors.error_sheet import cell
from loader.doors.patience import patience
from loader.doors.problems import problem
from loader.intake.decode.base import is_unicode
from loader.intake.decode.json import as_text
from loader.intake.decode.json_text import parse
from loader.intake.load import LoadFailed, replay
from loader.intake.mend import AnotherWasQuicker, CanNotMend, Mend, mend
from loader.ledger.models import REJECT_STATUSES, Reject, shown
from loader.pages.words import sentence

rejects = Blueprint("rejects", __name__)
problems.register(rejects)

_MAX_PATCH = 8 << 20
#: Characters of kept rows after which a list of them ends before its limit.
_ANSWER_SIZE = 8 << 20


@rejects.get("/rejects")
def get_rejects() -> ResponseReturnValue:
    """Rows that were not let in, newest first; ``before`` a reject_id for the page after."""
    only((*FILTERS, "load_id", "before", "limit"))
    limit = integer("limit", PAGE, 1000)
    with gatehouse().engine.connect() as connection:
        found = connection.execution_options(yield_per=10).execute(_rejects_query().limit(limit)).mappings()
        rows, size = [], 0
        for row in found:
            rows.append(timed(dict(row)))
            size += sum(len(value) for value in row["payload"].values() if isinstance(value, str))
            if size > _ANSWER_SIZE:  # `before` leads on from here, as it does from a full page
                break
        return jsonify({"rejects": rows})


@rejects.get("/rejects.csv")
def get_rejects_csv() -> ResponseReturnValue:
    """The error sheet: why each row was not let in, then the row as it came.

    With ``source`` and ``table`` each of the table's columns has one of its own.
    """
    only((*FILTERS, "load_id", "before"))
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


@rejects.get("/rejects/<int:reject_id>")
def get_reject(reject_id: int) -> ResponseReturnValue:
    """One row that was not let in; its ``ETag`` says which state of its values it is."""
    only(())
    return _answer(_row_of(reject_id, "read"))


@rejects.patch("/rejects/<int:reject_id>")
def patch_reject(reject_id: int) -> ResponseReturnValue:
    """Mend a kept row: the body is a merge patch (RFC 7396) of its payload. It stays kept, to be replayed.

    With ``If-Match`` nothing is changed if somebody mended the row since it was looked at.
    """
    only(())
    found = _row_of(reject_id, "mend")
    table = table_of(found["source"], found["table_name"])
    if closed := table.closed_to("api"):
        return problem(403, closed)
    body = _patch()
    if body is None:
        return problem(
            400, "Send an object, without NUL characters: names of columns and their new values, `null` for none."
        )
    values = {name: as_text(value, _is_json(table, name)) for name, value in body.items()}
    if any("\0" in text or not is_unicode(text) for pair in values.items() for text in pair if text is not None):
        return problem(400, "A name or value holds a NUL character or half a surrogate pair, which nothing can store.")
    seen = None
    if request.if_match and not request.if_match.star_tag:
        if not request.if_match.contains(_tag(found)):
            return problem(412, f"Row {reject_id} was mended by somebody else since.")
        seen = found["mended"]
    here = gatehouse()
    try:
        with patience(LOCK_SECONDS) as seconds_left:
            mend(here.engine, table, [Mend(reject_id, values, seen)], g.principal, seconds_left())
    except AnotherWasQuicker as error:
        return problem(412 if seen is not None else 409, sentence(str(error)))
    except CanNotMend as error:
        return problem(409, sentence(str(error)))
    return _answer(_row_of(reject_id, "read"))


def _patch() -> dict[str, Any] | None:
    if request.mimetype not in ("application/json", "application/merge-patch+json"):
        abort(problem(415, "Send application/merge-patch+json, or application/json."))
    body = small_json(_MAX_PATCH, parse)
    return body if isinstance(body, dict) else None


def _is_json(table: Table, name: str) -> bool:
    return name in table.column_names and table.column(name).type.family == "jsonb"


def _row_of(reject_id: int, action: str) -> dict[str, Any]:
    """The ledger's entry, if there is one that who comes may see, and may do this with."""
    query = sa.select(*shown(Reject)).where(Reject.reject_id == min(reject_id, 2**63 - 1), g.who.reads(Reject))
    with gatehouse().engine.connect() as connection:
        found = [dict(row) for row in connection.execute(query).mappings()]
    if not found:
        abort(problem(404, f"There is no row {reject_id}."))
    require(action, found[0]["source"], found[0]["table_name"])
    return found[0]


def _tag(found: dict[str, Any]) -> str:
    return f"{found['reject_id']}-{found['mended']}"


def _answer(found: dict[str, Any]) -> Response:
    response = jsonify(timed(found))
    response.set_etag(_tag(found))
    return response


@rejects.post("/rejects/replay")
def post_replay() -> ResponseReturnValue:
    """Judge kept rows again: ``{"reject_ids": […]}`` or ``{"source": …, "table": …}``.

    Each table's rows are a load of their own. When one fails, the answer has the receipts of
    those before it beside the problem: what they say stands.
    """
    only(())
    body = small_json()
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
        if closed := table_of(*key).closed_to("api"):
            return problem(403, closed)
    receipts: list[dict[str, Any]] = []
    with patience(LOCK_SECONDS) as seconds_left:
        for key in tables:
            table = table_of(*key)
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


def _rejects_query() -> sa.Select[Any]:
    query = sa.select(*shown(Reject)).order_by(Reject.reject_id.desc()).where(g.who.reads(Reject))
    query = filtered(query, Reject, REJECT_STATUSES)
    if "load_id" in request.args:
        query = query.where(Reject.load_id == integer("load_id"))
    if "before" in request.args:
        query = query.where(Reject.reject_id < integer("before"))
    return query
