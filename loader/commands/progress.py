"""How far a file is on its way in, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def counted(what: str, total: int | None = None, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A callable for the number of rows so far; shown on standard error, from the third second on."""
    if quiet:
        yield lambda rows: None
        return
    from rich.console import Console  # what draws takes longer to import than many a load takes

    from loader.steps import Display

    with Display(what, Console(stderr=True), at_once=False) as display:
        yield lambda rows: display.show("", rows, total, "rows")


def rows_of(path: Path) -> int | None:
    """The rows that a Parquet file says it has; None for what does not say, or can't be
    read: the load itself says why."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None
