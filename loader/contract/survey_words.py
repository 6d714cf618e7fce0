"""A survey of a project's sources as text for a terminal: short of what is fine, exact of what is not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from loader.contract.faults import Fault
from loader.contract.model import RowRule, Table
from loader.contract.survey import Survey, Surveyed

WIDTH = 80
_LABEL = 11


def survey_text(survey: Survey, width: int = WIDTH) -> str:
    """The whole survey, no line wider than ``width`` where a name is not."""
    loaded = sum(one.is_loaded for one in survey.tables)
    faulty = sum(one.is_loaded and bool(one.faults) for one in survey.tables)
    lines = [f"{survey.project}: {_count(len(survey.tables), 'source table')}, {loaded} loaded by gatehouse."]
    for one in survey.tables:
        lines += ["", f"{one.table.id}  ({_state(one)})"]
        for label, text in _entries(one):
            lines += textwrap.wrap(
                text,
                width,
                initial_indent=f"  {label:<{_LABEL}}",
                subsequent_indent=" " * (_LABEL + 2),
                break_long_words=False,
                break_on_hyphens=False,
            )
    lines += ["", _verdict(loaded, faulty)]
    return "\n".join(lines) + "\n"


def _state(one: Surveyed) -> str:
    if one.is_loaded:
        return "loaded" if not one.faults else "can't be loaded as it stands"
    return f"not loaded: loader is {one.loader}" if one.loader else "not loaded: names no loader"


def _entries(one: Surveyed) -> Iterator[tuple[str, str]]:
    table = one.table
    yield ("enforced" if one.is_loaded else "would be"), _enforced(table)
    for test in table.unchecked:
        columns = f" ({', '.join(test.columns)})" if test.columns else ""
        yield "dbt only", f"{test.name}{columns}: {test.reason}"
    for text in _faults(one.faults):
        yield ("wrong" if one.is_loaded else "missing"), text
    if not one.is_loaded:
        yield "to load it", _needs(one)


def _enforced(table: Table) -> str:
    parts = [_count(len(table.columns), "type")]
    if table.primary_key:
        parts.append(f"key ({', '.join(table.primary_key)})")
    if required := sum(column.required for column in table.columns):
        parts.append(f"{required} not null")
    rules = [rule for rule in table.row_rules if not _is_not_null(rule)]
    if rules:
        parts.append(_count(len(rules), "row rule"))
    parts += [f"unique ({', '.join(rule.columns)}){_mild(rule.severity)}" for rule in table.unique_rules]
    parts += [
        f"({', '.join(rule.columns)}) in {'.'.join(rule.parent)}{_mild(rule.severity)}" for rule in table.relationships
    ]
    return ", ".join(parts)


def _is_not_null(rule: RowRule) -> bool:
    return rule.name == "not_null" and rule.severity == "error" and rule.where is None


def _mild(severity: str) -> str:
    return " (warns)" if severity == "warn" else ""


def _faults(faults: Sequence[Fault]) -> Iterator[str]:
    """One text a fault; columns that have the same one stand together."""
    groups: dict[tuple[str, str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.path, fault.problem, fault.remedy), []).append(fault)
    for (path, problem, remedy), group in groups.items():
        if len(group) == 1:
            fault = group[0]
            place = f"{path}:{fault.line}" if fault.line else path
            column = f" {fault.column}" if fault.column else ""
            yield f"{place}{column}: {problem}. Remedy: {remedy}"
        else:
            columns = ", ".join(f"{fault.column} (line {fault.line})" for fault in group)
            yield f"{path}: {problem}: {columns}. Remedy: {remedy}"


def _needs(one: Surveyed) -> str:
    wanted = ["say `loader: gatehouse` at its source"]
    if one.faults:
        wanted.append("mend what is missing")
    if one.parents_to_load:
        wanted.append(f"load {', '.join(one.parents_to_load)} too")
    return "; ".join(wanted)


def _verdict(loaded: int, faulty: int) -> str:
    if not loaded:
        return "No source says `loader: gatehouse`, so the doors are open to none."
    if faulty:
        return f"{faulty} of {loaded} loaded tables can't be honoured."
    return "Every table that says `loader: gatehouse` can be honoured."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
