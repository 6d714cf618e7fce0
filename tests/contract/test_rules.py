"""From dbt's tests to the door's rules: whose SQL the door judges by."""

from __future__ import annotations

from typing import Any

import pytest

from loader.contract.model import RowRule
from loader.contract.rules import RuleFault, RuleMacros, make_rule
from loader.contract.types import parse_type

#: No project's real rule: it can be told from what Python would write.
MACRO = """
{%- macro rule_accepted_values(column, values, quote=true) -%} {{ column }} is one of {{ values }} {%- endmacro -%}
{%- macro rule_accepted_values_message(column, values, quote=true) -%} as the macro says {%- endmacro -%}
"""


def rule_of(macros: dict[str, str], config: dict[str, Any] | None = None, **arguments: Any) -> RowRule:
    metadata = {
        "name": "accepted_values",
        "kwargs": {"column_name": "kind", "model": "…", **arguments},
        "namespace": None,
    }
    made = make_rule(
        {"test_metadata": metadata, "config": config or {}}, RuleMacros(macros), {"kind": parse_type("text")}
    )
    assert isinstance(made, RowRule)
    return made


def test_accepted_values_is_the_projects_own_macro_as_every_rule_is() -> None:
    rule = rule_of({"rule_accepted_values": MACRO, "rule_accepted_values_message": ""}, values=["a", "b"])
    assert rule.expression == "\"kind\" is one of ['a', 'b']"
    assert rule.message == "as the macro says"
    assert rule.accepted == ("a", "b"), "what a form offers"


def test_a_project_without_the_macro_is_judged_as_dbts_own_test_would() -> None:
    rule = rule_of({}, values=["can't", "b"])
    assert rule.expression == "\"kind\" in ('can''t', 'b')"
    assert rule.message == "must be one of: can't, b"
    assert rule.accepted == ("can't", "b")
    assert rule_of({}, values=[1, 2], quote=False).expression == '"kind" in (1, 2)'
    assert rule_of({}, values=[str(n) for n in range(14)]).message.endswith("11 and 2 more")


@pytest.mark.parametrize("macros", [{}, {"rule_accepted_values": MACRO}])
def test_sql_is_nothing_to_choose_from_a_list(macros: dict[str, str]) -> None:
    assert rule_of(macros, values=["lower('A')"], quote=False).accepted is None


@pytest.mark.parametrize("macros", [{}, {"rule_accepted_values": MACRO}])
def test_a_list_of_nothing_is_a_fault(macros: dict[str, str]) -> None:
    with pytest.raises(RuleFault, match="accepts nothing"):
        rule_of(macros, values=[])


def test_who_breaks_a_rule_that_is_for_some_rows_is_told_for_which() -> None:
    assert rule_of({}, values=["a"]).reason == "must be one of: a"
    assert rule_of({}, {"where": "size > 3"}, values=["a"]).reason == "must be one of: a (where size > 3)"
