"""Whatever is sent, the API answers as its document says: requests are made from the document itself,
as it says and as it says not, and schemathesis holds every answer against it.

Some hundred requests in the ordinary tests, from a seed; thousands in the deep ones.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode

from loader.ledger import access
from tests.pages.desk import TICKET, Desk

FEW, MANY = 5, 100
SEED = 20261126
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
#: Rows are judged one by one: those that the contract does not let in are no fault of the request,
#: which is answered by a receipt. And a door takes spellings that the schema does not name ("1" for 1).
JUDGED_BY_ROW = ["200", "201", "413"]
#: A body that is text may be no CSV; an option may need another one; all or nothing may be nothing.
NOT_ALL_IS_SAID = ["2xx", "400", "409", "415", "422"]
#: The rows of what is there, so that paths lead somewhere.
PATHS: dict[str, list[dict[str, Any]]] = {
    "load_id": [{"load_id": number} for number in (1, 2, 3)],
    "reject_id": [{"reject_id": number} for number in (1, 2, 3, 4, 5)],
    "source": [{"source": "desk", "table": "tickets"}, {"source": "desk", "table": "visits"}],
}


class Fuzz:
    """The document of an app that has some loads and kept rows, and a token for it."""

    def __init__(self, desk: Desk) -> None:
        desk.load("teams", {"team_id": 7, "name": "seven"}, {"team_id": "x"})
        desk.load("tickets", TICKET, {**TICKET, "ticket_id": "2", "team_id": "8"}, {**TICKET, "kind": "odd"})
        desk.load("people", {"address": "a@b", "badge": 1})
        for name in ("y", "z"):  # of loads that no call undoes, since their numbers are not asked for
            desk.load("teams", {"team_id": name})
        with desk.engine.begin() as connection:
            token = access.create_token(connection, "fuzz", datetime.now(UTC) + timedelta(days=1))
        self.headers = {"Authorization": f"Bearer {token}"}
        self.document = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", desk.app, headers=self.headers)
        checks = self.document.config.checks
        self.refused = list(checks.negative_data_rejection.expected_statuses)
        self.taken = list(checks.positive_data_acceptance.expected_statuses)
        self.seen: Counter[tuple[str, int]] = Counter()

    def run(self, examples: int) -> None:
        """Send ``examples`` requests of each kind to each call; all that went wrong is raised together."""
        faults = []
        for found in self.document.get_all_operations():
            operation = found.ok()
            self._expect(operation)
            for strategy in self._strategies(operation):
                try:
                    self._send(operation.label, strategy, examples)
                except Exception as fault:
                    fault.add_note(operation.label)
                    faults.append(fault)
        if faults:
            raise ExceptionGroup("the API does not answer as its document says", faults)

    def _expect(self, operation: Any) -> None:
        checks, judges = self.document.config.checks, "/loads/desk/" in operation.path
        checks.negative_data_rejection.expected_statuses = self.refused + (JUDGED_BY_ROW if judges else [])
        may_be_late = ["412"] if operation.path.endswith("{reject_id}") else []  # by an If-Match
        more = NOT_ALL_IS_SAID if judges else may_be_late
        checks.positive_data_acceptance.expected_statuses = self.taken + more

    @staticmethod
    def _strategies(operation: Any) -> list[SearchStrategy[Any]]:
        named = [paths for name, paths in PATHS.items() if f"{{{name}}}" in operation.path]
        known = [operation.as_strategy(path_parameters=path) for path in (named[0] if named else [])]
        return known + [operation.as_strategy(generation_mode=mode) for mode in MODES]

    def _send(self, label: str, strategy: SearchStrategy[Any], examples: int) -> None:
        @seed(SEED)
        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=strategy)
        def send(case: Any) -> None:
            # an empty list is nothing in an address: what was meant to be wrong by it is right as it is sent
            assume(all(value not in ([], {}) for value in (case.query or {}).values()))
            response = case.call(headers=self.headers)
            self.seen[label, response.status_code] += 1
            if (
                response.status_code == 400
                and label.startswith("PATCH ")
                and "\\u0000" in json.dumps(case.body, default=repr)
            ):
                return  # no document says that a text may not hold a NUL, which nothing can keep
            case.validate_response(response, headers=self.headers)

        send()


@pytest.fixture
def fuzz(desk: Desk) -> Fuzz:
    return Fuzz(desk)


def test_every_answer_is_one_that_the_document_names(fuzz: Fuzz, desk: Desk) -> None:
    fuzz.run(FEW)
    assert_reached(fuzz, desk, 100)


@pytest.mark.deep
def test_every_answer_to_thousands_is_one_that_the_document_names(fuzz: Fuzz, desk: Desk) -> None:
    fuzz.run(MANY)
    print(*sorted(fuzz.seen.items()), sep="\n")
    assert_reached(fuzz, desk, 2000)


def assert_reached(fuzz: Fuzz, desk: Desk, requests: int) -> None:
    """Enough was sent, to every call, and what came in is whole."""
    assert fuzz.seen.total() >= requests
    operations = {found.ok().label for found in fuzz.document.get_all_operations()}
    assert {label for label, status in fuzz.seen if status < 300} == operations
    assert {status for _, status in fuzz.seen} >= {200, 201, 400, 401, 404}
    unbalanced = "select 1 from ledger.loads where status = 'running' or seq is null and status <> 'failed'"
    assert desk.rows(unbalanced) == []
