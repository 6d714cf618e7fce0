"""A decoder of what was packed: the same rows, and what was found says how it was packed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loader.intake.decode.base import Batch, Decoder


class Unpacking:
    """``decoder`` reads what was packed by ``packing``: gzip or zip."""

    def __init__(self, decoder: Decoder, packing: str) -> None:
        self._decoder = decoder
        self._packing = packing
        self.columns = decoder.columns

    @property
    def found(self) -> dict[str, Any]:
        return {**(self._decoder.found or {}), "packed": self._packing}

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._decoder)
