"""Puts a draft into a sources file that stands, by adding to its text and changing nothing of it.

Where something goes is read from YAML's own positions, so comments, order, quoting and line ends
stay as they are to the byte. (A YAML library that writes the file anew keeps comments, and changes
indentation, quoting and line breaks of what nobody asked it to touch.)
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from loader.contract.draft import (
    DraftColumn,
    DraftTable,
    column_entries,
    column_lines,
    comment,
    names,
    scalar,
    table_lines,
)
from loader.contract.places import get, items
from loader.remedy import Remedy


def write_draft(path: Path, source: str, tables: Sequence[DraftTable]) -> list[str]:
    """Adds to the file what it lacks of ``tables``; returns what was added, in words.

    Raises :class:`Remedy`, with the file untouched, where something can't be put in its place.
    """
    text = path.read_bytes().decode("utf-8")
    made, words = edited(text, source, tables)
    if made != text:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(made.encode("utf-8"))
            shutil.copymode(path, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return words


def edited(text: str, source: str, tables: Sequence[DraftTable]) -> tuple[str, list[str]]:
    """The text with what it lacked, and what that was."""
    editor = _Editor(text)
    node = next((n for n in items(yaml.compose(text, Loader=yaml.SafeLoader), "sources") if _name(n) == source), None)
    if node is None:
        raise Remedy(f"The file has no source {source}.", "Leave out --write, and put what is printed into a new file.")
    standing = {_name(table): table for table in items(node, "tables")}
    for table in tables:
        if table.name in standing:
            editor.table(standing[table.name], table, source)
        else:
            editor.append(get(node, "tables"), table_lines(table), f"{source}.{table.name}", node)
    made = editor.result()
    if not _holds(yaml.safe_load(made), yaml.safe_load(text)):
        raise Remedy(
            f"The draft of {source} can't be put into its file without changing what stands there.",
            "Leave out --write, and copy what is printed by hand.",
        )
    return made, editor.words


class _Editor:
    """Collects insertions into a text: each at a position, in the order in which they were asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.lines = text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.insertions: list[tuple[int, str]] = []
        self.words: list[str] = []

    def table(self, node: yaml.Node, table: DraftTable, source: str) -> None:
        """What the table lacks: description, key, columns."""
        table_id = f"{source}.{table.name}"
        if table.description and get(node, "description") is None:
            self._after_name(node, f"description: {scalar(table.description)}", f"{table_id}: description")
        if table.primary_key and not _has_key(node):
            self._key(node, table, table_id)
        standing = {_name(column): column for column in items(node, "columns")}
        for column in table.columns:
            if column.name in standing:
                self._column(standing[column.name], column, f"{table_id}.{column.name}")
        new = [column for column in table.columns if column.name not in standing]
        if not new:
            return
        lines = [line for column in new for line in column_lines(column)]
        if get(node, "columns") is None:
            self._after_name(
                node, self._joined(["columns:", *("  " + line for line in lines)], node), f"{table_id}: columns"
            )
            return
        self.append(get(node, "columns"), lines, f"{table_id}: {', '.join(c.name for c in new)}", node)

    def _joined(self, lines: list[str], node: yaml.Node) -> str:
        indent = self._newline_indent(_first_column(node))
        return indent.join(lines)

    def _newline_indent(self, column: int) -> str:
        return self.newline + " " * column

    def _column(self, node: yaml.Node, column: DraftColumn, column_id: str) -> None:
        is_tested = any(get(node, key) is not None for key in ("data_tests", "tests"))
        for key, line in column_entries(column):
            if get(node, key) is not None or (key == "data_tests" and is_tested):
                continue
            if key == "constraints" and _is_required(node):
                continue
            entry = _flow_entry(column, key) if _is_flow(node) else line
            self._after_name(node, entry, f"{column_id}: {key}")

    def _key(self, node: yaml.Node, table: DraftTable, table_id: str) -> None:
        entry = f"primary_key: {names(table.primary_key)}"
        words = f"{table_id}: primary_key" + (f" ({table.key_remark})" if table.key_remark else "")
        config = get(node, "config")
        if config is None:
            line = f"config: {{meta: {{{entry}}}}}"
            self._after_name(node, line + ("" if _is_flow(node) else comment(table.key_remark)), words)
            return
        meta = get(config, "meta")
        if meta is None:
            self._first(config, f"meta: {{{entry}}}", words)
        else:
            self._first(meta, entry, words)

    def _after_name(self, node: yaml.Node, entry: str, words: str) -> None:
        """A new entry of a mapping, right after its name."""
        value = get(node, "name")
        assert value is not None  # found by it
        if _is_flow(node):
            self._insert(value.end_mark.index, f", {entry}", words)
        else:
            self._insert_line(value.end_mark.line + 1, _first_column(node), entry, words)

    def _first(self, node: yaml.Node, entry: str, words: str) -> None:
        if not isinstance(node, yaml.MappingNode):
            raise Remedy(f"config or meta is no mapping (line {node.start_mark.line + 1}).", "Correct it first.")
        if _is_flow(node):
            self._insert(node.start_mark.index + 1, entry + (", " if node.value else ""), words)
        else:
            first = node.value[0][0].start_mark
            self._insert_line(first.line, first.column, entry, words)

    def append(self, node: yaml.Node | None, lines: list[str], words: str, owner: yaml.Node) -> None:
        """New items at the end of a sequence in block style."""
        if not isinstance(node, yaml.SequenceNode) or node.flow_style or not node.value:
            raise Remedy(
                f"{words} can't be added: there is no list of one item a line (line {owner.start_mark.line + 1}).",
                "Leave out --write, and copy what is printed by hand.",
            )
        column = node.start_mark.column
        self._insert_line(_last_line(node) + 1, column, self._newline_indent(column).join(lines), words)

    def _insert_line(self, line: int, column: int, entry: str, words: str) -> None:
        at = self.starts[min(line, len(self.lines))]
        self._insert(at, f"{' ' * column}{entry}{self.newline}", words)

    def _insert(self, at: int, text: str, words: str) -> None:
        if (at, text) not in self.insertions:  # a node that is referred to twice
            self.insertions.append((at, text))
            self.words.append(words)

    def result(self) -> str:
        """The text with all insertions; a last line without an end gets one before lines are added."""
        made, last = "", 0
        for at, text in sorted(self.insertions, key=lambda insertion: insertion[0]):
            made += self.text[last:at]
            if text.endswith("\n") and made and not made.endswith("\n"):
                made += self.newline
            made += text
            last = at
        return made + self.text[last:]


def _flow_entry(column: DraftColumn, key: str) -> str:
    """The entry inside braces: no comment, and commas and brackets in quotes."""
    if key == "data_type":
        return f"data_type: {scalar(column.data_type, in_flow=True)}"
    if key == "description":
        return f"description: {scalar(column.description, in_flow=True)}"
    return dict(column_entries(column))[key]


def _has_key(table: yaml.Node) -> bool:
    metas = (get(table, "meta"), get(get(table, "config"), "meta"))
    return any(get(meta, "primary_key") is not None for meta in metas)


def _is_required(column: yaml.Node) -> bool:
    """Whether it says already that it may not be empty, by a constraint or a test."""
    texts = [n.value for key in ("constraints", "data_tests", "tests") for n in _scalars(get(column, key))]
    return "not_null" in texts


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key)
            yield from _scalars(value)


def _last_line(node: yaml.Node) -> int:
    """The last line (from 0) that holds something of the node; comments behind it do not count."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last)
    mark = node.end_mark
    return mark.line - 1 if mark.column == 0 and mark.line > node.start_mark.line else mark.line


def _first_column(node: yaml.Node) -> int:
    assert isinstance(node, yaml.MappingNode)
    return int(node.value[0][0].start_mark.column)


def _is_flow(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def _name(node: yaml.Node) -> str | None:
    value = get(node, "name")
    return value.value if isinstance(value, yaml.ScalarNode) else None


def _holds(after: Any, before: Any) -> bool:
    """Whether everything of ``before`` stands in ``after``, and lists only grew at their end."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(k in after and _holds(after[k], v) for k, v in before.items())
    if isinstance(before, list):
        return (
            isinstance(after, list)
            and len(after) >= len(before)
            and all(_holds(a, b) for a, b in zip(after, before, strict=False))
        )
    return bool(after == before) and type(after) is type(before)
