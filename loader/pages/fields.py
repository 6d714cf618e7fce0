"""A form's fields, generated from the contract: what each asks for, and how it is typed."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from loader.contract.model import Column, Contract, Table
from loader.pages.words import sentence

#: More than these go into a list that opens instead of buttons side by side.
_RADIOS = 5
_WHOLE = ("smallint", "integer", "bigint")
_NUMBERS = (*_WHOLE, "numeric", "double precision")
#: Types whose control does not make clear what may be typed.
_EXPLAINED = ("jsonb", "array", "varchar", "double precision")
#: These rules are plain from the control itself.
_PLAIN_RULES = ("not_null", "accepted_values", "not_blank")


@dataclass(frozen=True)
class Field:
    """One column as a form asks for it.

    ``control`` says which: ``text``, ``number``, ``digits`` (a number that is a name: nothing
    to step through), ``date``, ``time``, ``local`` (date and time without a zone), ``moment``
    (with one), ``choice``, ``yes_no``, ``json``. ``parent`` is set where the value is picked
    from another table; ``zone`` is what a moment's clock time is taken as.
    """

    column: Column
    control: str
    help: tuple[str, ...]
    parent: Table | None = None
    step: str | None = None
    zone: str | None = None

    @property
    def name(self) -> str:
        """The name in the form: a prefix keeps it apart from the form's own fields."""
        return f"c.{self.column.name}"

    @property
    def id(self) -> str:
        """The element's id. Column names may hold anything, and an id no space."""
        return "c-" + "".join(x if x.isalnum() else f"-{ord(x):x}-" for x in self.column.name)

    @property
    def radios(self) -> bool:
        """Buttons side by side; only where one of them has to be chosen, for none can be undone."""
        if not self.column.required:
            return False
        accepted = self.column.accepted_values
        return self.control == "yes_no" or (accepted is not None and len(accepted) <= _RADIOS)

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """(value, words) to choose from."""
        if self.control == "yes_no":
            return (("true", "Yes"), ("false", "No"))
        return tuple((value, value or "(empty text)") for value in self.column.accepted_values or ())

    @property
    def says_name(self) -> bool:
        """Whether the column's name says more than the label; messages speak of columns by it."""
        return self.column.name.replace("_", " ").lower() != self.column.label.lower()

    @property
    def input_mode(self) -> str | None:
        """The keyboard that a phone should show."""
        if self.column.type.family in _WHOLE:
            return "numeric"
        return "decimal" if self.column.type.family in _NUMBERS else None

    def input_type(self, value: str) -> str:
        """The type of the ``input``. A value that a browser's own control would drop in
        silence stays as it was typed, in a text box."""
        match self.control:
            case "number":
                return "number" if not value or _is_number(value) else "text"
            case "date":
                return "date" if not value or _is_iso(value, 10) else "text"
            case "moment" | "local":
                return "datetime-local" if not value or _is_iso(value, 16) else "text"
            case "time":
                return "time" if not value or _is_iso(f"2000-01-01T{value}", 16) else "text"
        return "text"


def make_fields(table: Table, contract: Contract) -> list[Field]:
    """A field for each column of ``table``, in the contract's order."""
    return [_field(column, table, contract) for column in table.columns]


def row_rules(table: Table) -> list[str]:
    """Rules on several columns at once, as sentences: they belong to no field."""
    return [sentence(rule.reason) for rule in table.errors() if len(rule.columns) != 1]


def first_values(table: Table) -> dict[str, str]:
    """What an empty form is filled with: the moment that orders versions is now, and a key that
    is a UUID, which nobody can think up, is made up."""
    values = {}
    for column in table.columns:
        family = column.type.family
        if column.name == table.valid_from and column.type.format is None:
            now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
            if family == "timestamptz" and column.type.timezone in (None, "UTC"):
                values[column.name] = now.isoformat()
            elif family == "date":
                values[column.name] = now.date().isoformat()
        elif family == "uuid" and column.name in table.primary_key:
            values[column.name] = str(uuid.uuid4())
    return values


def _field(column: Column, table: Table, contract: Contract) -> Field:
    relationship = table.relationship_of(column.name)
    parent = contract.tables.get(relationship.parent) if relationship else None
    is_key = column.name in table.primary_key or relationship is not None
    control = _control(column, is_key)
    zone = column.type.timezone or "UTC" if control == "moment" else None
    if relationship and parent and parent.column(relationship.parent_columns[0]).pii == "direct":
        parent = None  # nobody is shown a list of them
    step = _step(column) if control == "number" else None
    return Field(column, control, _help(column, table, control, parent), parent, step, zone)


def _control(column: Column, is_key: bool) -> str:
    if column.type.format is not None:
        return "text"
    if column.type.is_json:
        return "json"
    if column.accepted_values is not None and column.type.family != "boolean":
        return "choice"
    match column.type.family:
        case "boolean":
            return "yes_no"
        case "date" | "time":
            return column.type.family
        case "timestamp":
            return "local"
        case "timestamptz":
            return "moment"
        case family if family in _WHOLE:
            return "digits" if is_key else "number"
        case family if family in _NUMBERS:
            return "number"
    return "text"


def _step(column: Column) -> str:
    if column.type.family in _WHOLE:
        return "1"
    if column.type.precision is None:
        return "any"
    return format(Decimal(1).scaleb(-(column.type.scale or 0)), "f")


def _help(column: Column, table: Table, control: str, parent: Table | None) -> tuple[str, ...]:
    first = sentence(" ".join(column.description.split()))
    example = _example(column)
    if example is not None and control in ("text", "number", "digits", "json"):
        first = f"{first} Example: {example}".strip()
    lines = [first] if first else []
    if parent is not None:
        lines.append(f"Type part of it to search {parent.label}.")
    if column.type.format is not None or column.type.family in _EXPLAINED:
        lines.append(sentence(column.type.expects))
    for rule in table.errors():
        if rule.columns == (column.name,) and rule.name not in _PLAIN_RULES:
            lines.append(sentence(rule.reason))
    if column.name == table.valid_from:
        lines.append("Of two rows with the same key the one with the later value here counts.")
    return tuple(lines)


def _example(column: Column) -> str | None:
    """The contract's example, as text."""
    example = column.example
    if isinstance(example, bool):
        return str(example).lower()
    if isinstance(example, (dict, list)):
        return json.dumps(example, ensure_ascii=False, default=str)
    if isinstance(example, float):  # YAML's 20000.00 has lost its noughts
        return format(Decimal(str(example)), f".{column.type.scale}f" if column.type.scale else "f")
    return None if example is None else str(example)


def _is_number(value: str) -> bool:
    digits = value.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit() and not value.endswith(".")


def _is_iso(value: str, length: int) -> bool:
    """An ISO date (10 characters) or local date and time (16 and more), as browsers write it."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return False
    return found.tzinfo is None and (len(value) == length if length == 10 else len(value) >= length)
