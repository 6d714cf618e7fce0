"""A help desk: a small contract with every kind of field, its app, and a client that is logged in."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from loader.app import create_app
from loader.contract.model import Contract
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.intake.load import Options, load_stream
from loader.intake.receipt import Receipt
from loader.ledger import access
from loader.ledger.loads import Origin
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import RUN_FOLDER, one_at_a_time, run_sql

PROJECT = Path(__file__).parent / "project"
NAME, PASSWORD = "ann", "correct horse battery"
TICKET = {
    "ticket_id": "1", "team_id": "7", "kind": "bug", "urgent": "true", "changed_at": "2024-02-29T12:00:00Z",
}  # fmt: skip


@dataclass
class Desk:
    """The app on a database of its own, a client, and ways to put something in."""

    settings: Settings
    engine: sa.Engine
    contract: Contract
    app: Flask
    client: FlaskClient

    def load(self, table: str, *rows: dict[str, Any], **origin: Any) -> Receipt:
        """Load rows as a system would, by the API's door."""
        origin = {"door": "api", "principal": "system"} | origin
        options = Options(origin.pop("on_reject", "quarantine"))
        body = BytesIO("\n".join(json.dumps(row) for row in rows).encode())
        made = self.contract.find(f"desk.{table}")
        return load_stream(self.engine, self.contract, made, body, "ndjson", Origin(**origin), options)

    def get(self, path: str, status: int = 200) -> str:
        """A page's text."""
        response = self.client.get(path)
        assert response.status_code == status, (response.status_code, response.text[:2000])
        return response.text

    def fill(self, table: str, **values: str) -> TestResponse:
        """Open the form of a table, type the values, and send it as a browser does."""
        path = f"/tables/desk/{table}/new"
        fields = hidden_fields(self.get(path))
        return self.client.post(path, data=fields | {f"c.{name}": value for name, value in values.items()})

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def execute(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden fields of the page's last form: its CSRF token, and what else it sends."""
    form = page.rpartition("<form")[2]
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    assert any(name == "csrf_token" for name, _ in found)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def words(page: str) -> str:
    """What a page says, without its tags."""
    main = page.partition("<main")[2].partition(">")[2].rpartition("</main>")[0]
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())
    return re.sub(r" ([,.;:)”])|([(“]) ", r"\1\2", text)


def log_in(client: FlaskClient, name: str = NAME, password: str = PASSWORD, target: str = "") -> TestResponse:
    fields = hidden_fields(client.get("/login", query_string={"next": target} if target else None).text)
    return client.post("/login", data=fields | {"name": name, "password": password})


@pytest.fixture(scope="session")
def desk_template(server: Settings) -> str:
    """A database with the desk's tables and a user, that each test's own is copied from."""
    name, run = "desk_template", Path(os.environ[RUN_FOLDER])
    done = run / name
    with one_at_a_time(run):
        if not done.exists():
            run_sql(server, f"drop database if exists {name}")
            run_sql(server, f"create database {name}")
            engine = make_engine(replace(server, database=name))
            migrate(engine, read_contract(PROJECT, run / "loader"))
            with engine.begin() as connection:
                access.set_password(connection, NAME, PASSWORD, "admin")
            engine.dispose()
            done.touch()
    return name


@pytest.fixture
def desk(new_database: Callable[[str], Settings], desk_template: str) -> Iterator[Desk]:
    state_dir = Path(os.environ[RUN_FOLDER]) / "loader"  # one a run: dbt parses once
    settings = replace(new_database(desk_template), project_dir=PROJECT, state_dir=state_dir)
    app = create_app(settings)
    here = app.extensions["gatehouse"]
    client = app.test_client()
    with client.session_transaction() as session:  # a real login takes a password hash's time
        session["user_id"], session["user"], session["epoch"] = 1, NAME, 0
    yield Desk(settings, here.engine, here.contract(), app, client)
    with suppress(sa.exc.SQLAlchemyError):
        here.engine.dispose()
