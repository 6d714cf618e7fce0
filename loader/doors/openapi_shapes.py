"""What the API's answers look like: the schemas that its document names, and how an answer is written."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from loader.contract.model import KNOWN_DOORS
from loader.ledger.models import LOAD_OPS, LOAD_STATUSES, REJECT_STATUSES, Base, Load, Reject, shown

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NO_TEXT: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "integer", "minimum": 1}
_NAMES: Schema = {"type": "array", "items": _TEXT}
_COUNTS = ("received", "accepted", "waiting", "rejected", "duplicates")

_SAID: dict[str, Any] = {
    "column": "quantity", "rule": "type", "message": "must be a number such as 12.5", "value": "many",
}  # fmt: skip
RECEIPT_EXAMPLE: dict[str, Any] = {
    "load_id": 17, "source": "shop", "table": "orders", "door": "api", "status": "succeeded",
    "format": {"format": "json", "encoding": "utf-8"},
    "received": 2, "accepted": 1, "waiting": 0, "rejected": 1, "duplicates": 0, "warnings": [],
    "rejects": [
        {"row": 2, **_SAID, "faults": [_SAID]},
    ],
    "releases": [], "cascades": [],
    "links": {
        "self": "/api/v1/loads/17", "rejects": "/api/v1/rejects?load_id=17", "table": "/api/v1/tables/shop/orders",
    },
}  # fmt: skip


def shape(required: dict[str, Schema], optional: dict[str, Schema] | None = None, **words: Any) -> Schema:
    """The schema of an object that has the members of ``required``, and may have those of ``optional``."""
    return {"type": "object", **words, "properties": required | (optional or {}), "required": list(required)}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def named(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def entry(model: type[Base], enums: dict[str, tuple[str, ...]], description: str) -> Schema:
    """The schema of a ledger entry as the API gives it: moments are text, in ISO 8601."""
    members: dict[str, Schema] = {}
    for column in shown(model):
        schema: Schema = {}
        match column.type:
            case sa.Integer():
                schema["type"] = "integer"
            case sa.DateTime():
                schema = {"type": "string", "format": "date-time"}
            case JSONB():
                schema["type"] = "array" if column.name in ("warnings", "faults") else "object"
            case _:
                schema["type"] = "string"
        if column.name in enums:
            schema = {"enum": list(enums[column.name])}
        elif column.nullable:
            schema["type"] = [schema["type"], "null"]
        members[column.name] = schema
    return shape(members, description=description)


_FAULT = shape(
    {"column": _NO_TEXT, "rule": _TEXT, "message": _TEXT},
    {"value": {"description": "The value as it came"}},
)
_LOAD_ID: Schema = {"type": ["integer", "null"], "description": "null for a dry run"}
_LEFT = {"load_id": _LOAD_ID, "source": _TEXT, "table": _TEXT}

SCHEMAS: dict[str, Schema] = {
    "Receipt": shape(
        {
            "load_id": _LOAD_ID,
            "source": _TEXT,
            "table": _TEXT,
            "door": _TEXT,
            "status": {"enum": [*LOAD_STATUSES, "dry_run"]},
            **dict.fromkeys(_COUNTS, _COUNT),
            "format": {
                "type": ["object", "null"],
                "description": "What the body turned out to be: format, encoding, separator, quote, decimal, "
                "sheet, packed, columns",
            },
            "warnings": many(
                shape(
                    {"column": _NO_TEXT, "rule": _TEXT, "message": _TEXT, "rows": _NUMBER,
                     "first_row": {"type": ["integer", "null"]}},
                    description="A rule that warns, and how many rows that came in break it",
                )
            ),
            "rejects": many(
                shape(
                    {"row": _NUMBER, "column": _NO_TEXT, "rule": _TEXT, "message": _TEXT, "value": {},
                     "faults": many(_FAULT)},
                    description="A row that was not let in, by its first fault; `faults` are all of them",
                )
            ),
            "releases": many(shape({**_LEFT, "accepted": _COUNT, "rejected": _COUNT},
                                   description="A load by which rows that had waited came in")),
            "cascades": many(shape({**_LEFT, "waiting": _COUNT},
                                   description="A load by which rows whose parent went were set to waiting")),
            "links": {"type": "object", "additionalProperties": _TEXT},
        },
        {
            "progress": named("Progress"),
            "reasons": many(
                shape(
                    {"verdict": {"enum": ["rejected", "waiting"]}, "column": _NO_TEXT, "rule": _TEXT,
                     "message": _TEXT, "rows": _NUMBER, "first_row": _NUMBER},
                    description="Of a dry run: how many rows are not let in for one reason",
                )
            ),
        },
        description="received = accepted + waiting + rejected + duplicates; `rejects` lists the first hundred.",
        examples=[RECEIPT_EXAMPLE],
    ),
    "Undone": {
        "description": "The receipt of the undo, which is a load itself, and what it changed.",
        "allOf": [
            named("Receipt"),
            shape({"plan": {"oneOf": [named("Plan"), {"type": "null"}], "description": "null if undone before"}}),
        ],
    },
    "Plan": shape(
        {
            "load_id": _NUMBER, "source": _TEXT, "table": _TEXT,
            "retracted": _COUNT, "restored": _COUNT, "gone": _COUNT, "standing_again": _COUNT,
            "dismissed": _COUNT, "released": _COUNT,
            "keys": _NAMES,
            "waiting": many({"type": "object", "description": "Rows that lose their parent, by table"}),
            "later": many(shape({"load_id": _NUMBER, "keys": _COUNT})),
            "needs_cascade": {"type": "boolean"},
        },
        description="What an undo changes, in rows.",
    ),
    "Problem": shape(
        {"type": _TEXT, "title": _TEXT, "status": {"type": "integer", "minimum": 400, "maximum": 599},
         "detail": {"type": "string", "description": "What is wrong, and what to do"}},
        {
            "load_id": {"type": ["integer", "null"], "description": "The ledger's entry of the load that failed"},
            "receipt": {**named("Receipt"), "description": "of a load that was refused whole"},
            "receipts": {**many(named("Receipt")), "description": "of a replay: what the tables before it got"},
            "plan": {**named("Plan"), "description": "of an undo that was refused"},
        },
        description="Problem details, by RFC 9457.",
        examples=[{"type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no load 17."}],
    ),
    "Load": entry(Load, {"status": LOAD_STATUSES, "op": LOAD_OPS}, "A load as the ledger has it."),
    "Progress": shape(
        {
            "rows": _COUNT, "rows_per_second": {"type": ["number", "null"]}, "bytes": {"type": ["integer", "null"]},
            "size": {"type": ["integer", "null"]}, "started_at": _TEXT, "updated_at": _TEXT,
        },
        description="How far a load is that runs: rows, and bytes of the body's size as far as they are known.",
    ),
    "RunningLoad": shape(
        {
            "load_id": {"type": ["integer", "null"], "description": "null until it holds its tables"},
            "source": _TEXT, "table_name": _TEXT, "door": _TEXT, "principal": _TEXT,
            "idempotency_key": _NO_TEXT, "status": {"const": "running"}, "received": _COUNT,
            "progress": named("Progress"),
        },
        description="A load that runs: nothing but `received` is counted so far.",
    ),
    "Reject": entry(
        Reject, {"status": REJECT_STATUSES}, "A row that was not let in, as it came, by its first fault."
    ),
    "Table": shape(
        {
            "source": _TEXT, "table": _TEXT, "label": _TEXT, "description": _TEXT,
            "primary_key": _NAMES, "load": {"enum": ["versions", "events"]}, "valid_from": _NO_TEXT,
            "doors": many({"enum": list(KNOWN_DOORS)}),
            "columns": many(
                shape(
                    {"name": _TEXT, "data_type": _TEXT, "required": {"type": "boolean"}, "label": _TEXT,
                     "description": _TEXT, "example": {}, "pii": {"enum": ["direct", "indirect", None]},
                     "accepted_values": {"type": ["array", "null"], "items": _TEXT}},
                )
            ),
            "rules": many(
                shape({"rule": _TEXT, "columns": _NAMES, "message": _TEXT, "severity": {"enum": ["error", "warn"]},
                       "where": _NO_TEXT})
            ),
            "unique": many(shape({"columns": _NAMES, "severity": {"enum": ["error", "warn"]}})),
            "relationships": many(
                shape({"columns": _NAMES, "parent": _TEXT, "parent_columns": _NAMES,
                       "severity": {"enum": ["error", "warn"]}})
            ),
            "checked_by_dbt_only": many(shape({"test": _TEXT, "columns": _NAMES, "reason": _TEXT})),
            "links": {"type": "object", "additionalProperties": _TEXT},
        },
        description="The contract of a table.",
    ),
}  # fmt: skip


# -- answers -----------------------------------------------------------------

REPLAYED: Schema = {
    "description": "`true` when this had been done before, and nothing was done now",
    "schema": {"enum": ["true"]},
}
LOCATION: Schema = {"description": "The address of the receipt", "schema": _TEXT}


def answer(words: str, schema: Schema, **headers: Schema) -> Schema:
    """A good answer in JSON."""
    made: Schema = {"description": words, "content": {"application/json": {"schema": schema}}}
    if headers:
        made["headers"] = {name.replace("_", "-"): header for name, header in headers.items()}
    return made


def problems(answers: dict[str, str]) -> dict[str, Schema]:
    """Answers that are problems, by status: those given, and those that every call has."""
    words = {
        "400": "The address or a parameter is not as stated",
        "401": "No valid token",
        "403": "The token may not do this",
        "503": "The database does not answer, or there is no contract; nothing was stored",
    } | answers
    return {status: problem(text, status) for status, text in sorted(words.items())}


def problem(words: str, status: str) -> Schema:
    made: Schema = {"description": words, "content": {"application/problem+json": {"schema": named("Problem")}}}
    if status == "503":
        made["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}
    if status == "401":
        made["headers"] = {"WWW-Authenticate": {"description": "How to say who one is", "schema": _TEXT}}
    return made
