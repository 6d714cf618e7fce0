"""The calls of the API that are the same whatever the contract says: reading, undoing, trying again."""

from __future__ import annotations

from typing import Any

from loader.doors.openapi_shapes import LOCATION, REPLAYED, Schema, answer, many, named, problems, shape
from loader.ledger.models import LOAD_STATUSES, REJECT_STATUSES

#: Text without NUL, which the database can't be asked about: an address that has one is refused.
_TEXT: Schema = {"type": "string", "pattern": r"^[^\x00]*$"}
NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
CASCADE: Schema = {
    "name": "cascade", "in": "query", "schema": {"enum": ["wait"]},
    "description": "Rows whose parent goes are set to waiting, and come in again with it. "
                   "Without it a parent with rows under it stays.",
}  # fmt: skip
DRY_RUN: Schema = {
    "name": "dry_run", "in": "query", "schema": {"enum": ["true", "false"], "default": "false"},
    "description": "Judge, and change nothing.",
}  # fmt: skip


def parameter(name: str, place: str, schema: Schema, words: str) -> Schema:
    return {"name": name, "in": place, "required": place == "path", "schema": schema, "description": words}


def call(name: str, summary: str, *parameters: Schema, answers: dict[str, Schema], **more: Any) -> Schema:
    """An operation of the document; ``more`` are its further members."""
    made: Schema = {"operationId": name, "summary": summary, **more, "responses": dict(sorted(answers.items()))}
    if parameters:
        made["parameters"] = list(parameters)
    return made


_SOURCE = parameter("source", "query", _TEXT, "Of this source only")
_TABLE = parameter("table", "query", _TEXT, "Of this table only")
_BEFORE = parameter("before", "query", NUMBER, "For the page after: the last number of this one")
_LIMIT = parameter(
    "limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "How many at most"
)
_OF_LOAD = parameter("load_id", "query", NUMBER, "Of this load only")
_LOAD_ID = parameter("load_id", "path", NUMBER, "The load's number")
_REJECT_ID = parameter("reject_id", "path", NUMBER, "The row's number")
_TAG: Schema = {"description": "Which state of the row's values this is", "schema": {"type": "string"}}
_PATCH: Schema = {
    "type": "object",
    "propertyNames": _TEXT,
    "additionalProperties": {"anyOf": [_TEXT, {"type": ["number", "boolean", "null", "array", "object"]}]},
}
_KEPT = (
    _SOURCE, _TABLE, parameter("status", "query", {"enum": [*REJECT_STATUSES]}, "Only with this status"),
    _OF_LOAD, _BEFORE,
)  # fmt: skip
_REPLAY: Schema = {
    "oneOf": [
        shape(
            {"reject_ids": many(NUMBER)},
            title="By number",
            additionalProperties=False,
            examples=[{"reject_ids": [411, 412]}],
        ),
        shape(
            {"source": _TEXT, "table": _TEXT},
            title="All of a table",
            additionalProperties=False,
            examples=[{"source": "shop", "table": "orders"}],
        ),
    ]
}
_CSV: Schema = {"description": "The error sheet", "content": {"text/csv": {"schema": {"type": "string"}}}}

CALLS: dict[str, Schema] = {
    "/api/v1/loads": {
        "get": call(
            "list_loads", "The latest loads, newest first", _SOURCE, _TABLE,
            parameter("status", "query", {"enum": [*LOAD_STATUSES]}, "Only of this status; `running`: those that run"),
            parameter("idempotency_key", "query", _TEXT, "The caller's own of this key, also one that runs"),
            _BEFORE, _LIMIT,
            answers={
                "200": answer("Loads", shape({"loads": many({"anyOf": [named("Load"), named("RunningLoad")]})})),
                **problems({}),
            },
        )
    },
    "/api/v1/loads/{load_id}": {
        "get": call(
            "get_load", "The receipt of a load, as it was first given; of one that runs, how far it is", _LOAD_ID,
            answers={"200": answer("The receipt", named("Receipt")), **problems({"404": "There is no such load"})},
        )
    },
    "/api/v1/loads/{load_id}/undo": {
        "post": call(
            "undo_load", "Undo a load", _LOAD_ID, DRY_RUN, CASCADE,
            description="What the load brought is taken back, and what it had replaced stands again. "
            "The answer says what that changes; with dry_run, what it would change.",
            answers={
                "200": answer(
                    "Undone before, or a plan; nothing changed", named("Undone"), Idempotent_Replayed=REPLAYED
                ),
                "201": answer("Undone", named("Undone"), Location=LOCATION),
                **problems({
                    "403": "The token may not do this, or the contract opens no door for the API",
                    "404": "There is no such load",
                    "409": "It can't be undone, or rows of other loads stand under its rows; says which",
                    "503": "The database ended it, or another load into the table runs",
                }),
            },
        )
    },
    "/api/v1/rejects": {
        "get": call(
            "list_rejects", "Rows that were not let in, newest first", *_KEPT, _LIMIT,
            description="A list of large rows ends before its limit; `before` leads on from its last one.",
            answers={"200": answer("Kept rows", shape({"rejects": many(named("Reject"))})), **problems({})},
        )
    },
    "/api/v1/rejects.csv": {
        "get": call(
            "get_error_sheet", "The same as a sheet, all of them", *_KEPT,
            description="An apostrophe leads whatever a spreadsheet could run as a formula. With source and "
            "table each of the table's columns has one of its own.",
            answers={"200": _CSV, **problems({})},
        )
    },
    "/api/v1/rejects/{reject_id}": {
        "get": call(
            "get_reject", "One row that was not let in", _REJECT_ID,
            answers={
                "200": answer("The row", named("Reject"), ETag=_TAG),
                **problems({"404": "There is no such row"}),
            },
        ),
        "patch": call(
            "mend_reject", "Mend a kept row", _REJECT_ID,
            parameter("If-Match", "header", {"type": "string", "pattern": r"^[\x20-\x7e]*$"},
                      "The ETag of the row as you saw it: then nothing is changed if somebody mended it since"),
            description="The body is a merge patch (RFC 7396) of the row's payload: columns and their new values; "
            "`null` empties a column, and takes away a name that the table does not have. The row stays kept, and "
            "is judged by a replay. Who changed what, and when, is on record.",
            requestBody={
                "required": True,
                "content": {
                    media_type: {"schema": _PATCH, "example": {"quantity": 2}}
                    for media_type in ("application/merge-patch+json", "application/json")
                },
            },
            answers={
                "200": answer("The row as it is kept now", named("Reject"), ETag=_TAG),
                **problems({
                    "400": "The body is not as stated",
                    "403": "The token may not do this, or the contract opens no door for the API",
                    "404": "There is no such row, or the contract has its table no more",
                    "409": "The row is not kept any more (it was let in or dismissed), or is a key to delete",
                    "412": "If-Match: somebody mended the row since",
                    "413": "The body is larger than 8 MB",
                    "415": "Not JSON",
                    "503": "The database ended it, or a load into the table goes on; nothing was changed",
                }),
            },
        ),
    },
    "/api/v1/rejects/replay": {
        "post": call(
            "replay_rejects", "Judge kept rows again, as the contract is now",
            description="Each table's rows are a load of their own. Numbers that name no open row are passed over.",
            requestBody={"required": True, "content": {"application/json": {"schema": _REPLAY}}},
            answers={
                "200": answer("A receipt for each table", shape({"receipts": many(named("Receipt"))})),
                **problems({
                    "400": "The body is not as stated",
                    "403": "The token may not do this, or the contract opens no door for the API",
                    "404": "The contract has no such table any more",
                    "413": "The body is larger than 1 MB",
                    "503": "The database ended it; `receipts` are those of the tables before",
                }),
            },
        )
    },
    "/api/v1/tables": {
        "get": call(
            "list_tables", "The contract: every table",
            answers={"200": answer("Tables", shape({"tables": many(named("Table"))})), **problems({})},
        )
    },
    "/api/v1/tables/{source}/{table}": {
        "get": call(
            "get_table", "The contract of one table",
            parameter("source", "path", _TEXT, "The source's name"),
            parameter("table", "path", _TEXT, "The table's name"),
            answers={"200": answer("The table", named("Table")), **problems({"404": "There is no such table"})},
        )
    },
    "/api/v1/openapi.json": {
        "get": call(
            "get_openapi", "This document",
            answers={"200": answer("OpenAPI 3.1", {"type": "object"}), **problems({})},
        )
    },
}  # fmt: skip
