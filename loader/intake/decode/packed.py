"""gzip and zip, unpacked as they are read, up to a bound.

Whatever a body unpacks to, memory holds a piece of it; what has to be read out of order
(Parquet, Excel) goes to a temporary file. A body that unpacks to more than
:data:`MOST_BYTES`, or to more than :data:`MOST_TIMES` its size, is not read on.
"""

from __future__ import annotations

import gzip
import io
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from loader.intake.decode.base import Batch, Decoder, ReadFailure

#: Some hundred million rows of a hundred characters.
MOST_BYTES = 32 << 30
#: Text of a table shrinks to a third or a tenth, a very regular one to a hundredth; only what
#: is made for it reaches deflate's limit of 1,032.
MOST_TIMES = 250
#: Up to here the ratio does not count.
FREE_BYTES = 64 << 20
#: What is read out of order is kept on disk meanwhile.
MOST_KEPT = 4 << 30
_PIECE = 1 << 20
_BUFFER = 1 << 17
#: Bytes of a zip's list of members; a member takes about a hundred.
_MOST_LISTING = 1 << 20
_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_DAMAGED = (EOFError, OSError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError, struct.error)


class Source(Protocol):
    """What is unpacked as it is read."""

    def read(self, size: int, /) -> bytes: ...


class Budget:
    """What a packed body may unpack to, all of its parts together; ``packed`` is its size in bytes."""

    def __init__(self, packed: int) -> None:
        self._packed = packed
        self._given = 0

    def take(self, size: int, what: str) -> None:
        """Raises :class:`ReadFailure` when it is spent; ``what`` the body is, in words."""
        self._given += size
        if self._given > MOST_BYTES:
            raise ReadFailure(f"the {what} unpacks to more than {MOST_BYTES >> 30} GB; load it in parts")
        if self._given > FREE_BYTES and self._given > MOST_TIMES * self._packed:
            raise ReadFailure(
                f"the {what} unpacks to more than {MOST_TIMES} times its size, as no table does; "
                "if it is one, send it unpacked"
            )


class Unpacked(io.RawIOBase):
    """What ``source`` gives, within a budget; raises :class:`ReadFailure`. ``what`` it is, in words."""

    def __init__(self, source: Source, budget: Budget, what: str) -> None:
        self._source = source
        self._budget = budget
        self._what = what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            piece = self._source.read(min(len(buffer), _PIECE))
        except EOFError as error:
            raise ReadFailure(f"the {self._what} is cut off: it ends before its end mark; send it whole") from error
        except _DAMAGED as error:
            raise ReadFailure(f"the {self._what} is damaged: {error}") from error
        self._budget.take(len(piece), self._what)
        buffer[: len(piece)] = piece
        return len(piece)


class Unpacking:
    """A decoder of what was packed by ``packing``; what was found says so."""

    def __init__(self, decoder: Decoder, packing: str, file: BinaryIO | None = None) -> None:
        """``file``: what it was unpacked to, closed with the decoder."""
        if file is not None:
            weakref.finalize(self, file.close)
        self.decoder = decoder
        self._packing = packing
        self.columns = decoder.columns

    @property
    def found(self) -> dict[str, Any]:
        return {**(self.decoder.found or {}), "packed": self._packing}

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.decoder)


def unpack_gzip(stream: BinaryIO) -> BinaryIO:
    """What a gzip stream holds; raises :class:`ReadFailure`, as reading does."""
    if not size_of(stream):
        raise ReadFailure("the gzip is cut off: it is empty; send it whole")
    return io.BufferedReader(
        Unpacked(gzip.GzipFile(fileobj=stream, mode="rb"), Budget(size_of(stream)), "gzip"), _BUFFER
    )


def size_of(stream: BinaryIO) -> int:
    """The bytes of a stream that can seek."""
    place = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(place)
    return size


def open_zip(stream: BinaryIO, what: str = "zip archive") -> zipfile.ZipFile:
    """The archive; raises :class:`ReadFailure` for a damaged one, or one of very many members."""
    try:
        _check_listing(stream, what)
        return zipfile.ZipFile(stream)
    except (*_DAMAGED, ValueError) as error:
        raise ReadFailure(f"the {what} can't be read: {error}") from error


def _check_listing(stream: BinaryIO, what: str) -> None:
    """The list of members is read as a whole: it has to be short."""
    end = size_of(stream)
    start = max(0, end - (1 << 16) - 22)
    stream.seek(start)
    tail = stream.read(end - start)
    place = tail.rfind(_END)
    if place < 0 or place + 22 > len(tail):
        raise ReadFailure(f"the {what} is cut off, or is none: its list of members is missing")
    (size,) = struct.unpack_from("<L", tail, place + 12)
    wide = place - 20 - 56
    if wide >= 0 and tail[place - 20 :].startswith(_LOCATOR_64) and tail[wide:].startswith(_END_64):
        size = max(*struct.unpack_from("<Q", tail, wide + 40), 0 if size == 0xFFFFFFFF else size)
    if size > _MOST_LISTING:
        raise ReadFailure(f"the {what} lists more than ten thousand files; send one with a single data file")
    stream.seek(0)


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, what: str, budget: Budget | None = None) -> BinaryIO:
    """What a member holds, within the budget, or one of its own; raises :class:`ReadFailure`."""
    if member.flag_bits & 1:
        raise ReadFailure(f"the {what} is locked with a password; send it without one")
    try:
        opened = archive.open(member)
    except (*_DAMAGED, ValueError) as error:
        raise ReadFailure(f"the {what} can't be read: {error}") from error
    return io.BufferedReader(Unpacked(opened, budget or Budget(max(1, member.compress_size)), what), _BUFFER)


def data_member(archive: zipfile.ZipFile, suffixes: tuple[str, ...]) -> zipfile.ZipInfo:
    """The one member that is a data file; raises :class:`ReadFailure` with what stands there instead."""
    members = [member for member in archive.infolist() if not member.is_dir() and not _is_hidden(member.filename)]
    nested = [m for m in members if m.filename.lower().endswith((".zip", ".gz"))]
    if nested:
        raise ReadFailure(f"the zip archive holds another one, {_shown(nested[:1])}; send that one itself, unpacked")
    data = [member for member in members if member.filename.lower().endswith(suffixes)]
    if len(data) == 1:
        return data[0]
    if data:
        raise ReadFailure(f"the zip archive holds {len(data):,} data files, {_shown(data)}; send each by itself")
    there = f"only {_shown(members)}" if members else "nothing"
    raise ReadFailure(f"the zip archive holds {there}; it should hold one file named {', '.join(suffixes)}")


def _is_hidden(name: str) -> bool:
    """What macOS and others put beside the files."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _shown(members: list[zipfile.ZipInfo]) -> str:
    names = ", ".join(repr(member.filename[:80]) for member in members[:5])
    return names + (" and more" if len(members) > 5 else "")


def to_file(stream: BinaryIO, begins: bytes, what: str) -> BinaryIO:
    """The whole of a stream in a temporary file, for what is read out of order.

    It has to begin with the bytes that ``what`` it should be begins with. Raises :class:`ReadFailure`.
    """
    file = tempfile.SpooledTemporaryFile(max_size=_PIECE, mode="w+b")  # noqa: SIM115 - the decoder keeps it
    try:
        size = 0
        while piece := stream.read(_PIECE):
            if size == 0 and not piece.startswith(begins):
                raise ReadFailure(f"what is packed is no {what}")
            size += file.write(piece)
            if size > MOST_KEPT:
                raise ReadFailure(f"the {what} unpacks to more than {MOST_KEPT >> 30} GB; load it in parts")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return cast("BinaryIO", file)
