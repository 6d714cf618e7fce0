"""Many refused rows mended at once: those that one rule keeps back, by one change of one column.

What the change would come to is shown first: how many would come in, wait, and be refused still.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.mend_pages import NotMended, judge, table_asked
from loader.intake.mend import Mend
from loader.intake.receipt import Receipt
from loader.pages.masking import Mask
from loader.pages.queries.kept import Group

#: Rows that are mended at once; more are mended in several goes.
MOST = 100_000
_VALUES = 50
_REASONS = 5
#: Ways to change a column's value.
HOW = {"map": "each value by itself", "replace": "a part of the value", "set": "one value for all"}


@dataclass
class Change:
    """What is to be changed, as it was said on the page."""

    column: str
    how: str = "map"
    put: str = ""
    find: str = ""
    #: For each value the rows hold (the empty text is none): the new one; empty: it stays.
    mapped: dict[str, str] = field(default_factory=dict)

    def of(self, value: str | None) -> str | None:
        """The new value of a row that holds ``value``."""
        if self.how == "drop":
            return None
        if self.how == "set":
            return self.put or None
        if self.how == "replace":
            return value.replace(self.find, self.put) if value is not None and self.find else value
        return self.mapped.get(value or "") or value


def many() -> ResponseReturnValue:
    """The rows that one rule keeps back: what they hold, and ways to change it."""
    group, table = _asked()
    return _page(group, table, Change(_column(group, table), "map" if group.column in table.column_names else "set"))


def mend_many() -> ResponseReturnValue:
    """Try the change, or make it; nothing is changed while one of the rows was mended by another meanwhile."""
    group, table = _asked()
    change = _change(group, table)
    is_hidden = Mask(table).hides(change.column)
    with gatehouse().engine.connect() as connection:
        rows = group.rows(connection, change.column, MOST)
    mends = [
        Mend(number, {change.column: new}, seen)
        for number, seen, value in rows
        # how many rows hold a value already would tell what nobody may see
        if (new := change.of(value)) != value or is_hidden
    ]
    if not mends:
        return _page(group, table, change, "No row would be changed by this."), 422
    is_trial = request.form.get("do") != "mend"
    try:
        receipt = judge(table, mends, is_trial)
    except NotMended as error:
        return _page(group, table, change, str(error)), error.status
    if is_trial:
        return _page(group, table, change, trial=receipt)
    return redirect(url_for("pages.load", load_id=receipt.load_id), 303)


def _asked() -> tuple[Group, Table]:
    table, column = table_asked(), request.args.get("column") or None
    if Mask(table).column(column) != column:
        abort(404, "A name that the rows themselves gave may be personal, and is not asked for.")
    return Group(table.source, table.name, request.args.get("rule", ""), column), table


def _column(group: Group, table: Table) -> str:
    """The column that is asked for, else the one that the rule is about; a name the table has not can only go."""
    names = (*table.column_names, *([group.column] if group.column else []))
    asked = request.args.get("change") or group.column or table.column_names[0]
    if asked not in names:
        abort(404, f"{table.id} has no column {asked}.")
    return asked


def _change(group: Group, table: Table) -> Change:
    form, column = request.form, _column(group, table)
    how = "drop" if column not in table.column_names else form.get("how", "")
    if how not in (*HOW, "drop") or (how in ("map", "replace") and Mask(table).hides(column)):
        abort(400, f"There is no such way to change {column}.")
    mapped = {
        form.get(f"v.{number}", "").replace("\r\n", "\n"): form[f"n.{number}"].replace("\r\n", "\n")
        for number in range(_VALUES)
        if form.get(f"n.{number}")
    }
    return Change(column, how, form.get("put", ""), form.get("find", ""), mapped)


def _page(group: Group, table: Table, change: Change, fault: str = "", trial: Receipt | None = None) -> str:
    mask = Mask(table)
    with gatehouse().engine.connect() as connection:
        total = group.count(connection)
        values = [] if mask.hides(change.column) else group.values(connection, change.column, _VALUES + 1)
    reasons: list[tuple[str | None, str]] = []
    for reject in trial.rejects if trial else ():
        told: Any = {"rule": reject.rule, "message": reject.message}
        reason = (mask.column(reject.column), mask.message(told))
        if reason not in reasons:
            reasons.append(reason)
    return render_template(
        "kept_many.html",
        group=group,
        table=table,
        change=change,
        total=total,
        most=MOST,
        values=values[:_VALUES],
        more_values=len(values) > _VALUES,
        ways={how: said for how, said in HOW.items() if values or how == "set"},
        fault=fault,
        trial=trial,
        reasons=reasons[:_REASONS],
    )
