"""A refused row put right in a real browser, from the list to the mart's door, with the keyboard too."""

from __future__ import annotations

from tests.pages.desk import TICKET, Desk
from tests.pages.test_browser import NewPage, browser, focused, log_in, new_page, pytestmark, site

__all__ = ["browser", "new_page", "pytestmark", "site"]


def test_from_the_list_over_a_fault_to_the_next_row(desk: Desk, new_page: NewPage) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    desk.load("tickets", TICKET | {"hours": "lots"}, TICKET | {"ticket_id": "2", "hours": "many"})
    page = new_page()
    log_in(page)
    page.goto("/rejects?table=desk.tickets")
    page.get_by_role("link", name="Mend", exact=True).first.click()
    page.get_by_role("heading", name="Mend it").wait_for()
    hours = page.get_by_label("Hours")
    assert hours.input_value() == "many"
    assert hours.get_attribute("aria-invalid") == "true"
    hours.fill("-1")
    page.get_by_role("button", name="Mend it and let it in").click()
    page.locator("#summary").wait_for()
    assert focused(page) == "summary"
    assert desk.rows("select count(*) from ledger.mendings") == [(0,)]
    page.get_by_label("Hours").fill("2")
    page.get_by_role("button", name="Mend it and let it in").click()
    page.get_by_text("It was let in by").wait_for()
    assert desk.rows("select ticket_id, hours from staging_desk.tickets") == [(2, 2)]
    page.get_by_role("link", name="The next refused row").click()
    page.get_by_label("Hours").fill("3")
    page.keyboard.press("Enter")
    page.get_by_text("It was let in by").wait_for()
    assert desk.rows("select ticket_id, hours from staging_desk.tickets order by 1") == [(1, 3), (2, 2)]
    assert page.get_by_role("link", name="The next refused row").count() == 0
