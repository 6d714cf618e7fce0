"""Finds in the models' SQL what only PostgreSQL has, or what warehouses do in different ways.

    python .ci/portable_sql.py [FILE...]      else the models, and the macros that make their SQL

Prints `file:line: what is wrong`; exit status 1 if anything is. Read are the files as they are
written: comments and the Jinja around SQL are left out, SQL in Jinja's strings (an argument of a
measure) is read. Macros named for one warehouse, `postgres__…` and `spark__…`, may say what only
that one knows: everything that differs belongs into such a pair.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = ("dbt_project/models/**/*.sql", "dbt_project/macros/measures/*.sql")

#: What is looked for, and what to write instead.
RULED_OUT = (
    (r"::", "a Postgres cast: write cast(x as type)"),
    (r"\bgenerate_series\s*\(", "generate_series: take whole_numbers()"),
    (r"\bdistinct\s+on\b", "distinct on: rank by row_number() and keep the first"),
    (r"\bfilter\s*\(\s*where\b", "filter (where …): sum(case when … then … end)"),
    (
        r"\bwithin\s+group\b|\bpercentile_(?:cont|disc)\b",
        "a percentile of the warehouse's own: take places by row_number()",
    ),
    (r"->>?|#>>?|@>|<@|\?\||\?&|\bjsonb?\b|\bjsonb?_\w+\s*\(", "JSON: give it columns in staging"),
    (r"!?~~?\*?", "a pattern operator: take like, or a dispatched macro"),
    (r"\bilike\b", "ilike: lower() on both sides, and like"),
    (r"\blateral\b", "lateral: join, or rank by row_number()"),
    (r"\b(?:string_agg|array_agg|array_to_string|listagg)\s*\(", "an aggregate of text: take dbt.listagg()"),
    (
        r"\b(?:unnest|regexp_matches|split_part|to_char|to_date|to_timestamp|age|make_date|make_interval)\s*\(",
        "a function of Postgres: take one of dbt's cross-database macros, or a dispatched one of our own",
    ),
    (r"\bat\s+time\s+zone\b", "a zone: take business_date()"),
    (
        r"\b(?:date_trunc|date_part|datediff|dateadd)\s*\(",
        "arithmetic on dates: take first_day_of(), days_between(), add_days()",
    ),
    (
        r"\bextract\s*\(\s*(?!(?:year|month|day|quarter|hour|minute)\b)\w+",
        "a field that warehouses number in different ways: calendar.sql has macros",
    ),
    (r"\binterval\s*'", "an interval: take add_days() or dbt.dateadd()"),
    (
        r"\b(?:now\s*\(|current_date\b|current_timestamp\b|localtimestamp\b|clock_timestamp\s*\()",
        "the clock: 'today' is as_of_date()",
    ),
    (
        r"\bas\s+(?:text|varchar|timestamptz|double\s+precision|int[248]|float[48]|bool|serial|uuid|bytea)\s*\)",
        "a type of Postgres: text is text_type(), and numbers are integer, bigint or numeric(p, s)",
    ),
    (
        r"\b(?:numeric|decimal)\b(?!\s*\(\s*\d+\s*,\s*\d+\s*\))",
        "numeric without precision and scale: numeric(p, s)",
    ),
    (r"\"[^\"\n]*\"", "a name in double quotes, which is a text on Spark: choose a plain name"),
    (r"\btablesample\b|\bonly\s+\w+\.\w+", "a clause of Postgres"),
)
_DIVISION = "a division of what is not cast: cast(x as numeric(p, s)) / y"
_ORDER_BY = "order by {}: say asc or desc, and nulls first or nulls last"
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+).*?\{%-?\s*endmacro\s*-?%\}", re.S)
_OF_ONE_WAREHOUSE = re.compile(r"(?:postgres|spark)__")
_JINJA = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.S)
_TEXT = re.compile(r"'(?:[^'\n]|'')*'")
_COMMENT = re.compile(r"--[^\n]*")
_ORDER = re.compile(r"\border\s+by\b", re.I)
#: Where a list of `order by` ends: its bracket, or a clause that may follow.
_ORDER_ENDS = re.compile(r"\b(?:limit|rows|range|groups|offset|fetch|union|where|from)\b", re.I)


def faults(text: str) -> Iterator[tuple[int, str]]:
    """Line and words of each fault in the text of a file."""
    sql = blanked(text)
    found = [(m.start(), words) for pattern, words in RULED_OUT for m in re.finditer(pattern, sql, re.I)]
    found += [(place, _DIVISION) for place in uncast_divisions(sql)]
    found += [(place, _ORDER_BY.format(item)) for place, item in vague_orders(sql)]
    yield from dict.fromkeys((text.count("\n", 0, place) + 1, words) for place, words in sorted(found))


def blanked(text: str) -> str:
    """The SQL alone, everything else turned into spaces, so that places stay where they are.

    Jinja stands between two signs `§`, since a macro's result is there; SQL in its strings is kept.
    """
    text = _MACRO.sub(lambda m: spaces(m[0]) if _OF_ONE_WAREHOUSE.match(m[1]) else m[0], text)
    text = _JINJA.sub(lambda m: jinja(m[0]), text)
    text = _COMMENT.sub(lambda m: spaces(m[0]), text)
    return _TEXT.sub(lambda m: "'" + spaces(m[0][1:-1]) + "'", text)


def jinja(block: str) -> str:
    if not block.startswith("{{"):
        return spaces(block)
    kept = list(spaces(block))
    kept[0] = kept[-1] = "§"
    for match in re.finditer(r"'([^'\n]*)'|\"([^\"\n]*)\"", block):
        inner = match[1] if match[1] is not None else match[2]
        begin = match.start() + 1
        kept[begin : begin + len(inner)] = inner
    return "".join(kept)


def spaces(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def uncast_divisions(sql: str) -> Iterator[int]:
    """Places of `/` whose left side is not `cast(…)`, nor the result of a macro."""
    for match in re.finditer(r"/", sql):
        before = sql[: match.start()].rstrip()
        if before.endswith(")") and re.search(r"\bcast\s*$", before[: opening(before)], re.I):
            continue
        if before.endswith("§"):
            continue
        yield match.start()


def opening(text: str) -> int:
    """The place of the bracket that the last one of `text` closes."""
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return 0


def vague_orders(sql: str) -> Iterator[tuple[int, str]]:
    """Items of an `order by` that leave it to the warehouse where NULLs come."""
    for match in _ORDER.finditer(sql):
        for place, item in items(sql, match.end()):
            if not re.search(r"\b(?:asc|desc)\s+nulls\s+(?:first|last)\s*$", item, re.I):
                yield place, " ".join(item.split())


def items(sql: str, begin: int) -> Iterator[tuple[int, str]]:
    """The items of a list, each with its place: up to the bracket or clause that ends it."""
    depth, start = 0, begin
    place = begin
    while place < len(sql):
        sign = sql[place]
        at_end = depth == 0 and (sign == ")" or sign == ";" or _ORDER_ENDS.match(sql, place))
        if at_end or (depth == 0 and sign == ","):
            yield start + len(sql[start:place]) - len(sql[start:place].lstrip()), sql[start:place].strip()
            start = place + 1
            if at_end:
                return
        depth += {"(": 1, ")": -1}.get(sign, 0)
        place += 1
    if sql[start:].strip():
        yield start, sql[start:].strip()


def main(names: list[str]) -> int:
    paths = [Path(name) for name in names] or sorted(path for pattern in READ for path in ROOT.glob(pattern))
    if not paths:
        print("there is no SQL to read")
        return 1
    count = 0
    for path in paths:
        shown = path.resolve().relative_to(ROOT) if path.resolve().is_relative_to(ROOT) else path
        for line, words in faults(path.read_text("utf-8")):
            print(f"{shown}:{line}: {words}")
            count += 1
    print(f"{len(paths)} files, {count} faults")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
