"""What a text says as a value of a column: the other opinion, which the doors are held against.

Written from docs and the contract alone, in Python (`decimal`, `datetime`, `zoneinfo`, `json`),
and sharing nothing with the loader's SQL. A text has a reading when it says exactly one value
and the column's type holds exactly that value:

- whole numbers and numerics: digits with a sign, a point, an exponent of up to three digits.
  The number itself must fit: nothing is rounded to the scale, nothing overflows. A double must
  give the same number again when it is written with its shortest digits, and be the only one
  nearest to it.
- dates and times: ISO 8601 in its extended form (`T` or a space between date and clock, seconds
  may be left out, up to six decimals), or exactly the column's `format`; and the day exists.
- `timestamptz`: an offset, or the column's `timezone`; a local time counts only when that zone's
  clocks showed it, and showed it once.
- booleans: true and false, t and f, yes and no, 1 and 0, in letters of any size.
- `uuid`: 8-4-4-4-12 hexadecimal digits. `jsonb`: JSON without a name given twice.
- text: itself; `varchar(n)`: itself, of at most n characters.
- an array: a JSON array of single values, each of which (as its own text, a number by its digits)
  has a reading of the element's type, or is null.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

WHOLE_BITS = {"smallint": 15, "integer": 31, "bigint": 63}
BOOLEANS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}

_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DAY = r"(?P<YYYY>[0-9]{4})-(?P<MM>[0-9]{2})-(?P<DD>[0-9]{2})"
_CLOCK = r"(?P<HH24>[0-9]{2}):(?P<MI>[0-9]{2})(:(?P<SS>[0-9]{2})(\.(?P<fraction>[0-9]{1,6}))?)?"
_OFFSET = r"(?P<offset>Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Unclear(Exception):
    """The text says no value of the type, or more than one, or one that the type would change."""


@dataclass(frozen=True)
class Kind:
    """A column's type as the source file gives it."""

    data_type: str
    format: str | None = None
    timezone: str | None = None

    @property
    def family(self) -> str:
        return "array" if self.data_type.endswith("[]") else self.data_type.partition("(")[0].strip()

    @property
    def element(self) -> Kind:
        """Of an array: what its elements are."""
        return Kind(self.data_type.removesuffix("[]"))

    @property
    def sizes(self) -> list[int]:
        return [int(size) for size in re.findall(r"[0-9]+", self.data_type)]

    @property
    def is_plain(self) -> bool:
        """Postgres's own input function sees the very text."""
        return self.format is None and self.timezone is None


def read(text: str, kind: Kind) -> Any:
    """The value that `text` says; raises :class:`Unclear` with the reason."""
    match kind.family:
        case "smallint" | "integer" | "bigint":
            return _whole(text, WHOLE_BITS[kind.family])
        case "numeric":
            return _numeric(text, *kind.sizes)
        case "double precision":
            return _double(text)
        case "text":
            return text
        case "varchar":
            if len(text) > kind.sizes[0]:
                raise Unclear(f"{len(text)} characters")
            return text
        case "boolean":
            if text.lower() not in BOOLEANS or not text.isascii():
                raise Unclear("neither true nor false")
            return BOOLEANS[text.lower()]
        case "date":
            return _moment(text, kind.format or _DAY, kind.format is not None).date()
        case "time":
            return _moment(text, _CLOCK, False).time()
        case "timestamp":
            return _moment(text, kind.format or f"{_DAY}[T ]{_CLOCK}", kind.format is not None)
        case "timestamptz":
            return _instant(text, kind)
        case "uuid":
            if not _UUID.fullmatch(text):
                raise Unclear("not 8-4-4-4-12")
            return UUID(text)
        case "jsonb":
            return read_json(text)
        case "array":
            return _array(text, kind.element)
    raise AssertionError(f"no reading of {kind}")


def written(value: Any, text: str | None, kind: Kind) -> str | None:
    """What `text` says, as a text that Postgres's cast takes for that very value."""
    if value is None or kind.family == "jsonb":
        return text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        parts = (written(element, element, kind.element) for element in value)
        return "{" + ",".join("NULL" if part is None else _quoted(part) for part in parts) + "}"
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def stored(text: str | None, kind: Kind) -> Any:
    """A value that Postgres holds, from Postgres's own text for it, or its JSON of an array (session in UTC)."""
    if text is None:
        return None
    if kind.family == "timestamptz":
        return read(re.sub("[+]00$", "Z", text), Kind("timestamptz"))
    if kind.family == "double precision":
        return float(text)
    return read(text, Kind(kind.data_type))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array(text: str, element: Kind) -> list[Any]:
    read_json(text)  # for what is no JSON, or holds what is no character
    values = json.loads(text, parse_float=str, parse_int=str)
    if not isinstance(values, list):
        raise Unclear("no array")
    if any(isinstance(value, (list, dict)) for value in values):
        raise Unclear("more than one dimension")
    texts = [{True: "true", False: "false"}[v] if isinstance(v, bool) else v for v in values]
    return [None if text is None else read(text, element) for text in texts]


def _whole(text: str, bits: int) -> int:
    if not _WHOLE.fullmatch(text):
        raise Unclear("not a whole number")
    value = int(text)
    if not -(2**bits) <= value < 2**bits:
        raise Unclear("out of range")
    return value


def _numeric(text: str, precision: int | None = None, scale: int = 0) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise Unclear("not a number")
    value = Decimal(text)
    if precision is not None:
        _, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)
        decimals = -exponent if any(digits) else 0
        while decimals > scale and digits[-1] == 0:
            digits, decimals = digits[:-1], decimals - 1
        if decimals > scale:
            raise Unclear("more decimals than the scale")
        if value and value.adjusted() >= precision - scale:
            raise Unclear("too large")
    return value


def _double(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise Unclear("not a number")
    value = float(text)
    if value in (float("inf"), float("-inf")) or Decimal(repr(value)) != Decimal(text):
        raise Unclear("a double holds another number")
    for neighbour in (math.nextafter(value, math.inf), math.nextafter(value, -math.inf)):
        # a tie goes to either by convention, and Postgres writes it out as the one that it chose
        if math.isfinite(neighbour) and Fraction(text) * 2 == Fraction(value) + Fraction(neighbour):
            raise Unclear("half way between two doubles")
    return value


def _moment(text: str, pattern: str, is_format: bool) -> datetime:
    found = re.fullmatch(_format_pattern(pattern) if is_format else pattern, text, re.ASCII)
    if not found:
        raise Unclear("not of the form")
    parts = {"YYYY": "1970", "MM": "01", "DD": "01"}
    parts |= {name: part for name, part in found.groupdict().items() if part is not None}
    try:
        clock = time(
            int(parts.get("HH24", "0")), int(parts.get("MI", "0")), int(parts.get("SS", "0")),
            int(parts.get("fraction", "0").ljust(6, "0")),
        )  # fmt: skip
        return datetime.combine(date(int(parts["YYYY"]), int(parts["MM"]), int(parts["DD"])), clock)
    except ValueError as error:
        raise Unclear(str(error)) from error


def _format_pattern(template: str) -> str:
    """`DD.MM.YYYY` as a regular expression with a group for each word."""
    pieces = re.split("(YYYY|MM|DD|HH24|MI|SS)", template)
    widths = {"YYYY": 4, "MM": 2, "DD": 2, "HH24": 2, "MI": 2, "SS": 2}
    return "".join(
        f"(?P<{piece}>[0-9]{{{widths[piece]}}})" if piece in widths else re.escape(piece) for piece in pieces
    )


def _instant(text: str, kind: Kind) -> datetime:
    pattern = kind.format or f"{_DAY}[T ]{_CLOCK}"
    offset = None if kind.format else re.search(_OFFSET + "$", text[10:], re.ASCII)
    if offset:
        local = _moment(text[: 10 + offset.start()], pattern, False)
        return _with_offset(local, offset["offset"])
    local = _moment(text, pattern, kind.format is not None)
    if kind.timezone is None:
        raise Unclear("no zone")
    zone = ZoneInfo(kind.timezone)
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    if first != second:
        raise Unclear("the clocks of the zone showed it twice, or never")
    return local.replace(tzinfo=zone).astimezone(UTC)


def _with_offset(local: datetime, offset: str) -> datetime:
    if offset == "Z":
        return local.replace(tzinfo=UTC)
    digits = offset[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 15 or minutes > 59:
        raise Unclear("no offset on earth")
    shift = timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    try:
        return local.replace(tzinfo=timezone(shift)).astimezone(UTC)
    except OverflowError as error:
        raise Unclear("beyond the calendar") from error


def read_json(text: str) -> Any:
    """JSON with exact numbers; raises :class:`Unclear` for a name given twice and for NaN."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise Unclear("a name given twice")
        return dict(pairs)

    def no_constant(word: str) -> Any:
        raise Unclear(word)

    try:
        value = json.loads(
            text, object_pairs_hook=once, parse_constant=no_constant, parse_float=Decimal, parse_int=Decimal
        )
    except ValueError as error:
        raise Unclear(str(error)) from error
    if re.search("\0|[\ud800-\udfff]", json.dumps(value, ensure_ascii=False, default=str)) or "\\u0000" in text:
        raise Unclear("a character that is none: NUL, or half a surrogate pair")
    return value
