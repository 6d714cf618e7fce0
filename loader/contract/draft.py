"""A draft of a contract: what a database or a sample file says of a source's tables."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from loader.remedy import Remedy

LOADER = "gatehouse"
#: What dbt would not read as it stands, but run.
_TEMPLATE = re.compile(r"\{[{%#]")
#: Words that YAML takes for something else than text.
_RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n", "none"}


@dataclass(frozen=True)
class DraftColumn:
    """A column as found. ``remark`` says what is to be looked at; ``data_type`` is always one."""

    name: str
    data_type: str
    required: bool = False
    description: str = ""
    remark: str = ""


@dataclass(frozen=True)
class DraftTable:
    """A table as found; ``key_remark`` says where the key is only a guess."""

    name: str
    columns: tuple[DraftColumn, ...]
    primary_key: tuple[str, ...] = ()
    description: str = ""
    key_remark: str = ""


def scalar(text: str, in_flow: bool = False) -> str:
    """``text`` as one YAML scalar, bare where nobody could take it for something else."""
    if _TEMPLATE.search(text):
        raise Remedy(
            f"dbt would run {text[:80]!r} as a template.", "Rename it where it comes from: no name holds {{, {% or {#."
        )
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ]*(\([0-9]+(,[0-9]+)?\))?(\[\])?", text)
    if (
        plain
        and text.lower() not in _RESERVED
        and text == text.strip()
        and not (in_flow and re.search(r"[,\[\]]", text))
    ):
        return text
    return json.dumps(text, ensure_ascii=False)


def names(columns: Sequence[str]) -> str:
    """A list of names in YAML's flow style."""
    return "[" + ", ".join(scalar(name, in_flow=True) for name in columns) + "]"


def comment(remark: str) -> str:
    """The remark at the end of a line, or nothing."""
    return f"  # {' '.join(remark.split())}" if remark else ""


def column_entries(column: DraftColumn) -> list[tuple[str, str]]:
    """(key, line) of what is known of a column, but for its name."""
    found = []
    if column.description:
        found.append(("description", f"description: {scalar(column.description)}"))
    found.append(("data_type", f"data_type: {scalar(column.data_type)}{comment(column.remark)}"))
    if column.required:
        found.append(("constraints", "constraints: [{type: not_null}]"))
        found.append(("data_tests", "data_tests: [not_null]"))
    return found


def table_lines(table: DraftTable) -> list[str]:
    """The table as an item of ``tables:``, from its dash on."""
    lines = [f"- name: {scalar(table.name)}"]
    if table.description:
        lines.append(f"  description: {scalar(table.description)}")
    if table.primary_key:
        key = f"config: {{meta: {{primary_key: {names(table.primary_key)}}}}}"
        lines.append(f"  {key}{comment(table.key_remark)}")
    elif table.key_remark:
        lines.append(f"  # {table.key_remark}")
    lines.append("  columns:")
    for column in table.columns:
        lines += ["    " + line for line in column_lines(column)]
    return lines


def column_lines(column: DraftColumn) -> list[str]:
    """The column as an item of ``columns:``, from its dash on."""
    return [f"- name: {scalar(column.name)}", *("  " + line for _, line in column_entries(column))]


def sources_file(source: str, schema: str, tables: Sequence[DraftTable]) -> str:
    """A whole sources file for dbt 1.11 and later."""
    lines = ["version: 2", "", "sources:", f"  - name: {scalar(source)}"]
    if schema != source:
        lines.append(f"    schema: {scalar(schema)}")
    lines += [f"    loader: {LOADER}", "    tables:"]
    for table in tables:
        lines += ["      " + line for line in table_lines(table)]
    return "\n".join(lines) + "\n"
