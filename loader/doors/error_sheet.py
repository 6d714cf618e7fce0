"""Cells of the error sheet, which people open in a spreadsheet: none may run as a formula."""

from __future__ import annotations

import json
import re
from typing import Any

#: Where a spreadsheet may begin to read a formula: at the start of a cell, behind any white space,
#: and behind each sign at which it may cut the cell in two, since the reader's own separator is
#: not known and quotes don't hold against another one. Full-width signs count in some languages.
#: Nor do quotation marks before the sign: such a reader takes them away. A break nearer to the sign
#: is such a place itself, so none is looked beyond.
_FORMULA = re.compile(r"""(^|[;|\t\r\n])(?=(?:[^\S\t\r\n]|["'])*[=+\-@＝＋－＠])|(^)(?=[\t\r])""")


def cell(value: Any) -> str:
    """Text of a cell; what a spreadsheet would run as a formula is led by an apostrophe."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False) if value else ""
    return _FORMULA.sub(r"\1'", "" if value is None else str(value))
