"""Arrays come through every format alike: a JSON array in a CSV, JSON's own, a list of Parquet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.intake.lab import Lab, parquet

ROW = {"id": 1, "sizes": [1, None], "words": ["can't", 'a,"b"', "é", ""], "moments": ["2024-02-29T13:45:00Z"],
       "prices": ["1.50"]}  # fmt: skip
STORED = ("1", "{1,NULL}", '{can\'t,"a,\\"b\\"",é,""}', '{"2024-02-29 13:45:00+00"}', "{1.50}")


def as_csv() -> bytes:
    fields = ['"' + json.dumps(value).replace('"', '""') + '"' for value in ROW.values()]
    return (",".join(ROW) + "\n" + ",".join(fields) + "\n").encode()


def as_parquet() -> bytes:
    return parquet(
        {
            "id": pa.array([1]),
            "sizes": pa.array([ROW["sizes"]], pa.list_(pa.int16())),
            "words": pa.array([ROW["words"]], pa.large_list(pa.string())),
            "moments": pa.array([[datetime(2024, 2, 29, 13, 45, tzinfo=UTC)]], pa.list_(pa.timestamp("us", "UTC"))),
            "prices": pa.array([[Decimal("1.50")]], pa.list_(pa.decimal128(5, 2))),
        }
    )


BODIES = {
    "csv": as_csv(),
    "json": json.dumps([ROW]).encode(),
    "ndjson": json.dumps(ROW, ensure_ascii=False).encode(),
    "parquet": as_parquet(),
}


@pytest.mark.parametrize("format_", BODIES)
def test_a_list_is_stored_as_it_was_sent(lab: Lab, format_: str) -> None:
    assert lab.load("lists", BODIES[format_], format_).accepted == 1
    assert lab.mirror("lists") == [STORED]
    for other, body in BODIES.items():
        assert lab.load("lists", body, other).duplicates == 1, other


def test_a_missing_list_an_empty_one_and_an_empty_element_are_three_things(lab: Lab) -> None:
    lab.load("lists", "id,sizes\n1,\n2,[]\n3,[null]\n")
    assert [row[1] for row in lab.mirror("lists")] == [None, "{}", "{NULL}"]
    assert lab.load("lists", "id,sizes\n1,[]\n").accepted == 1  # no longer missing: another version
    assert len(lab.history("lists")) == 1


def test_a_faulty_element_is_shown_with_its_list(lab: Lab) -> None:
    receipt = lab.load("lists", '{"id": 1, "sizes": [1, 2.5], "words": [["a"]]}', "ndjson")
    (reject,) = receipt.rejects
    assert [(f["column"], f["rule"], f["value"]) for f in reject.faults] == [
        ("sizes", "data_type", "[1, 2.5]"), ("words", "data_type", '[["a"]]'),
    ]  # fmt: skip
    assert "each element must be a whole number" in reject.faults[0]["message"]
