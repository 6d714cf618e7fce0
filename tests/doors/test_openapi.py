"""The API's document follows the contract, and its examples are true."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import jsonschema_rs
import pytest
import schemathesis
import sqlalchemy as sa
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from loader.contract.model import Column, Contract
from loader.contract.read import read_contract
from loader.contract.types import parse_type
from loader.doors.openapi import column_schema, example_row, example_value, openapi, row_schema
from loader.intake.load import Options, load_stream
from loader.ledger.loads import Origin
from loader.settings import Settings
from tests.pages.desk import Desk


@pytest.fixture(scope="session")
def contract(server: Settings) -> Contract:
    return read_contract(server.project_dir, server.state_dir)


def test_every_table_with_an_open_door_is_in_the_document(desk: Desk) -> None:
    document = desk.client.get("/api/v1/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    assert "/api/v1/loads/desk/tickets" in document["paths"]
    assert "/api/v1/loads/desk/visits" not in document["paths"]
    kind = document["components"]["schemas"]["desk.tickets"]["properties"]["kind"]
    assert kind["enum"] == ["bug", "wish", "<i>odd</i>", "can't"]


def test_every_route_of_the_api_is_in_the_document(desk: Desk) -> None:
    told = {(path, method) for path, item in openapi(desk.contract)["paths"].items() for method in item}
    loads = {(f"/api/v1/loads/desk/{name}", "post") for name in ("teams", "tickets", "people", "chairs")}
    there = {
        (rule.rule.replace("<int:", "{").replace("<", "{").replace(">", "}"), method.lower())
        for rule in desk.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith(("api.", "rejects.")) and rule.endpoint != "api.post_load"
    }
    assert told == there | loads


def test_schemas_are_valid_and_examples_fit_them(contract: Contract) -> None:
    for table in contract:
        schema = row_schema(table)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(example_row(table), schema)


def test_the_document_is_openapi_3_1_and_each_schema_a_schema(contract: Contract, desk: Desk) -> None:
    for document in (openapi(contract), openapi(desk.contract)):
        schemathesis.openapi.from_dict(document).validate()
        for schema in document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
        assert len(names) == len(set(names))


def test_the_check_of_the_document_sees_what_is_wrong(desk: Desk) -> None:
    document = openapi(desk.contract)
    del document["paths"]["/api/v1/loads"]["get"]["responses"]["200"]["description"]
    with pytest.raises(jsonschema_rs.ValidationError):
        schemathesis.openapi.from_dict(document).validate()


def test_every_example_is_valid_by_the_schema_that_it_stands_under(contract: Contract, desk: Desk) -> None:
    """Also of a contract that gives few examples: the desk's."""
    for document in (openapi(contract), openapi(desk.contract)):
        root = Registry().with_resource(
            "urn:document", Resource.from_contents(document, default_specification=DRAFT202012)
        )
        checked = 0
        for schema, example in examples_of(document):
            absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
            checker = jsonschema.FormatChecker()
            jsonschema.Draft202012Validator(absolute, registry=root, format_checker=checker).validate(example)
            checked += 1
        assert checked > 25


def examples_of(node: Any) -> Iterator[tuple[Any, Any]]:
    """Each example of the document, with its schema."""
    if isinstance(node, list):
        for part in node:
            yield from examples_of(part)
    if isinstance(node, dict):
        if isinstance(node.get("examples"), list):
            yield from ((node, example) for example in node["examples"])
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"]
        for name, part in node.items():
            if name not in ("examples", "example"):
                yield from examples_of(part)


def test_an_example_is_made_where_the_contract_gives_none() -> None:
    for data_type, words, example in [
        ("date", {"format_": "DD.MM.YYYY"}, "29.02.2024"),
        ("varchar(2)", {}, "te"),
        ("integer[]", {}, [1]),
        ("uuid", {}, "3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11"),
    ]:
        column = Column("c", parse_type(data_type, **words), True, "C", "")
        assert example_value(column) == example
    assert example_value(Column("c", parse_type("numeric(6,2)"), True, "C", "", example="25.00")) == 25
    assert example_value(Column("c", parse_type("text"), True, "C", "", accepted_values=("b", "a"))) == "b"


def test_every_reference_in_the_document_leads_somewhere(contract: Contract) -> None:
    document = openapi(contract)
    text = json.dumps(document)

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [r for value in node.values() for r in references(value)]
        return [r for item in node for r in references(item)] if isinstance(node, list) else []

    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    assert '"$ref"' in text


def test_the_door_takes_every_example(contract: Contract, settings: Settings, engine: sa.Engine) -> None:
    for table in contract:
        body = io.BytesIO(json.dumps(example_row(table)).encode())
        receipt = load_stream(engine, contract, table, body, "json", Origin("api", "test"), Options(dry_run=True))
        assert receipt.rejected == 0, (table.id, receipt.rejects)


def test_choices_are_of_the_columns_type() -> None:
    """dbt writes a boolean of the YAML as Python does; a caller sends JSON."""
    for data_type, accepted, choices in [
        ("boolean", ("True", "False"), [True, False]),
        ("integer", ("1", "2"), [1, 2]),
        ("numeric(4,2)", ("0.5", "1"), [0.5, 1.0]),
        ("text", ("True", "1"), ["True", "1"]),
    ]:
        column = Column("c", parse_type(data_type), True, "C", "", accepted_values=accepted)
        schema = column_schema(column)
        assert schema["enum"] == choices
        for choice in choices:
            jsonschema.validate(choice, schema)


def test_an_array_is_an_array_of_what_its_elements_are() -> None:
    column = Column("codes", parse_type("varchar(5)[]"), True, "Codes", "", example=["a"], accepted_values=("{a}",))
    schema = column_schema(column)
    assert schema["type"] == "array"
    assert schema["items"] == {"type": ["string", "null"], "maxLength": 5}
    assert "enum" not in schema
    jsonschema.validate(["a", None], schema)
    assert column_schema(Column("n", parse_type("integer[]"), False, "N", ""))["type"] == ["array", "null"]
