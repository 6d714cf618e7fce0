"""A messy sheet dropped on the page in a real browser: looked at, its columns said, tried, loaded, a row mended."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from tests.intake.sheets import workbook
from tests.pages.desk import Desk
from tests.pages.test_browser import NewPage, browser, focused, log_in, new_page, pytestmark, site

__all__ = ["browser", "new_page", "pytestmark", "site"]

SHEET = workbook(
    ("Teams", [
        ["No.", "Team name", "Town", "Seen by", None],
        [1, "one", "Köln", "Ann", None],
        [2, None, "Bonn", "Bob", None],
        ["three", "three", "Ulm", "Ann", None],
        [4, "four", None, None, None],
    ]),
)  # fmt: skip


def test_a_messy_sheet_from_the_drop_to_the_row_that_was_mended(desk: Desk, new_page: NewPage) -> None:
    page = new_page()
    log_in(page)
    page.goto("/tables/desk/teams/upload")
    page.evaluate(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
            const dropped = new DataTransfer();
            dropped.items.add(new File([bytes], "teams of May.xlsx"));
            document.querySelector(".drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(SHEET).decode(),
    )
    page.get_by_role("button", name="Look at it first").click()
    page.get_by_role("heading", name="import a file").wait_for()
    assert page.get_by_text("teams of May.xlsx, read as XLSX, sheet Teams. Nothing is stored").is_visible()
    assert page.locator("#needed").inner_text().split("\n")[-1] == "Team number team_id"
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("Say which column of the file is Team number").wait_for()
    assert focused(page) == "summary"
    page.get_by_label("No.").select_option("Team number *")
    assert page.locator("#needed").is_hidden()
    page.get_by_label("No.").select_option("left out")
    assert page.locator("#needed").is_visible()
    page.get_by_label("No.").select_option("Team number *")
    page.get_by_label("Team name").select_option("name")
    page.get_by_label("Town").select_option("city")
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("Of 4 rows 3 would come in").wait_for()
    assert page.get_by_text("1 row refused: team_id must be a whole number").is_visible()
    assert page.get_by_label("Town").input_value() == "city", "what was said stands"
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]
    page.get_by_role("button", name="Load it").click()
    page.get_by_text("3 rows are in; 1 row was refused and kept to be mended.").wait_for()
    page.goto("/rejects?table=desk.teams")
    page.get_by_role("link", name="Mend", exact=True).first.click()
    page.get_by_label("Team number").fill("3")
    page.get_by_role("button", name="Mend it and let it in").click()
    page.get_by_text("It was let in by").wait_for()
    assert desk.rows("select team_id, name, city from staging_desk.teams order by 1") == [
        (1, "one", "Köln"), (2, None, "Bonn"), (3, "three", "Ulm"), (4, "four", None),
    ]  # fmt: skip


@pytest.mark.parametrize("scripts", [True, False])
def test_cells_are_pasted_and_said_with_the_keyboard_alone(desk: Desk, new_page: NewPage, scripts: bool) -> None:
    page = new_page(java_script_enabled=scripts)
    log_in(page)
    page.goto("/tables/desk/teams/upload")
    page.get_by_text("Or paste cells").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.insert_text("Number\tname\n1\tone\n2\ttwo\n")
    page.get_by_role("button", name="Look at it first").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Number").focus()
    page.keyboard.type("Team n")
    page.get_by_role("button", name="Load it").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Every row is in.").wait_for()
    assert desk.rows("select team_id, name from staging_desk.teams order by 1") == [(1, "one"), (2, "two")]


def test_what_is_asked_for_can_be_done_with_the_script_too(desk: Desk, new_page: NewPage, tmp_path: Path) -> None:
    """Another sheet is shown before it is loaded, and a file that is loaded already can be loaded again."""
    path = tmp_path / "report.xlsx"
    path.write_bytes(workbook(("cover", [["Report", "of"], ["the", "year"]]), ("teams", [["team_id"], [1]])))
    page = new_page()
    log_in(page)
    for again in (False, True):
        page.goto("/tables/desk/teams/upload")
        page.get_by_label("File", exact=True).set_input_files(path)
        page.get_by_role("button", name="Look at it first").click()
        page.get_by_text("read as XLSX, sheet cover").wait_for()
        page.get_by_text("How the file is written").click()
        page.get_by_label("Sheet of a workbook").fill("teams")
        page.get_by_role("button", name="Load it").click()
        page.get_by_text("read as XLSX, sheet teams").wait_for()
        page.get_by_role("button", name="Load it", exact=True).click()
        if again:
            page.get_by_text("Loaded already").wait_for()
            page.get_by_label("Load it again").check()
            page.get_by_role("button", name="Load it", exact=True).click()
        page.wait_for_url("**/loads/*")
    assert desk.rows("select count(*) from ledger.loads") == [(2,)]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")])
def test_the_page_is_never_wider_than_the_window(
    desk: Desk, new_page: NewPage, tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / ("a name without an end " * 9 + ".xlsx")
    path.write_bytes(SHEET)
    page = new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    log_in(page)
    page.goto("/tables/desk/teams/upload")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Look at it first").click()
    page.get_by_role("heading", name="import a file").wait_for()
    page.get_by_text("The first 4 rows of the file").click()
    page.get_by_label("No.").select_option("Team number *")
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("would come in").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    if shots := os.environ.get("GATEHOUSE_SHOTS"):
        page.screenshot(path=f"{shots}/import-{width}-{scheme}.png", full_page=True)
