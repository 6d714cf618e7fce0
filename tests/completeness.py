"""Whether all that the project says is tested was tested: by dbt's manifest and the results of a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PASSED = ("pass", "success", "warn")


def not_passed(manifest: dict[str, Any], results: Mapping[str, str]) -> dict[str, str]:
    """Tests and unit tests of the manifest that have no result in the build, or another than passed."""
    tests = [name for name, node in manifest["nodes"].items() if node["resource_type"] == "test"]
    expected = [*tests, *manifest["unit_tests"]]
    assert tests, "the manifest has no test"
    assert manifest["unit_tests"], "the manifest has no unit test"
    found = {name: results.get(name, "did not run") for name in expected}
    return {name: status for name, status in found.items() if status not in PASSED}
