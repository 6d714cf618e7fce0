"""Which change of a column's type loses nothing and changes no value."""

from __future__ import annotations

from loader.contract.types import DataType, UnknownType, parse_type

#: Digits that any value of the type may have.
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_WHOLE = list(_DIGITS)
_WORDS = ("varchar", "text")


def standing_type(catalog_type: str) -> DataType | None:
    """The type as PostgreSQL's ``format_type`` writes it; ``None`` when no contract can say it."""
    try:
        return parse_type(catalog_type)
    except UnknownType:
        return None


def widens(standing: DataType, wanted: DataType) -> bool:
    """Whether every value of ``standing`` is the same value as ``wanted``.

    A date is not the beginning of its day in some zone, and a double is not the number that
    was written: neither is a widening.
    """
    if standing.family in _DIGITS:
        if wanted.family in _DIGITS:
            return _WHOLE.index(standing.family) < _WHOLE.index(wanted.family)
        return wanted.family == "numeric" and _whole_digits(wanted) >= _DIGITS[standing.family]
    if standing.family == wanted.family == "numeric":
        if wanted.precision is None:
            return standing.precision is not None
        return (
            standing.precision is not None
            and (wanted.scale or 0) >= (standing.scale or 0)
            and _whole_digits(wanted) >= _whole_digits(standing)
            and wanted.sql != standing.sql
        )
    if standing.family == "varchar" and wanted.family in _WORDS:
        return wanted.precision is None or (standing.precision or 0) < wanted.precision
    return False


def _whole_digits(numeric: DataType) -> float:
    """Digits before the decimal point."""
    if numeric.precision is None:
        return float("inf")
    return numeric.precision - (numeric.scale or 0)
