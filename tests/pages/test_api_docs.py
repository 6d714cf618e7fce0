"""The API's pages say what its document says, to whoever is logged in."""

from __future__ import annotations

import html
import re

from loader.doors.openapi import openapi
from tests.pages.desk import Desk, words

INDEX = "/api/v1/docs"


def test_every_call_is_on_a_page_with_its_parameters_and_answers(desk: Desk) -> None:
    index = desk.get(INDEX)
    for path, item in openapi(desk.contract)["paths"].items():
        for method, operation in item.items():
            page = index
            if operation["operationId"].startswith("load_"):
                assert f"POST {path}" in words(index)
                page = desk.get(path.replace("/loads/", "/docs/"))
            said = words(page)
            assert f"{method.upper()} {path}" in said
            assert html.escape(operation["summary"]) in html.unescape(page) or operation["summary"] in said
            for parameter in operation.get("parameters", ()):
                assert f"{parameter['name']}" in said
                assert " ".join(parameter["description"].split()) in said
            for status, told in operation["responses"].items():
                assert f"{status} {told['description']}" in said, (path, status)


def test_a_tables_page_has_the_schema_of_its_body_and_an_example(desk: Desk) -> None:
    page = desk.get("/api/v1/docs/desk/tickets")
    said = words(page)
    assert "ticket_id required" in said
    assert 'one of "bug", "wish", "<i>odd</i>", "can\'t"' in said
    assert "<i>odd</i>" not in page
    assert "Tickets: key of a row to delete" in said
    example = html.unescape(re.search(r"<h3>Example</h3>\s*<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1])  # type: ignore[index]
    assert '"ticket_id": 9007199254740993' in example


def test_every_link_within_the_pages_leads_somewhere(desk: Desk) -> None:
    index = desk.get(INDEX)
    ids = set(re.findall(r' id="([^"]+)"', index))
    for page in (index, desk.get("/api/v1/docs/desk/chairs")):
        anchors = re.findall(r'href="(?:/api/v1/docs)?#([^"]+)"', page)
        assert anchors
        assert set(anchors) - {"main"} <= ids
    for path in re.findall(r'href="(/api/v1/docs/[^"#]+)"', index):
        desk.get(path)


def test_a_table_without_an_open_door_has_no_page(desk: Desk) -> None:
    assert "desk/visits" not in desk.get(INDEX)
    assert "opens no door for the API to a table desk.visits" in words(desk.get("/api/v1/docs/desk/visits", 404))


def test_whoever_is_not_logged_in_is_sent_to_the_login_and_back(desk: Desk) -> None:
    stranger = desk.app.test_client()
    answer = stranger.get(INDEX)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/login?next=/api/v1/docs"


def test_the_pages_lead_to_it(desk: Desk) -> None:
    assert f'href="{INDEX}">API</a>' in desk.get("/tables")
