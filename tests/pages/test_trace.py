"""The page that says where a row comes from: for who has logged in, and without personal data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pages.desk import Desk, words

MODEL = {
    "resource_type": "model", "name": "dim_people", "alias": "dim_people", "schema": "warehouse",
    "config": {"meta": {"trace": {"key": ["badge"], "from": [{"source": "desk.people", "by": ["badge"]}]}}},
}  # fmt: skip


@pytest.fixture
def built(desk: Desk, tmp_path: Path) -> Desk:
    here = desk.app.extensions["gatehouse"]
    here.settings = replace(here.settings, project_dir=tmp_path)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "manifest.json").write_text(json.dumps({"nodes": {"model.x.dim_people": MODEL}}))
    desk.load("people", {"address": "ann@example.com", "badge": "1"}, file_name="people.csv", principal="system")
    desk.execute("create schema if not exists warehouse")
    desk.execute("create table warehouse.dim_people as select badge from staging_desk.people")
    return desk


def test_where_a_row_comes_from_without_personal_data(built: Desk) -> None:
    page = words(built.get("/trace/warehouse/dim_people?badge=1"))
    assert "staging_desk.people 1 row, in warehouse.dim_people" in page
    assert "Load 1 brought 1 of them: door api, people.csv, by system" in page
    assert "••••" in page
    assert "ann@example.com" not in page


def test_a_row_is_found_from_the_tables_on(built: Desk) -> None:
    assert 'href="/trace/"' in built.get("/")
    listed = built.get("/trace/")
    assert "dim_people badge desk.people" in words(listed)
    assert 'href="/trace/warehouse/dim_people"' in listed
    chosen = built.get("/trace/warehouse/dim_people?badge=")
    assert 'name="badge"' in chosen
    assert 'href="/trace/warehouse/dim_people?badge=1"' in chosen


def test_what_can_not_be_traced_is_a_page_that_says_so(built: Desk) -> None:
    assert "has no row with badge=2" in words(built.get("/trace/warehouse/dim_people?badge=2", 404))
    assert "is no model that says" in words(built.get("/trace/ledger/users?name=ann", 404))
    assert "invalid input syntax" in words(built.get("/trace/warehouse/dim_people?badge=x%27--", 404))
    assert "has no column bodge" in words(built.get("/trace/warehouse/dim_people?bodge=1", 404))
    built.execute("drop table warehouse.dim_people")
    assert "badge" in words(built.get("/trace/warehouse/dim_people"))
    assert "Run `loader build`" in words(built.get("/trace/warehouse/dim_people?badge=1", 404))
    (built.app.extensions["gatehouse"].settings.project_dir / "target/manifest.json").unlink()
    assert "Run `loader build`" in words(built.get("/trace/"))


@pytest.mark.parametrize("path", ["/trace/", "/trace/warehouse/dim_people?badge=1"])
def test_a_trace_needs_a_login(built: Desk, path: str) -> None:
    stranger = built.app.test_client()
    assert stranger.get(path).status_code in (302, 303)
