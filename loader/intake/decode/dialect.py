"""The dialect of a CSV: separator and quotation mark from its first line, the decimal sign from its rows.

The decimal sign, where it is not said, is decided by the first piece of rows (1 MB), and holds for
the body: a **comma** if a number column has a value that can only be a decimal comma (``1,5``,
``0,125``, ``1234,567``) and none has one that can only be a decimal point. Later rows are held to
it: one that can only be a decimal point ends the load. Otherwise the sign is the point. While no
value has told which, a comma in a number is set aside: ``1,234`` may be either.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from loader.contract.model import Column, Table
from loader.intake.decode.base import ReadFailure
from loader.intake.decode.said import SEPARATORS, Said

_SEPARATORS = (",", ";", "\t", "|")
_QUOTES = ('"', "'")
#: Excel writes it above the header, for itself.
_EXCEL_HINT = "sep="
_NUMBERS = ("numeric", "double precision")
_EXPONENT = "([eE][+-]?[0-9]+)?"
_COMMA = f"^[+-]?[0-9]*,[0-9]+{_EXPONENT}$"
_POINT = f"^[+-]?[0-9]*\\.[0-9]*{_EXPONENT}$"
#: A sign before three digits, which may part thousands.
_EITHER = "^[+-]?[1-9][0-9]{0,2}[,.][0-9]{3}$"


@dataclass(frozen=True)
class FirstLine:
    """How a body is written, and the names in its first line."""

    separator: str
    quote: str
    names: list[str]


def hinted_separator(line: str) -> str | None:
    """The separator that a first line ``sep=;`` states."""
    sign = line.strip("\r\n").strip('"')[len(_EXCEL_HINT) :]
    return sign if line.strip('"').lower().startswith(_EXCEL_HINT) and sign in SEPARATORS else None


def find_header(line: str, table: Table, said: Said) -> FirstLine:
    """The separator and quotation mark that make most names known, or else most names.

    Raises :class:`ReadFailure`.
    """
    wanted = {*table.column_names, *said.meant}
    best: tuple[tuple[int, int], FirstLine] | None = None
    fault: csv.Error | None = None
    for quote in [said.quote] if said.quote else _QUOTES:
        for separator in [said.separator] if said.separator else _SEPARATORS:
            try:
                names = next(csv.reader(io.StringIO(line), delimiter=separator, quotechar=quote), [])
            except csv.Error as error:  # a name of more than 131,072 characters
                fault = error
                continue
            known = len(set(names) & wanted)
            if best is None or (known, len(names)) > best[0]:
                best = (known, len(names)), FirstLine(separator, quote, names)
            if known == len(wanted):
                return best[1]  # no other makes more known
    if best is None:
        raise ReadFailure(f"the first line is no CSV header: {fault}") from fault
    return best[1]


@dataclass(frozen=True)
class Doubt:
    """A number that could be taken for another: the row's index in its piece, and why."""

    index: int
    column: str
    message: str


class DecimalSign:
    """Reads the number columns of a body, piece by piece, by one decimal sign."""

    def __init__(self, columns: Iterable[Column], said: str | None) -> None:
        self._columns = [column.name for column in columns if column.type.family in _NUMBERS]
        self._is_said = said is not None
        self._sign = said
        self._is_decided = said is not None

    @property
    def sign(self) -> str:
        """The sign by which numbers are read so far."""
        return self._sign or "."

    def read(self, columns: dict[str, pa.Array], numbers: pa.Array) -> list[Doubt]:
        """Write a decimal comma as a point in ``columns``, rows of these ``numbers``.

        Raises :class:`ReadFailure` when the rows contradict those before them.
        """
        if not self._is_decided and len(numbers):
            self._sign = self._decide([columns[name] for name in self._columns])
            self._is_decided = True
        if self._sign == ".":
            return []
        read = self._read_commas if self._sign == "," else self._doubt_commas
        return [doubt for name in self._columns for doubt in read(name, columns, numbers)]

    def _decide(self, columns: list[pa.Array]) -> str | None:
        if any(_any(_sure(values, _POINT)) for values in columns):
            return "."
        return "," if any(_any(_sure(values, _COMMA)) for values in columns) else None

    def _read_commas(self, name: str, columns: dict[str, pa.Array], numbers: pa.Array) -> list[Doubt]:
        values = columns[name]
        points = _matches(values, _POINT)
        if not self._is_said and _any(contrary := _sure(values, _POINT)):
            row = numbers.filter(contrary)[0].as_py()
            raise ReadFailure(
                f"the first rows write numbers with a decimal comma, and row {row} writes {name} with a point; "
                "say which by the option decimal"
            )
        commas = _matches(values, _COMMA)
        columns[name] = pc.if_else(commas, pc.replace_substring(values, ",", "."), values)
        message = "has a point, and the file's decimal sign is the comma"
        return [Doubt(index, name, message) for index in _indexes(points)]

    def _doubt_commas(self, name: str, columns: dict[str, pa.Array], numbers: pa.Array) -> list[Doubt]:
        commas = _matches(columns[name], _COMMA)
        message = "has a comma that may part decimals or thousands; say which by the option decimal"
        return [Doubt(index, name, message) for index in _indexes(commas)]


def _matches(values: pa.Array, pattern: str) -> pa.Array:
    return pc.fill_null(pc.match_substring_regex(values, pattern), False)


def _sure(values: pa.Array, pattern: str) -> pa.Array:
    return pc.and_not(_matches(values, pattern), _matches(values, _EITHER))


def _any(found: pa.Array) -> bool:
    return bool(pc.any(found).as_py())


def _indexes(found: pa.Array) -> list[int]:
    return [int(index) for index in pc.indices_nonzero(found).to_pylist()]
