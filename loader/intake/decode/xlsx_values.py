"""A cell's value as the text that a column of the contract expects.

Numbers: Excel keeps doubles and writes them with up to 17 digits; the shortest digits that mean
the same double are what was typed. Whole numbers, and numbers with more digits than a double
has, come from other programs and stay as written.

Dates are days since an epoch: 1899-12-31 (with a 29 February 1900 that never was) or 1904-01-01.
A time of day is a part of a day, to the millisecond, as Excel itself counts.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from loader.contract.types import FORMAT_WORDS, DataType
from loader.intake.decode.xlsx_sheet import Cell

_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
#: More significant digits than are needed to tell two doubles apart.
_DOUBLE_DIGITS = 17
_DAY = 86_400_000
_LAST_DAY = 2_958_465
_NEVER_WAS = 60
_CODES = {"YYYY": "{0.year:04}", "MM": "{0.month:02}", "DD": "{0.day:02}",
          "HH24": "{0.hour:02}", "MI": "{0.minute:02}", "SS": "{0.second:02}"}  # fmt: skip
_WORDS = re.compile("|".join(FORMAT_WORDS))


class NotAValue(Exception):
    """What the cell holds is no value; says what it is."""


def text_of(cell: Cell, type_: DataType, is_1904: bool) -> str:
    """The text of a cell for a column of this type; raises :class:`NotAValue`."""
    match cell.kind:
        case "text":
            return cell.raw
        case "number":
            return number_text(cell.raw)
        case "boolean":
            return {"1": "true", "0": "false"}.get(cell.raw, cell.raw)
        case "date":
            return _moment_text(_milliseconds(cell.raw), type_, is_1904)
        case "duration":
            return _duration_text(_milliseconds(cell.raw))
        case "iso":
            return _iso_text(cell.raw, type_)
        case "error":
            raise NotAValue(f"holds the error {cell.raw[:20]}")
    raise NotAValue("holds a formula that was never calculated: open the file in Excel and save it")


def number_text(raw: str) -> str:
    """A number in its shortest digits; raises :class:`NotAValue`."""
    if _WHOLE.fullmatch(raw):
        return raw
    if not _NUMBER.fullmatch(raw):
        raise NotAValue("is marked as a number, and is none")
    digits = re.sub("[^0-9]", "", re.split("[eE]", raw)[0]).strip("0")
    if len(digits) > _DOUBLE_DIGITS:
        return raw
    number = float(raw)
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    return repr(number) if number not in (float("inf"), float("-inf")) else raw


def _milliseconds(raw: str) -> int:
    if not _NUMBER.fullmatch(raw) or not 0 <= (days := float(raw)) < _LAST_DAY + 1:
        raise NotAValue("is shown as a date or time, and is out of their range")
    return round(days * _DAY)


def _moment_text(milliseconds: int, type_: DataType, is_1904: bool) -> str:
    day, rest = divmod(milliseconds, _DAY)
    if day == 0 and not is_1904:
        return _clock_text(timedelta(milliseconds=rest))
    if type_.family == "time" and day == 0:
        return _clock_text(timedelta(milliseconds=rest))
    if is_1904:
        epoch = datetime(1904, 1, 1)  # noqa: DTZ001 - Excel knows no zone
    elif day == _NEVER_WAS:
        raise NotAValue("is the 29th of February 1900, which Excel has and no calendar")
    else:
        epoch = datetime(1899, 12, 31 if day < _NEVER_WAS else 30)  # noqa: DTZ001
    try:
        moment = epoch + timedelta(milliseconds=milliseconds)
    except OverflowError as error:
        raise NotAValue("is shown as a date, and is out of range") from error
    return _written(moment, type_)


def _written(moment: datetime, type_: DataType) -> str:
    """ISO 8601, or as the column's own format has it; a date alone where that is all there is."""
    is_day = moment.time() == datetime.min.time()
    if type_.format is not None and (is_day or type_.family != "date") and not moment.microsecond:
        return _WORDS.sub(lambda word: _CODES[word[0]].format(moment), type_.format)
    if is_day and type_.family not in ("timestamp", "timestamptz"):
        return moment.date().isoformat()
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def _clock_text(time: timedelta) -> str:
    return _duration_text(time // timedelta(milliseconds=1))


def _duration_text(milliseconds: int) -> str:
    """``26:30:00``, with a fraction where there is one."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}" + (f".{rest:03}" if rest else "")


def _iso_text(raw: str, type_: DataType) -> str:
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        return raw
    return raw if moment.tzinfo or "T" not in raw else _written(moment, type_)
