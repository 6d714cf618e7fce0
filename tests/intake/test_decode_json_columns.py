"""NDJSON read at once: either exactly what is read line by line, or nothing."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.intake.decode.json import NdjsonDecoder
from loader.intake.decode.json_columns import JsonColumns
from tests.intake.lab import table

TABLE = table("flat", "id bigint", "price numeric(6,2)", "word text", "is_new boolean")


def line_by_line(lines: bytes) -> list[Any]:
    """What the careful way makes of it."""
    decoder = NdjsonDecoder(BytesIO(lines), TABLE)
    decoder._at_once._may = False
    return list(decoder)


def at_once(lines: bytes) -> list[dict[str, str | None]] | None:
    columns = JsonColumns(TABLE).read(lines)
    if columns is None:
        return None
    rows = zip(*(columns[name].to_pylist() for name in TABLE.column_names), strict=True)
    return [dict(zip(TABLE.column_names, row, strict=True)) for row in rows]


def check(lines: bytes) -> bool:
    """Whether it is read at once; then it must be what the careful way makes of it."""
    read = at_once(lines)
    if read is None:
        return False
    batches = line_by_line(lines)
    assert not any(batch.unreadable for batch in batches)
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    assert [{name: row[name] for name in TABLE.column_names} for row in rows] == read
    return True


@pytest.mark.parametrize(
    "lines",
    [
        b'{"id": 1, "price": 12.50, "word": "a", "is_new": true}\n{"id": 2, "is_new": null}\n',
        b'{"id":-0,"price":1E400,"word":"9.0","is_new":false}\r\n{"word":"","id":"07"}\r\n',
        b'{"id": 9007199254740993, "price": 0.1000000000000000000000000001}\n',
        b'{ "word" : "a", "id": "1" }\n{}\n',
        '{"word": "\\u00e9\\n\\ud83c\\udf88 é \\" : \\\\"}\n'.encode(),
        b'{"word": "a \\": 5, {}"}\n{"word": "}"}\n',
        b'{"\\u0069d": 1}\n',
    ],
)
def test_flat_objects_are_read_at_once(lines: bytes) -> None:
    assert check(lines)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": 1, "id": 1}', b'{"id": 1}{"id": 2}', b'{"id": 1} {"id": 2}', b'{"nid": 1}',
        b"", b"  ", b"null", b"5", b"[1]",
        b'{"id": 01}', b'{"id": 1.}', b'{"id": .5}', b'{"id": +1}', b'{"id": -}', b'{"id": 0x10}', b'{"id": 1e}',
        b'{"id": NaN}', b'{"id": Infinity}', b'{"id": 1 2}', b'{"id": 1"word": 2}', b'{"id": 1,}', b'{"id": }',
        b'{"word": {"a": 1}}', b'{"word": [1, 2]}', b'{"word": true}', b'{"is_new": "yes"}', b'{"is_new": 1}',
        b'{"word": "\\ud800"}', b'{"word": "\xff"}', b'{"word": "\xed\xa0\x80"}', b'{"word": "\x01"}',
        b'{"word": "\\x"}',
        b'{"word": "a"', b'"word": "a"}', b'{"word": "a"}}', b'{"word": "a}', b'{"word": ":5"}', b'{"word": "":5"}',
        b'{"id": 1} // {}', b"{'id': 1}", b'{"id": 1}\x00', b'{"id"\n: 1}',
        b'{"word": {}\n, "id": 1}\n{"id": 2}{"id": 3}',
    ],
)  # fmt: skip
def test_what_needs_a_closer_look_is_left(line: bytes) -> None:
    good = b'{"id": 1, "word": "good"}\n'
    assert not check(good + line + b"\n" + good)


def test_rows_keep_their_numbers_from_one_way_to_the_other() -> None:
    plain = b'{"id": %d, "word": "' + b"x" * 1000 + b'"}\n'
    lines = [plain % number for number in range(1, 7001)]
    lines[3000] = b'{"id": 3001, "word": [1]}\n'
    lines[5000] = b"broken\n"
    batches = list(NdjsonDecoder(BytesIO(b"".join(lines)), TABLE))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    assert [row["_row"] for row in rows] == [number for number in range(1, 7001) if number != 5001]
    assert all(row["id"] == str(row["_row"]) for row in rows)
    assert [aside.row for batch in batches for aside in batch.unreadable] == [5001]


_values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers()))
_names = st.sampled_from([*TABLE.column_names, *TABLE.column_names, "other"])
_pieces = st.sampled_from(
    [b'"', b":", b'":', b"{", b"}", b",", b"\\", b" ", b"1", b"-", b".", b"e", b"\n", b'"id"', b"\r", b"0"]
)


_SEEDED = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_SEEDED
@given(st.lists(st.dictionaries(_names, _values, max_size=4), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_any_objects(objects: list[dict[str, Any]], is_dense: bool, is_ascii: bool) -> None:
    separators = (",", ":") if is_dense else (", ", ": ")
    lines = [json.dumps(row, separators=separators, ensure_ascii=is_ascii) for row in objects]
    try:
        check("".join(line + "\n" for line in lines).encode())
    except UnicodeEncodeError:
        assert not is_ascii  # half a surrogate pair, which no text has


@_SEEDED
@given(st.lists(_pieces, max_size=12), st.integers(0, 40))
def test_any_signs_in_the_midst(pieces: list[bytes], place: int) -> None:
    good = b'{"id": 1, "word": "a: b", "price": 1.5}\n'
    check(good[:place] + b"".join(pieces) + good[place:].rstrip(b"\n") + b"\n")
