"""What a long command says while it works: a line a step, with its time, and on a
terminal a bar that moves. Where output goes to a file or a pipe it is plain lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal
QUIET_SECONDS = 2.0  # a step that is shorter says only that it is done


class Step:
    """One step that runs. `detail` is shown beside its time when it has ended."""

    def __init__(self, name: str, console: Console) -> None:
        self.name = name
        self.detail = ""
        self._console = console
        self._began = self._spoke = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=None)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def progress(self, what: str, done: int | None = None, total: int | None = None) -> None:
        """Says how far `what` is: `done` of `total` things, either of them unknown as None."""
        self._bar.update(self._task, description=f"{self.name}: {what}", completed=done or 0, total=total)
        now = time.monotonic()
        if self._console.is_terminal or self.seconds < QUIET_SECONDS or now - self._spoke < PLAIN_SECONDS:
            return
        self._spoke = now
        count = "" if done is None else f" {done:,}" + (f" of {total:,}" if total else "")
        self.say(f"{what}{count}")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)


class Steps:
    """Runs one step after the other and says of each how it went."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step; its line is printed when the block ends, also when by an error."""
        step = Step(name, self.console)
        outcome = "failed"
        try:
            with step._bar:
                yield step
            outcome = step.detail or "done"
        finally:
            line = f"{name:<20} {step.seconds:7.1f} s  {outcome}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
