"""The API's document as pages for people: each call with its parameters, body, example and answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from flask import abort, render_template, request
from flask.typing import ResponseReturnValue

from loader.app import API_PREFIX, gatehouse
from loader.doors.openapi import openapi

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True)
class Member:
    """A parameter, or a member of an object. ``place`` is a parameter's: path, query or header."""

    name: str
    kind: str
    required: bool
    words: str
    example: str | None = None
    place: str | None = None


@dataclass(frozen=True)
class Body:
    """What a call takes: media types, and the objects that JSON may hold, each with its members."""

    media_types: tuple[str, ...]
    shapes: tuple[tuple[str, tuple[Member, ...]], ...]
    example: str | None


@dataclass(frozen=True)
class Call:
    """One operation. ``answers`` are (status, words, name of the shape or ``None``, headers)."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Member, ...]
    body: Body | None
    answers: tuple[tuple[str, str, str | None, tuple[str, ...]], ...]


def index() -> ResponseReturnValue:
    """Every call that is the same for all tables, the tables, and what the answers look like."""
    contract = gatehouse().readable()
    document = openapi(contract)
    own = [call for call in calls(document) if not call.anchor.startswith("load_")]
    tables = [table for table in contract if _path(table.source, table.name) in document["paths"]]
    shapes = {
        name: (schema.get("description", ""), members(document, schema))
        for name, schema in document["components"]["schemas"].items()
        if "." not in name
    }
    return render_template(
        "api.html", document=document, calls=own, tables=tables, shapes=shapes, **_snippets_of_reading()
    )


def of_table(source: str, name: str) -> ResponseReturnValue:
    """The call that loads one table, with snippets that can be run as they stand."""
    contract = gatehouse().contract()
    document, path = openapi(contract), _path(source, name)
    if path not in document["paths"]:
        abort(404, f"The contract opens no door for the API to a table {source}.{name}.")
    (call,) = (call for call in calls(document) if call.path == path)
    rows = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
    address = request.host_url.rstrip("/") + path
    return render_template(
        "api_table.html",
        table=contract.table(source, name),
        call=call,
        curl=curl(address, rows, f"{name}-1"),
        python=python(address, rows, f"{name}-2"),
    )


def _path(source: str, name: str) -> str:
    return f"{API_PREFIX}/loads/{source}/{name}"


def calls(document: dict[str, Any]) -> Iterator[Call]:
    """The document's operations, in its order."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield Call(
                operation["operationId"],
                method.upper(),
                path,
                operation["summary"],
                operation.get("description", ""),
                tuple(map(_parameter, operation.get("parameters", ()))),
                _body(document, operation["requestBody"]["content"]) if "requestBody" in operation else None,
                tuple(
                    (status, told["description"], _shape_name(told), tuple(told.get("headers", ())))
                    for status, told in operation["responses"].items()
                ),
            )  # fmt: skip


def _parameter(told: dict[str, Any]) -> Member:
    return Member(
        told["name"],
        kind_of(told["schema"]),
        told.get("required", False),
        told.get("description", ""),
        None,
        told["in"],
    )


def _body(document: dict[str, Any], content: dict[str, Any]) -> Body:
    json_body = content["application/json"]
    objects = [*_objects(document, json_body["schema"])]
    shapes = {schema.get("title", ""): members(document, schema) for schema in objects}
    examples: list[Any] = [json_body.get("example"), *(e for each in objects[:1] for e in each.get("examples", ()))]
    example = next((example for example in examples if example is not None), None)
    text = None if example is None else json.dumps(example, ensure_ascii=False, indent=2)
    return Body(tuple(content), tuple(shapes.items()), text)


def _objects(document: dict[str, Any], schema: Schema) -> Iterator[Schema]:
    """The objects that a value of ``schema`` may be, or be a list of."""
    schema = resolved(document, schema)
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _objects(document, choice)
    if "items" in schema:
        yield from _objects(document, schema["items"])
    if "properties" in schema:
        yield schema


def resolved(document: dict[str, Any], schema: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    found: Schema = document["components"]["schemas"][schema["$ref"].removeprefix(_REFERENCE)]
    return found


def members(document: dict[str, Any], schema: Schema) -> tuple[Member, ...]:
    """The members of an object; of several that hold at once, all of theirs."""
    schema = resolved(document, schema)
    found = [member for part in schema.get("allOf", ()) for member in members(document, part)]
    required = schema.get("required", ())
    for name, own in schema.get("properties", {}).items():
        example = json.dumps(own["examples"][0], ensure_ascii=False) if own.get("examples") else None
        found.append(Member(name, kind_of(own), name in required, own.get("description", ""), example))
    return tuple(found)


def kind_of(schema: Schema) -> str:
    """What a value has to be, in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    for choices in ("oneOf", "anyOf"):
        if choices in schema:
            return " or ".join(kind_of(choice) for choice in schema[choices])
    types = schema.get("type", "any JSON")
    words = " or ".join(types) if isinstance(types, list) else str(types)
    if "items" in schema:
        words = words.replace("array", f"list of {kind_of(schema['items'])}")
    elif "properties" in schema:
        words = f"object ({', '.join(schema['properties'])})"
    extra = [str(schema["format"])] if "format" in schema else []
    if "maxLength" in schema:
        extra.append(f"at most {schema['maxLength']} characters")
    if "minimum" in schema and schema.get("maximum", 2**63) < 2**15:
        extra.append(f"{schema['minimum']} to {schema['maximum']}")
    return ", ".join([words, *extra])


def _shape_name(told: dict[str, Any]) -> str | None:
    for media in told.get("content", {}).values():
        reference: str = media["schema"].get("$ref", "")
        if reference:
            return reference.removeprefix(_REFERENCE)
    return None


# -- snippets: a token is in the environment, as TOKEN --------------------------


def curl(address: str, rows: list[Any], key: str) -> str:
    body = json.dumps(rows, ensure_ascii=False, indent=1)
    return (
        f"curl -sS -X POST {shlex.quote(address)} \\\n"
        '  -H "Authorization: Bearer $TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -H {shlex.quote('Idempotency-Key: ' + key)} \\\n"
        f"  -d {shlex.quote(body)}"
    )


def python(address: str, rows: list[Any], key: str) -> str:
    return f"""import json
import os
import urllib.error
import urllib.request

rows = {pformat(rows, sort_dicts=False, width=88)}
request = urllib.request.Request(
    {address!r},
    json.dumps(rows).encode(),
    {{
        "Authorization": "Bearer " + os.environ["TOKEN"],
        "Content-Type": "application/json",
        "Idempotency-Key": {key!r},
    }},
)
try:
    with urllib.request.urlopen(request, timeout=120) as answer:
        receipt = json.load(answer)
except urllib.error.HTTPError as error:  # a problem: what is wrong, and what to do
    raise SystemExit(json.load(error)["detail"])
print(receipt["accepted"], "of", receipt["received"], "rows are in")
for reject in receipt["rejects"]:
    print("row", reject["row"], reject["column"], reject["message"])"""


def _snippets_of_reading() -> dict[str, str]:
    address = request.host_url.rstrip("/") + f"{API_PREFIX}/rejects?status=rejected"
    return {
        "curl": f'curl -sS -H "Authorization: Bearer $TOKEN" {shlex.quote(address)}',
        "python": f"""import json
import os
import urllib.request

request = urllib.request.Request(
    {address!r}, headers={{"Authorization": "Bearer " + os.environ["TOKEN"]}}
)
with urllib.request.urlopen(request, timeout=120) as answer:
    for reject in json.load(answer)["rejects"]:
        print(reject["reject_id"], reject["table_name"], reject["message"], reject["payload"])""",
    }
