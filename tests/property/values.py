"""Texts for a column: good ones, and bad ones beside them.

Good values come from the column's type and from what its tests ask for; bad ones are the values
beside a test's bounds, values of other columns' kinds, and texts that Postgres takes for
something that they do not say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.property.projects import DbtTest
from tests.property.reading import WHOLE_BITS, Kind

Texts = st.SearchStrategy[str]
LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
WORDS = st.one_of(
    st.sampled_from(["can't", "NULL", "\\N", "\\.", 'a "b"', "é", "Zoë", "100%", "%s", "a\nb", "a,b;c\td", "-- x"]),
    st.text(LETTERS, min_size=1, max_size=8),
)
BLANK = st.sampled_from(["", " ", "\t", "\u00a0", " \n"])
#: Days on which clocks change somewhere.
CHANGED_DAYS = ("11-07", "03-14", "10-31", "03-28", "04-04", "10-03")
#: Texts that Postgres's input functions take, and change or guess; or that nobody should take.
AWKWARD_TEXTS = (
    """0x10 0b1 1_000 1e3 1e-3 1.005 .5 5. +5 -0 007 1,5 NaN Infinity -inf 1e400 1e999 9999999999999999999999 today now
    tomorrow epoch allballs 01/02/2024 2024-1-2 20240102 2024-02-30 2023-02-29 0000-01-01 2024-W01-1 2024-01-01BC
    2024-01-01T24:00:00Z 2024-01-01T23:59:60Z 2024-01-01T10:00 2024-01-01T10:00:00.1234567Z 2024-01-01T10:00+16:00
    2024-01-01T10:00:00EST 2024-01-01T10:00:00z 2024-01-01t10:00:00Z 12:00 24:00 12:00:00.1234567 on off y n TRUE fALSE
    2 {"a":1,"a":2} {"a":NaN} [1,] "\\ud800" "\\u0000" {} null 1 0 -1 true ' '' a 31.12.2024 32.12.2024 2024-12-31
    {3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11} 3f1c9a520b6e4d6f9a3e5b2f6f0f7c11 3F1C9A52-0B6E-4D6F-9A3E-5B2F6F0F7C11
    ٣ １ 1e0 1E+2 0.001 0.10 12345.67 99999.99 -99999.999 0.9999 1.000 32768 -32768 2147483648
    9223372036854775808""".split()
    + ["", " ", " 5", "5 ", "5\n", "2024-01-01 10:00:00", "2024-01-01 10:00:00 UTC", "12-31-2024 01:30:00", "abc   "]
    + [f"2021-{day} {clock}" for day in CHANGED_DAYS
       for clock in ("01:15", "01:45", "02:15", "02:45")]
)  # fmt: skip
AWKWARD = st.sampled_from(AWKWARD_TEXTS)
#: Lists that Postgres or JSON would take, or that only look like one.
AWKWARD_ARRAYS = (
    "{1,2}",
    "{}",
    "[]",
    " [] ",
    "[null]",
    '["null"]',
    "[NULL]",
    "[[1]]",
    "[1,[2]]",
    '[{"a":1}]',
    "[1,]",
    "[1 2]",
    "[1",
    "1",
    '"[1]"',
    "[1]x",
    "[NaN]",
    "[1e400]",
    "[007]",
    "[1.0]",
    "[-0]",
    "[true]",
    '[" 1"]',
    '["\\u0000"]',
    '["\\ud800"]',
    '["\\u00e9","can\'t","a,b","\\"","\\\\","{","NULL",""]',
    "[2147483648]",
    '["today"]',
    '["2024-02-30"]',
    '["0x10"]',
    "[1.005]",
    "[12345.67]",
    '["abcdef"]',
    "['a']",
    "[1]\n",
    "\u00a0[1]",
)
_NEAR = (-1, 0, 1)


def _bounds(tests: Sequence[DbtTest]) -> tuple[list[Any], list[Any]]:
    """What tests that stop name as the least and the greatest; an open bound counts as closed."""
    least, most = [], []
    for test in tests:
        if test.severity == "error" and test.where is None:
            least += [test.arguments[k] for k in ("minimum",) if k in test.arguments]
            most += [test.arguments[k] for k in ("maximum",) if k in test.arguments and test.name != "max_length"]
            least += [test.arguments["value"]] if test.name == "greater_than" else []
            most += [test.arguments["value"]] if test.name == "less_than" else []
    return least, most


def _whole(kind: Kind, tests: Sequence[DbtTest], choices: int) -> Texts:
    least, most = _bounds(tests)
    low = max([int(b) for b in least], default=1 if choices else -3)
    high = min([int(b) for b in most], default=low + (choices - 1 if choices else 12))
    high = min(high, 2 ** WHOLE_BITS[kind.family] - 1)
    near = st.integers(low, min(high, low + (choices or 12))).map(str)
    return near if choices else st.one_of(near, near.map(lambda t: t if t[0] == "-" else "+" + t), near.map(_padded))


def _padded(text: str) -> str:
    return text[:1] + "0" + text[1:] if text[0] == "-" else "0" + text


def _numeric(kind: Kind, tests: Sequence[DbtTest]) -> Texts:
    precision, scale = (*kind.sizes, 0)[:2] if kind.sizes else (12, 4)
    least, most = _bounds(tests)
    top = Decimal(10) ** (precision - scale) - Decimal(1).scaleb(-scale)
    low = max([Decimal(str(b)) for b in least], default=-top)
    high = min([Decimal(str(b)) for b in most], default=top)
    decimals = st.integers(0, scale).flatmap(
        lambda places: st.decimals(low, min(high, max(low, Decimal(0)) + 1000), places=places, allow_nan=False)
    )
    edges = st.sampled_from([low, high, Decimal(0).max(low)])
    return st.one_of(decimals, edges).flatmap(
        lambda value: st.sampled_from(
            [f"{value:f}", f"{value:f}" if "." in f"{value:f}" else f"{value:f}.", f"{value:E}"]
        )
    )


def _dates(tests: Sequence[DbtTest]) -> st.SearchStrategy[date]:
    least, most = _bounds(tests)
    low = max([date.fromisoformat(str(b)[:10]) for b in least], default=date(2019, 12, 1))
    high = min([date.fromisoformat(str(b)[:10]) for b in most], default=low + timedelta(days=400))
    days = st.dates(low, max(low, high))
    if any(test.name == "first_of_month" for test in tests):
        return days.map(lambda day: day.replace(day=1)).filter(lambda day: day >= low)
    return days


def _in_format(moment: datetime, template: str) -> str:
    names = {"YYYY": f"{moment:%Y}", "MM": f"{moment:%m}", "DD": f"{moment:%d}",
             "HH24": f"{moment:%H}", "MI": f"{moment:%M}", "SS": f"{moment:%S}"}  # fmt: skip
    return re.sub("YYYY|MM|DD|HH24|MI|SS", lambda word: names[word[0]], template)


#: Hours around changes of clocks: New York, Berlin, Lord Howe (half an hour), Troll (two hours).
_CHANGES = [datetime.fromisoformat(f"2021-{day}") for day in CHANGED_DAYS]


def _moments(kind: Kind, tests: Sequence[DbtTest]) -> Texts:
    days = _dates(tests)
    any_time = st.tuples(days, st.times()).map(lambda pair: datetime.combine(*pair))
    changing = st.tuples(st.sampled_from(_CHANGES), st.integers(0, 5 * 4)).map(
        lambda pair: pair[0] + timedelta(minutes=15 * pair[1])
    )
    moments = st.one_of(any_time, changing) if kind.timezone else any_time
    if kind.format:
        template = kind.format
        return moments.map(lambda moment: _in_format(moment, template))
    spelt = st.tuples(
        moments, st.sampled_from("T "), st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"])
    )
    local = spelt.map(lambda parts: parts[0].isoformat(parts[1], parts[2]))
    if kind.family == "timestamp":
        return local
    zoned = st.tuples(local, st.sampled_from(["Z", "Z", "+00:00", "-05:00", "+0530", "+14"])).map("".join)
    return st.one_of(local, zoned) if kind.timezone else zoned


_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), WORDS
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


def _matching(pattern: str, tests: Sequence[DbtTest]) -> Texts:
    longest = min([t.arguments["maximum"] for t in tests if t.name == "max_length"], default=40)
    texts = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True)
    return texts.filter(lambda text: len(text) <= longest and "\0" not in text)


def good(kind: Kind, tests: Sequence[DbtTest], choices: int = 0) -> Texts:
    """Texts that the column should take; `choices`: only so many, so that rows meet."""
    for test in tests:
        if test.name == "accepted_values" and test.severity == "error" and test.where is None:
            # as dbt writes them: a boolean of the YAML is Python's word for it
            return st.sampled_from([str(value) for value in test.arguments["values"]])
    for test in tests:
        if test.name == "matches":
            return _matching(test.arguments["pattern"], tests)
    match kind.family:
        case "smallint" | "integer" | "bigint":
            return _whole(kind, tests, choices)
        case "numeric":
            return _numeric(kind, tests)
        case "double precision":
            return st.floats(allow_nan=False, allow_infinity=False).map(repr)
        case "text":
            return st.sampled_from(["A", "B", "can't", *(f"n{n}" for n in range(choices - 3))]) if choices else WORDS
        case "varchar":
            return st.text(LETTERS, min_size=1, max_size=kind.sizes[0])
        case "boolean":
            return st.sampled_from("true false t f yes no 1 0 True FALSE".split())
        case "date":
            template = kind.format or "YYYY-MM-DD"
            return _dates(tests).map(lambda day: _in_format(datetime.combine(day, datetime.min.time()), template))
        case "time":
            return st.times().map(lambda clock: clock.isoformat())
        case "timestamp" | "timestamptz":
            return _moments(kind, tests)
        case "uuid":
            few = st.integers(1, choices or 1).map("3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c{:02d}".format)
            return few if choices else st.uuids().map(str)
        case "jsonb":
            return _JSON.map(json.dumps)
        case "array":
            return _arrays(kind)
    raise AssertionError(f"no values of {kind}")


def _arrays(kind: Kind) -> Texts:
    """Lists of good elements, each written as a text or, where JSON has such, as a number or a truth value."""
    element = good(kind.element, [])

    def spelt(text: str) -> Texts:
        both = [json.dumps(text), text] if _is_bare(text) else [json.dumps(text), json.dumps(text, ensure_ascii=False)]
        return st.sampled_from(both)

    elements = st.one_of(st.just("null"), element.flatmap(spelt))
    return st.tuples(st.lists(elements, max_size=4), st.sampled_from([",", ", ", " ,\n"])).map(
        lambda parts: "[" + parts[1].join(parts[0]) + "]"
    )


def _is_bare(text: str) -> bool:
    return (
        text in ("true", "false") or re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) is not None
    )


def beside(kind: Kind, tests: Sequence[DbtTest]) -> list[str]:
    """Texts at and around what the column's tests name, and one far from all of it."""
    found: list[str] = []
    for test in tests:
        for bound in (test.arguments.get(name) for name in ("minimum", "maximum", "value")):
            if isinstance(bound, (int, float)) and kind.family in ("varchar", "text"):
                found.append("a" * (int(bound) + 1))
            elif isinstance(bound, (int, float)):
                steps = [Decimal(step).scaleb(-2) for step in _NEAR] if kind.family == "numeric" else []
                found += [str(Decimal(str(bound)) + step) for step in (*steps, -1, 0, 1)]
            elif bound is not None and kind.family in ("date", "timestamptz"):
                moment = datetime.fromisoformat(str(bound)).replace(tzinfo=UTC)
                step = timedelta(days=1) if kind.family == "date" else timedelta(seconds=1)
                moments = [moment + times * step for times in _NEAR]
                found += [str(m.date()) if kind.family == "date" else m.isoformat() for m in moments]
            elif isinstance(bound, str):
                found.append(bound)
        for value in test.arguments.get("values", []):
            found += [str(value), str(value).lower(), str(value).upper(), f"{value} ", str(value)[:-1]]
    if kind.family == "array":
        return [*found, *AWKWARD_ARRAYS]
    far = {"date": ["1800-01-31", "2199-12-31"], "timestamptz": ["1800-01-31T00:00:00Z", "2199-12-31T00:00:00Z"]}
    far |= {family: ["-30000", "0", "30000"] for family in (*WHOLE_BITS, "numeric")}
    return list(dict.fromkeys([*found, *far.get(kind.family, ["", " ", "\u00a0", "other"])]))


def bad(kind: Kind, tests: Sequence[DbtTest]) -> st.SearchStrategy[str | None]:
    """Texts that the column may not take: beside the bounds, blank, of another kind, awkward."""
    choices: list[st.SearchStrategy[str | None]] = [AWKWARD, BLANK, WORDS, st.none()]
    choices += [st.sampled_from(beside(kind, tests))] * 3
    if kind.family == "array":
        one = st.one_of(AWKWARD.map(json.dumps), st.sampled_from(["[1]", "{}", "1.5", "true", "1e3", "null"]))
        choices += [st.lists(one, min_size=1, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]")] * 2
        choices.append(st.sampled_from(AWKWARD_ARRAYS))
    if kind.family == "double precision":
        choices.append(st.decimals(-10, 10, places=20).map(str))
    return st.one_of(choices)
