"""The API's document, made from the contract: schemas, choices and examples follow it."""

from __future__ import annotations

import csv
import io
import json
import re
from copy import deepcopy
from typing import Any

from loader.contract.model import Column, Contract, Table
from loader.contract.types import DataType
from loader.doors.openapi_calls import CALLS, CASCADE, DRY_RUN
from loader.doors.openapi_shapes import LOCATION, REPLAYED, SCHEMAS, answer, named, problems
from loader.intake.decode import MEDIA_TYPES
from loader.intake.decode.encoding import ENCODINGS
from loader.intake.decode.said import DECIMALS, QUOTES, SEPARATORS

#: What an Idempotency-Key may be.
KEY_PATTERN = r"^[^\x00-\x1f\x7f]{1,255}$"
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


_NUMERIC = ("integer", "number")
#: A value of each type, for an example where the contract gives none.
_ANY: dict[str, Any] = {
    "smallint": 1, "integer": 1, "bigint": 1, "numeric": 1, "double precision": 1.5,
    "text": "text", "varchar": "text", "boolean": True, "date": "2024-02-29",
    "timestamp": "2024-02-29T13:45:00", "timestamptz": "2024-02-29T13:45:00Z", "time": "13:45:00",
    "uuid": "3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11", "jsonb": {},
}  # fmt: skip


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
        schema["examples"] = [_example(column)]
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


def example_value(column: Column) -> Any:
    """A value of the column as JSON has it: its example, else one that it accepts, else any of its type."""
    if column.example is not None:
        return _example(column)
    if column.accepted_values:
        return _typed(column.accepted_values[0], column)
    return _any_value(column.type)


def _example(column: Column) -> Any:
    """The column's example; one that the YAML has as text is a number where the column holds numbers."""
    if isinstance(column.example, str) and _JSON_TYPES.get(column.type.family, {}).get("type") in _NUMERIC:
        return _typed(column.example, column)
    return _json_value(column.example)


def _any_value(data_type: DataType) -> Any:
    if data_type.element is not None:
        return [_any_value(data_type.element)]
    if data_type.format:
        return _filled(data_type.format)
    value = _ANY[data_type.family]
    return value[: data_type.precision] if data_type.family == "varchar" else value


def _filled(template: str) -> str:
    """A date or time in a column's own format."""
    digits = {"YYYY": "2024", "MM": "02", "DD": "29", "HH": "13", "MI": "45", "SS": "00"}
    return re.sub("YYYY|MM|DD|HH24|HH|MI|SS", lambda found: digits[found[0][:4].replace("HH24", "HH")], template)


def example_row(table: Table) -> dict[str, Any]:
    """A row made of the columns' examples; a column without one is left out, unless it has to be there."""
    return {c.name: example_value(c) for c in table.columns if c.example is not None or c.required}


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
    schemas: dict[str, Any] = dict(SCHEMAS)
    for table in contract:
        name = f"{table.source}.{table.name}"
        schemas[name] = row_schema(table)
        if "api" in table.doors and table.load == "versions":
            schemas[f"{name}.key"] = key_schema(table)
        if "api" in table.doors:
            paths[f"/api/v1/loads/{table.source}/{table.name}"] = {"post": _load_operation(name, table)}
    paths |= CALLS
    document = {
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
    return deepcopy(document)  # whoever gets it may change it: parts of it are every document's


def _load_operation(name: str, table: Table) -> dict[str, Any]:
    example = example_row(table)
    return {
        "operationId": f"load_{table.source}_{table.name}",
        "summary": f"Load {table.label.lower()}",
        "description": table.description,
        "parameters": [
            {
                "name": "Idempotency-Key", "in": "header",
                "schema": {"type": "string", "pattern": KEY_PATTERN},
                "description": "The same key and body again changes nothing and says so.",
            },
            {
                "name": "on_reject", "in": "query",
                "schema": {"enum": ["quarantine", "refuse"], "default": "quarantine"},
                "description": "Keep bad rows and load the good ones, or all or nothing.",
            },
            DRY_RUN,
            *([_OP, CASCADE] if table.load == "versions" else []),
            {
                "name": "Content-Encoding", "in": "header",
                "schema": {"enum": ["identity", "gzip"]},
                "description": "How the body is packed.",
            },
            *_DIALECT,
            _COLUMNS,
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _one_or_many(name, table), "example": [example]},
                "application/x-ndjson": {
                    "schema": {"type": "string", "description": "A row a line"},
                    "example": json.dumps(example, ensure_ascii=False) + "\n",
                },
                "text/csv": {
                    "schema": {"type": "string", "description": "The columns' names, then a row a line"},
                    "example": _as_csv(example),
                },
                **{
                    media_type: {"schema": {"type": "string", "format": "binary"}}
                    for media_type, format_ in MEDIA_TYPES.items()
                    if format_ in ("parquet", "xlsx", "zip")
                },
            },
        },
        "responses": {
            "200": answer(
                "Loaded before, or a dry run; nothing changed", named("Receipt"), Idempotent_Replayed=REPLAYED
            ),
            "201": answer("Loaded; rows that were not let in are listed and kept", named("Receipt"), Location=LOCATION),
            **problems({
                "400": "The body or a parameter can't be read; the position is named",
                "404": "No such table",
                "409": "A load with this key has not ended", "413": "The body is too large",
                "415": "Not a format that is read",
                "422": "Refused whole, or the key came before with another body",
                "503": "The database ended the load, or another one into the table goes on; nothing was loaded",
            }),
        },
    }  # fmt: skip


def _as_csv(row: dict[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(row)
    writer.writerow(
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in row.values()
    )
    return out.getvalue()


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
    schema["examples"] = [{name: example_value(table.column(name)) for name in table.primary_key}]
    return schema


_OP: dict[str, Any] = {
    "name": "op", "in": "query", "schema": {"enum": ["load", "delete"], "default": "load"},
    "description": "`delete`: the rows are keys, and what stands under them goes.",
}  # fmt: skip
#: What a caller may say of a CSV or workbook; what is not said is found out.
_DIALECT: list[dict[str, Any]] = [
    {"name": name, "in": "query", "schema": schema, "description": f"{words}; found out if it is not said."}
    for name, schema, words in (
        ("separator", {"enum": [*SEPARATORS]}, "What parts the fields of a CSV"),
        ("quote", {"enum": [*QUOTES]}, "The quotation mark of a CSV"),
        ("decimal", {"enum": [*DECIMALS]}, "The decimal sign of a CSV"),
        ("encoding", {"enum": [*ENCODINGS]}, "The encoding of a text"),
        ("sheet", {"type": "string"}, "A sheet of a workbook, by name or by number from 1"),
        (
            "header_row",
            {"type": "integer", "minimum": 1, "maximum": 1000},
            "The row with the names, of a CSV or workbook",
        ),
    )
]
_COLUMNS: dict[str, Any] = {
    "name": "columns", "in": "query",
    "schema": {"type": "string", "contentMediaType": "application/json"},
    "description": "A JSON object of the body's own names of columns, each with the table's name of it, or null to "
    'leave it out: `{"Order No.": "order_id", "Remark": null}`. A name that is not in it is the table\'s.',
}  # fmt: skip
