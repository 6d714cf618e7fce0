"""The operational data store as a page: entity-relationship diagrams and a table a source table.

Mermaid's `erDiagram`, which Git hosts draw, and Markdown. Everything on the page follows from
the contract; a test fails when `docs/ods.md` says something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from loader.contract.model import DOORS, Column, Contract, Relationship, Table

MADE_BY = "<!-- Made by `loader contract diagram` from the dbt project's source files: change those. -->"
_INTRODUCTION = """\
What the sources send and the loader keeps: one schema a source system, one table a source table.
Beside each `staging_<system>.<table>` stands `<table>__history` with the versions that are not
current; both end with the loader's own columns (`_load_id`, `_row`, `_loaded_at`).

In the diagrams a solid line is a parent that a row waits for at the door, a dotted line one whose
lack is only warned of or looked at under a condition."""


def ods_page(contract: Contract) -> str:
    """The whole page as Markdown, ending with a line feed."""
    tables = sorted(contract, key=lambda table: (table.source, table.path, table.line or 0, table.name))
    systems: dict[str, list[Table]] = {}
    for table in tables:
        systems.setdefault(table.source, []).append(table)
    parts = [MADE_BY, "# The operational data store", _INTRODUCTION]
    parts += ["## Overview", er_diagram(contract, tables, with_columns=False)]
    for system, own in systems.items():
        parts += [f"## {system}", er_diagram(contract, own, with_columns=True)]
        for table in own:
            parts += list(_table_section(table))
    return "\n\n".join(parts) + "\n"


# -- diagrams ----------------------------------------------------------------


def er_diagram(contract: Contract, tables: Iterable[Table], with_columns: bool) -> str:
    """A fenced Mermaid diagram of ``tables`` and of the parents that they name elsewhere."""
    shown = list(tables)
    inside = {(table.source, table.name) for table in shown}
    lines = ["```mermaid", "erDiagram"]
    for table in shown:
        lines += _entity(table, with_columns)
    outside = sorted({r.parent for table in shown for r in table.relationships} - inside)
    lines += [f'    {_entity_id(*key)}["{_plain(".".join(key))}"]' for key in outside]
    for table in shown:
        lines += [_line(contract, table, relationship) for relationship in table.relationships]
    return "\n".join([*lines, "```"])


def _entity(table: Table, with_columns: bool) -> Iterator[str]:
    head = f'    {_entity_id(table.source, table.name)}["{_plain(table.id)}"]'
    if not with_columns:
        yield head
        return
    yield head + " {"
    for column in table.columns:
        keys = ["PK"] if column.name in table.primary_key else []
        keys += ["FK"] if any(column.name in r.columns for r in table.relationships) else []
        keys += ["UK"] if any(rule.columns == (column.name,) for rule in table.unique_rules) and not keys else []
        words = [_diagram_type(column), _word(column.name), *([", ".join(keys)] if keys else [])]
        yield "        " + " ".join(words) + ("" if column.required else ' "may be empty"')
    yield "    }"


def _line(contract: Contract, child: Table, relationship: Relationship) -> str:
    """One relation. At the parent's end: exactly, at most or at least one; at the child's: at most one, or any."""
    parent = contract.tables.get(relationship.parent)
    required = all(child.column(name).required for name in relationship.columns)
    found_by = set(relationship.parent_columns)
    keys = [parent.primary_key, *(rule.columns for rule in parent.unique_rules)] if parent else []
    one_parent = any(set(key) <= found_by for key in keys)
    left = ("||" if required else "|o") if one_parent else ("}|" if required else "}o")
    right = "o|" if set(relationship.columns) == set(child.primary_key) else "o{"
    strict = relationship.severity == "error" and relationship.where is None
    ends = f"{left}{'--' if strict else '..'}{right}"
    columns = ", ".join(relationship.columns)
    return f'    {_entity_id(*relationship.parent)} {ends} {_entity_id(child.source, child.name)} : "{_plain(columns)}"'


def _entity_id(source: str, name: str) -> str:
    return _word(f"{source}__{name}")


def _diagram_type(column: Column) -> str:
    """Mermaid takes no comma and no space in a type; the table below has it in full."""
    return _word(column.type.family if column.type.family == "numeric" else column.type.sql, "()")


def _word(text: str, more: str = "") -> str:
    word = re.sub(rf"[^A-Za-z0-9_{re.escape(more)}]", "_", text)
    return word if re.match("[A-Za-z_]", word) else "_" + word


def _plain(text: str) -> str:
    return text.replace('"', "'")


# -- tables ------------------------------------------------------------------


def _table_section(table: Table) -> Iterator[str]:
    yield f"### {table.id}"
    if table.description.strip():
        yield table.description.strip()
    yield "\n".join(f"- {fact}" for fact in _facts(table))
    rows = ["| column | type | rules | description |", "| --- | --- | --- | --- |"]
    for column in table.columns:
        words = "; ".join(_column_rules(table, column))
        cells = (f"`{column.name}`", f"`{column.type.sql}`", words, column.description)
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    yield "\n".join(rows)
    if wide := [*_wide_rules(table)]:
        yield "Rules on the row as a whole:\n\n" + "\n".join(f"- {rule}" for rule in wide)
    if table.unchecked:
        names = [f"`{test.name}`{_of(test.columns)}: {test.reason}" for test in table.unchecked]
        yield "Checked by dbt, not at the door:\n\n" + "\n".join(f"- {name}" for name in names)


def _facts(table: Table) -> Iterator[str]:
    yield f"key: {_names(table.primary_key)}"
    order = f", ordered by `{table.valid_from}`" if table.valid_from else ""
    if table.load == "events":
        yield "events: a row never changes"
    else:
        yield f"versions: a later row with the same key replaces the current one{order}"
    if set(table.doors) != set(DOORS):
        yield f"doors: {', '.join(table.doors)}"
    if table.freshness is not None:
        limits = (("a warning", table.freshness.warn_after), ("an error", table.freshness.error_after))
        words = [f"{word} after {_duration(seconds)}" for word, seconds in limits if seconds]
        yield f"without a load: {', '.join(words)}"


def _column_rules(table: Table, column: Column) -> Iterator[str]:
    if column.required:
        yield "required"
    for rule in table.row_rules:
        if rule.columns == (column.name,) and rule.name != "not_null":
            yield rule.message + _when(rule.severity, rule.where)
        elif rule.columns == (column.name,) and (rule.severity == "warn" or rule.where):
            yield "filled" + _when(rule.severity, rule.where)
    for unique in table.unique_rules:
        if unique.columns == (column.name,):
            yield "unique" + _when(unique.severity, unique.where)
    for relationship in table.relationships:
        if relationship.columns == (column.name,):
            yield f"in {_parent(relationship)}" + _when(relationship.severity, relationship.where)
    if column.type.format:
        yield f"written as `{column.type.format}`"
    if column.type.timezone:
        yield f"in {column.type.timezone} where no zone is given"
    if column.pii:
        yield f"personal ({column.pii})"


def _wide_rules(table: Table) -> Iterator[str]:
    for rule in table.row_rules:
        if len(rule.columns) != 1:
            yield rule.message + _when(rule.severity, rule.where)
    for unique in table.unique_rules:
        if len(unique.columns) != 1:
            yield f"{_names(unique.columns)} together unique" + _when(unique.severity, unique.where)
    for relationship in table.relationships:
        if len(relationship.columns) != 1:
            words = f"{_names(relationship.columns)} together in {_parent(relationship)}"
            yield words + _when(relationship.severity, relationship.where)


def _parent(relationship: Relationship) -> str:
    return f"{'.'.join(relationship.parent)} ({_names(relationship.parent_columns)})"


def _when(severity: str, where: str | None) -> str:
    words = ["warning only"] if severity == "warn" else []
    words += [f"where `{where}`"] if where else []
    return f" ({', '.join(words)})" if words else ""


def _of(columns: tuple[str, ...]) -> str:
    return f" of {_names(columns)}" if columns else ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    """One line, and no bar that would end the cell."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def _duration(seconds: float) -> str:
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
