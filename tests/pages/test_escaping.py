"""Words stay words: no value, label or name becomes markup on any page."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tests.pages.desk import TICKET, Desk, hidden_fields, log_in

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}"
#: What the templates themselves write; nothing of it takes its text from a row or the contract.
OURS = {
    "html", "head", "meta", "title", "link", "body", "a", "header", "div", "img", "nav", "form", "input", "span",
    "button", "main", "section", "h1", "h2", "h3", "p", "ul", "ol", "li", "strong", "small", "code", "table", "thead",
    "tbody", "tr", "th", "td", "time", "dl", "dt", "dd", "svg", "rect", "q", "label", "select", "option", "textarea",
    "fieldset", "legend", "details", "summary", "script", "pre", "progress",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str | None] = []
        self.images: list[str | None] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in OURS, tag
        given = dict(attributes)
        assert not [name for name in given if name.startswith("on") or name == "style"], (tag, given)
        for name in ("href", "src", "action"):
            assert (given.get(name) or "/").startswith(("/", "#")), (tag, given)
        if tag == "script":
            self.scripts.append(given.get("src"))
        if tag == "img":
            self.images.append(given.get("src"))


def read(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert all(script in ("/assets/form.js", "/assets/upload.js") for script in tags.scripts)
    assert all(image == "/assets/gate.svg" for image in tags.images)
    assert "{{ 7 * 7 }}" not in page or "alert(1)" in page
    return tags


@pytest.fixture
def hostile(desk: Desk) -> Desk:
    """A desk where everything that can hold words holds evil ones."""
    desk.load("teams", {"team_id": "7", "name": EVIL, "city": EVIL, "manager": EVIL}, principal=EVIL, file_name=EVIL)
    desk.load(
        "tickets",
        TICKET | {'odd "name" <i>': EVIL},
        TICKET | {"ticket_id": EVIL, "team_id": EVIL, "kind": EVIL, "hours": EVIL, "contact": EVIL, "urgent": EVIL},
        TICKET | {EVIL: EVIL},
        TICKET | {"ticket_id": "5", "team_id": "8", 'odd "name" <i>': EVIL},
        EVIL,
        principal=EVIL,
    )
    desk.execute(
        "insert into ledger.builds (upper_bound, status, message, command) "
        "values (1, $$failed<script>$$, $$no <script>alert(1)</script>$$, $$<script>$$)"
    )
    desk.execute(
        "insert into ledger.build_results (build_id, unique_id, status, message) "
        "values (1, $$model.x.<script>alert(1)</script>$$, $$error<b>$$, $$<script>alert(1)</script>$$)"
    )
    desk.app.extensions["gatehouse"].live.notice = EVIL
    return desk


PAGES = (
    "/", "/tables", "/tables/desk/teams", "/tables/desk/tickets", "/tables/desk/tickets/new", "/tables/desk/teams/new",
    "/tables/desk/teams/new?like=1", "/loads", "/loads/1", "/loads/2", "/rejects", "/rejects?load=2&status=all",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_page_turns_words_into_markup(hostile: Desk, path: str) -> None:
    page = hostile.get(path)
    read(page)
    assert "&lt;" in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/loads", 200),
        ("/rejects", 200),
        ("/rejects?status=", 400),
        ("/tables/desk/", 404),
        ("/", 404),
        ("/login", 302),
    ],
)
def test_no_page_turns_its_own_address_into_markup(desk: Desk, path: str, status: int) -> None:
    from urllib.parse import quote

    if path in ("/loads", "/rejects"):
        address = f"{path}?table={quote(EVIL)}"
    elif path == "/login":
        address = f"/login?next={quote(EVIL)}"
    else:
        address = path + quote(EVIL, safe="")
    response = desk.client.get(address)
    assert response.status_code == status
    if status != 302:
        read(response.text)


def test_a_failed_login_shows_the_name_as_it_is(desk: Desk) -> None:
    client = desk.app.test_client()
    response = log_in(client, EVIL, EVIL, target=EVIL)
    assert response.status_code == 401
    read(response.text)


def test_a_form_shows_what_was_typed_as_it_is(hostile: Desk) -> None:
    names = [column.name for column in hostile.contract.table("desk", "tickets").columns]
    response = hostile.fill("tickets", **dict.fromkeys(names, EVIL))
    assert response.status_code == 422
    read(response.text)
    assert response.text.count("onerror=alert(2)&gt;") >= len(names) - 2  # but for select's chosen ones


def test_a_form_that_would_wait_carries_the_values_as_they_are(desk: Desk) -> None:
    response = desk.fill("tickets", **TICKET | {'odd "name" <i>': EVIL})
    assert "This row would have to wait" in response.text
    read(response.text)
    page = response.text
    head, _, tail = page.partition("Keep it waiting")
    fields = hidden_fields(head)
    assert fields['c.odd "name" <i>'] == EVIL
    assert tail


def test_what_is_picked_from_is_json(hostile: Desk) -> None:
    response = hostile.client.get("/tables/desk/tickets/choices/team_id?q=alert")
    assert response.mimetype == "application/json"
    assert response.json["choices"][0]["label"].startswith(EVIL[:50])
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert EVIL not in hostile.get("/tables/desk/tickets/choices/team_id?q=")
