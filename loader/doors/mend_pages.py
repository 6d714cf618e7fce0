"""What the pages that mend kept rows have in common: the table they are asked for, and the mending itself."""

from __future__ import annotations

from collections.abc import Sequence

from flask import abort, g, request

from loader.app import gatehouse, require
from loader.contract.model import Table
from loader.doors.patience import patience
from loader.intake.load import LoadFailed
from loader.intake.mend import AnotherWasQuicker, CanNotMend, Mend, mend_and_judge
from loader.intake.receipt import Receipt
from loader.pages.words import sentence

#: How long a page waits for a load into the same table.
WAIT_SECONDS = 5.0


class NotMended(Exception):
    """Nothing was changed; the sentence says why, and the answer has this status."""

    def __init__(self, message: str, status: int, was_quicker: bool = False) -> None:
        self.status, self.was_quicker = status, was_quicker
        super().__init__(sentence(message))


def table_asked() -> Table:
    """The table of ``?table=source.name``, whose rows who comes may mend; 403 or 404 ends the request."""
    source, _, name = request.args.get("table", "").partition(".")
    require("mend", source, name)
    table = gatehouse().contract().tables.get((source, name))
    if table is None:
        abort(404, f"The contract has no table {source}.{name}.")
    return table


def judge(table: Table, mends: Sequence[Mend], dry_run: bool = False) -> Receipt:
    """Mend rows and judge them again, or say what that would come to. Raises :class:`NotMended`."""
    here = gatehouse()
    try:
        with patience(WAIT_SECONDS) as seconds_left:
            return mend_and_judge(
                here.engine, here.contract(), table, mends, g.principal, dry_run=dry_run, lock_seconds=seconds_left()
            )
    except CanNotMend as error:
        raise NotMended(str(error), 409, isinstance(error, AnotherWasQuicker)) from error
    except LoadFailed as error:
        raise NotMended(f"{error.outcome}: {error.message}", 503) from error
