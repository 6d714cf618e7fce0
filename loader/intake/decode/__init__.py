"""Decoders: from a body's bytes to batches of text, by format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import BinaryIO

from loader.contract.model import Table
from loader.intake.decode.base import Batch, Decoder, ReadFailure, Unreadable
from loader.intake.decode.csv import CsvDecoder
from loader.intake.decode.json import JsonDecoder, NdjsonDecoder
from loader.intake.decode.parquet import ParquetDecoder

__all__ = ["DECODERS", "MEDIA_TYPES", "Batch", "Decoder", "ReadFailure", "Unreadable",
           "format_of_file"]  # fmt: skip

DECODERS: dict[str, Callable[[BinaryIO, Table], Decoder]] = {
    "csv": CsvDecoder,
    "json": JsonDecoder,
    "ndjson": NdjsonDecoder,
    "parquet": ParquetDecoder,
}
MEDIA_TYPES = {
    "text/csv": "csv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/vnd.apache.parquet": "parquet",
}
_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".parquet": "parquet",
}  # fmt: skip


def format_of_file(name: str) -> str:
    """The format that a file's name says; raises :class:`ReadFailure`."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in _SUFFIXES:
        raise ReadFailure(
            f"the name {PurePath(name).name!r} does not say the format; it should end in one of: {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES[suffix]
