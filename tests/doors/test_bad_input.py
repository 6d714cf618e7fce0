"""Bad input at the API and at the command: the page docs/bad-input.md, each line by the test that it names.

`GATEHOUSE_WRITE_PAGES=1 .venv/bin/pytest tests/doors/test_bad_input.py` writes the page anew.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from loader.app import create_app
from loader.commands.load import load as load_command
from loader.intake.decode import MEDIA_TYPES, ReadFailure, format_of_file
from loader.settings import Settings
from tests.conftest import ROOT, new_database_of
from tests.doors.test_api import Caller
from tests.intake.lab import parquet
from tests.intake.pages import MAY_WRITE, cell, compare
from tests.intake.sheets import by_hand, inline, workbook, zipped
from tests.pages.desk import PROJECT, Desk

HEADER = b"team_id,name\n"
SHEET = [["team_id", "name"], [1, "A"]]
ROWS = 9_000


@dataclass(frozen=True)
class Bad:
    """A bad file: how it is called, what is wrong with it, and its bytes, made when they are wanted."""

    what: str
    name: str
    body: Callable[[], bytes]
    options: tuple[tuple[str, str], ...] = ()


def bytes_of(body: bytes) -> Callable[[], bytes]:
    return lambda: body


def locked() -> bytes:
    out = bytearray(zipped({"a.csv": HEADER}))
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        out[out.index(magic) + place] |= 1
    return bytes(out)


def twice() -> bytes:
    table = pa.Table.from_arrays([pa.array([1]), pa.array(["a"]), pa.array(["b"])], ["team_id", "name", "name"])
    return parquet(table)


def long_row() -> bytes:
    lines = [b"%d,A\n" % number for number in range(1, ROWS + 100)]
    lines[ROWS - 1] = b"%d,A,too much\n" % ROWS
    return HEADER + b"".join(lines)


def empty_rows() -> bytes:
    return by_hand(inline(*SHEET[:1], ["1", "A"]) + "".join(f'<row r="{n}"/>' for n in range(3, 1_000_003)))


def page_bomb() -> bytes:
    whole = {"row_group_size": 10_000_000, "data_page_size": 2**30}
    return parquet({"team_id": pa.repeat(pa.scalar(0), 10_000_000)}, compression="zstd", use_dictionary=False, **whole)


def list_bomb() -> bytes:
    nulls = pa.ListArray.from_arrays(pa.array([0, 20_000_000], pa.int32()), pa.nulls(20_000_000, pa.int8()))
    return parquet({"team_id": [1], "name": nulls}, compression="zstd", store_schema=False)


def entity_bomb() -> bytes:
    doctype = "<!DOCTYPE w [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"
    return zipped({"_rels/.rels": f"{doctype}<r>&b;</r>"})


CELL = b"x" * (50 << 20)
LONG = b"1," + b"a" * 20_000 + b"\n"
BAD = [
    Bad("empty", "empty.csv", bytes_of(b"")),
    Bad("empty", "empty.json", bytes_of(b"")),
    Bad("empty", "empty.ndjson", bytes_of(b"")),
    Bad("empty", "empty.parquet", bytes_of(b"")),
    Bad("empty", "empty.xlsx", bytes_of(b"")),
    Bad("empty", "empty.zip", bytes_of(b"")),
    Bad("a header and no row", "header.csv", bytes_of(HEADER)),
    Bad("an empty sheet", "sheet.xlsx", bytes_of(workbook(("s", [])))),
    Bad("truncated", "cut.json", bytes_of(b'[{"team_id": 1}, {"team')),
    Bad("truncated", "cut.ndjson", bytes_of(b'{"team_id": 1, "name": "A"}\n{"team_id": 2, "na')),
    Bad("truncated", "cut.csv.gz", bytes_of(gzip.compress(HEADER + b"1,A\n")[:-5])),
    Bad("truncated", "cut.zip", bytes_of(zipped({"a.csv": HEADER + b"1,A\n"})[:-5])),
    Bad("truncated", "cut.parquet", bytes_of(parquet({"team_id": [1]})[:-5])),
    Bad("truncated", "cut.xlsx", bytes_of(workbook(("s", SHEET))[:-5])),
    Bad("truncated within a character", "cut.csv", bytes_of("team_id,name\n1,A\n".encode("utf-16")[:-1])),
    Bad("wrong encoding: Cyrillic, not said", "cyrillic.csv", bytes_of(HEADER + "1,привет\n".encode("cp1251"))),
    Bad("wrong encoding: UTF-32", "wide.csv", bytes_of("team_id,name\n1,A\n".encode("utf-32"))),
    Bad("wrong encoding: a byte that is not UTF-8", "byte.ndjson", bytes_of(b'{"team_id": 1, "name": "\xff"}\n')),
    Bad("wrong encoding: a byte that is not UTF-8", "byte.json", bytes_of(b'[{"team_id": 1, "name": "\xff"}]')),
    Bad("BOM", "bom.csv", bytes_of(b"\xef\xbb\xbf" + HEADER + b"1,A\n")),
    Bad("BOM", "bom.json", bytes_of(b'\xef\xbb\xbf[{"team_id": 1, "name": "A"}]')),
    Bad("NUL bytes", "nul.csv", bytes_of(HEADER + b"1,A\0\n2,B\n")),
    Bad("NUL bytes", "nul.ndjson", bytes_of(b'{"team_id": 1, "name": "A\\u0000"}\n{"team_id": 2}\n')),
    Bad("wrong types", "types.csv", bytes_of(HEADER + b"one,A\n2,B\n")),
    Bad("wrong types", "types.json", bytes_of(b'[{"team_id": "one"}, {"team_id": [2]}, 3]')),
    Bad("wrong types", "types.parquet", bytes_of(parquet({"team_id": [1.5, 2.0], "name": ["A", "B"]}))),
    Bad("wrong types: an error in a cell", "types.xlsx", bytes_of(
        by_hand(inline(SHEET[0]) + '<row><c><v>1</v></c><c t="e"><v>#DIV/0!</v></c></row>'))),
    Bad("two columns of one name", "twice.csv", bytes_of(b"team_id,name,name\n1,A,B\n")),
    Bad("two columns of one name", "twice.ndjson", bytes_of(b'{"team_id": 1, "name": "A", "name": "B"}\n')),
    Bad("two columns of one name", "twice.json", bytes_of(b'[{"team_id": 1, "name": "A", "name": "B"}]')),
    Bad("two columns of one name", "twice.parquet", twice),
    Bad("two columns of one name", "twice.xlsx", bytes_of(
        workbook(("s", [["team_id", "name", "name"], [1, "A", "B"]])))),
    Bad("a column missing", "missing.csv", bytes_of(b"name\nA\n")),
    Bad("a column missing", "missing.ndjson", bytes_of(b'{"name": "A"}\n')),
    Bad("an unknown column", "unknown.csv", bytes_of(b"team_id,nmae\n1,A\n")),
    Bad("an unknown column", "unknown.json", bytes_of(b'[{"team_id": 1, "nmae": "A"}]')),
    Bad("no header", "headless.csv", bytes_of(b"1,A\n2,B\n")),
    Bad("hostile names: quotes, dots, a right-to-left mark", "names.csv", bytes_of(
        'team_id,"a""; drop table x; --",ledger.loads,\u202eeman\n1,A,B,C\n'.encode())),
    Bad("hostile names: quotes, dots, a right-to-left mark", "names.json", bytes_of(
        '[{"team_id": 1, "a\\"; drop table x; --": 1, "ledger.loads": 2, "\u202eeman": 3}]'.encode())),
    Bad("a hostile file name", 'a";\u202e.csv', bytes_of(HEADER + b"1,A\n")),
    Bad("deep nesting", "deep.json", bytes_of(b"[" * 100_000 + b"]" * 100_000)),
    Bad("deep nesting", "deep.ndjson", bytes_of(b'{"team_id": 1, "name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")),
    Bad("deep nesting", "deep.xlsx", bytes_of(by_hand("<a>" * 100_000))),
    Bad("a bomb", "bomb.csv.gz", lambda: gzip.compress(HEADER + LONG * 10_000)),
    Bad("a bomb", "bomb.zip", lambda: zipped({"a.csv": HEADER + LONG * 10_000})),
    Bad("a bomb", "bomb.parquet", page_bomb),
    Bad("a bomb: 20,000,000 nulls in a list", "list.parquet", list_bomb),
    Bad("a bomb: values of a fixed length of 100,000", "fixed.parquet", lambda: parquet(
        {"team_id": [*range(1000)], "name": pa.array([b"x" * 100_000] * 1000, pa.binary(100_000))})),
    Bad("a bomb of 10,000 names", "names.xlsx", bytes_of(by_hand("".join(f"<a{n}/>" for n in range(10_000))))),
    Bad("a bomb of a sheet's name", "sheet_name.xlsx", lambda: by_hand(
        "", more_sheets=f'<sheet name="{"x" * 500_000}" r:id="1"/>')),
    Bad("a bomb of entities", "bomb.xlsx", entity_bomb),
    Bad("a zip in a zip", "nested.zip", bytes_of(zipped({"a.zip": zipped({"a.csv": HEADER})}))),
    Bad("a zip of two files", "two.zip", bytes_of(zipped({"a.csv": HEADER, "b.csv": HEADER}))),
    Bad("a zip without a data file", "none.zip", bytes_of(zipped({"README.md": "x"}))),
    Bad("a locked zip", "locked.zip", locked),
    Bad("a million empty rows", "empty_rows.xlsx", empty_rows),
    Bad(f"row {ROWS:,} has one field too many", "long.csv", long_row),
    Bad("a quote never closed", "quote.csv", bytes_of(HEADER + b'1,A\n2,"B\n' + b"3,C\n" * 50)),
    Bad("a quote never closed in a large file", "quotes.csv", lambda: HEADER + b'1,A\n2,"B\n' + b"3,C\n" * 2_000_000),
    Bad("10,000 columns", "columns.csv", bytes_of(
        b"team_id," + b",".join(b"c%d" % n for n in range(9_999)) + b"\n1\n")),
    Bad("10,000 columns", "columns.ndjson", bytes_of(
        b'{"team_id": 1, ' + b", ".join(b'"c%d": 1' % n for n in range(9_999)) + b"}\n")),
    Bad("10,000 columns", "columns.xlsx", bytes_of(by_hand(inline(["team_id", *(f"c{n}" for n in range(9_999))])))),
    Bad("a cell of 50 MB", "cell.csv", lambda: HEADER + b"1,A\n2," + CELL + b"\n"),
    Bad("a cell of 50 MB", "cell.ndjson", lambda: b'{"team_id": 1, "name": "' + CELL + b'"}\n'),
    Bad("a cell of 50 MB", "cell.json", lambda: b'[{"team_id": 1, "name": "' + CELL + b'"}]'),
    Bad("a cell of 50 MB", "cell.parquet", lambda: parquet({"team_id": [1], "name": [CELL.decode()]})),
    Bad("a cell of 50 MB", "cell.xlsx", lambda: by_hand(inline(SHEET[0], ["1", CELL.decode()]))),
    Bad("an Excel file called CSV", "excel.csv", bytes_of(workbook(("s", SHEET)))),
    Bad("a zip called Excel", "zip.xlsx", bytes_of(zipped({"a.csv": HEADER}))),
    Bad("an old Excel file", "old.xls", bytes_of(b"\xd0\xcf\x11\xe0")),
    Bad("another format", "other.pdf", bytes_of(b"%PDF")),
    Bad("a sheet that is not there", "sheets.xlsx", bytes_of(workbook(("s", SHEET))), (("sheet", "t"),)),
    Bad("an encoding that is not known", "enc.csv", bytes_of(HEADER), (("encoding", "ebcdic"),)),
    Bad("a decimal sign that is not clear", "decimal.csv", bytes_of(b"team_id;name\n1;1,234\n"), (("decimal", "x"),)),
]  # fmt: skip
#: Tests elsewhere that show what a door can't in little time.
MORE = [
    ("huge", "read in pieces: memory is bounded by a batch, whatever the format",
     "tests/intake/test_decode_huge.py::test_memory_does_not_grow_with_the_body"),
    ("row 900,000 has one field too many", "that row is kept with its number and text, and all others go on",
     "tests/intake/test_decode_huge.py::test_row_900000_with_one_field_too_many_is_set_aside"),
]  # fmt: skip

INTRO = """# Bad input

What comes of it at the API (`POST /api/v1/loads/desk/teams`) and at the command (`loader load desk.teams FILE`), into
a table of teams with `team_id` and `name`. A body that can't be read at all is 400, or exit status 1, and loads
nothing; where single rows are at fault the others go in (201, or exit status 3), and the receipt tells of each.

Each line is written by the test that it names: `tests/doors/test_bad_input.py::test_bad_input[FILE]`, if it names no
other. `GATEHOUSE_WRITE_PAGES=1 .venv/bin/pytest tests/doors/test_bad_input.py` writes them anew; without it the same
tests compare.

| input | file | API | command |
| --- | --- | --- | --- |
"""
EMPTY = "; ".join(
    f"delete from {name}"
    for name in ("staging_desk.teams", "staging_desk.teams__history", "ledger.rejects", "ledger.loads")
)
_found: dict[str, str] = {}


@pytest.fixture(scope="module")
def door(server: Settings, desk_template: str) -> Iterator[tuple[Desk, Caller]]:
    """The desk's app on one database for all files, and a program with a token."""
    with new_database_of(server, "bad", desk_template) as made:
        settings = replace(made, project_dir=PROJECT)
        app = create_app(settings)
        here = app.extensions["gatehouse"]
        desk = Desk(settings, here.engine, here.contract(), app, app.test_client())
        yield desk, Caller(desk)
        here.engine.dispose()


def media_type(name: str) -> tuple[str, dict[str, str]]:
    """What a caller would say of the file."""
    try:
        plain, _, packing = format_of_file(name).partition(".")
    except ReadFailure:
        return "application/octet-stream", {}
    return {v: k for k, v in MEDIA_TYPES.items()}[plain], {"Content-Encoding": "gzip"} if packing else {}


def counted(received: int, accepted: int, rejects: list[str]) -> str:
    shown = f"{received:,} received, {accepted:,} accepted"
    return shown + (f"; refused: {rejects[0]}" if rejects else "")


def by_api(caller: Caller, bad: Bad, body: bytes) -> str:
    content_type, headers = media_type(bad.name)
    response = caller.call(
        "POST", "/api/v1/loads/desk/teams", data=body, content_type=content_type, headers=headers,
        query_string=dict(bad.options),
    )  # fmt: skip
    assert response.status_code < 500, response.text
    told = response.get_json(force=True)
    if response.status_code >= 400:
        return f"{response.status_code}: {told['detail']}"
    rejects = [f"row {reject['row']} {reject['message']}" for reject in told["rejects"]]
    return f"{response.status_code}: {counted(told['received'], told['accepted'], rejects)}"


def by_command(desk: Desk, bad: Bad, path: Path) -> str:
    options = [word for name, value in bad.options for word in (f"--{name}", value)]
    arguments = ["desk.teams", str(path), "--again", *options]
    result = CliRunner().invoke(load_command, arguments, obj=desk.settings, standalone_mode=False)
    if result.exception is not None:
        assert type(result.exception).__name__ == "Remedy", result.exception
        return f"1: {result.exception}"
    text = result.output  # which may begin with how far it came
    assert "Traceback" not in text
    if result.return_value == 1:
        failure = re.search(r"nothing was loaded: .*", text)
        assert failure, text
        return f"1: {failure[0]}"
    found = re.search(r"([\d,]+) received, ([\d,]+) accepted", text)
    assert found, text
    rejects = re.findall(r"^  row (\d+): [^:]*: (.*) \(\w+\)", text, re.MULTILINE)
    received, accepted = (int(number.replace(",", "")) for number in found.groups())
    return f"{result.return_value}: {counted(received, accepted, [f'row {row} {words}' for row, words in rejects])}"


def line_of(bad: Bad, api: str, command: str) -> str:
    def told(outcome: str) -> str:
        seen = "".join(sign if sign.isprintable() else f"<U+{ord(sign):04X}>" for sign in outcome)
        return (seen if len(seen) <= 260 else seen[:259] + "…").replace("|", "\\|").replace("<U+", "\\<U+")

    name = "".join(sign if sign.isprintable() else f"<U+{ord(sign):04X}>" for sign in bad.name)
    return f"| {bad.what} | {cell(name)} | {told(api)} | {told(command)} |"


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name.encode("ascii", "replace").decode())
# Arrow shows a row to its handler as text only, and complains aside when it is none
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_bad_input(door: tuple[Desk, Caller], tmp_path: Path, bad: Bad) -> None:
    desk, caller = door
    body = bad.body()
    desk.execute(EMPTY)
    api = by_api(caller, bad, body)
    desk.execute(EMPTY)
    path = tmp_path / bad.name
    path.write_bytes(body)
    line = _found[bad.name] = line_of(bad, api, by_command(desk, bad, path))
    failed = "received" not in api
    if failed:
        assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
    if not MAY_WRITE:
        assert line in (ROOT / "docs" / "bad-input.md").read_text("utf-8").splitlines()


def test_the_page_has_a_line_for_each_and_no_other() -> None:
    page = (ROOT / "docs" / "bad-input.md").read_text("utf-8") if not MAY_WRITE else ""
    lines = [line for line in page.splitlines() if line.startswith("| ")][2:] if page else []
    if MAY_WRITE:
        lines = [_found[bad.name] for bad in BAD]
    own = lines[: len(BAD)]
    assert [line.split(" | ")[0] for line in own] == [f"| {bad.what}" for bad in BAD]
    more = ["", "Shown without a door:", "", "| input | what happens | test |", "| --- | --- | --- |"]
    more += [f"| {what} | {happens} | `{test}` |" for what, happens, test in MORE]
    compare("bad-input.md", INTRO + "\n".join([*own, *more]) + "\n")


def test_every_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "bad-input.md").read_text("utf-8")
    named = set(re.findall(r"(tests/[\w/]+\.py)::(\w+)", page))
    assert len(named) == 1 + len(MORE)
    for path, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), (path, name)
