"""What the files about life share: how many rows, and rows that are each of some kind."""

from examples.shop.files import Record, csv_fields
from examples.shop.manifest import Kind, Manifest

# Positions are listed for kinds of up to this many rows.
LISTED = 50

# A row of a file: the kind of life it is (None: an ordinary one), the door's verdict, the record.
Row = tuple[str | None, str, Record | list[str]]


def count(at_full_scale: int, scale: float, least: int) -> int:
    """How many rows of a kind a scale gets: their part of those at scale 1, but never below `least`."""
    return max(least, round(at_full_scale * min(scale, 1.0)))


def write_rows(manifest: Manifest, table: str, name: str, note: str, rows: list[Row]) -> None:
    """Writes the rows in order and enters the file. Nothing is written when there are no rows."""
    if not rows:
        return
    where: dict[tuple[str, str], list[int]] = {}
    with manifest.file(table, name) as file:
        for place, (kind, verdict, record) in enumerate(rows, start=1):
            file.write_record(record)
            if kind is not None:
                where.setdefault((kind, verdict), []).append(place)
    kinds = [
        Kind(kind, verdict, len(places), tuple(places) if len(places) <= LISTED else ())
        for (kind, verdict), places in where.items()
    ]
    manifest.note(table, file, note, *kinds)


def broken(records: list[Record], changes: list[tuple[str, Record]]) -> list[Row]:
    """One row for each change: a record with some values replaced by ones that the door refuses."""
    return [(kind, "rejected", record | values) for record, (kind, values) in zip(records, changes, strict=False)]


def field_too_many(record: Record) -> Row:
    """A CSV row with one field more than there are columns."""
    return ("a field too many", "rejected", [*csv_fields(record), "unexpected"])


def spread(good: list[Row], bad: list[Row]) -> list[Row]:
    """Good and bad rows by turns, so that no fault can hide at the end of a file."""
    mixed: list[Row] = []
    for place in range(max(len(good), len(bad))):
        mixed += good[place : place + 1] + bad[place : place + 1]
    return mixed
