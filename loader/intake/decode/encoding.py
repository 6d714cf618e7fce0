"""Text in any encoding, as a stream of UTF-8: the encoding is said, or found out from the first megabyte.

What is taken, in this order:

1. what was said;
2. a byte order mark;
3. UTF-16 without one, if of the first two characters each has a zero byte on the same side: no
   text of a table begins with U+0000;
4. UTF-8, if the first megabyte is UTF-8, or has any letter in it that is;
5. Windows-1252, for CSV only, if the first megabyte has its bytes and signs as texts of Western
   Europe have them (:func:`_is_western`): the encodings of other regions use the same bytes, and
   must be said;
6. else UTF-8, of which rows that are not are set aside, each by itself.
"""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from loader.intake.decode.base import ReadFailure

_HEAD = 1 << 20
_PIECE = 1 << 18
WESTERN = "windows-1252"
#: By the names that are shown. Python's own name of each is the value.
ENCODINGS = {
    "utf-8": "utf-8", "utf-16": "utf-16", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be",
    **{f"windows-{number}": f"cp{number}" for number in range(1250, 1259)},
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in range(1, 17) if part != 12},
    "koi8-r": "koi8-r", "macintosh": "mac-roman", "shift_jis": "cp932", "euc-jp": "euc_jp",
    "gb18030": "gb18030", "big5": "big5", "euc-kr": "euc_kr",
}  # fmt: skip
_UTF8_BOM = codecs.BOM_UTF8
_BOMS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be", _UTF8_BOM: "utf-8"}
_UTF32_BOMS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
#: How other formats begin that are sent under a wrong name.
_OTHERS = {
    b"PK\x03\x04": "a zip archive or an Excel file: name it .zip or .xlsx",
    b"\x1f\x8b": "gzip: name it .gz, or say Content-Encoding: gzip",
    b"PAR1": "Parquet: name it .parquet",
    b"\xd0\xcf\x11\xe0": "an old or locked Excel file: save it as .xlsx without a password",
}
#: A letter of UTF-8 beyond ASCII.
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
#: What no text in Windows-1252 holds: control characters, and the five bytes that mean nothing.
_NEVER_WESTERN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x81\x8d\x8f\x90\x9d]")
_WESTERN_LETTER = "[\xc0-\xd6\xd8-\xf6\xf8-\xff\u0160\u0161\u017d\u017e\u0152\u0153\u0178]"
#: What speaks for another region's encoding: three such letters on end (all words of Cyrillic
#: and Greek), or a sign within a word that is a letter elsewhere.
_NOT_WESTERN = re.compile(f"{_WESTERN_LETTER}{{3}}|(?<=[^\\W\\d_])[¡¢£¤¥¦§¨©ª¬®¯±²³´µ¶¸¹º¼½¾×÷](?=[^\\W\\d_])")


class Source(Protocol):
    """What is read on from."""

    def read(self, size: int, /) -> bytes | None: ...


@dataclass(frozen=True)
class Text:
    """A body as UTF-8 without a byte order mark (``head``, then ``rest``), and what it was."""

    head: bytes
    rest: Source
    encoding: str
    has_mark: bool

    @property
    def lines(self) -> BinaryIO:
        """The whole as one stream, buffered."""
        return io.BufferedReader(_Joined(self.head, self.rest), _PIECE)

    @property
    def found(self) -> dict[str, str | bool]:
        """As a receipt shows it."""
        return {"encoding": self.encoding} | ({"bom": True} if self.has_mark else {})


def canonical(name: str) -> str:
    """The name under which an encoding is known here; raises :class:`ReadFailure`."""
    if name.lower() in ENCODINGS:
        return name.lower()
    try:
        meant = codecs.lookup(name).name
    except (LookupError, ValueError):
        meant = ""
    for shown, python in ENCODINGS.items():
        if codecs.lookup(python).name == meant:
            return shown
    raise ReadFailure(f"there is no encoding {name[:40]!r}; there are: {', '.join(ENCODINGS)}")


def open_text(stream: BinaryIO, said: str | None, *, may_be_western: bool = False) -> Text:
    """The body as UTF-8, read and translated in pieces.

    Raises :class:`ReadFailure`, as reading does, when it is cut off within a character.
    """
    head = _read_head(stream)
    for magic, kind in _OTHERS.items():
        if head.startswith(magic):
            raise ReadFailure(f"this is no text, but {kind}")
    if head.startswith(_UTF32_BOMS):
        raise ReadFailure("the file is UTF-32; save it as UTF-8")
    mark = next((mark for mark in _BOMS if head.startswith(mark)), b"")
    encoding = said or _BOMS.get(mark) or _find(head, may_be_western)
    if mark:
        if said and said not in (_BOMS[mark], _BOMS[mark][:6]):
            raise ReadFailure(f"the file begins as {_BOMS[mark]}, and its encoding was said to be {said}")
        encoding, head = _BOMS[mark], head[len(mark) :]
    elif encoding == "utf-16":
        encoding = _wide(head) or "utf-16-le"
    if encoding == "utf-8":
        return Text(head, stream, encoding, bool(mark))
    return Text(b"", _Translated(_Joined(head, stream), encoding), encoding, bool(mark))


def _read_head(stream: BinaryIO) -> bytes:
    pieces, missing = [], _HEAD
    while missing > 0 and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _find(head: bytes, may_be_western: bool) -> str:
    wide = _wide(head)
    if wide:
        return wide
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        if may_be_western and not _UTF8_LETTER.search(head) and _is_western(head):
            return WESTERN
    return "utf-8"


def _wide(head: bytes) -> str | None:
    if len(head) < 4:
        return None
    zeros = [byte == 0 for byte in head[:4]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else None


def _is_western(head: bytes) -> bool:
    return not _NEVER_WESTERN.search(head) and not _NOT_WESTERN.search(head.decode("cp1252", "replace"))


class _Joined(io.RawIOBase):
    """The bytes that were looked at, and then the rest."""

    def __init__(self, head: bytes, rest: Source) -> None:
        self._head: memoryview = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        piece: bytes | memoryview = self._head[: len(buffer)]
        self._head = self._head[len(piece) :]
        if not piece:
            piece = self._rest.read(len(buffer)) or b""
        buffer[: len(piece)] = piece
        return len(piece)


class _Translated(io.RawIOBase):
    """Another encoding's bytes as UTF-8.

    A byte or half a pair that means nothing becomes bytes that are no UTF-8 either: the row that
    holds it is then told from its neighbours by whoever reads on.
    """

    def __init__(self, source: _Joined, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        errors = "surrogatepass" if encoding.startswith("utf-16") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(ENCODINGS[encoding])(errors)
        self._ready: bytes = b""
        self._is_done = False

    def _fill(self) -> None:
        while not self._ready and not self._is_done:
            piece = self._source.read(_PIECE) or b""
            self._is_done = not piece
            try:
                self._ready = self._decoder.decode(piece, final=self._is_done).encode("utf-8", "surrogatepass")
            except UnicodeError as error:
                raise ReadFailure(f"the file is cut off within a character of {self._encoding}") from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._fill()
        piece = self._ready[: len(buffer)]
        self._ready = self._ready[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)
