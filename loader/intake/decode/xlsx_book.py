"""What a workbook says of itself: its sheets, which formats are dates, its epoch, its shared texts."""

from __future__ import annotations

import posixpath
import re
import tempfile
import weakref
import zipfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO
from xml.parsers import expat

from loader.intake.decode.base import ReadFailure
from loader.intake.decode.packed import Budget, open_member

_PIECE = 1 << 16
#: Elements inside each other; a sheet has six.
_DEEPEST = 64
#: Bytes that may go by without an element or a text: one tag, say.
_LONGEST_TAG = 1 << 20
#: Characters of a name or path that is kept; Excel's own sheets have 31 at most.
_LONGEST_NAME = 300
#: Characters of a number.
_LONGEST_NUMBER = 20
#: Different names of elements and attributes in one part, which the parser keeps; a sheet has some dozens.
_MOST_NAMES = 1_000
#: Different prefixes in one part, each of which may stand before any name.
_MOST_PREFIXES = 100
#: Characters of one cell or one row.
LONGEST_TEXT = 4 << 20
_MOST_TEXTS = 10_000_000
_MOST_SHEETS = 10_000
_MOST_STYLES = 1 << 18
_CACHED = 50_000
_CACHED_TEXT = 200

#: Numbers of Excel's own date formats; the second set is of East Asian ones.
_OWN_DATES = frozenset([*range(14, 23), 45, 46, 47, *range(27, 37), *range(50, 59)])
_OWN_DURATION = 46
_NOT_FORMAT = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*(?:\]|$)', re.IGNORECASE)
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]
Data = Callable[[str], None]


@dataclass(frozen=True)
class Sheet:
    """A sheet's name and the member that holds it."""

    name: str
    path: str
    is_shown: bool


class Xml:
    """A part of the archive as events; names are without their namespace.

    Raises :class:`ReadFailure` for what is no XML, has a document type, or is made to be large.
    """

    def __init__(self, stream: BinaryIO, what: str, start: Start, end: End, data: Data) -> None:
        self._stream = stream
        self._what = what
        self._start, self._end, self._data = start, end, data
        self._depth = 0
        self._quiet = 0
        self._names: set[str] = set()
        self._prefixes: set[str | None] = set()
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.buffer_size = 1 << 15
        parser.StartElementHandler = self._on_start
        parser.EndElementHandler = self._on_end
        parser.CharacterDataHandler = self._on_data
        parser.StartDoctypeDeclHandler = self._on_doctype
        parser.StartNamespaceDeclHandler = self._on_prefix
        self._parser = parser

    def read(self) -> bool:
        """Read a piece; false when there is none left."""
        piece = self._stream.read(_PIECE)
        self._quiet += len(piece)
        if self._quiet > _LONGEST_TAG:
            raise ReadFailure(f"the Excel file can't be read: {self._what} has an endless element")
        try:
            self._parser.Parse(piece, not piece)
        except expat.ExpatError as error:
            raise ReadFailure(f"the Excel file can't be read: {self._what} is no XML ({error})") from error
        return bool(piece)

    def _on_start(self, name: str, attributes: dict[str, str]) -> None:
        self._quiet = 0
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ReadFailure(f"the Excel file can't be read: {self._what} is nested too deeply")
        if name not in self._names or not attributes.keys() <= self._names:
            self._learn(name, *attributes)
        self._start(name.rpartition("}")[2], attributes)

    def _learn(self, *names: str) -> None:
        for name in names:
            short(name, f"name of an element or attribute in {self._what}")
        self._names.update(names)
        if len(self._names) > _MOST_NAMES:
            raise ReadFailure(
                f"the Excel file can't be read: {self._what} has more than {_MOST_NAMES:,} different names of elements "
                "and attributes, as Excel writes none; save the sheet as .csv"
            )

    def _on_prefix(self, prefix: str | None, place: str) -> None:
        short(prefix or "", f"prefix in {self._what}")
        short(place or "", f"namespace in {self._what}")
        self._prefixes.add(prefix)
        if len(self._prefixes) > _MOST_PREFIXES:
            raise ReadFailure(
                f"the Excel file can't be read: {self._what} has more than {_MOST_PREFIXES} different prefixes, "
                "as Excel writes none; save the sheet as .csv"
            )

    def _on_end(self, name: str) -> None:
        self._quiet = 0
        self._depth -= 1
        self._end(name.rpartition("}")[2])

    def _on_data(self, text: str) -> None:
        self._quiet = 0
        self._data(text)

    def _on_doctype(self, *_: object) -> None:
        raise ReadFailure(f"the Excel file can't be read: {self._what} has a document type, as Excel writes none")


class Book:
    """The parts of a workbook that all its sheets share."""

    def __init__(self, archive: zipfile.ZipFile, budget: Budget) -> None:
        """``budget``: what all its parts may unpack to."""
        self._archive, self._budget = archive, budget
        self._members = {member.filename.lower(): member for member in archive.infolist()}
        targets = self._relations("", "officeDocument")
        if not targets:
            raise ReadFailure("this is a zip archive, and no Excel file; name it .zip if it holds a data file")
        workbook = next(iter(targets.values()))
        if workbook.endswith(".bin"):
            raise ReadFailure("this is an .xlsb file, which is not read; save it as .xlsx")
        self.is_1904 = False
        self.sheets: list[Sheet] = []
        self._read_workbook(workbook)
        # of each cell style: None, "date" or "duration"
        self.styles: list[str | None] = []
        for path in [*self._relations(workbook, "styles").values()][:1]:
            self._read_styles(path)
        texts = [*self._relations(workbook, "sharedStrings").values()]
        self.texts = Texts()
        if texts:
            self._read_texts(texts[0])

    def sheet(self, said: str) -> Sheet:
        """By name, else by number from 1; raises :class:`ReadFailure` with those there are."""
        for sheet in self.sheets:
            if sheet.name == said:
                return sheet
        if said.isascii() and said.isdigit() and len(said) < 6 and 1 <= int(said) <= len(self.sheets):
            return self.sheets[int(said) - 1]
        there = ", ".join(repr(sheet.name[:80]) for sheet in self.sheets[:20])
        raise ReadFailure(f"there is no sheet {said[:80]!r}; the sheets are: {there}")

    def open(self, path: str, start: Start, end: End, data: Data) -> Xml:
        """A part's events."""
        member = self._members.get(path.lower())
        if member is None:
            raise ReadFailure(f"the Excel file can't be read: it has no {path}")
        return Xml(open_member(self._archive, member, "Excel file", self._budget), path, start, end, data)

    def _each(self, path: str, start: Start, end: End = lambda name: None) -> None:
        xml = self.open(path, start, end, lambda text: None)
        while xml.read():
            pass

    def _relations(self, path: str, kind: str) -> dict[str, str]:
        """Of a part, by their ids, the parts of one kind that it refers to."""
        folder, name = posixpath.split(path)
        relations = str(PurePosixPath(folder) / "_rels" / f"{name}.rels")
        found: dict[str, str] = {}

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("Type", "").endswith("/" + kind):
                target = short(attributes.get("Target", ""), f"target in {relations}")
                own = short(attributes.get("Id", ""), f"id in {relations}")
                whole = target[1:] if target.startswith("/") else posixpath.join(folder, target)
                if len(found) < _MOST_SHEETS:
                    found[own] = posixpath.normpath(whole)

        if relations.lower() in self._members:
            self._each(relations, start)
        return found

    def _read_workbook(self, path: str) -> None:
        paths = self._relations(path, "worksheet")

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                self.is_1904 = attributes.get("date1904", "0") in ("1", "true", "on")
            elif name == "sheet" and len(self.sheets) < _MOST_SHEETS:
                own = next((value for key, value in attributes.items() if key.endswith("}id")), "")
                if own in paths:
                    is_shown = attributes.get("state", "visible") == "visible"
                    called = short(attributes.get("name", ""), f"name of sheet {len(self.sheets) + 1}")
                    self.sheets.append(Sheet(called, paths[own], is_shown))

        self._each(path, start)

    def _read_styles(self, path: str) -> None:
        own: dict[str, str | None] = {}
        within: list[str] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            within.append(name)
            if name == "numFmt" and len(own) < _MOST_STYLES:
                number = short(attributes.get("numFmtId", ""), f"number of a format in {path}", _LONGEST_NUMBER)
                own[number] = kind_of_format(attributes.get("formatCode", ""))
            elif name == "xf" and within[-2:-1] == ["cellXfs"] and len(self.styles) < _MOST_STYLES:
                number = attributes.get("numFmtId", "0")
                self.styles.append(own[number] if number in own else _own_kind(number))

        def end(name: str) -> None:
            within.pop()

        self._each(path, start, end)

    def _read_texts(self, path: str) -> None:
        parts: list[str] = []
        size = 0
        takes = is_phonetic = False

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal takes, is_phonetic, size
            if name == "si":
                parts.clear()
                size = 0
            elif name == "rPh":
                is_phonetic = True
            elif name == "t":
                takes = not is_phonetic

        def end(name: str) -> None:
            nonlocal takes, is_phonetic
            if name == "t":
                takes = False
            elif name == "rPh":
                is_phonetic = False
            elif name == "si":
                self.texts.add(unescaped("".join(parts)))

        def data(text: str) -> None:
            nonlocal size
            if takes:
                size += len(text)
                if size > LONGEST_TEXT:
                    raise ReadFailure(f"a cell holds more than {LONGEST_TEXT >> 20} MB of text")
                parts.append(text)

        xml = self.open(path, start, end, data)
        while xml.read():
            pass


class Texts:
    """The texts that cells share, by their numbers, kept in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=8 << 20, mode="w+b")  # noqa: SIM115 - kept with the book
        weakref.finalize(self, self._file.close)
        self._ends = array("Q", [0])
        self._cache: dict[int, str] = {}

    def add(self, text: str) -> None:
        if len(self._ends) > _MOST_TEXTS:
            raise ReadFailure(f"the Excel file has more than {_MOST_TEXTS:,} different texts; save the sheet as .csv")
        self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "surrogatepass")))

    def __getitem__(self, number: int) -> str:
        """Raises ``IndexError`` for one that is not there."""
        if number in self._cache:
            return self._cache[number]
        if not 0 <= number < len(self._ends) - 1:
            raise IndexError(number)
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        text = self._file.read(end - start).decode("utf-8", "surrogatepass")
        if len(text) <= _CACHED_TEXT:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[number] = text
        return text


def short(text: str, what: str, most: int = _LONGEST_NAME) -> str:
    """``text``, which is kept; raises :class:`ReadFailure` for more than ``most`` characters."""
    if len(text) > most:
        raise ReadFailure(
            f"the Excel file can't be read: the {what} has more than {most} characters, as Excel writes none; "
            "shorten it, or save the sheet as .csv"
        )
    return text


def unescaped(text: str) -> str:
    """``_x000D_`` is how the format writes characters that XML can't hold."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _own_kind(number: str) -> str | None:
    if not number.isdigit() or int(number) not in _OWN_DATES:
        return None
    return "duration" if int(number) == _OWN_DURATION else "date"


def kind_of_format(code: str) -> str | None:
    """Whether a number format shows a number as a date (or time of day), as a duration, or as neither."""
    bare = _NOT_FORMAT.sub("", code.partition(";")[0]).lower()
    if re.search(r"\[[hms]+\]", bare):
        return "duration"
    return "date" if re.search("[dmyhs]", bare.replace("general", "")) else None
