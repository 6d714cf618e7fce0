"""Bodies of any size, read by a process of its own whose memory is measured."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.conftest import ROOT

#: Reads a body that is made as it is read; prints the rows, the megabytes read and the peak of memory in MB.
READER = """
import io, json, os, sys
from tests.intake.lab import CONTRACT
from loader.intake.decode import DECODERS, NOTHING_SAID
format_, count = sys.argv[1], int(sys.argv[2])
word = "wörd" * 20
makers = {
    "csv": ("id,word\\n", lambda n: f"{n},{word}\\n", ""),
    "utf-16": ("id;word\\n", lambda n: f"{n};{word}\\n", ""),
    "ndjson": ("", lambda n: json.dumps({"id": n, "word": word}) + "\\n", ""),
    "json": ("[0", lambda n: ',{"id": %d, "word": "%s"}' % (n, word), "]"),
}
head, line, end = makers[format_]
encoding = "utf-16-le" if format_ == "utf-16" else "utf-8"

class Body(io.RawIOBase):
    def __init__(self):
        self.pieces, self.piece, self.size = self.make(), b"", 0
    def make(self):
        yield head
        for start in range(0, count, 1000):
            yield "".join(map(line, range(start, start + 1000)))
        yield end
    def readable(self):
        return True
    def readinto(self, buffer):
        while not self.piece:
            text = next(self.pieces, None)
            if text is None:
                return 0
            self.piece = text.encode(encoding)
        part, self.piece = self.piece[:len(buffer)], self.piece[len(buffer):]
        buffer[:len(part)] = part
        self.size += len(part)
        return len(part)

body, rows = Body(), 0
decoder = "csv" if format_ == "utf-16" else format_
for batch in DECODERS[decoder](io.BufferedReader(body), CONTRACT.table("lab", "notes"), NOTHING_SAID):
    rows += batch.rows.num_rows
# not getrusage: that counts what the process was forked from, too
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, body.size >> 20, int(peak.split()[1]) >> 10, flush=True)
# at once: a thread of Arrow's that lets go of the body while the interpreter ends aborts it
os._exit(0)
"""


def measure(format_: str, count: int) -> tuple[int, int, int]:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READER), format_, str(count)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows, size, peak = map(int, run.stdout.split())
    return rows, size, peak


@pytest.mark.parametrize(("format_", "few", "many"), [
    ("csv", 400_000, 1_200_000), ("utf-16", 400_000, 1_200_000),
    ("ndjson", 100_000, 500_000), ("json", 100_000, 500_000),
])  # fmt: skip
def test_memory_does_not_grow_with_the_body(format_: str, few: int, many: int) -> None:
    small, large = measure(format_, few), measure(format_, many)
    assert (small[0], large[0]) == (few, many)
    assert large[1] > small[1] + 40, "megabytes read"
    assert large[2] < small[2] + 40, "megabytes at the peak"
    assert large[2] < 300


def test_row_900000_with_one_field_too_many_is_set_aside() -> None:
    import io

    from loader.intake.decode import open_body
    from tests.intake.lab import CONTRACT

    lines = [b"%d,a\n" % number for number in range(1, 1_000_001)]
    lines[899_999] = b"900000,a,b\n"
    rows, aside = 0, []
    for batch in open_body(io.BytesIO(b"id,word\n" + b"".join(lines)), CONTRACT.table("lab", "notes"), "csv"):
        rows += batch.rows.num_rows
        aside += batch.unreadable
    assert rows == 999_999
    assert [(row.row, row.rule, row.payload) for row in aside] == [
        (900_000, "too_many_fields", {"_line": "900000,a,b"})
    ]
