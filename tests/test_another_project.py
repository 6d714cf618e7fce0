"""A dbt project that is not the shop's: the lines of docs/another-project.md, run as they stand there.

They run in a copy of the project, against a database of the test's own; only what would start a
second server or make an environment is left out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg2
import pytest

from loader.settings import Settings
from loader.web_server import WebServer
from tests.conftest import ROOT, free_port, run_sql

PAGE = ROOT / "docs" / "another-project.md"
LEFT_OUT = ("make env", ".venv/bin/loader db start")
BOOK = {"isbn": "9780140449136", "title": "Crime and Punishment", "authors": ["Достоевский, Ф."],
        "shelves": [3, None], "catalogued_at": "2024-03-05T00:00:00Z"}  # fmt: skip


@dataclass
class Library:
    """The project as the page's lines leave it: served, with what each line said."""

    settings: Settings
    said: str
    address: str
    token: str

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        s = self.settings
        connection = psycopg2.connect(host=s.host, port=s.port, user=s.user, password=s.password, dbname=s.database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def post(self, table: str, row: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"{self.address}/api/v1/loads/{table}",
            json.dumps(row).encode(),
            {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def page_lines() -> list[str]:
    found = re.search(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1].splitlines()


@pytest.fixture(scope="session")
def library(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    database, clone = f"library_{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "examples" / "another_project", clone / "examples" / "another_project",
                    ignore=shutil.ignore_patterns(".gatehouse", "target", "logs"))  # fmt: skip
    (clone / ".venv").mkdir()
    (clone / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    run_sql(server, f"create database {database}")
    settings = replace(
        server,
        project_dir=clone / "examples" / "another_project",
        state_dir=clone / "examples" / "another_project" / ".gatehouse",
        database=database,
    )
    web = WebServer(settings, port=free_port())
    lines = [line for line in page_lines() if line not in LEFT_OUT]
    environment = dict(os.environ) | settings.environment() | {"PORT": str(web.port)}
    environment = {k: v for k, v in environment.items() if not k.startswith("LOADER_")}
    try:
        run = subprocess.run(
            ["sh", "-exc", "\n".join(lines)], cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        token = re.search(r"^(\S+)\nserving: ", run.stdout, re.MULTILINE)
        assert token, run.stdout
        yield Library(settings, run.stdout, web.address, token[1])
    finally:
        web.stop()
        run_sql(server, f"drop database if exists {database} with (force)")


def test_the_page_takes_about_ten_lines() -> None:
    lines = page_lines()
    assert len(lines) <= 12
    assert set(LEFT_OUT) < set(lines)


def test_rows_are_judged_and_wait_as_the_page_says(library: Library) -> None:
    said = " ".join(library.said.split())
    assert "4 received, 3 accepted, 0 waiting, 1 rejected" in said
    assert "4 received, 0 accepted, 3 waiting, 1 rejected" in said
    assert "let in 2 rows of desk.loans that had been waiting" in said
    faults = library.query(
        "select f ->> 'column' from ledger.rejects as r, jsonb_array_elements(r.faults) as f "
        "where r.table_name = 'books' order by 1"
    )
    assert [column for (column,) in faults] == ["authors", "language", "published_on", "shelves"]
    assert library.query("select reminders from lending.loans order by loan_id")[1] == ([],)
    waiting = "select count(*) from ledger.rejects where table_name = 'loans' and status = 'waiting'"
    assert library.query(waiting) == [(1,)]


def test_dbt_builds_it_as_any_project(library: Library) -> None:
    assert library.query("select title, loans from library.loans_by_title order by isbn") == [
        ("Pride and Prejudice", 1), ("Introduction to Algorithms", 0), ("L'Étranger", 1),
    ]  # fmt: skip


def test_its_api_takes_and_refuses_arrays(library: Library) -> None:
    status, receipt = library.post("catalogue/books", BOOK)
    assert (status, receipt["accepted"]) == (201, 1), receipt
    stored = library.query("select authors, shelves from catalogue.books where isbn = '9780140449136'")
    assert stored == [(["Достоевский, Ф."], [3, None])]
    status, receipt = library.post("catalogue/books", BOOK | {"isbn": "9780140449137", "shelves": [1, "x"]})
    assert (status, receipt["rejected"]) == (201, 1), receipt
    assert [reject["column"] for reject in receipt["rejects"]] == ["shelves"]


def test_its_form_takes_an_array(library: Library) -> None:
    password = subprocess.run(
        [str(Path(sys.executable).with_name("loader")), "user", "add", "reader", "--role", "clerk", "--password-stdin"],
        input="a long enough password\n", text=True, capture_output=True, check=False, cwd=library.settings.project_dir,
        env=dict(os.environ) | library.settings.environment(),
    )  # fmt: skip
    assert password.returncode == 0, password.stderr
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def page(path: str, **form: str) -> str:
        body = urlencode(form).encode() if form else None
        try:
            with opener.open(urllib.request.Request(f"{library.address}{path}", body), timeout=120) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def hidden(text: str, name: str) -> str:
        return re.search(rf'name="{name}" value="([^"]*)"', text)[1]

    login = page("/login")
    page("/login", csrf_token=hidden(login, "csrf_token"), name="reader", password="a long enough password")
    form = page("/tables/catalogue/books/new")
    assert "Example: [&#34;Austen, Jane&#34;]" in form
    assert re.search(r'<textarea id="c-authors"[^>]*required', form)
    typed = {"c.isbn": "9780099908500", "c.title": "Emma", "c.authors": '["Austen, Jane"]', "c.shelves": " [12, 40] ",
             "c.catalogued_at": "2024-03-05T00:00:00", "z.catalogued_at": "UTC"}  # fmt: skip
    sent = {"csrf_token": hidden(form, "csrf_token"), "nonce": hidden(form, "nonce")}
    refused = page("/tables/catalogue/books/new", **sent, **typed | {"c.authors": "Austen, Jane"})
    assert "must be a JSON array such as" in refused
    page("/tables/catalogue/books/new", **sent, **typed)
    stored = library.query("select authors, shelves from catalogue.books where isbn = '9780099908500'")
    assert stored == [(["Austen, Jane"], [12, 40])]
