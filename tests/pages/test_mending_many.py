"""Many refused rows mended at once, by one change of one column, tried first."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from loader.intake.mend import Mend, mend
from tests.pages.desk import TICKET, Desk, hidden_fields, words
from tests.test_permissions import as_role


@pytest.fixture
def refused(desk: Desk) -> Desk:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    hours = ("many", "many", "1,5", "2,5", "-1")
    desk.load("tickets", *(TICKET | {"ticket_id": str(n), "hours": held} for n, held in enumerate(hours)))
    return desk


def path(rule: str = "data_type", column: str | None = "hours", table: str = "desk.tickets", **more: str) -> str:
    return "/rejects/many?" + urlencode(
        {"table": table, "rule": rule, **({"column": column} if column else {}), **more}
    )


def send(desk: Desk, to: str, status: int = 200, **fields: str) -> str:
    token = hidden_fields(desk.get(to))["csrf_token"]
    sent = {name.replace("_", "."): value for name, value in fields.items()}
    response = desk.client.post(to, data={"csrf_token": token, "do": "try"} | sent)
    assert response.status_code == status, words(response.text)
    return response.text


def test_the_list_of_a_table_leads_to_what_keeps_its_rows_back(refused: Desk) -> None:
    page = refused.get("/rejects?table=desk.tickets")
    assert "4 rows: rule data_type at hours" in words(page)
    assert "at_least" not in words(page).partition("Mend many")[2].partition("Row ")[0], "of one row there are not many"
    assert "In a spreadsheet" in words(page)
    shown = words(refused.get(path()))
    assert "4 rows refused by the rule data_type at hours" in shown
    assert "many 2" in shown
    assert "Mend many" not in words(refused.get("/rejects"))


def test_values_are_mapped_tried_and_mended(refused: Desk) -> None:
    change = {"how": "map", "v_0": "many", "n_0": "3", "v_1": "1,5", "n_1": "-5"}
    page = send(refused, path(), **change)
    said = "Of 3 rows that this would change, 2 would come in, 0 would wait for a parent, 1 would be refused still"
    assert said in words(page)
    assert "hours must be at least 0" in words(page)
    assert refused.rows("select count(*) from ledger.mendings") == [(0,)]
    send(refused, path(), 303, do="mend", **change)
    assert refused.rows("select ticket_id, hours from staging_desk.tickets order by 1") == [(0, 3), (1, 3)]
    changes = refused.rows("select changes from ledger.mendings order by mending_id")
    assert [made for (made,) in changes] == [{"hours": ["many", "3"]}] * 2 + [{"hours": ["1,5", "-5"]}]


def test_a_part_is_replaced(refused: Desk) -> None:
    send(refused, path(), 303, do="mend", how="replace", find=",", put=".")
    assert refused.rows("select hours from staging_desk.tickets order by 1") == [(1.5,), (2.5,)]


def test_one_value_for_all_and_none_for_all(refused: Desk) -> None:
    send(refused, path(), 303, do="mend", how="set", put="")
    assert refused.rows("select count(*), count(hours) from staging_desk.tickets") == [(4, 0)]
    send(refused, path("at_least"), 303, do="mend", how="set", put="1")
    assert refused.rows("select count(*), count(hours) from staging_desk.tickets") == [(5, 1)]


def test_another_column_than_the_faulty_one(refused: Desk) -> None:
    page = send(refused, path(change="votes"), how="set", put="1")
    assert "4 would be refused still" in words(page)


def test_a_name_that_the_table_has_not_is_left_out(desk: Desk) -> None:
    desk.load("visits", *({"visit_id": f"00000000-0000-0000-0000-00000000000{n}", "odd": "x"} for n in range(3)))
    send(desk, path("unknown_column", "odd", "desk.visits"), 303, do="mend")
    assert desk.rows("select count(*) from staging_desk.visits") == [(3,)]


def test_personal_values_are_not_listed(desk: Desk) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    desk.load("tickets", *(TICKET | {"ticket_id": str(n), "contact": f"secret {n}"} for n in range(3)))
    page = desk.get(path("matches", "contact"))
    assert "secret" not in page
    assert "3 rows refused" in words(page)
    token = hidden_fields(page)["csrf_token"]
    for how in ("map", "replace"):
        sent = {"csrf_token": token, "how": how, "v.0": "secret 1", "n.0": "a@b.example", "find": "1", "put": "2"}
        assert desk.client.post(path("matches", "contact"), data=sent).status_code == 400
    guess = send(desk, path("matches", "contact"), how="set", put="secret 1")
    assert "Of 3 rows that this would change" in words(guess), "or a guess would be told from another"
    send(desk, path("matches", "contact"), 303, do="mend", how="set", put="a@b.example")
    assert desk.rows("select count(*) from staging_desk.tickets") == [(3,)]


@pytest.mark.parametrize("change", [
    {"how": "map"}, {"how": "map", "v_0": "other", "n_0": "1"}, {"how": "replace", "find": "", "put": "x"},
    {"how": "replace", "find": "zzz"},
])  # fmt: skip
def test_a_change_that_changes_nothing(refused: Desk, change: dict[str, str]) -> None:
    assert "No row would be changed" in words(send(refused, path(), 422, **change))


def test_a_rule_by_which_nothing_is_refused(desk: Desk) -> None:
    assert "No row is refused by this rule any more" in words(desk.get(path()))
    desk.get(path(change="odd"), 404)
    desk.get(path(table="desk.nothing"), 404)
    desk.get("/rejects/many", 404)


def test_a_name_that_may_be_personal_is_not_asked_for(desk: Desk) -> None:
    desk.load("tickets", *(TICKET | {"ticket_id": str(n), "maria": "x"} for n in range(2)))
    assert "maria" not in desk.get("/rejects?table=desk.tickets")
    desk.get(path("unknown_column", "maria"), 404)
    desk.get(path("unknown_column", "other"), 404)


def test_one_of_them_mended_meanwhile_by_another(refused: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the rows and the change."""
    from loader.doors import mend_pages

    table, made = refused.contract.find("desk.tickets"), mend_pages.mend_and_judge

    def meanwhile(*given: object, **more: object) -> object:
        mend(refused.engine, table, [Mend(1, {"hours": "lots"})], "bob")
        return made(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(mend_pages, "mend_and_judge", meanwhile)
    page = send(refused, path(), 409, do="mend", how="set", put="1")
    assert "was mended by somebody else since" in words(page)
    assert refused.rows("select count(*) from staging_desk.tickets") == [(0,)]


def test_many_are_mended_by_who_may(refused: Desk) -> None:
    assert as_role(refused, "clerk").get(path()).status_code == 403
    assert as_role(refused, "steward", "desk.teams").get(path()).status_code == 404
    assert as_role(refused, "steward").get(path()).status_code == 200
    assert "Mend many" not in words(as_role(refused, "viewer").get("/rejects?table=desk.tickets").text)


def test_hostile_values_are_mapped_as_they_are(desk: Desk) -> None:
    desk.load("teams", {"team_id": "7", "name": "seven"})
    hostile = "\"><script>alert(1)</script>\r\n'"
    desk.load("tickets", *(TICKET | {"ticket_id": str(n), "hours": hostile.replace("\r", "")} for n in range(2)))
    page = desk.get(path())
    assert "<script>alert" not in page
    send(desk, path(), 303, do="mend", how="map", v_0=hostile, n_0="1")
    assert desk.rows("select count(*) from staging_desk.tickets") == [(2,)]
    assert json.dumps(desk.rows("select changes from ledger.mendings limit 1")[0][0])
