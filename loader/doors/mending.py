"""The door for mending at the pages: one kept row, its faults, and a form in which it is put right.

A row is judged by a dry run first, with the values typed: while it would be refused again the form
comes back with what is wrong, and nothing was stored. One that would wait is let go on waiting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from loader.app import gatehouse, require
from loader.contract.model import Table
from loader.doors import mending_many, mending_sheet
from loader.doors.entry import Entry, as_row, fields_of, note_faults, picked, read
from loader.doors.mend_pages import WAIT_SECONDS, NotMended, judge
from loader.doors.patience import patience
from loader.intake.mend import Mend
from loader.ledger import loads
from loader.ledger.dismissals import OPEN
from loader.ledger.dismissals import dismiss as put_aside
from loader.pages.fields import Field, row_rules
from loader.pages.masking import Mask, Masks
from loader.pages.queries import kept
from loader.remedy import Remedy

mending = Blueprint("mending", __name__)

mending.add_url_rule("/many", "many", mending_many.many)
mending.add_url_rule("/many", "mend_many", mending_many.mend_many, methods=["POST"])

mending.add_url_rule("/sheet", "sheet", mending_sheet.sheet)
mending.add_url_rule("/sheet", "send_sheet", mending_sheet.send_sheet, methods=["POST"])
mending.add_url_rule("/sheet.xlsx", "sheet_file", mending_sheet.sheet_file)

_LONGEST_WHY = 500


@dataclass
class Kept:
    """A kept row, and the table and fields by which it is mended; no table where that can't be done."""

    row: sa.Row[Any]
    table: Table | None
    fields: list[Field] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.row.status in OPEN

    def text(self, each: Field) -> str:
        """A column's value as it came, as the form shows it; what is personal and there is not shown."""
        value = self.row.payload.get(each.column.name)
        return "" if value is None or each.column.pii == "direct" else str(value)

    def is_covered(self, each: Field) -> bool:
        return each.column.pii == "direct" and self.row.payload.get(each.column.name) is not None

    def given(self, row: dict[str, str | None], typed: dict[str, str]) -> dict[str, str | None]:
        """Of the row that was typed, what differs from the one kept; names that the table has not go."""
        assert self.table is not None
        changed: dict[str, str | None] = {
            each.column.name: row[each.column.name]
            for each in self.fields
            if self._differs(each, row[each.column.name], typed[each.column.name])
        }
        return changed | {name: None for name in self.row.payload if name not in self.table.column_names}

    def _differs(self, each: Field, value: str | None, typed: str) -> bool:
        """Whether something else was typed than what is shown; a clock time is one by the zone beside it, too."""
        shown = self.text(each).replace("\r\n", "\n")
        return typed != shown or (each.control == "moment" and value != (shown or None))


@mending.get("/<int:reject_id>")
def row(reject_id: int) -> ResponseReturnValue:
    """A kept row as it is now, why it is kept, what was changed in it; and the form to mend it, for who may."""
    found = _find(reject_id, "read")
    return _page(found, _entry(found))


@mending.post("/<int:reject_id>")
def mend(reject_id: int) -> ResponseReturnValue:
    """Judge the row with the values typed; let it in if it may come, else show what is wrong."""
    found = _find(reject_id, "mend")
    table = _mendable(found)
    entry = read(found.fields, request.form)
    typed, unsure = as_row(found.fields, entry)
    mends = [Mend(reject_id, found.given(typed, entry.typed), _seen())]
    try:
        receipt = judge(table, mends, dry_run=True)
        if not receipt.rejected and not unsure:
            receipt = judge(table, mends)
    except NotMended as error:
        if error.was_quicker:
            return _page(_find(reject_id, "mend"), entry, was_quicker=True), error.status
        entry.faults[None] = [str(error)]
        return _page(found, entry, wrong=True), error.status
    if receipt.load_id is not None:
        return redirect(url_for("mending.row", reject_id=reject_id), 303)
    note_faults(entry, receipt, unsure, found.fields, Mask(table))
    return _page(found, entry, wrong=True), 422


@mending.post("/<int:reject_id>/dismiss")
def dismiss(reject_id: int) -> ResponseReturnValue:
    """Put a row aside that nobody will mend, with a word why."""
    found = _find(reject_id, "mend")
    why = " ".join(request.form.get("why", "").split())
    if not 0 < len(why) <= _LONGEST_WHY:
        return _page(found, _entry(found), why_fault=f"Say why, in at most {_LONGEST_WHY} characters."), 422
    try:
        with patience(WAIT_SECONDS) as seconds_left, gatehouse().engine.begin() as connection:
            connection.execution_options(**{loads.PATIENCE: int(seconds_left() * 1000)})
            put_aside(connection, [reject_id], g.principal, why)
    except Remedy:
        return _page(_find(reject_id, "mend"), _entry(found), was_quicker=True), 409
    return redirect(url_for("mending.row", reject_id=reject_id), 303)


def _seen() -> int:
    """How often the row had been mended when its page was made."""
    text = request.form.get("seen", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _find(reject_id: int, action: str) -> Kept:
    """The kept row, if who comes may see it and do this with it."""
    with gatehouse().engine.connect() as connection:
        found = kept.find(connection, reject_id) if reject_id < 2**63 else None
    if found is None or not g.who.may("read", found.source, found.table_name):
        abort(404, f"There is no kept row {reject_id}.")
    require(action, found.source, found.table_name)
    table = gatehouse().contract().tables.get((found.source, found.table_name))
    if table is None or found.op == "delete":
        return Kept(found, None)
    return Kept(found, table, fields_of(table))


def _mendable(found: Kept) -> Table:
    if found.table is None:
        abort(409, "It was a key to delete, or its table is not in the contract any more: it can only be dismissed.")
    return found.table


def _entry(found: Kept) -> Entry:
    """The form as it is first shown: the row as it came, and beside each column what was wrong with it."""
    entry = Entry({each.column.name: found.text(each) for each in found.fields})
    # as it came: a clock time without a zone is the column's, and the door says so
    entry.zones = {each.column.name: each.column.type.timezone or each.zone for each in found.fields if each.zone}
    mask = Mask(found.table)
    for fault in found.row.faults if found.is_open else ():
        if fault["column"] in entry.typed:
            entry.faults.setdefault(fault["column"], []).append(mask.message(fault))
    return entry


def _page(found: Kept, entry: Entry, wrong: bool = False, was_quicker: bool = False, why_fault: str = "") -> str:
    row, contract = found.row, gatehouse().readable()
    may_mend = g.who.may("mend", row.source, row.table_name)
    with gatehouse().engine.connect() as connection:
        mendings = kept.mendings_of(connection, row)
        following = kept.next_open(connection, row)
    mask = Masks(contract)(row.source, row.table_name)
    return render_template(
        "kept_row.html",
        contract=contract,
        row=row,
        masks=Masks(contract),
        mask=mask,
        mendings=mendings,
        following=following,
        may_mend=may_mend and found.is_open,
        wrong=wrong,
        was_quicker=was_quicker,
        why_fault=why_fault,
        table=found.table,
        fields=found.fields,
        covered={each.column.name for each in found.fields if found.is_covered(each)},
        unknown=[] if found.table is None else [n for n in row.payload if n not in found.table.column_names],
        row_rules=row_rules(found.table) if found.table else [],
        entry=entry,
        picked=picked(found.table, found.fields, entry) if found.table and found.is_open else {},
    )
