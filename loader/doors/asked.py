"""What a call of the API asks for: its query and body, read strictly, and what is shown in answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from flask import abort, request
from werkzeug.exceptions import RequestEntityTooLarge

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.problems import problem

PAGE = 100
#: How long a call waits for a load into the same table to end before it is told to come again.
LOCK_SECONDS = 10


def only(names: Iterable[str]) -> None:
    """End the request if its query names anything else: a mistyped filter would not filter."""
    unknown = set(request.args) - set(names)
    if unknown:
        *most, last = sorted(names) or ["none"]
        there_are = f"{', '.join(most)} and {last}" if most else last
        abort(400, f"There is no option {min(unknown)!r}; there are {there_are}.")


def integer(name: str, default: int = 0, most: int = 2**63 - 1) -> int:
    text = request.args.get(name, str(default))
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not 0 < len(digits) <= 19 or int(digits) > most:
        abort(400, f"{name} is a number from 1 to {most}.")
    return int(digits)


FILTERS = ("source", "table", "status")


def filtered(query: sa.Select[Any], entity: Any, statuses: tuple[str, ...]) -> sa.Select[Any]:
    if request.args.get("status", statuses[0]) not in statuses:
        abort(400, f"status is {' or '.join(f'`{status}`' for status in statuses)}.")
    for name in FILTERS:
        if name in request.args:
            column = entity.table_name if name == "table" else getattr(entity, name)
            query = query.where(column == request.args[name])
    return query


def small_json(most: int = 1 << 20, read: Callable[[str], Any] = json.loads) -> Any:
    """The body as JSON that the database can be asked about, else ``None``."""
    request.max_content_length = most  # holds for a body in chunks too, which says no length
    try:
        sent = request.get_data()
        request.stream.read(1)  # of a body in chunks get_data() takes what fits, without a word
        body = read(sent.decode())
        text = json.dumps(body, ensure_ascii=False)
        text.encode()
    except RequestEntityTooLarge:
        abort(problem(413, "The body is larger than this call takes: say less at once."))
    except (ValueError, RecursionError):  # half a surrogate pair is a ValueError: it has no UTF-8
        return None
    return None if "\\u0000" in text else body


def table_of(source: str, name: str) -> Table:
    try:
        return gatehouse().contract().table(source, name)
    except KeyError:
        abort(404)


def timed(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()}
