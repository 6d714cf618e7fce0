"""Refused rows mended in a spreadsheet: the sheet to download, and the mended one taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from loader.app import gatehouse
from loader.contract.model import Table
from loader.doors.mend_pages import NotMended, judge, table_asked
from loader.doors.workbook import send_workbook
from loader.intake.decode import ReadFailure, format_of_file
from loader.intake.mended_sheet import KEPT, MOST, OTHER, Mended, read_sheet, sheet_table
from loader.intake.receipt import Receipt
from loader.pages.masking import Mask
from loader.pages.queries import kept

#: Characters of a cell, by Excel's own rule.
_LONGEST = 32_767


def sheet() -> ResponseReturnValue:
    """The page: a sheet to download, and a place to give it back."""
    return _page(table_asked())


def sheet_file() -> ResponseReturnValue:
    """The table's refused rows as an Excel sheet of texts; personal values are not in it."""
    table = table_asked()
    mask, names = Mask(table), sheet_table(table).column_names

    def fill(book: Any) -> None:
        page = book.add_worksheet("refused rows")
        text, bold = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "bold": True})
        page.set_column(0, len(names) - 1, 18, text)
        page.freeze_panes(1, 1)
        for place, name in enumerate(names):
            page.write_string(0, place, name, bold)
        with gatehouse().engine.connect() as connection:
            for line, row in enumerate(kept.refused(connection, table.source, table.name, MOST), 1):
                for place, value in enumerate(_cells(table, mask, row)):
                    if value:
                        page.write_string(line, place, value, text)

    return send_workbook(f"refused-{table.source}-{table.name}.xlsx", fill, constant_memory=True)


def send_sheet() -> ResponseReturnValue:
    """Mend the rows that differ from what is kept, all of them or none, and judge them again."""
    table, file = table_asked(), request.files.get("file")
    if file is None or not file.filename:
        return _page(table, fault="Choose a file first."), 422
    is_trial = "dry_run" in request.form
    try:
        with gatehouse().engine.connect() as connection:
            body = cast("BinaryIO", file.stream)
            mended = read_sheet(connection, table, body, format_of_file(file.filename))
    except ReadFailure as error:
        return _page(table, fault=f"It can't be read: {Mask(sheet_table(table)).failure(str(error))}."), 422
    if mended.wrong:
        return _page(table, mended, "Nothing was changed: some rows of the sheet can't be taken."), 422
    if not mended.mends:
        return _page(table, mended, "Nothing was changed: no row differs from what is kept."), 422
    try:
        receipt = judge(table, mended.mends, is_trial)
    except NotMended as error:
        return _page(table, mended, str(error)), error.status
    if is_trial:
        return _page(table, mended, trial=receipt)
    return redirect(url_for("pages.load", load_id=receipt.load_id), 303)


def _cells(table: Table, mask: Mask, row: Mapping[str, Any]) -> list[str]:
    """A row of the sheet: what may not be seen, or is too long for a cell, says that it is kept."""
    payload = row["payload"]

    def shown(name: str) -> str:
        value = payload.get(name)
        if value is None:
            return ""
        return KEPT if mask.hides(name) or len(str(value)) > _LONGEST else str(value)

    why = "; ".join(
        f"{column}: {mask.message(fault)}" if (column := mask.column(fault["column"])) else mask.message(fault)
        for fault in row["faults"]
    )
    rest = {mask.column(name) or name: shown(name) for name in payload if name not in table.column_names}
    other = json.dumps(rest, ensure_ascii=False)[:_LONGEST] if rest else ""
    return [str(row["reject_id"]), str(row["mended"]), why[:_LONGEST], *map(shown, table.column_names), other]


def _page(table: Table, mended: Mended | None = None, fault: str = "", trial: Receipt | None = None) -> str:
    with gatehouse().engine.connect() as connection:
        refused = kept.count_rows(connection, kept.Filter(g.who, "rejected", table.source, table.name))
    return render_template(
        "kept_sheet.html", table=table, refused=refused, most=MOST, other=OTHER, mended=mended, fault=fault, trial=trial
    )
