"""What a long command says while it works: a line a step, with its time, and on a
terminal a bar that moves. Where output goes to a file or a pipe it is plain lines,
also from work that counts nothing: no silence is longer than a few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal
SILENT_SECONDS = 10.0  # ... when there is nothing new to say
QUIET_SECONDS = 2.0  # work that is shorter says only that it is done
RATE_SECONDS = 1.0  # a count that is younger has no rate worth a word
LEFT_SECONDS = 1.0  # with work outstanding, less than this is not known well enough to be said


class Counter:
    """How far one count is: done, of how many, how fast, and how long it will still take."""

    def __init__(self) -> None:
        self.done: int | None = None
        self.total: int | None = None
        self.unit = ""
        self._began = self._came = time.monotonic()

    def set(self, done: int | None, total: int | None, unit: str) -> None:
        """A smaller number, or another total, is another count: its rate begins anew."""
        self._came = time.monotonic()
        if total != self.total or (done or 0) < (self.done or 0):
            self._began = self._came
        self.done, self.total, self.unit = done, total, unit

    def __str__(self) -> str:
        """``1,200 of 3,000 rows, 400/s, 5 s left``; without what is not known. The rate is
        over the whole count."""
        if self.done is None:
            return ""
        text = f"{self.done:,}" + (f" of {self.total:,}" if self.total else "")
        text += f" {self.unit}" if self.unit else ""
        is_whole = self.done == self.total
        seconds = (self._came if is_whole else time.monotonic()) - self._began
        if self.done <= 0 or seconds < RATE_SECONDS:
            return text
        rate = self.done / seconds
        text += f", {rate:,.0f}/s" if rate >= 10 else f", {rate:.1f}/s"
        left = max((self.total or 0) - self.done, 0) / rate
        if left >= LEFT_SECONDS:
            text += f", {left:.0f} s left" if left < 100 else f", {left / 60:.0f} min left"
        return text


class Display:
    """Shows a count on the console: a bar on a terminal, elsewhere now and then a line.

    `at_once`: the bar is there from the start; else only when the work has taken a while.
    """

    def __init__(self, name: str, console: Console, at_once: bool = True) -> None:
        self.name = name
        self._console = console
        self._at_once = at_once
        self._count = Counter()
        self._what = ""
        self._began = self._spoke = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=None, count="")
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Display:
        if self._at_once:
            self._bar.start()
        self._clock.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._clock.join()
        self._bar.stop()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def show(self, what: str, done: int | None = None, total: int | None = None, unit: str = "") -> None:
        """Says how far `what` is: `done` of `total` `unit`s, either number unknown as None.
        An empty `what` is the display's own name."""
        with self._lock:
            self._what = what
            self._count.set(done, total, unit)
            self._tell()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)

    def _tick(self) -> None:
        """Speaks when the work itself has nothing to count."""
        while not self._ended.wait(QUIET_SECONDS):
            with self._lock:
                self._tell(waits=True)

    def _tell(self, waits: bool = False) -> None:
        if self.seconds < QUIET_SECONDS and not self._at_once:
            return
        now = time.monotonic()
        if self._console.is_terminal:
            self._bar.start()
            text = f"{self.name}: {self._what}" if self._what else self.name
            done, total = self._count.done or 0, self._count.total
            self._bar.update(self._task, description=text, completed=done, total=total, count=str(self._count))
        elif self.seconds >= QUIET_SECONDS and now - self._spoke >= (SILENT_SECONDS if waits else PLAIN_SECONDS):
            self._spoke = now
            so_far = f", {self.seconds:.0f} s so far" if waits else ""
            self.say(f"{self._what or self.name} {self._count}".rstrip() + so_far)


class Step:
    """One step that runs. `detail` is shown beside its time when it has ended."""

    def __init__(self, name: str, display: Display) -> None:
        self.name = name
        self.detail = ""
        self.say = display.say
        self.progress = display.show


class Steps:
    """Runs one step after the other and says of each how it went."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()

    def say(self, text: str) -> None:
        """A line that stays, of no step."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step; its line is printed when the block ends, also when by an error."""
        display = Display(name, self.console)
        step = Step(name, display)
        outcome = "failed"
        try:
            with display:
                yield step
            outcome = step.detail or "done"
        finally:
            line = f"{name:<20} {display.seconds:7.1f} s  {outcome}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)
