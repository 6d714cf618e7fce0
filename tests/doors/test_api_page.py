"""The snippets of docs/api.md and of the API's own pages, run against a real server."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
import pytest

from loader.settings import Settings
from loader.web_server import WebServer
from tests.conftest import ROOT, free_port
from tests.pages.desk import Desk

PAGE = ROOT / "docs" / "api.md"
WRITTEN = "http://127.0.0.1:8000"
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@dataclass
class Place:
    """A folder with `.venv/bin` where the loader is, as whoever reads the page has one, and a server."""

    folder: Path
    settings: Settings
    address: str
    token: str = ""

    def run(self, language: str, text: str) -> str:
        """What the snippet prints; it must end well, and say nothing on standard error."""
        command = ["sh", "-euc", text] if language == "sh" else [sys.executable, "-c", text]
        environment = dict(os.environ) | self.settings.environment() | {
            "LOADER_PROJECT_DIR": str(self.settings.project_dir), "LOADER_STATE_DIR": str(self.settings.state_dir),
            "TOKEN": self.token, "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        ran = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, ""), text + ran.stdout + ran.stderr
        return ran.stdout


def serve(settings: Settings, folder: Path) -> Iterator[Place]:
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    own = replace(settings, state_dir=folder / "state")
    shutil.copytree(settings.state_dir / "contract", own.state_dir / "contract")
    web = WebServer(own, port=free_port(), workers=1)
    web.start()
    try:
        yield Place(folder, own, web.address)
    finally:
        web.stop()


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> Iterator[Place]:
    yield from serve(settings, tmp_path)


@pytest.fixture
def help_desk(desk: Desk, tmp_path: Path) -> Iterator[Place]:
    yield from serve(desk.settings, tmp_path)


def test_every_snippet_of_the_page_does_what_the_page_says(shop: Place) -> None:
    snippets = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert [language for language, _ in snippets] == ["sh", "sh", "python", "sh", "python", "sh"]
    make_token, load, load_again, load_file, ask, delete = (
        (language, text.replace(WRITTEN, shop.address)) for language, text in snippets
    )
    shop.token = shop.run(*make_token).strip()
    assert shop.token.startswith("gh_")
    receipt = json.loads(shop.run(*load))
    assert (receipt["accepted"], receipt["rejected"]) == (1, 1)
    assert "must be two capital letters, such as US" in receipt["rejects"][0]["message"]
    assert json.loads(shop.run(*load)) == receipt, "sent again, it is the same receipt"
    assert shop.run(*load_again) == "1 of 1 rows are in\n"
    assert json.loads(shop.run(*load_file))["accepted"] == 1
    assert re.fullmatch(r"1 country_code must be two capital letters.*Utopia.*\n", shop.run(*ask))
    deleted, would_undo = (json.loads(line) for line in shop.run(*delete).splitlines())
    assert (deleted["accepted"], would_undo["plan"]["gone"], would_undo["plan"]["dismissed"]) == (1, 1, 1), would_undo
    with_rows = psycopg2.connect(
        host=shop.settings.host, port=shop.settings.port, user=shop.settings.user,
        password=shop.settings.password, dbname=shop.settings.database,
    )  # fmt: skip
    with with_rows.cursor() as cursor:
        cursor.execute("select supplier_id from staging_erp.suppliers order by 1")
        assert cursor.fetchall() == [(7,), (9,)]
        cursor.execute("select op, status, accepted from ledger.loads order by load_id desc limit 1")
        assert cursor.fetchone() == ("delete", "succeeded", 1)
    with_rows.close()


def test_the_snippets_of_a_tables_page_load_its_example(help_desk: Place, desk: Desk) -> None:
    help_desk.token = help_desk.run("sh", ".venv/bin/loader token create machine").strip()
    for table, key in (("teams", "7"), ("tickets", "9007199254740993"), ("people", "text"), ("chairs", "1")):
        page = desk.get(f"/api/v1/docs/desk/{table}").replace("http://localhost", help_desk.address)
        curl, python = (
            html.unescape(re.search(f'<pre tabindex="0" class="{name}">(.*?)</pre>', page, re.DOTALL)[1])  # type: ignore[index]
            for name in ("curl", "python")
        )
        receipt = json.loads(help_desk.run("sh", curl))
        assert receipt["accepted"] + receipt["waiting"] == 1, (table, receipt)
        said = help_desk.run("python", python)  # another key: the same row is a duplicate
        assert "rows are in" in said, table
        assert receipt["waiting"] or desk.rows(f"select 1 from staging_desk.{table}"), key
