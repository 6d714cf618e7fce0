"""How a text value becomes a typed one without losing or guessing anything.

Postgres's own input functions are generous: ``1.005`` into numeric(12,2)
becomes 1.01, ``0x10`` is 16, ``today`` is the day of the load. A
:class:`DataType` therefore pairs each Postgres type with the spellings that
are taken. All of it is SQL: the database that later runs dbt's tests is the
one that judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loader.contract import arrays

_DIGITS = "[0-9]"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_ZONE = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
_NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_UUID = "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"

_DAYS = (
    "[1-9][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_NEAR_ZONE = "(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])"

#: The words of ``config.meta.format``, and what each matches (Postgres's own template words).
FORMAT_WORDS = {
    "YYYY": "[0-9]{4}",
    "MM": "[0-9]{2}",
    "DD": "[0-9]{2}",
    "HH24": "[0-9]{2}",
    "MI": "[0-9]{2}",
    "SS": "[0-9]{2}",
}

_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "bool": "boolean",
    "decimal": "numeric",
    "string": "text",
    "character varying": "varchar",
    "float": "double precision",
    "float8": "double precision",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
}
_DAY_BEFORE, _DAY_AFTER = "- interval '26 hours'", "+ interval '26 hours'"
#: The most that a bound of a regular expression may say in Postgres.
_REPETITIONS = 255
#: Brackets of JSON inside each other; Postgres's parser gives up, and ends the load, at a few more.
_NESTED = 5000
_INTEGER_DIGITS = {"smallint": 4, "integer": 9, "bigint": 18}

SUPPORTED = (
    "smallint, integer, bigint, numeric(p,s), numeric, double precision, text, varchar(n), "
    "boolean, date, timestamp, timestamptz, time, uuid, jsonb"
)
_KNOWN = f"{SUPPORTED}; or an array of one of these, such as text[]"


def literal(value: str) -> str:
    """``value`` as an SQL string literal (standard_conforming_strings is on)."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class UnknownType(ValueError):
    """A ``data_type``, ``format`` or ``timezone`` that can't be honoured."""


@dataclass(frozen=True)
class DataType:
    """One column's type: its Postgres spelling and how text is read into it.

    ``family`` is the type without its size; ``precision`` and ``scale`` are
    digits (numeric) or characters (varchar), ``None`` where unlimited. Of an array ``family``
    is ``array`` and ``element`` the type of each of its elements.
    """

    sql: str
    family: str
    precision: int | None = None
    scale: int | None = None
    format: str | None = None
    timezone: str | None = None
    element: DataType | None = None

    @property
    def is_json(self) -> bool:
        """Whether a value is written as JSON."""
        return self.family in ("jsonb", "array")

    def normalised(self, value: str) -> str:
        """SQL for the ISO spelling of the text expression ``value``."""
        if self.format is not None:
            pattern, iso = _format_to_iso(self.format)
            value = f"regexp_replace({value}, {literal(pattern)}, {literal(iso)})"
        return value

    @property
    def plain(self) -> str | None:
        """A pattern of spellings that are certain to be storable as they are meant.

        It says less than :meth:`accepts`, never more, and needs no database: rows of such
        values are the great majority, and skip the dearer questions. It is written for RE2, and
        means no more to it than to Postgres. ``None`` where no pattern can be certain; ``""``
        where every text is.
        """
        if self.format is not None:
            return None
        if self.element is not None:
            return arrays.plain(self.element)
        if self.family in _INTEGER_DIGITS:
            return f"^-?[0-9]{{1,{_INTEGER_DIGITS[self.family]}}}$"
        if self.family == "numeric":
            scale = 20 if self.precision is None else self.scale or 0
            whole = 20 if self.precision is None else self.precision - scale
            fraction = f"(\\.[0-9]{{1,{scale}}})?" if scale else ""
            return f"^-?[0-9]{{1,{whole}}}{fraction}$" if whole else None
        return {
            "text": "",
            "varchar": f"^.{{0,{self.precision}}}$" if (self.precision or 1001) <= 1000 else None,
            "boolean": "^(true|false)$",
            "date": f"^{_DAYS}$",
            "timestamp": f"^{_DAYS}[T ]{_CLOCK}$",
            "timestamptz": f"^{_DAYS}[T ]{_CLOCK}{_NEAR_ZONE}$",
            "time": f"^{_CLOCK}$",
            "uuid": f"^{_UUID}$",
        }.get(self.family)

    @property
    def is_input(self) -> bool:
        """Whether Postgres's own input function reads a plain spelling as :meth:`cast` does."""
        return self.family != "array"

    def accepts(self, value: str) -> str:
        """SQL that is true when the text expression ``value`` can be stored as it is meant."""
        if self.format is not None:
            pattern, _ = _format_to_iso(self.format)
            return f"({value} ~ {literal(pattern)} and {_iso(self).accepts(self.normalised(value))})"
        accepts: Callable[[str], str] = getattr(self, "_accepts_" + self.family.replace(" ", "_"))
        return accepts(value)

    def cast(self, value: str) -> str:
        """SQL for the typed value; only to be evaluated where :meth:`accepts` is true."""
        value = self.normalised(value)
        if self.family == "timestamptz" and self.timezone:
            zone = literal(self.timezone)
            return (
                f"(case when {value} ~ {literal(_ZONE + '$')} then ({value})::timestamptz "
                f"else ({value})::timestamp at time zone {zone} end)"
            )
        if self.family == "text":
            return value
        if self.element is not None:
            return arrays.cast(self.element, value)
        return f"({value})::{self.sql}"

    def written(self, value: str) -> str:
        """SQL for the typed expression ``value`` as text that is read as the same value again."""
        if self.family not in ("date", "timestamp", "timestamptz"):
            return f"({value})::text"
        if self.family == "timestamptz":
            zone = self.timezone if self.format is not None and self.timezone else "UTC"
            value = f"({value} at time zone {literal(zone)})"
        if self.format is not None:
            words = (
                f"to_char({value}, {literal(part)})" if part in FORMAT_WORDS else literal(part)
                for part in _format_words(self.format)
            )
            return f"({' || '.join(words)})"
        if self.family == "date":
            return f"to_char({value}, 'YYYY-MM-DD')"
        moment = f"""to_char({value}, 'YYYY-MM-DD"T"HH24:MI:SS')"""
        is_whole = f"extract(microseconds from {value})::bigint % 1000000 = 0"
        fraction = f"case when {is_whole} then '' else to_char({value}, '.US') end"
        zone = "'Z'" if self.family == "timestamptz" else "''"
        return f"({moment} || {fraction} || {zone})"

    @property
    def expects(self) -> str:
        """What a value must look like, as words for a message and a form's help."""
        if self.format is not None:
            return f"must be written as {self.format}"
        if self.element is not None:
            return arrays.expects(self.element)
        if self.family == "numeric" and self.precision is not None:
            before = self.precision - (self.scale or 0)
            if not self.scale:
                return f"must be a whole number of at most {before} digits"
            return f"must be a number with at most {before} digits before and {self.scale} after the decimal point"
        if self.family == "varchar":
            return f"must have at most {self.precision} characters"
        if self.family == "timestamptz" and self.timezone:
            return (
                "must be a date and time such as 2024-02-29T13:45:00Z; without a zone "
                f"it is taken as {self.timezone}, and must exist there once"
            )
        return _EXPECTS[self.family]

    # One method a family: SQL on a text expression, true when nothing is lost or guessed.

    def _whole(self, value: str) -> str:
        safe = _INTEGER_DIGITS[self.family]
        return (
            f"({value} ~ '^[+-]?{_DIGITS}{{1,{safe}}}$' or ({value} ~ '^[+-]?{_DIGITS}{{1,40}}$' "
            f"and pg_input_is_valid({value}, {literal(self.sql)})))"
        )

    _accepts_smallint = _accepts_integer = _accepts_bigint = _whole

    def _accepts_numeric(self, value: str) -> str:
        # numbers of more than 131,072 digits have the form, and Postgres has no room for them
        number = f"({value} ~ '^{_NUMBER}$' and pg_input_is_valid({value}, 'numeric'))"
        if self.precision is None:
            return number
        scale = self.scale or 0
        whole = self.precision - scale
        other = (
            f"(case when {number} then scale(trim_scale(({value})::numeric)) <= {scale} "
            f"and abs(({value})::numeric) < 1e{whole}::numeric else false end)"
        )
        if not 1 <= whole <= _REPETITIONS or scale > _REPETITIONS:
            return other
        fraction = f"(\\.[0-9]{{1,{scale}}})?" if scale else ""
        plain = f"^[+-]?[0-9]{{1,{whole}}}{fraction}$"
        return f"({value} ~ {literal(plain)} or {other})"

    def _accepts_double_precision(self, value: str) -> str:
        # Shortest-digits output (extra_float_digits > 0) must give the written number again.
        return (
            f"(case when {value} ~ '^{_NUMBER}$' "
            f"and pg_input_is_valid({value}, 'double precision') "
            f"and pg_input_is_valid({value}, 'numeric') "
            f"then ({value})::double precision::text::numeric = ({value})::numeric "
            "else false end)"
        )

    def _accepts_text(self, value: str) -> str:
        return "true"

    def _accepts_varchar(self, value: str) -> str:
        return f"char_length({value}) <= {self.precision}"

    def _accepts_boolean(self, value: str) -> str:
        return f"lower({value}) in ('true', 'false', 't', 'f', 'yes', 'no', '1', '0')"

    def _accepts_date(self, value: str) -> str:
        return f"({value} ~ '^{_DATE}$' and pg_input_is_valid({value}, 'date'))"

    def _accepts_timestamp(self, value: str) -> str:
        return f"({value} ~ '^{_DATE}[T ]{_CLOCK}$' and pg_input_is_valid({value}, 'timestamp'))"

    def _accepts_timestamptz(self, value: str) -> str:
        zoned = f"({value} ~ '^{_DATE}[T ]{_CLOCK}{_ZONE}$' and pg_input_is_valid({value}, 'timestamptz'))"
        if not self.timezone:
            return zoned
        # A local time counts only if it exists in the zone, and exists once: the hours that
        # a change of clocks skips or repeats would have to be guessed. The other reading is
        # what the clocks before or after the change would make of it.
        zone = literal(self.timezone)
        local = f"({value})::timestamp"
        instant = f"({local} at time zone {zone})"

        def otherwise(day: str) -> str:
            shown = f"(({instant} {day}) at time zone {zone} - ({local} {day}))"
            return f"({shown} = interval '0' or ({instant} - {shown}) at time zone {zone} <> {local})"

        once = f"{instant} at time zone {zone} = {local} and {otherwise(_DAY_BEFORE)} and {otherwise(_DAY_AFTER)}"
        bare = (
            f"(case when {value} ~ '^{_DATE}[T ]{_CLOCK}$' "
            f"and pg_input_is_valid({value}, 'timestamp') then {once} else false end)"
        )
        return f"({zoned} or {bare})"

    def _accepts_time(self, value: str) -> str:
        return f"({value} ~ '^{_CLOCK}$' and pg_input_is_valid({value}, 'time'))"

    def _accepts_uuid(self, value: str) -> str:
        return f"{value} ~ '^{_UUID}$'"

    def _accepts_jsonb(self, value: str) -> str:
        # jsonb would keep the last of two equal keys in silence.
        opened = f"char_length({value}) - char_length(translate({value}, '[{{', ''))"
        depth = (
            "(select max(depth) from (select sum(case when found[1] in ('[', '{') then 1 else -1 end) "
            f"over (order by place) as depth from regexp_matches({value}, '[][{{}}]', 'g') "
            "with ordinality as brackets (found, place)) as depths)"
        )
        return (
            f"(case when {opened} > {_NESTED} and {depth} > {_NESTED} then false "
            f"when pg_input_is_valid({value}, 'jsonb') "
            f"then ({value})::json is json with unique keys else false end)"
        )

    def _accepts_array(self, value: str) -> str:
        assert self.element is not None
        return arrays.accepts(self.element, value)


_EXPECTS = {
    "smallint": "must be a whole number, digits only, such as 42 (at most 32767)",
    "integer": "must be a whole number, digits only, such as 42 (at most 2147483647)",
    "bigint": "must be a whole number, digits only, such as 42 (at most 19 digits)",
    "numeric": "must be a number such as 12.5",
    "double precision": "must be a number that a double holds exactly as written",
    "text": "must be text",
    "boolean": "must be true or false",
    "date": "must be a date such as 2024-02-29",
    "timestamp": "must be a date and time such as 2024-02-29T13:45:00, without a zone",
    "timestamptz": "must be a date and time with its zone, such as 2024-02-29T13:45:00Z",
    "time": "must be a time such as 13:45:00",
    "uuid": "must be a UUID such as 3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11",
    "jsonb": "must be JSON, each key once",
}


def _iso(data_type: DataType) -> DataType:
    """The same type without its ``format``: what the normalised value is judged by."""
    return replace(data_type, format=None)


def _format_words(template: str) -> list[str]:
    """``template`` cut into its words and what stands between them."""
    return [part for part in re.split("(" + "|".join(FORMAT_WORDS) + ")", template) if part]


def _format_to_iso(template: str) -> tuple[str, str]:
    """A regular expression for ``template`` and the replacement that turns a match into ISO."""
    pattern, order = "", []
    for part in _format_words(template):
        if part in FORMAT_WORDS:
            order.append(part)
            pattern += f"({FORMAT_WORDS[part]})"
        else:
            pattern += re.escape(part)
    if len(set(order)) != len(order) or not {"YYYY", "MM", "DD"} <= set(order):
        raise UnknownType(f"format {template!r} must name YYYY, MM and DD once each (and may name HH24, MI, SS)")
    if ("MI" in order and "HH24" not in order) or ("SS" in order and "MI" not in order):
        raise UnknownType(f"format {template!r} names minutes without hours, or seconds without minutes")
    place = {word: f"\\{index}" for index, word in enumerate(order, 1)}
    iso = f"{place['YYYY']}-{place['MM']}-{place['DD']}"
    if "HH24" in place:
        iso += f" {place['HH24']}:{place.get('MI', '00')}:{place.get('SS', '00')}"
    return f"^{pattern}$", iso


def parse_type(data_type: str, format_: str | None = None, timezone: str | None = None) -> DataType:
    """Read a column's ``data_type``, ``config.meta.format`` and ``config.meta.timezone``.

    Raises :class:`UnknownType` with a sentence that says what is wrong.
    """
    text = re.sub(r"\s+", " ", data_type.strip().lower())
    if text.endswith("]"):
        return _array_type(data_type, text, format_, timezone)
    match = re.fullmatch(r"([a-z0-9_ ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", text)
    if not match:
        raise UnknownType(f"data_type {data_type!r} is not one of: {_KNOWN}")
    family = _ALIASES.get(match[1], match[1])
    precision = int(match[2]) if match[2] else None
    scale = int(match[3]) if match[3] else None
    if family == "varchar" and precision is None:
        family = "text"
    if family not in _EXPECTS and family != "varchar":
        raise UnknownType(f"data_type {data_type!r} is not one of: {_KNOWN}")
    if precision is not None and family not in ("numeric", "varchar"):
        raise UnknownType(f"data_type {data_type!r}: {family} takes no size")
    if scale is not None and (family != "numeric" or scale > (precision or 0)):
        raise UnknownType(f"data_type {data_type!r}: the scale does not fit")
    if precision is not None and not 1 <= precision <= (1000 if family == "numeric" else 10485760):
        raise UnknownType(f"data_type {data_type!r}: the size is out of range")
    sql = family
    if family == "varchar":
        sql = f"varchar({precision})"
    elif family == "numeric" and precision is not None:
        scale = scale or 0
        sql = f"numeric({precision},{scale})"
    if timezone is not None:
        if family != "timestamptz":
            raise UnknownType("timezone belongs to a timestamptz column")
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise UnknownType(f"timezone {timezone!r} is not known") from error
    if format_ is not None:
        if family not in ("date", "timestamp", "timestamptz"):
            raise UnknownType("format belongs to a date or timestamp column")
        _format_to_iso(format_)
        if family == "timestamptz" and timezone is None:
            raise UnknownType("a timestamptz column with a format needs a timezone too")
        if family != "date" and "HH24" not in format_:
            raise UnknownType(f"format {format_!r} names no HH24, and the time of day would have to be guessed")
        if family == "date" and any(word in format_ for word in ("HH24", "MI", "SS")):
            raise UnknownType("a date's format has no hours, minutes or seconds")
    return DataType(sql, family, precision, scale, format_, timezone)


def _array_type(data_type: str, text: str, format_: str | None, timezone: str | None) -> DataType:
    """The type of an array: ``text`` is ``data_type`` in small letters."""
    inner, bracket, rest = text.partition("[")
    if rest != "]" or not bracket:
        raise UnknownType(f"data_type {data_type!r}: arrays are written as text[], without a size and of one dimension")
    if format_ is not None or timezone is not None:
        raise UnknownType("format and timezone belong to a column of single values, not to an array")
    try:
        element = parse_type(inner)
    except UnknownType as error:
        raise UnknownType(f"data_type {data_type!r} is not one of: {_KNOWN}") from error
    if element.family == "jsonb":
        raise UnknownType(f"data_type {data_type!r}: write jsonb, which holds arrays too")
    return DataType(f"{element.sql}[]", "array", element=element)
