"""Deletes and undo by the API, and as the document says them."""

from __future__ import annotations

import json

import jsonschema

from loader.doors.openapi import key_schema, openapi
from tests.doors.test_api import LOADS, Caller, assert_problem, caller
from tests.pages.desk import Desk, desk, desk_template

__all__ = ["caller", "desk", "desk_template"]

TEAMS = "select team_id from staging_desk.teams order by 1"


def test_keys_are_deleted(desk: Desk, caller: Caller) -> None:
    caller.post([{"team_id": 1, "name": "A"}, {"team_id": 2, "name": "B"}])
    response = caller.post({"team_id": 1}, path=f"{LOADS}?op=delete", Idempotency_Key="k")
    assert response.status_code == 201
    assert response.get_json()["accepted"] == 1
    assert desk.rows(TEAMS) == [(2,)]
    again = caller.post({"team_id": 1}, path=f"{LOADS}?op=delete", Idempotency_Key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert_problem(caller.post({"team_id": 1}, Idempotency_Key="k"), 422, "another body")


def test_a_delete_says_what_stands_under_the_row_and_lets_it_wait_when_asked_to(desk: Desk, caller: Caller) -> None:
    caller.post([{"team_id": 1, "name": "A"}, {"team_id": 2, "name": "B", "parent_team_id": 1}])
    refused = caller.post({"team_id": 1}, path=f"{LOADS}?op=delete").get_json()
    assert (refused["rejected"], refused["rejects"][0]["rule"]) == (1, "has_children")
    assert "desk.teams" in refused["rejects"][0]["message"]
    done = caller.post({"team_id": 1}, path=f"{LOADS}?op=delete&cascade=wait").get_json()
    assert [(c["table"], c["waiting"]) for c in done["cascades"]] == [("teams", 1)]
    assert caller.call("GET", done["links"]["self"]).get_json() == done
    assert desk.rows(TEAMS) == []


def test_a_load_is_undone_after_its_plan(desk: Desk, caller: Caller) -> None:
    load_id = caller.post([{"team_id": 1, "name": "A"}]).get_json()["load_id"]
    path = f"/api/v1/loads/{load_id}/undo"
    plan = caller.call("POST", f"{path}?dry_run=true")
    assert (plan.status_code, plan.get_json()["plan"]["gone"]) == (200, 1)
    assert desk.rows(TEAMS) == [(1,)]
    done = caller.call("POST", path)
    receipt = done.get_json()
    assert (done.status_code, receipt["door"], receipt["accepted"]) == (201, "undo", 1)
    assert done.headers["Location"] == receipt["links"]["self"]
    assert desk.rows(TEAMS) == []
    assert desk.rows("select principal, cause_load_id from ledger.loads where door = 'undo'") == [("till", load_id)]
    again = caller.call("POST", path)
    assert (again.status_code, again.get_json()["load_id"]) == (200, receipt["load_id"])
    assert again.headers["Idempotent-Replayed"] == "true"


def test_an_undo_that_would_leave_orphans_is_refused_with_its_plan(desk: Desk, caller: Caller) -> None:
    load_id = caller.post([{"team_id": 1, "name": "A"}]).get_json()["load_id"]
    caller.post([{"team_id": 2, "name": "B", "parent_team_id": 1}])
    refused = caller.call("POST", f"/api/v1/loads/{load_id}/undo")
    assert_problem(refused, 409, "1 rows of desk.teams (2)", "cascade=wait")
    assert refused.get_json(force=True)["plan"]["needs_cascade"] is True
    assert caller.call("POST", f"/api/v1/loads/{load_id}/undo?cascade=wait").status_code == 201
    assert desk.rows(TEAMS) == []


def test_what_can_not_be_undone_is_a_problem(desk: Desk, caller: Caller) -> None:
    assert_problem(caller.call("POST", "/api/v1/loads/77/undo"), 404, "no load 77")
    assert_problem(caller.call("POST", f"/api/v1/loads/{'9' * 30}/undo"), 404)
    assert_problem(caller.call("POST", "/api/v1/loads/77/undo?dry_run=yes"), 400)
    assert_problem(caller.call("POST", "/api/v1/loads/77/undo?op=delete"), 400)
    shut = desk.load("visits", {"visit_id": 1})
    assert_problem(caller.call("POST", f"/api/v1/loads/{shut.load_id}/undo"), 403, "desk.visits")


def test_the_document_says_what_a_delete_takes(desk: Desk) -> None:
    document = json.loads(json.dumps(openapi(desk.contract)))
    assert document["components"]["schemas"]["desk.teams.key"]["required"] == ["team_id"]
    names = [p["name"] for p in document["paths"]["/api/v1/loads/desk/teams"]["post"]["parameters"]]
    assert {"op", "cascade"} <= set(names)
    assert "/api/v1/loads/{load_id}/undo" in document["paths"]
    for table in desk.contract:
        schema = key_schema(table)
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            jsonschema.validate(example, schema)
