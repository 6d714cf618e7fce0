"""Intake: the one path of a load, decode → judge → store → receipt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _Hidden(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError(name)
        return None


def _hide_pandas() -> None:
    """Let Arrow go on without pandas, which the demonstration's data package brings along.

    Arrow looks for it when it makes its first value, and imports it: a quarter of a second and
    40 MB of each process, to no use here. Who calls for it later still gets it.
    """
    finder = _Hidden()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.scalar(None)
    finally:
        sys.meta_path.remove(finder)


_hide_pandas()
