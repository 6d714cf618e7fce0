"""The check that every test ran can tell when one did not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.completeness import not_passed

MANIFEST: dict[str, Any] = {
    "nodes": {
        "test.shop.keys": {"resource_type": "test"},
        "test.shop.sums": {"resource_type": "test"},
        "model.shop.sales": {"resource_type": "model"},
    },
    "unit_tests": {"unit_test.shop.sales.of_a_day": {}},
}
ALL = {"test.shop.keys": "pass", "test.shop.sums": "warn", "unit_test.shop.sales.of_a_day": "success"}


def test_a_build_with_all_of_them_is_complete() -> None:
    assert not_passed(MANIFEST, ALL | {"model.shop.sales": "error"}) == {}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("status", [None, "skipped", "error", "fail"])
def test_one_that_did_not_run_or_pass_is_named(name: str, status: str | None) -> None:
    results = {other: given for other, given in ALL.items() if other != name}
    if status:
        results[name] = status
    assert not_passed(MANIFEST, results) == {name: status or "did not run"}


@pytest.mark.parametrize("kind", ["nodes", "unit_tests"])
def test_a_project_without_tests_proves_nothing(kind: str) -> None:
    with pytest.raises(AssertionError):
        not_passed(MANIFEST | {kind: {}}, ALL)
