"""Rows as CSV that keeps an absent value and an empty text apart."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO


def csv_of(rows: Sequence[dict[str, str | None]], columns: list[str]) -> BytesIO:
    """A body: the header, then `rows`; a value is quoted, None is nothing at all."""
    lines = [",".join(columns)]
    for row in rows:
        values = [row.get(column) for column in columns]
        lines.append(",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in values))
    return BytesIO(("\n".join(lines) + "\n").encode("utf-8", "surrogatepass"))
