"""An empty sheet for a table, to be filled and brought: made from the contract, as everything at its doors."""

from __future__ import annotations

import csv
import io
from typing import Any

from xlsxwriter.utility import xl_col_to_name

from loader.contract.model import Column, Table

#: Rows, beside the header, whose cells know what may be in them.
_ROWS = 10_000
#: Of each type of value, how Excel shows a cell; all else are texts, which it leaves as they are typed.
_SHOWN = {"date": "yyyy-mm-dd", "timestamp": "yyyy-mm-dd hh:mm:ss", "time": "hh:mm:ss"}
_NUMBERS = ("numeric", "double precision")
#: A number longer than this is not what Excel would keep.
_DIGITS = 15
_LONGEST_NOTE = 1000
_CHOICES = "choices"


def csv_of(table: Table) -> bytes:
    """The header alone, in UTF-8 with its mark, without which Excel takes it for something else."""
    out = io.StringIO()
    csv.writer(out).writerow(table.column_names)
    return out.getvalue().encode("utf-8-sig")


def fill(table: Table, book: Any) -> None:
    """The header, with a note on what each column takes; lists where the contract says the values."""
    page = book.add_worksheet("rows")
    choices = book.add_worksheet(_CHOICES)
    choices.hide()
    heads = {
        required: book.add_format({"bold": True, "num_format": "@", "bg_color": colour, "border": 1})
        for required, colour in ((True, "#D5E8DC"), (False, "#EEEEE8"))
    }
    page.freeze_panes(1, 0)
    listed = 0
    for place, column in enumerate(table.columns):
        page.set_column(place, place, max(12, len(column.name) + 3), book.add_format({"num_format": _shown(column)}))
        page.write_string(0, place, column.name, heads[column.required])
        page.write_comment(0, place, _note(column), {"x_scale": 2})
        if values := _values(column):
            for line, value in enumerate(values):
                choices.write_string(line, listed, value)
            name = xl_col_to_name(listed, col_abs=True)
            page.data_validation(1, place, _ROWS, place, _list(f"={_CHOICES}!{name}$1:{name}${len(values)}"))
            listed += 1


def _shown(column: Column) -> str:
    type_ = column.type
    if type_.family in _SHOWN and type_.format is None:
        return _SHOWN[type_.family]
    if type_.family == "timestamptz" and type_.timezone and type_.format is None:
        return _SHOWN["timestamp"]
    if type_.family in ("smallint", "integer"):
        return "0"
    if type_.family in _NUMBERS and (type_.precision or _DIGITS) <= _DIGITS:
        return "General"
    return "@"


def _values(column: Column) -> tuple[str, ...]:
    if column.type.family == "boolean":
        return ("true", "false")
    return column.accepted_values or ()


def _note(column: Column) -> str:
    said = [column.label, column.description, column.type.expects, "may not be empty" if column.required else ""]
    if column.example is not None:
        said.append(f"such as {column.example}")
    return "\n".join(part for part in said if part)[:_LONGEST_NOTE]


def _list(source: str) -> dict[str, Any]:
    return {
        "validate": "list", "source": source, "error_type": "warning",
        "error_title": "Not one of the list", "error_message": "The warehouse would refuse this value.",
    }  # fmt: skip
