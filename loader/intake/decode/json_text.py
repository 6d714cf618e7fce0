"""JSON text: parsed with every number as its digits, and an array's elements one after the other."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from typing import Any, BinaryIO

from loader.intake.decode.base import ReadFailure

_PIECE = 1 << 18
#: An element of an array that is longer is not one record of a table.
ELEMENT_LIMIT = 4 << 20
_BLANKS = " \t\n\r"


class Raw(str):
    """Text that stands in JSON as it is."""


class _Number(Raw):
    """A number as its digits: a double would change ``0.1`` and 2^53 + 1."""


class NotJson(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise NotJson(f"names {twice!r} twice")
    return found


def _constant(word: str) -> Any:
    raise NotJson(f"{word} is not JSON")


def parse(text: str) -> Any:
    """JSON with numbers as their digits; raises ``ValueError`` with the position."""
    try:
        return json.loads(
            text, parse_float=_Number, parse_int=_Number, parse_constant=_constant,
            object_pairs_hook=_object,
        )  # fmt: skip
    except RecursionError as error:
        raise NotJson("is nested too deeply") from error


_DECODER = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_constant, object_pairs_hook=_object)


class Window:
    """A part of a JSON text, moved over it element by element.

    An element that does not end within the window is parsed again with twice as much of the
    text: each of its characters is read twice at the most.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._place = 0
        self._is_whole = False
        self._bytes = 0
        # where the window begins in the text
        self._before, self._lines, self._line_start = 0, 0, 0

    def next_sign(self) -> str:
        """The next character that is no blank, not taken; empty at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in _BLANKS:
                self._place += 1
            if self._place < len(self._text):
                return self._text[self._place]
            if self._is_whole:
                return ""
            self._read(_PIECE)

    def take(self, *signs: str) -> str:
        """The next sign, which must be one of these."""
        sign = self.next_sign()
        if sign not in signs:
            raise self.failure(f"is not JSON: Expecting {' or '.join(map(repr, signs))}")
        self._place += 1
        return sign

    def element(self) -> Any:
        """The next value, parsed; raises :class:`ReadFailure` with its position."""
        self.next_sign()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except RecursionError as error:
                raise ReadFailure("the body is nested too deeply") from error
            except json.JSONDecodeError as error:
                if self._is_whole:
                    raise self.failure(f"is not JSON: {error.msg.removesuffix(' at')}", error.pos) from error
            except ValueError as error:
                raise ReadFailure(f"the body {error}") from error
            else:
                # a number at the window's end may go on beyond it
                if end < len(self._text) or self._is_whole:
                    self._place = end
                    return value
            self._read(max(_PIECE, len(self._text) - self._place))

    def failure(self, words: str, place: int | None = None) -> ReadFailure:
        """What is wrong at a place of the window, with its line and column in the text."""
        place = self._place if place is None else place
        line = self._lines + self._text.count("\n", 0, place)
        start = self._text.rfind("\n", 0, place) + 1
        start = self._before + start if start else self._line_start
        at = self._before + place
        return ReadFailure(f"the body {words} at line {line + 1}, column {at - start + 1} (character {at})")

    def _read(self, size: int) -> None:
        """Read on, and leave behind what has been taken."""
        if len(self._text) - self._place > ELEMENT_LIMIT:
            raise ReadFailure(
                f"the body has an element longer than {ELEMENT_LIMIT >> 20} MB: it is no record of a table"
            )
        taken = self._text[: self._place]
        if "\n" in taken:
            self._lines += taken.count("\n")
            self._line_start = self._before + taken.rfind("\n") + 1
        self._before += self._place
        piece = self._stream.read(size)
        self._is_whole = not piece
        try:
            text = self._decoder.decode(piece, final=self._is_whole)
        except UnicodeDecodeError as error:
            raise ReadFailure(f"the body is not UTF-8 (byte {self._bytes + error.start})") from error
        self._bytes += len(piece)
        self._text = self._text[self._place :] + text
        self._place = 0
