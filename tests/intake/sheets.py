"""Excel files for the tests: written by XlsxWriter, or by hand where no program would write them so."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import xlsxwriter

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(*sheets: tuple[str, Sequence[Sequence[Any]]], options: dict[str, Any] | None = None) -> bytes:
    """Sheets by name, each with its rows; None is no cell."""

    def fill(book: Any) -> None:
        for name, rows in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for place, value in enumerate(row):
                    if value is not None:
                        write = sheet.write_string if isinstance(value, str) else sheet.write
                        write(number, place, value)

    return made(fill, options)


def made(fill: Callable[[Any], None], options: dict[str, Any] | None = None) -> bytes:
    """A workbook that ``fill`` writes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_numbers": False} | (options or {}))
    fill(book)
    book.close()
    return out.getvalue()


def by_hand(
    rows: str, *, texts: str | None = None, styles: str = "", workbook: str = "", more_sheets: str = "",
    more_relations: str = "",
) -> bytes:  # fmt: skip
    """A workbook of one sheet ``s`` whose rows are this XML; ``workbook`` stands before its sheets."""
    relations = [("1", "worksheet", "worksheets/sheet1.xml"), ("2", "styles", "styles.xml")]
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="1" Type="{LINK}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{LINK}">{workbook}<sheets>'
        f'<sheet name="s" sheetId="1" r:id="1"/>{more_sheets}</sheets></workbook>',
        "xl/styles.xml": f"<styleSheet {MAIN}>{styles}</styleSheet>",
        "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>",
    }
    if texts is not None:
        relations.append(("3", "sharedStrings", "sharedStrings.xml"))
        parts["xl/sharedStrings.xml"] = f"<sst {MAIN}>{texts}</sst>"
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">' + "".join(
        f'<Relationship Id="{own}" Type="{LINK}/{kind}" Target="{target}"/>' for own, kind, target in relations
    ) + more_relations + "</Relationships>"  # fmt: skip
    return zipped(parts)


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip archive of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def inline(*rows: Sequence[str]) -> str:
    """Rows of texts as XML, without places."""
    return "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{value}</t></is></c>' for value in row) + "</row>" for row in rows
    )
