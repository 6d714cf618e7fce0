"""The API's document, made from the contract: schemas, choices and examples follow it."""

from __future__ import annotations

from typing import Any

from loader.contract.model import Column, Contract, Table
from loader.contract.types import DataType
from loader.intake.decode import MEDIA_TYPES
from loader.intake.decode.encoding import ENCODINGS
from loader.intake.decode.said import DECIMALS, QUOTES, SEPARATORS

_JSON_TYPES: dict[str, dict[str, Any]] = {
    "smallint": {"type": "integer", "minimum": -(2**15), "maximum": 2**15 - 1},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "bigint": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "numeric": {"type": "number"},
    "double precision": {"type": "number"},
    "text": {"type": "string"},
    "varchar": {"type": "string"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string"},
    "timestamptz": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "uuid": {"type": "string", "format": "uuid"},
    "jsonb": {},
}


def column_schema(column: Column) -> dict[str, Any]:
    """JSON Schema of a column's value."""
    schema = _type_schema(column.type)
    if column.accepted_values is not None and not column.type.is_json:
        schema["enum"] = [_typed(value, column) for value in column.accepted_values]
    if not column.required:
        if "type" in schema:
            schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    schema["title"] = column.label
    schema["description"] = " ".join(
        part for part in (column.description.strip(), f"The value {column.type.expects}.") if part
    )
    if column.example is not None:
        schema["examples"] = [_json_value(column.example)]
    return schema


def _type_schema(data_type: DataType) -> dict[str, Any]:
    """JSON Schema of a value of the type; of an array, any element may be null."""
    if data_type.element is not None:
        items = _type_schema(data_type.element)
        return {"type": "array", "items": items | {"type": [items["type"], "null"]}}
    schema = dict(_JSON_TYPES[data_type.family])
    if data_type.family == "varchar":
        schema["maxLength"] = data_type.precision
    if data_type.format or (data_type.family == "timestamptz" and data_type.timezone):
        schema.pop("format", None)
    return schema


def _typed(value: str, column: Column) -> Any:
    match column.type.family:
        case "smallint" | "integer" | "bigint":
            return int(value)
        case "numeric" | "double precision":
            return float(value)
        case "boolean":
            return value.lower() in ("true", "t", "yes", "1")
    return value


def _json_value(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool, list, dict)) or value is None:
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def example_row(table: Table) -> dict[str, Any]:
    """A row made of the columns' examples; columns without one are left out."""
    return {c.name: _json_value(c.example) for c in table.columns if c.example is not None}


def row_schema(table: Table) -> dict[str, Any]:
    """JSON Schema of a row of the table."""
    return {
        "type": "object",
        "title": table.label,
        "description": table.description,
        "properties": {column.name: column_schema(column) for column in table.columns},
        "required": [column.name for column in table.columns if column.required],
        "additionalProperties": False,
        "examples": [example_row(table)],
    }


def describe_table(table: Table) -> dict[str, Any]:
    """The contract of a table as JSON."""
    return {
        "source": table.source,
        "table": table.name,
        "label": table.label,
        "description": table.description,
        "primary_key": list(table.primary_key),
        "load": table.load,
        "valid_from": table.valid_from,
        "doors": list(table.doors),
        "columns": [
            {
                "name": column.name,
                "data_type": column.type.sql,
                "required": column.required,
                "label": column.label,
                "description": column.description,
                "example": _json_value(column.example),
                "pii": column.pii,
                "accepted_values": (list(column.accepted_values) if column.accepted_values is not None else None),
            }
            for column in table.columns
        ],
        "rules": [
            {
                "rule": rule.name,
                "columns": list(rule.columns),
                "message": rule.message,
                "severity": rule.severity,
                "where": rule.where,
            }
            for rule in table.row_rules
        ],
        "unique": [{"columns": list(rule.columns), "severity": rule.severity} for rule in table.unique_rules],
        "relationships": [
            {
                "columns": list(relationship.columns),
                "parent": ".".join(relationship.parent),
                "parent_columns": list(relationship.parent_columns),
                "severity": relationship.severity,
            }
            for relationship in table.relationships
        ],
        "checked_by_dbt_only": [
            {"test": test.name, "columns": list(test.columns), "reason": test.reason} for test in table.unchecked
        ],
        "links": {"loads": f"/api/v1/loads/{table.source}/{table.name}"},
    }


def openapi(contract: Contract) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the whole API."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Receipt": _RECEIPT, "Problem": _PROBLEM}
    for table in contract:
        name = f"{table.source}.{table.name}"
        schemas[name] = row_schema(table)
        if "api" in table.doors and table.load == "versions":
            schemas[f"{name}.key"] = key_schema(table)
        if "api" in table.doors:
            paths[f"/api/v1/loads/{table.source}/{table.name}"] = {"post": _load_operation(name, table)}
    paths |= _READING
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Gatehouse: {contract.project}",
            "version": contract.fingerprint[:12] or "0",
            "description": "One call a batch, judged row by row by the project's source files.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _load_operation(name: str, table: Table) -> dict[str, Any]:
    example = example_row(table)
    return {
        "operationId": f"load_{table.source}_{table.name}",
        "summary": f"Load {table.label.lower()}",
        "description": table.description,
        "parameters": [
            {
                "name": "Idempotency-Key", "in": "header",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                "description": "The same key and body again changes nothing and says so.",
            },
            {
                "name": "on_reject", "in": "query",
                "schema": {"enum": ["quarantine", "refuse"], "default": "quarantine"},
                "description": "Keep bad rows and load the good ones, or all or nothing.",
            },
            {
                "name": "dry_run", "in": "query",
                "schema": {"enum": ["true", "false"], "default": "false"},
                "description": "Judge, and change nothing.",
            },
            *([_OP, _CASCADE] if table.load == "versions" else []),
            {
                "name": "Content-Encoding", "in": "header",
                "schema": {"enum": ["identity", "gzip"]},
                "description": "How the body is packed.",
            },
            *_DIALECT,
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _one_or_many(name, table), "example": [example]},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/csv": {"schema": {"type": "string"}},
                **{
                    media_type: {"schema": {"type": "string", "format": "binary"}}
                    for media_type, format_ in MEDIA_TYPES.items()
                    if format_ in ("parquet", "xlsx", "zip")
                },
            },
        },
        "responses": {
            "200": _receipt("Loaded before, or a dry run; nothing changed"),
            "201": _receipt("Loaded; rows that were not let in are listed and kept"),
            **{
                code: _problem(words)
                for code, words in {
                    "400": "The body can't be read", "401": "No valid token",
                    "403": "The contract opens no door for the API", "404": "No such table",
                    "409": "A load with this key has not ended", "413": "The body is too large",
                    "415": "Not a format that is read",
                    "422": "Refused whole, or the key came before with another body",
                    "503": "The database ended the load",
                }.items()
            },
        },
    }  # fmt: skip


def _one_or_many(name: str, table: Table) -> dict[str, Any]:
    """Rows, or for ``op=delete`` their keys: one or a list of them."""
    row = {"$ref": f"#/components/schemas/{name}"}
    if table.load == "events":
        return {"oneOf": [row, {"type": "array", "items": row}]}
    key = {"$ref": f"#/components/schemas/{name}.key"}
    return {"anyOf": [row, {"type": "array", "items": row}, key, {"type": "array", "items": key}]}


def key_schema(table: Table) -> dict[str, Any]:
    """JSON Schema of what ``op=delete`` takes: the key, and ``valid_from`` where the sender knows it."""
    names = list(dict.fromkeys((*table.primary_key, *([table.valid_from] if table.valid_from else []))))
    schema: dict[str, Any] = {
        "type": "object",
        "title": f"{table.label}: key of a row to delete",
        "properties": {name: column_schema(table.column(name)) for name in names},
        "required": list(table.primary_key),
    }
    example = {name: value for name, value in example_row(table).items() if name in table.primary_key}
    if set(example) == set(table.primary_key):
        schema["examples"] = [example]
    return schema


#: What a caller may say of a CSV or workbook; what is not said is found out.
_DIALECT: list[dict[str, Any]] = [
    {"name": name, "in": "query", "schema": schema, "description": f"{words}; found out if it is not said."}
    for name, schema, words in (
        ("separator", {"enum": [*SEPARATORS]}, "What parts the fields of a CSV"),
        ("quote", {"enum": [*QUOTES]}, "The quotation mark of a CSV"),
        ("decimal", {"enum": [*DECIMALS]}, "The decimal sign of a CSV"),
        ("encoding", {"enum": [*ENCODINGS]}, "The encoding of a text"),
        ("sheet", {"type": "string"}, "A sheet of a workbook, by name or by number from 1"),
    )
]


def _receipt(words: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Receipt"}}}
    return {"description": words, "content": content}


def _problem(words: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": words, "content": content}


def _reads(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "As asked"},
            "400": _problem("A parameter is not as stated"),
            "401": _problem("No valid token"),
            "404": _problem("There is none"),
        },
    }
    if parameters:
        operation["parameters"] = list(parameters)
    return {"get": operation}


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


_OP = {
    "name": "op", "in": "query", "schema": {"enum": ["load", "delete"], "default": "load"},
    "description": "`delete`: the rows are keys, and what stands under them goes.",
}  # fmt: skip
_CASCADE = {
    "name": "cascade", "in": "query", "schema": {"enum": ["wait"]},
    "description": "Rows whose parent goes are set to waiting, and come in again with it. "
                   "Without it a parent with rows under it stays.",
}  # fmt: skip
_NUMBER = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
_TEXT = {"type": "string"}
_FILTERS = (
    _parameter("source", "query", _TEXT),
    _parameter("table", "query", _TEXT),
    _parameter("status", "query", _TEXT),
    _parameter("before", "query", _NUMBER),
)
_LIMIT = _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000})
_KEY = _parameter("idempotency_key", "query", _TEXT) | {
    "description": "The caller's own loads of this key, also one that runs."
}
_LOAD_ID = _parameter("load_id", "query", _NUMBER)
_READING: dict[str, Any] = {
    "/api/v1/loads": _reads("The latest loads; with status=running those that run", *_FILTERS, _LIMIT, _KEY),
    "/api/v1/loads/{load_id}": _reads(
        "A receipt; of a load that runs, how far it is", _parameter("load_id", "path", _NUMBER)
    ),
    "/api/v1/loads/{load_id}/undo": {
        "post": {
            "operationId": "undo_load",
            "summary": "Undo a load",
            "description": "What the load brought is taken back, and what it had replaced stands again. "
            "The answer says what that changes; with dry_run, what it would change.",
            "parameters": [
                _parameter("load_id", "path", _NUMBER),
                _parameter("dry_run", "query", {"enum": ["true", "false"], "default": "false"}),
                _CASCADE,
            ],
            "responses": {
                "200": _receipt("Undone before, or a plan; nothing changed"),
                "201": _receipt("Undone: the receipt of the undo, which is a load itself, with its plan"),
                "400": _problem("An option is not as stated"),
                "401": _problem("No valid token"),
                "403": _problem("The contract opens no door for the API"),
                "404": _problem("There is no such load"),
                "409": _problem("It can't be undone, or rows of other loads stand under its rows; says which"),
                "503": _problem("The database does not answer"),
            },
        }
    },
    "/api/v1/rejects": _reads("Rows that were not let in", *_FILTERS, _LOAD_ID, _LIMIT),
    "/api/v1/rejects.csv": _reads("The error sheet", *_FILTERS, _LOAD_ID),
    "/api/v1/rejects/replay": {
        "post": {
            "summary": "Judge kept rows again",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {
                                "reject_ids": {"type": "array", "items": _NUMBER},
                                "source": _TEXT,
                                "table": _TEXT,
                            },
                        }
                    }
                },
            },
            "responses": {
                "200": {"description": "A receipt for each table"},
                "400": _problem("The body is not as stated"),
                "401": _problem("No valid token"),
                "403": _problem("The contract opens no door for the API"),
                "404": _problem("The contract has no such table any more"),
                "413": _problem("The body is larger than 1 MB"),
                "503": _problem("The database ended it; `receipts` are those of the tables before"),
            },
        }
    },
    "/api/v1/tables": _reads("The contract"),
    "/api/v1/tables/{source}/{table}": _reads(
        "The contract of a table",
        _parameter("source", "path", _TEXT),
        _parameter("table", "path", _TEXT),
    ),
    "/api/v1/openapi.json": _reads("This document"),
}
_COUNTS = ("received", "accepted", "waiting", "rejected", "duplicates")
_RECEIPT: dict[str, Any] = {
    "type": "object",
    "description": "received = accepted + waiting + rejected + duplicates",
    "properties": {
        "load_id": {"type": ["integer", "null"]},
        "source": _TEXT,
        "table": _TEXT,
        "door": _TEXT,
        "status": {"enum": ["succeeded", "refused", "failed", "running", "dry_run"]},
        **{name: {"type": "integer", "minimum": 0} for name in _COUNTS},
        "format": {
            "type": ["object", "null"],
            "description": "What the body turned out to be: format, encoding, separator, quote, decimal, sheet, packed",
        },
        "warnings": {"type": "array", "items": {"type": "object"}},
        "rejects": {"type": "array", "items": {"type": "object"}},
        "releases": {"type": "array", "items": {"type": "object"}},
        "cascades": {"type": "array", "items": {"type": "object"}},
        "plan": {"type": ["object", "null"]},
        "progress": {
            "type": "object",
            "description": "Of a load that runs: rows, rows_per_second, bytes and size of the body, started_at, "
            "updated_at. Nothing but received is counted so far.",
        },
        "links": {"type": "object"},
    },
    "required": ["load_id", "source", "table", "door", "status", *_COUNTS, "warnings", "rejects"],
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT,
    },
    "required": ["title", "status", "detail"],
}  # fmt: skip
