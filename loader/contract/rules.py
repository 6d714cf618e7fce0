"""From dbt's tests on a source to the door's rules.

dbt's own four tests are known here. A test of the project is a row rule when a macro
``rule_<test>`` stands behind it: a macro without dbt's context that yields one boolean SQL
expression. The door renders that very macro, so a rule is written once. (A project that has no
``rule_accepted_values`` is tested by dbt's own SQL, and the door says the same here.)
"""

from __future__ import annotations

import re
from typing import Any

import jinja2

from loader.contract.model import Relationship, RowRule, UncheckedTest, UniqueRule
from loader.contract.types import DataType, identifier, literal

_SOURCE = re.compile(r"source\(\s*['\"]([^'\"]+)['\"]\s*,\s*['\"]([^'\"]+)['\"]\s*\)")
_ROW_CONTEXT = ("column_name", "model", "config", "name", "where")

Rule = RowRule | UniqueRule | Relationship | UncheckedTest


class RuleFault(ValueError):
    """A test whose rule can't be made; says why."""


class RuleMacros:
    """The project's ``rule_…`` macros, rendered without dbt."""

    def __init__(self, macros: dict[str, str]) -> None:
        self.names = set(macros)
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"])
        try:
            template = environment.from_string("\n".join(macros.values()))
            self._module = template.module
        except jinja2.TemplateError as error:
            raise RuleFault(f"the rule macros can't be read: {error}") from error

    def expression(self, test: str, column: str | None, arguments: dict[str, Any]) -> str:
        """The boolean SQL expression of ``test``; raises :class:`RuleFault`."""
        return self._call(f"rule_{test}", column, arguments)

    def message(self, test: str, column: str | None, arguments: dict[str, Any]) -> str | None:
        """The rule's sentence for people, where its author wrote one."""
        name = f"rule_{test}_message"
        return self._call(name, column, arguments) if name in self.names else None

    def _call(self, name: str, column: str | None, arguments: dict[str, Any]) -> str:
        try:
            text = getattr(self._module, name)(column, **arguments)
        except (jinja2.TemplateError, TypeError, AttributeError) as error:
            raise RuleFault(f"macro {name} does not take what the test gives: {error}") from error
        return str(text).strip()


def tested_table(test: dict[str, Any]) -> tuple[str, str] | None:
    """The (source, table) that a test node is about, ``None`` when it is not a source."""
    metadata = test.get("test_metadata") or {}
    match = _SOURCE.search(str((metadata.get("kwargs") or {}).get("model", "")))
    return (match[1], match[2]) if match else None


def make_rule(test: dict[str, Any], macros: RuleMacros, types: dict[str, DataType]) -> Rule:
    """The rule that a manifest's test node stands for.

    ``types`` are the table's columns. Raises :class:`RuleFault`.
    """
    metadata = test["test_metadata"]
    name, config = metadata["name"], test.get("config") or {}
    arguments = {k: v for k, v in metadata["kwargs"].items() if k not in _ROW_CONTEXT}
    column = metadata["kwargs"].get("column_name") or test.get("column_name")
    column = column.strip('"') if column else None
    columns = (column,) if column else tuple(arguments.get("columns") or ())
    reason = _not_a_verdict(config)
    if reason:
        return UncheckedTest(name, columns, reason)
    missing = [c for c in columns if c not in types]
    if missing:
        raise RuleFault(f"test {name} names {missing[0]}, which is not a column of the table")
    common: dict[str, Any] = {
        "severity": "warn" if str(config.get("severity", "")).lower() == "warn" else "error",
        "where": config.get("where"),
        "test_id": test.get("unique_id"),
    }
    ours = metadata.get("namespace") is not None or f"rule_{name}" in macros.names
    if name == "not_null" and not ours:
        return not_null(columns[0], **common)
    if name == "accepted_values":
        common["accepted"] = _choices(arguments)
        if "rule_accepted_values" not in macros.names:
            return _accepted_values(columns[0], arguments, common)
    if name in ("unique", "unique_together"):
        return UniqueRule(columns, name=name, **common)
    if name in ("relationships", "relationships_together"):
        return _relationship(name, columns, arguments, common)
    if f"rule_{name}" in macros.names:
        quoted = identifier(column) if column else None
        return RowRule(
            name,
            columns,
            macros.expression(name, quoted, arguments),
            macros.message(name, quoted, arguments) or f"breaks the rule {name}",
            **common,
        )
    return UncheckedTest(name, columns, "a test with SQL of its own")


def not_null(column: str, **common: Any) -> RowRule:
    """The rule that a column is filled; also what a ``not_null`` constraint means."""
    return RowRule("not_null", (column,), f"{identifier(column)} is not null", "must not be empty", **common)


def _choices(arguments: dict[str, Any]) -> tuple[str, ...] | None:
    """What a form can offer of ``accepted_values``; raises :class:`RuleFault` when that is nothing."""
    values = arguments.get("values") or []
    if not values:
        raise RuleFault("accepted_values accepts nothing")
    # without quotes a text is SQL, and no value that anybody could choose from a list
    if not arguments.get("quote", True) and any(isinstance(value, str) for value in values):
        return None
    return tuple(str(value) for value in values)


def _accepted_values(column: str, arguments: dict[str, Any], common: dict[str, Any]) -> RowRule:
    """dbt's own test of that name, but with quotes inside of a value doubled."""
    values = [str(value) for value in arguments["values"]]
    listed = ", ".join(literal(value) if arguments.get("quote", True) else value for value in values)
    shown = ", ".join(values[:12]) + (f" and {len(values) - 12} more" if len(values) > 12 else "")
    return RowRule(
        "accepted_values", (column,), f"{identifier(column)} in ({listed})", f"must be one of: {shown}", **common
    )


def _relationship(
    name: str, columns: tuple[str, ...], arguments: dict[str, Any], common: dict[str, Any]
) -> Relationship | UncheckedTest:
    match = _SOURCE.search(str(arguments.get("to", "")))
    if not match:
        return UncheckedTest(name, columns, "its parent is not a source")
    field = arguments.get("field")
    fields = (field,) if field else tuple(arguments.get("fields") or ())
    if len(fields) != len(columns):
        raise RuleFault(f"test {name} pairs {len(columns)} columns with {len(fields)} fields")
    return Relationship(columns, (match[1], match[2]), tuple(f.strip('"') for f in fields), name=name, **common)


def _not_a_verdict(config: dict[str, Any]) -> str | None:
    """Why a test's configuration makes it say something else than 'this row is wrong'."""
    for key, usual in (("error_if", "!= 0"), ("warn_if", "!= 0"), ("fail_calc", "count(*)")):
        if config.get(key, usual) != usual:
            return f"custom {key}"
    if config.get("limit") is not None:
        return "custom limit"
    return None
