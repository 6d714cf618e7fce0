"""What stands in a form of a table's columns: read, made a row of, and told what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from loader.app import gatehouse
from loader.contract.model import Table
from loader.intake.receipt import Receipt
from loader.pages import choices
from loader.pages.fields import Field, make_fields
from loader.pages.masking import Mask
from loader.pages.moments import NoSuchMoment, is_zone, with_zone


@dataclass
class Entry:
    """What stands in a form: texts as typed, the zones of moments, and what is wrong with them.

    ``faults`` are by column; those of the row as a whole are under ``None``.
    """

    typed: dict[str, str]
    zones: dict[str, str] = field(default_factory=dict)
    faults: dict[str | None, list[str]] = field(default_factory=dict)
    waits: list[str] = field(default_factory=list)


def fields_of(table: Table) -> list[Field]:
    """The form's fields; what is picked from a table that who comes may not read is typed."""
    return make_fields(table, gatehouse().readable())


def read(fields: list[Field], form: MultiDict[str, str]) -> Entry:
    entry = Entry({})
    for each in fields:
        # a form's line ends are always CRLF, whatever was typed
        entry.typed[each.column.name] = form.get(each.name, "").replace("\r\n", "\n")
        zone = form.get(f"z.{each.column.name}", each.zone or "")
        if each.zone is not None and is_zone(zone):
            entry.zones[each.column.name] = zone
    return entry


def as_row(fields: list[Field], entry: Entry) -> tuple[dict[str, str | None], dict[str, str]]:
    """The row as the door gets it, and what is to be said of moments that can't be told.

    Text goes as it was typed; around other values spaces mean nothing. An empty field is NULL.
    """
    row: dict[str, str | None] = {}
    unsure: dict[str, str] = {}
    for each in fields:
        name, family = each.column.name, each.column.type.family
        text = entry.typed[name]
        if family not in ("text", "varchar"):
            text = text.strip()
        if each.control == "moment" and text:
            zone = entry.zones.get(name, each.zone or "UTC")
            if zone != each.column.type.timezone:  # else the door itself takes it as that zone's
                try:
                    text = with_zone(text, zone)
                except NoSuchMoment as error:
                    unsure[name] = str(error)
        row[name] = text or None
    return row, unsure


def note_faults(entry: Entry, receipt: Receipt, unsure: dict[str, str], fields: list[Field], mask: Mask) -> None:
    """Every fault of the row beside its column; what a row waits for is told apart. Nothing is
    said of other rows that their own pages would hide."""
    by_name = {each.column.name: each for each in fields}
    for reject in receipt.rejects:
        for fault in reject.faults:
            column, message = fault["column"], mask.message(fault)
            parent = by_name[column].parent if column in by_name else None
            if receipt.waiting and parent is not None:
                label = by_name[column].column.label
                entry.waits.append(f"{label} {fault['value']} is not in {parent.label} yet")
            elif receipt.waiting:
                entry.waits.append(message)
            elif column not in unsure:
                entry.faults.setdefault(column, []).append(message)
    for column, message in unsure.items():
        entry.faults[column] = [message]


def picked(table: Table, fields: list[Field], entry: Entry) -> dict[str, str]:
    """By column, the words of the row that its value names in another table."""
    words: dict[str, str] = {}
    with gatehouse().engine.connect() as connection:
        for each in fields:
            name = each.column.name
            value = entry.typed.get(name, "").strip()
            relationship = table.relationship_of(name)
            if each.parent is None or relationship is None or not value:
                continue
            column = relationship.parent_columns[0]
            if row := choices.find(connection, each.parent, column, value):
                words[name] = row.label
    return words
