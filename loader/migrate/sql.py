"""Running SQL that is whole: a ``%`` or ``:`` in it is the contract's own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def run(connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
    """Runs ``statement`` as it stands, without looking for parameters in it."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
