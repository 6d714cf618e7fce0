"""The table that a page's address names, if the page's door to it is open."""

from __future__ import annotations

from flask import abort

from loader.app import gatehouse
from loader.contract.model import Table


def opened(source: str, name: str, door: str) -> Table:
    """Ends the request with 404 if there is no such table, with 403 if its ``door`` is closed."""
    try:
        table = gatehouse().contract().table(source, name)
    except KeyError:
        abort(404, f"The contract has no table {source}.{name}.")
    if closed := table.closed_to(door):
        abort(403, closed)
    return table
