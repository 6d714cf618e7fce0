"""Progress on a terminal: rows, rate and what remains; silent where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SILENT_SECONDS = 2.0
_LINE_SECONDS = 5.0


@contextmanager
def counted(what: str, total: int | None = None, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A callable for the number of rows so far; shown from the third second on.

    On a terminal a bar, elsewhere a line every five seconds, both on standard error.
    """
    if quiet:
        yield lambda rows: None
    elif sys.stderr.isatty():
        with _Bar(what, total) as bar:
            yield bar.show
    else:
        yield _Lines(what, total).show


class _Bar:
    def __init__(self, what: str, total: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} rows, {task.fields[rate]}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._what, self._total = what, total
        self._task: TaskID | None = None
        self._begun = time.monotonic()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def show(self, rows: int) -> None:
        elapsed = time.monotonic() - self._begun
        if self._task is None:
            if elapsed < _SILENT_SECONDS:
                return
            self._progress.start()
            self._task = self._progress.add_task(self._what, total=self._total, rate="")
        self._progress.update(self._task, completed=rows, rate=f"{rows / elapsed:,.0f}")


class _Lines:
    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._begun = self._last = time.monotonic()

    def show(self, rows: int) -> None:
        now = time.monotonic()
        if now - self._begun < _SILENT_SECONDS or now - self._last < _LINE_SECONDS:
            return
        self._last = now
        rate = rows / (now - self._begun)
        left = ""
        if self._total and rate:
            left = f", {max(self._total - rows, 0) / rate:.0f} s left"
        print(f"{self._what}: {rows:,} rows, {rate:,.0f} rows/s{left}", file=sys.stderr, flush=True)
