"""Who may do what: every route, role by role, for a table that is theirs and for one that is not."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from loader.app import ANYBODY, EVERYTHING, IN_VIEW, NEEDS, OPEN_ENDPOINTS
from loader.ledger import access
from loader.pages.queries.arrivals import accepted_since
from loader.pages.queries.receipts import caused_by
from loader.permissions import ACTIONS, ALL_TABLES, ROLES, Principal
from tests.pages.desk import TICKET, Desk, desk, desk_template, words

__all__ = ["desk", "desk_template"]

#: The table that people of the tests below are for; another one of the same source is not theirs.
OWN, OTHER = "teams", "tickets"
ROLES_BELOW = [role for role in ROLES if role != "admin"]


def as_role(desk: Desk, role: str, *tables: str) -> FlaskClient:
    """A client that is logged in as somebody of that role."""
    name = f"{role}-{len(tables)}"
    with desk.engine.begin() as connection:
        query = sa.text(
            "insert into ledger.users (name, password_hash, role, tables) values (:name, '', :role, :tables) "
            "returning user_id"
        )
        given = {"name": name, "role": role, "tables": list(tables or ALL_TABLES)}
        user_id = connection.execute(query, given).scalar_one()
    client = desk.app.test_client()
    with client.session_transaction() as session:
        session["user_id"], session["user"], session["epoch"] = user_id, name, 0
    return client


class Program:
    """A token's bearer."""

    def __init__(self, desk: Desk, actions: tuple[str, ...], *tables: str) -> None:
        name, expires = f"{'-'.join(actions)} {tables}", datetime.now(UTC) + timedelta(days=1)
        with desk.engine.begin() as connection:
            token = access.create_token(connection, name, expires, actions, tables or ALL_TABLES)
        self.client, self.headers = desk.app.test_client(), {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.open(f"/api/v1{path}", method=method, headers=self.headers, json=body)


def test_every_route_says_what_it_asks_for(desk: Desk) -> None:
    """One that says nothing answers nobody; one that is said and is not there would open what takes its name."""
    assert {rule.endpoint for rule in desk.app.url_map.iter_rules()} == {*NEEDS} | OPEN_ENDPOINTS


def test_a_route_that_says_nothing_answers_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NEEDS, "pages.tables")
    assert desk.client.get("/tables").status_code == 403


@pytest.mark.parametrize("role", ROLES)
def test_every_page_answers_a_role_by_what_it_may_do(desk: Desk, role: str) -> None:
    """Of one who is for all tables, and of one who is for one, asked for that and for another."""
    desk.app.config["WTF_CSRF_ENABLED"] = False
    asked = [(as_role(desk, role), OWN, True)]
    if role != "admin":
        limited = as_role(desk, role, f"desk.{OWN}")
        asked += [(limited, OWN, False), (limited, OTHER, False)]
    allowed = refused = 0
    for rule in desk.app.url_map.iter_rules():
        need = NEEDS.get(rule.endpoint)
        if rule.endpoint.startswith(("api.", "rejects.", "metrics.")) or need in (None, ANYBODY, IN_VIEW):
            continue
        for client, table, is_for_all in asked:
            names = {
                "source": "desk",
                "table": table,
                "name": table,
                "column": "team_id",
                "schema": "desk",
                "key": "0" * 32,
                "kind": "csv",
            }
            path = desk.app.url_map.bind("localhost").build(rule.endpoint, {a: names[a] for a in rule.arguments})
            if need == EVERYTHING:
                expected = None if is_for_all else 403
            elif "source" in rule.arguments and table == OTHER:
                expected = 404
            else:
                expected = None if need in ROLES[role] else 403
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                status = client.open(path, method=method).status_code
                if expected is None:  # let in: what it is then told of the address or the form is another matter
                    assert status != 403, (path, method, table)
                    allowed += 1
                else:
                    assert status == expected, (path, method, table)
                    refused += 1
    assert allowed >= 8
    assert refused >= 8 or role == "admin"


ROWS = [{"team_id": 1, "name": "A"}, {"team_id": 2, "name": " "}]
#: What each call asks for, made for a table's id.
CALLS: dict[str, tuple[str, Callable[[str, int], tuple[str, str, Any]]]] = {
    "load": ("load", lambda table, _: ("POST", f"/loads/desk/{table}", [])),
    "delete": ("delete", lambda table, _: ("POST", f"/loads/desk/{table}?op=delete", [])),
    "undo": ("undo", lambda _, load: ("POST", f"/loads/{load}/undo?dry_run=true", None)),
    "receipt": ("read", lambda _, load: ("GET", f"/loads/{load}", None)),
    "contract": ("read", lambda table, _: ("GET", f"/tables/desk/{table}", None)),
    "replay": ("mend", lambda table, _: ("POST", "/rejects/replay", {"source": "desk", "table": table})),
    "kept row": ("read", lambda _, load: ("GET", f"/rejects/{load}", None)),
    "mend": ("mend", lambda _, load: ("PATCH", f"/rejects/{load}", {})),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_token_does_what_it_may_and_with_its_tables_only(desk: Desk, call: str) -> None:
    loads = {
        OWN: desk.load(OWN, *ROWS).load_id,
        OTHER: desk.load(OTHER, TICKET | {"urgent": "perhaps"}).load_id,
    }
    action, make = CALLS[call]
    for others in (("read",), tuple(ACTIONS)):
        program = Program(desk, tuple({*others} - {action} | {"read"}) if action != "read" else ("load",))
        made = make(OWN, loads[OWN] or 0)
        assert program(*made).status_code == (404 if action == "read" else 403), (call, others)
    able = Program(desk, ("read", action), f"desk.{OWN}")
    assert able(*make(OWN, loads[OWN] or 0)).status_code < 300
    refused = able(*make(OTHER, loads[OTHER] or 0))
    if call == "replay":  # rows that it may not see are none
        assert refused.get_json() == {"receipts": []}
    else:
        assert refused.status_code == 404
    assert OTHER not in refused.text.replace(f"/{OTHER}", "")
    assert desk.rows("select status from ledger.rejects where table_name = 'tickets'") == [("rejected",)]


def test_a_list_shows_what_may_be_seen_and_nothing_else(desk: Desk) -> None:
    desk.load(OWN, *ROWS)
    desk.load(OTHER, TICKET | {"urgent": "perhaps"}, idempotency_key="k")
    program = Program(desk, ("read",), f"desk.{OWN}")
    assert [load["table_name"] for load in program("GET", "/loads").get_json()["loads"]] == [OWN]
    assert [row["table_name"] for row in program("GET", "/rejects").get_json()["rejects"]] == [OWN]
    assert [table["table"] for table in program("GET", "/tables").get_json()["tables"]] == [OWN]
    for path in ("/loads", "/loads?source=desk&table=tickets", "/loads?status=running", "/rejects.csv", "/rejects",
                 f"/rejects.csv?source=desk&table={OTHER}", "/openapi.json", "/tables"):  # fmt: skip
        answer = program("GET", path)
        assert answer.status_code == 200, path
        assert OTHER not in answer.text, path
        assert "perhaps" not in answer.text, path
        assert "urgent" not in answer.text, path


@pytest.mark.parametrize("role", ROLES_BELOW)
def test_no_page_shows_anything_of_another_table(desk: Desk, role: str) -> None:
    desk.load(OWN, *ROWS)
    hidden = desk.load(OTHER, TICKET | {"urgent": "perhaps"}).load_id
    client = as_role(desk, role, f"desk.{OWN}")
    for path in ("/", "/tables", "/loads", "/loads?table=desk.teams", "/rejects", "/rejects?status=all",
                 f"/rejects?load={hidden}", f"/tables/desk/{OWN}", "/api/v1/docs", "/loads/1"):  # fmt: skip
        response = client.get(path)
        assert response.status_code == 200, path
        assert "perhaps" not in response.text, path
        assert not re.search(r"\btickets\b", words(response.text)), path
    for path in (f"/loads/{hidden}", f"/tables/desk/{OTHER}", f"/api/v1/docs/desk/{OTHER}"):
        response = client.get(path)
        assert response.status_code == 404, path
        assert "urgent" not in response.text, path
    assert client.get("/trace/").status_code == 403
    assert "Trace" not in client.get("/").text


@pytest.mark.parametrize("role", ROLES)
def test_a_kept_row_is_mended_by_who_may_and_seen_by_who_may_read_it(desk: Desk, role: str) -> None:
    desk.app.config["WTF_CSRF_ENABLED"] = False
    own, other = desk.load(OWN, *ROWS).load_id, desk.load(OTHER, TICKET | {"urgent": "perhaps"}).load_id
    numbers = dict(desk.rows("select load_id, reject_id from ledger.rejects"))
    client = as_role(desk, role, f"desk.{OWN}") if role != "admin" else as_role(desk, role)
    mends = "mend" in ROLES[role]
    page = client.get(f"/rejects/{numbers[own]}")
    assert page.status_code == 200
    assert ("Mend it" in page.text, "Dismiss" in page.text) == (mends, mends)
    assert (f'href="/rejects/{numbers[own]}"' in client.get("/rejects").text) is mends
    status = 404 if role != "admin" else 200
    hidden = client.get(f"/rejects/{numbers[other]}")
    assert hidden.status_code == status
    assert ("perhaps" in hidden.text) is (role == "admin")
    assert (OTHER in hidden.text) is (role == "admin"), "nor is it told whose row that is"
    for what, sent in (("", {"seen": "0", "c.team_id": "2", "c.name": "B"}), ("/dismiss", {"why": "x"})):
        if role != "admin":
            assert client.post(f"/rejects/{numbers[other]}{what}", data=sent).status_code == 404
        answer = client.post(f"/rejects/{numbers[own]}{what}", data=sent)
        assert answer.status_code == ((303 if not what else 409) if mends else 403)
    kept = desk.rows("select status from ledger.rejects order by reject_id")
    assert kept == [("resolved" if mends else "rejected",), ("rejected",)]


def test_a_viewer_is_offered_no_way_to_bring_rows(desk: Desk) -> None:
    pages = ("/", "/tables", f"/tables/desk/{OWN}")
    for role, offered in (("viewer", False), ("clerk", True)):
        client = as_role(desk, role)
        for path in pages:
            assert (re.search('/(new|upload)"', client.get(path).text) is not None) is offered, (role, path)


def test_what_is_picked_from_a_table_that_is_not_ones_own_is_typed(desk: Desk) -> None:
    desk.load(OWN, {"team_id": 7, "name": "Secret team"})
    for tables, status in (((f"desk.{OTHER}",), 404), ((f"desk.{OTHER}", f"desk.{OWN}"), 200)):
        client = as_role(desk, "clerk", *tables)
        assert client.get(f"/tables/desk/{OTHER}/choices/team_id?q=7").status_code == status
        assert ("choices/team_id" in client.get(f"/tables/desk/{OTHER}/new").text) is (status == 200)


def test_a_role_that_is_taken_away_is_gone_at_once(desk: Desk) -> None:
    client = as_role(desk, "steward")
    assert client.get(f"/tables/desk/{OWN}/new").status_code == 200
    desk.execute("update ledger.users set role = 'viewer' where name = 'steward-0'")
    assert client.get(f"/tables/desk/{OWN}/new").status_code == 403


def test_a_new_password_leaves_the_role_as_it_was(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        access.set_password(connection, "bob", "correct horse battery", "clerk", ("desk.teams",))
        access.set_password(connection, "bob", "another horse battery")
        access.set_password(connection, "eve", "another horse battery")
    found = desk.rows("select name, role, tables from ledger.users where name in ('bob', 'eve') order by 1")
    assert found == [("bob", "clerk", ["desk.teams"]), ("eve", "viewer", ["*"])]


@pytest.mark.parametrize(
    ("pattern", "names"), [("*", "abcd"), ("erp.*", "ab"), ("erp.orders", "a"), ("erp", ""), ("*.orders", ""), ("", "")]
)
def test_a_pattern_names_all_tables_those_of_a_system_or_one(pattern: str, names: str) -> None:
    who = Principal("x", frozenset({"read"}), (pattern,))
    tables = {"a": ("erp", "orders"), "b": ("erp", "lines"), "c": ("crm", "orders"), "d": ("erp.orders", "x")}
    assert "".join(name for name, key in tables.items() if who.may("read", *key)) == names
    assert not any(who.may("load", *key) for key in tables.values())


def test_counts_and_releases_are_of_what_one_may_read(desk: Desk) -> None:
    assert desk.load(OTHER, TICKET).waiting == 1
    parent = desk.load(OWN, {"team_id": 7, "name": "A"})
    since = datetime.now(UTC) - timedelta(days=1)
    with desk.engine.connect() as connection:
        for tables, rows, releases in ((ALL_TABLES, 2, 1), ((f"desk.{OWN}",), 1, 0)):
            who = Principal("x", frozenset({"read"}), tables)
            assert accepted_since(connection, who, since) == rows
            assert len(caused_by(connection, who, parent.load_id or 0)) == releases
