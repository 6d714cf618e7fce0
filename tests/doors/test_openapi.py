"""The API's document follows the contract, and its examples are true."""

from __future__ import annotations

import io
import json
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa

from loader.contract.model import Column, Contract
from loader.contract.read import read_contract
from loader.contract.types import parse_type
from loader.doors.openapi import column_schema, example_row, openapi, row_schema
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
    paths = set(openapi(desk.contract)["paths"])
    for rule in desk.app.url_map.iter_rules():
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.post_load":
            path = rule.rule.replace("<int:", "{").replace("<", "{").replace(">", "}")
            assert path in paths, path


def test_schemas_are_valid_and_examples_fit_them(contract: Contract) -> None:
    for table in contract:
        schema = row_schema(table)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(example_row(table), schema)


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
