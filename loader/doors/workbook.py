"""An Excel workbook as an answer."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import xlsxwriter
from flask import Response, send_file

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def send_workbook(name: str, fill: Callable[[Any], None], **options: Any) -> Response:
    """The workbook that ``fill`` writes, to be saved under that name; ``options`` are xlsxwriter's own."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    with xlsxwriter.Workbook(file, options) as book:
        fill(book)
    file.seek(0)
    return send_file(file, _XLSX, as_attachment=True, download_name=name)
