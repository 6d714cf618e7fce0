"""dbt's docs run apart from the rest of the site."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pages.desk import Desk


@pytest.fixture
def target(desk: Desk, tmp_path: Path) -> Path:
    here = desk.app.extensions["gatehouse"]
    here.settings = replace(here.settings, project_dir=tmp_path)
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def test_docs_that_have_not_been_made(desk: Desk, target: Path) -> None:
    assert "loader build" in desk.get("/dbt/")


def test_docs_without_their_catalog_have_not_been_made(desk: Desk, target: Path) -> None:
    (target / "index.html").write_text("<html></html>")
    assert "loader build" in desk.get("/dbt/")


def test_the_docs_are_one_page_that_can_reach_nothing(desk: Desk, target: Path) -> None:
    (target / "index.html").write_text(
        '<script>var m = "MANIFEST.JSON INLINE DATA", c = "CATALOG.JSON INLINE DATA"</script>'
    )
    said = "</script><script>alert(1)</script>"
    (target / "manifest.json").write_text(json.dumps({"description": said}))
    (target / "catalog.json").write_text(json.dumps({"nodes": {}}))
    response = desk.client.get("/dbt/")
    assert response.text.count("<script>") == 1
    body = response.text.partition("var m = ")[2].partition(", c = ")[0]
    assert json.loads(body) == {"description": said}
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy


def test_every_other_page_keeps_the_strict_policy(desk: Desk) -> None:
    for path in ("/", "/tables/desk/tickets/new", "/nothing"):
        policy = desk.client.get(path).headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
