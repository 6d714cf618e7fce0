"""Decoders: from a body's bytes to batches of text, by format.

A format is named as a file is: ``csv``, ``csv.gz``, ``zip`` (of one file, whose own name says
what it is). This table is the one that every door uses.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import BinaryIO

from loader.contract.model import Table
from loader.intake.decode.base import FEW, Batch, Decoder, ReadFailure, Unreadable
from loader.intake.decode.csv import CsvDecoder
from loader.intake.decode.json import JsonDecoder, NdjsonDecoder
from loader.intake.decode.packed import Unpacking, data_member, open_member, open_zip, to_file, unpack_gzip
from loader.intake.decode.parquet import ParquetDecoder
from loader.intake.decode.said import DIALECT, NOTHING_SAID, OPTIONS, Said
from loader.intake.decode.xlsx import XlsxDecoder

__all__ = ["DECODERS", "DIALECT", "FEW", "IN_ORDER", "MEDIA_TYPES", "NOTHING_SAID", "OPTIONS", "SUFFIXES",
           "Batch", "Decoder", "ReadFailure", "Said", "Unreadable", "format_of_file", "open_body"]  # fmt: skip

DECODERS: dict[str, Callable[[BinaryIO, Table, Said], Decoder]] = {
    "csv": CsvDecoder,
    "json": JsonDecoder,
    "ndjson": NdjsonDecoder,
    "parquet": ParquetDecoder,
    "xlsx": XlsxDecoder,
}
MEDIA_TYPES = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/zip": "zip",
}
#: What a file's name ends in, by format; ``.gz`` may stand behind it, and ``.zip`` for itself.
SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".parquet": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx",
}  # fmt: skip
#: Formats that are read out of order: what they begin with, and their name.
_SEEKING = {"parquet": (b"PAR1", "Parquet file"), "xlsx": (b"PK", "Excel file")}
#: Formats that are read from front to end, packed by gzip or not.
IN_ORDER = ("csv", "json", "ndjson")
_OTHER_SHEETS = (".xls", ".xlsb", ".ods", ".numbers")


def format_of_file(name: str) -> str:
    """The format that a file's name says; raises :class:`ReadFailure`."""
    path = PurePath(name.lower())
    suffix = path.suffix
    if suffix == ".zip":
        return "zip"
    inner = PurePath(path.stem).suffix if suffix == ".gz" else suffix
    if inner in SUFFIXES:
        return SUFFIXES[inner] + (".gz" if suffix == ".gz" else "")
    if inner in _OTHER_SHEETS:
        raise ReadFailure(f"{inner} is not read; save the sheet as .xlsx or .csv")
    raise ReadFailure(
        f"the name {PurePath(name).name!r} does not say the format; it should end in one of: "
        f"{', '.join(SUFFIXES)}, with .gz after it if it is packed, or .zip"
    )


def open_body(stream: BinaryIO, table: Table, format_: str, said: Said = NOTHING_SAID) -> Decoder:
    """The decoder of a body in a format of :data:`DECODERS`, packed or not; ``stream`` can seek.

    Raises :class:`ReadFailure`, as taking its batches does.
    """
    if format_ == "zip":
        archive = open_zip(stream)
        member = data_member(archive, tuple(SUFFIXES))
        unpacked = open_member(archive, member, "zip archive")
        return _open_unpacked(unpacked, table, format_of_file(member.filename), said, "zip")
    plain, _, packing = format_.partition(".")
    if packing:
        return _open_unpacked(unpack_gzip(stream), table, plain, said, "gzip")
    return DECODERS[plain](stream, table, said)


def _open_unpacked(stream: BinaryIO, table: Table, format_: str, said: Said, packing: str) -> Decoder:
    if format_ not in _SEEKING:
        return Unpacking(DECODERS[format_](stream, table, said), packing)
    whole = to_file(stream, *_SEEKING[format_])
    try:
        return Unpacking(DECODERS[format_](whole, table, said), packing, whole)
    except BaseException:
        whole.close()
        raise
