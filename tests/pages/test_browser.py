"""The pages in a real browser: the form's way to its receipt, the list to pick from, the keyboard
alone, and both widths and colour schemes."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from loader.ledger import progress
from tests.conftest import free_port
from tests.pages.desk import NAME, PASSWORD, Desk

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

Page = sync_api.Page
NewPage = Callable[..., Page]


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        """A test that fails shows its own words, and not fifty requests."""


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def site(desk: Desk) -> Iterator[str]:
    """The app's address, served by threads of this process."""
    server = make_server("127.0.0.1", free_port(), desk.app, threaded=True, request_handler=Quiet)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def new_page(browser: sync_api.Browser, site: str) -> Iterator[NewPage]:
    """`new_page(**of_the_context)`: a page of its own context. Any error of a script, and anything
    that the content security policy stopped, fails the test."""
    contexts, complaints = [], []

    def make(**given: object) -> Page:
        context = browser.new_context(base_url=site, **given)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def log_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()


def focused(page: Page) -> str:
    """What has the focus, by its id, else its words."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))


def test_from_the_login_over_a_fault_to_the_receipt(desk: Desk, new_page: NewPage) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    page = new_page(timezone_id="America/New_York")
    log_in(page)
    page.goto("/tables")
    page.get_by_role("link", name="Enter a row in Tickets").click()
    page.get_by_label("Ticket number").fill("1")
    page.get_by_role("combobox", name="Team").fill("7")
    page.get_by_label("can't").check()
    page.get_by_label("Yes").first.check()
    page.get_by_label("Hours").fill("-1.5")
    page.get_by_role("button", name="Enter this row").click()

    summary = page.locator("#summary")
    summary.wait_for()
    assert focused(page) == "summary"
    assert page.title().startswith("Error: ")
    summary.get_by_role("link", name="Hours").click()
    assert focused(page) == "c-hours"
    hours = page.get_by_label("Hours")
    assert hours.get_attribute("aria-invalid") == "true"
    said = page.locator("#" + hours.get_attribute("aria-describedby").split()[0])
    assert said.inner_text() == "Must be at least 0."
    assert hours.input_value() == "-1.5"
    assert page.get_by_label("can't").is_checked()

    hours.fill("1.5")
    page.get_by_role("button", name="Enter this row").click()
    page.get_by_text("The row is in.").wait_for()
    assert "/loads/" in page.url
    assert desk.rows("select hours::text, kind, urgent from staging_desk.tickets") == [("1.50", "can't", True)]


def test_a_parent_is_picked_with_the_keyboard(desk: Desk, new_page: NewPage) -> None:
    desk.load("teams", *({"team_id": str(n), "name": f"support {n}"} for n in (11, 12)), {"team_id": "5", "name": "x"})
    page = new_page()
    log_in(page)
    page.goto("/tables/desk/tickets/new")
    box = page.get_by_role("combobox", name="Team")
    box.press_sequentially("supp")
    options = page.locator("[role=option]")
    options.nth(1).wait_for()
    assert options.all_inner_texts() == ["11\nsupport 11", "12\nsupport 12"]
    assert box.get_attribute("aria-expanded") == "true"
    box.press("ArrowDown")
    box.press("ArrowDown")
    active = box.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").inner_text() == "12\nsupport 12"
    box.press("Enter")
    assert box.input_value() == "12"
    assert box.get_attribute("aria-expanded") == "false"
    assert page.locator("#c-team-5f-id-picked").inner_text() == "support 12"
    assert page.url.endswith("/new")  # Enter picked, and did not send
    box.press_sequentially("9")
    page.get_by_text("nothing found; the row would wait").wait_for()
    box.fill("nobody")  # no number: it would be refused
    page.get_by_text("nothing found", exact=True).wait_for()
    box.fill("129")
    page.get_by_text("nothing found; the row would wait").wait_for()
    box.press("Escape")
    box.press("Tab")
    assert focused(page) != "c-team-5f-id"
    assert box.input_value() == "129"


def test_a_clock_time_is_shown_in_both_zones(desk: Desk, new_page: NewPage) -> None:
    page = new_page(timezone_id="America/New_York")
    log_in(page)
    page.goto("/tables/desk/tickets/new")
    page.locator("#c-seen-5f-at").fill("2024-02-29T08:45")
    elsewhere = page.locator(".field:has(#c-seen-5f-at) .elsewhere")
    assert elsewhere.inner_text() == "= 2024-02-29 03:45:00 in America/New_York"
    page.locator("#c-seen-5f-at-zone").select_option("America/New_York")
    assert elsewhere.inner_text() == "= 2024-02-29 13:45:00 in UTC"
    page.locator("#c-seen-5f-at").fill("2024-03-10T02:30")  # clocks skipped it: nothing to show
    assert elsewhere.is_hidden()
    page.locator(".field:has(#c-seen-5f-at)").get_by_role("button", name="Now").click()
    assert elsewhere.is_visible()


def test_what_the_browser_can_not_read_is_not_sent_as_nothing(desk: Desk, new_page: NewPage) -> None:
    page = new_page()
    log_in(page)
    page.goto("/tables/desk/tickets/new")
    page.locator("#c-opened-5f-on").press_sequentially("02")  # a month without day and year
    page.get_by_role("button", name="Enter this row").click()
    assert (
        page.locator("#c-opened-5f-on-fault").inner_text()
        == "This can't be read as it is typed: complete or correct it."
    )
    assert page.url.endswith("/new")
    assert page.locator("#summary").count() == 0


def test_everything_with_the_keyboard_alone(desk: Desk, new_page: NewPage) -> None:
    page = new_page()
    page.goto("/")
    assert focused(page) == "name"
    page.keyboard.type(NAME)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")

    page.goto("/tables/desk/teams/new")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        style = page.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.outlineWidth })()"
        )
        assert style == "solid3px", seen[-1]
        if seen[-1] == "Cancel":
            break
    assert [each for each in seen if each.startswith("c-")] == [
        "c-team-5f-id", "c-name", "c-city", "c-manager", "c-parent-5f-team-5f-id",
    ]  # fmt: skip
    assert seen[-2:] == ["Enter this row", "Cancel"]
    page.locator("#c-team-5f-id").focus()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.get_by_text("The row is in.").wait_for()


def test_without_scripts_a_form_works_all_the_same(desk: Desk, new_page: NewPage) -> None:
    page = new_page(java_script_enabled=False)
    log_in(page)
    page.goto("/tables/desk/tickets/new")
    page.locator("#c-ticket-5f-id").fill("1")
    page.locator("#c-team-5f-id").fill("7")
    page.locator("input[value=wish]").check()
    page.locator("input[value=true]").first.check()
    page.get_by_role("button", name="Enter this row").click()
    page.get_by_role("button", name="Keep it waiting").click()
    page.get_by_text("1 row waits for a parent").wait_for()


def test_on_a_phone_no_cell_is_out_of_sight(desk: Desk, new_page: NewPage) -> None:
    desk.load("teams", {"team_id": "1"}, {"team_id": "1"}, {"team_id": "x"})
    page = new_page(viewport={"width": 390, "height": 844})
    log_in(page)
    for path in ("/", "/loads", "/tables", "/tables/desk/tickets", "/api/v1/docs", "/api/v1/docs/desk/tickets"):
        page.goto(path)
        over = "[...document.querySelectorAll('.scroll')].map((box) => box.scrollWidth - box.clientWidth)"
        assert max(page.evaluate(over)) <= 0, path
        right = "Math.max(...[...document.querySelectorAll('.blocks td')].map((c) => c.getBoundingClientRect().right))"
        assert page.evaluate(right) <= 390, path
    page.goto("/loads")
    assert page.get_by_role("table").count() == 1
    assert page.get_by_role("columnheader").all_inner_texts()[3:8] == [
        "Status", "Received", "Accepted", "Waiting", "Refused",
    ]  # fmt: skip
    row = page.get_by_role("row").nth(1)
    assert row.get_by_role("cell").all_inner_texts()[3:9] == ["succeeded", "3", "1", "0", "1", "1"]
    shown = "getComputedStyle(document.querySelector('td[data-label=Refused]'), '::before').content"
    assert "Refused" in page.evaluate(shown)


def test_on_a_phone_the_first_page_shows_five_loads_without_their_zeros(desk: Desk, new_page: NewPage) -> None:
    for number in range(7):
        desk.load("teams", {"team_id": str(number), "name": "team"})
    for width, loads in ((390, 5), (1280, 7)):
        page = new_page(viewport={"width": width, "height": 844})
        log_in(page)
        rows = page.locator(".loads tbody tr")
        assert [rows.nth(number).is_visible() for number in range(7)].count(True) == loads
        wide = "(c) => c.getBoundingClientRect().width"
        assert (rows.first.locator("[data-label=Refused]").evaluate(wide) > 1) is (width == 1280)
        assert rows.first.locator("[data-label=Accepted]").evaluate(wide) > 1
        assert (rows.first.bounding_box() or {})["height"] < 80


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_its_window(desk: Desk, new_page: NewPage, width: int, scheme: str) -> None:
    long = "x" * 300
    desk.load("teams", {"team_id": "1", "name": long}, principal=long, file_name=long)
    desk.load("tickets", {"ticket_id": long, "contact": long, "details": long}, {long: long}, long)
    desk.execute(
        f"insert into ledger.builds (upper_bound, status, message) values (1, 'failed', '{long}');"
        "insert into ledger.build_results (build_id, unique_id, status, message) "
        f"values (1, 'a.b.{long}', 'error', '{long}')"
    )
    page = new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    log_in(page)
    for path in (
        "/", "/tables", "/tables/desk/tickets", "/tables/desk/tickets/new", "/tables/desk/tickets/upload",
        "/loads", "/loads/1", "/loads/2",
        "/rejects", "/rejects/1", "/dbt/", "/nothing", "/api/v1/docs", "/api/v1/docs/desk/tickets",
    ):  # fmt: skip
        page.goto(path)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, path
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == {"light": "rgb(250, 249, 245)", "dark": "rgb(19, 23, 21)"}[scheme]


def test_a_file_goes_from_the_bar_over_rows_and_rate_to_its_receipt(
    desk: Desk, new_page: NewPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    seen = threading.Event()
    write = progress.Report._write

    def stand_still(report: progress.Report) -> None:
        write(report)
        assert seen.wait(20)

    monkeypatch.setattr(progress.Report, "_write", stand_still)
    path = tmp_path / "teams.csv"
    path.write_text("team_id,name\nx,y\n" + "".join(f"{number},team\n" for number in range(9000)))
    page = new_page()
    log_in(page)
    page.goto("/tables")
    page.get_by_role("link", name="Upload a file into").first.click()
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Load at once").click()
    said = page.locator("#said")
    said.get_by_text("rows read,").wait_for()
    assert re.fullmatch(r"9,001 rows read, [\d,]+ a second; they are being judged and stored …", said.inner_text())
    assert page.locator("#bar").evaluate("(bar) => bar.value") == 1
    if shots := os.environ.get("GATEHOUSE_SHOTS"):
        page.screenshot(path=f"{shots}/under-way.png")
    seen.set()
    page.get_by_text("9,000 rows are in; 1 row was refused and kept to be mended.").wait_for()
    assert "/loads/" in page.url


@pytest.mark.parametrize("scripts", [True, False])
def test_what_is_wrong_with_a_file_is_said_and_it_can_be_sent_again(
    desk: Desk, new_page: NewPage, tmp_path: Path, scripts: bool
) -> None:
    path = tmp_path / "teams.csv"
    path.write_text("team,names\n1,x\n")
    page = new_page(java_script_enabled=scripts)
    log_in(page)
    page.goto("/tables/desk/teams/upload")
    assert page.get_by_text("or drop it here").is_visible() is scripts
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_label("refuse the whole file").check()
    page.get_by_role("button", name="Load at once").click()
    summary = page.locator("#summary")
    summary.get_by_text("Nothing was loaded: ").wait_for()
    if scripts:
        assert focused(page) == "summary"
    assert page.title().startswith("Error: ")
    assert page.get_by_label("refuse the whole file").is_checked()
    assert page.locator("#under-way").is_hidden()

    path.write_text("team_id,name\n1,x\n")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_label("Try only").check()
    page.get_by_role("button", name="Load at once").click()
    page.get_by_text("Tried only: nothing was stored").wait_for()
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]

    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_label("Try only").uncheck()
    page.get_by_role("button", name="Load at once").click()
    page.get_by_text("The row is in.").wait_for()


def test_a_file_can_be_dropped(desk: Desk, new_page: NewPage) -> None:
    page = new_page()
    log_in(page)
    page.goto("/tables/desk/teams/upload")
    page.evaluate(
        """() => {
            const dropped = new DataTransfer();
            dropped.items.add(new File(["team_id,name\\n1,x\\n"], "teams.csv"));
            document.querySelector(".drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }"""
    )
    page.get_by_role("button", name="Load at once").click()
    page.get_by_text("The row is in.").wait_for()


def test_a_connection_that_breaks_is_said(desk: Desk, new_page: NewPage, tmp_path: Path) -> None:
    path = tmp_path / "teams.csv"
    path.write_text("team_id,name\n1,x\n")
    page = new_page()
    log_in(page)
    page.goto("/tables/desk/teams/upload")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.route("**/upload", lambda route: route.abort())
    page.get_by_role("button", name="Load at once").click()
    page.get_by_text("The connection broke before the whole file had arrived.").wait_for()
    page.unroute("**/upload")
    page.get_by_role("button", name="Load at once").click()
    page.get_by_text("The row is in.").wait_for()
