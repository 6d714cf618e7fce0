"""`loader dismiss`: rows that nobody will mend are put aside with a reason, and nothing is lost."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa
from click import UsageError
from click.testing import CliRunner, Result

from loader.commands import dismiss as command
from loader.commands.common import person
from loader.commands.load import replay
from loader.ledger import loads
from loader.remedy import Remedy
from tests.pages.desk import TICKET, Desk, words

STATUSES = "select status, count(*)::int from ledger.rejects group by 1 order by 1"
WHY = ("--why", "sales of the training till")


def dismiss(desk: Desk, *arguments: str) -> Result:
    return CliRunner().invoke(command.dismiss, list(arguments), obj=desk.settings, standalone_mode=False)


def test_a_dismissed_row_counts_no_more_and_keeps_who_and_why(desk: Desk) -> None:
    receipt = desk.load("tickets", TICKET | {"kind": "joke"}, TICKET | {"ticket_id": "2", "kind": "joke"})
    assert dismiss(desk, "1", "1", *WHY).stdout == "dismissed: 1 row\n"
    assert desk.rows(STATUSES) == [("dismissed", 1), ("rejected", 1)]
    kept = "select dismissed_by, dismissed_why, dismissed_at is not null, payload ->> 'kind' from ledger.rejects"
    assert desk.rows(f"{kept} where reject_id = 1") == [(person(), WHY[1], True, "joke")]
    assert "1 rows refused" in words(desk.get("/"))
    still_refused = words(desk.get("/rejects?status=rejected"))
    assert "ticket_id 2 " in still_refused
    assert "ticket_id 1 " not in still_refused
    assert f"dismissed by {person()}" in words(desk.get("/rejects?status=dismissed"))
    assert WHY[1] in words(desk.get("/rejects?status=dismissed"))
    assert desk.rows("select received, rejected from ledger.loads") == [(receipt.received, receipt.rejected)]


def test_all_open_rows_of_a_load_at_once(desk: Desk) -> None:
    desk.load("tickets", TICKET | {"kind": "joke"}, TICKET)
    desk.load("tickets", TICKET | {"ticket_id": "3", "kind": "joke"})
    assert dismiss(desk, "--load", "1", *WHY).stdout == "dismissed: 2 rows\n"
    assert desk.rows(STATUSES) == [("dismissed", 2), ("rejected", 1)]
    again = dismiss(desk, "--load", "1", *WHY)
    assert isinstance(again.exception, Remedy)


def test_one_row_that_is_not_open_and_nothing_is_dismissed(desk: Desk) -> None:
    desk.load("tickets", TICKET | {"kind": "joke"}, TICKET)
    desk.load("teams", {"team_id": "7", "name": "seven"})
    for wrong, state in (("2", "2 (resolved)"), ("99", "99 (not there)")):
        result = dismiss(desk, "1", wrong, *WHY)
        assert isinstance(result.exception, Remedy)
        assert state in result.exception.message
    assert desk.rows(STATUSES) == [("rejected", 1), ("resolved", 1)]


def test_a_dismissed_waiting_row_is_not_let_in_and_not_judged_again(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    dismiss(desk, "1", *WHY)
    assert desk.load("teams", {"team_id": "7", "name": "seven"}).releases == ()
    CliRunner().invoke(replay, ["desk.tickets", "1"], obj=desk.settings, standalone_mode=False)
    assert desk.rows("select count(*)::int from staging_desk.tickets") == [(0,)]
    assert desk.rows(STATUSES) == [("dismissed", 1)]


def test_a_load_that_lets_rows_in_is_waited_for(desk: Desk) -> None:
    """Else it could let in the row that is being dismissed."""
    desk.load("tickets", TICKET)
    results: list[Result] = []
    late = threading.Thread(target=lambda: results.append(dismiss(desk, "1", *WHY)))
    with desk.engine.begin() as connection:
        loads.lock_tables(connection, {"desk.tickets"}, set())
        late.start()
        time.sleep(1)
        connection.execute(
            sa.text("update ledger.rejects set status = 'resolved', resolved_load_id = 1, resolved_row = 1")
        )
    late.join()
    assert isinstance(results[0].exception, Remedy)
    assert desk.rows(STATUSES) == [("resolved", 1)]


def test_a_load_that_takes_too_long_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "LOCK_SECONDS", 1)
    desk.load("tickets", TICKET)
    with desk.engine.begin() as connection:
        loads.lock_tables(connection, {"desk.tickets"}, set())
        result = dismiss(desk, "1", *WHY)
    assert isinstance(result.exception, Remedy)
    assert "still at work" in result.exception.message


@pytest.mark.parametrize("arguments", [("1",), ("1", "--why", " "), WHY, ("1", "--load", "1", *WHY)])
def test_rows_and_a_reason_have_to_be_named(desk: Desk, arguments: tuple[str, ...]) -> None:
    assert isinstance(dismiss(desk, *arguments).exception, UsageError)


def test_a_row_without_who_and_why_can_not_be_dismissed_by_anybody(desk: Desk) -> None:
    desk.load("tickets", TICKET)
    with pytest.raises(sa.exc.IntegrityError, match="rejects_dismissed_check"):
        desk.execute("update ledger.rejects set status = 'dismissed'")
