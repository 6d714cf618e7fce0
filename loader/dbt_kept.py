"""A dbt that stays: its start and its reading of the project are paid once, not for every build."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from loader.dbt import LAST_LINES, dbt_environment, failure_of, project_fingerprint
from loader.settings import Settings

#: dbt keeps something of every run (some MB): so much more than after its first, and another takes its place.
GROWTH_BYTES = 400 << 20
_END_SECONDS = 20


class KeptDbt:
    """dbt on `settings`' project and database, in a process that is started when it is first
    asked for. It does one thing at a time. To be closed at the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._memory_at_first: int | None = None

    def run(self, *arguments: str, line: Callable[[str], None] = lambda _: None) -> None:
        """`dbt ARGUMENTS…`, as `loader.dbt.run_dbt` does it. Files of the project that changed
        since the last time are read anew."""
        order = {"arguments": list(arguments), "project": project_fingerprint(self._settings.project_dir)}
        last: deque[str] = deque(maxlen=LAST_LINES)

        def hear(text: str) -> None:
            last.append(text.rstrip())
            line(text.rstrip())

        try:
            answer = self._ask(order, hear)
        except BaseException:
            self.close()  # what it is at is not wanted any more; dbt cancels its queries
            raise
        self._bound_memory()
        if answer is None:
            status = self.close()
            raise failure_of(self._settings, arguments[0], status, last)
        if answer["ended"]:
            raise failure_of(self._settings, answer["failed"], answer["ended"], last)

    def close(self) -> int:
        """Ends the process, and with it what it is at. Its exit status; 0 if there was none."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        if process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.send_signal(signal.SIGINT)
                process.wait(_END_SECONDS)
        if process.poll() is None:
            process.kill()
        if process.stdout is not None:
            process.stdout.close()
        return process.wait()

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self._process.pid if self._process else None

    def _ask(self, order: dict[str, Any], line: Callable[[str], None]) -> dict[str, Any] | None:
        """The last answer to an order; `None` when the process died over it."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return None
        for text in process.stdout:
            try:
                answer: dict[str, Any] = json.loads(text)
            except ValueError:
                return None  # it was killed in the middle of a line
            if "ended" in answer:
                return answer
            line(answer["line"])
        return None

    def _start(self) -> subprocess.Popen[str]:
        self._memory_at_first = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loader.dbt_worker", str(os.getpid())],
            cwd=self._settings.project_dir,
            env=dbt_environment(self._settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for us: we end it in its turn
        )
        return self._process

    def _bound_memory(self) -> None:
        """Ends a process that has grown too much; the next run starts another."""
        if self._process is None:
            return
        with suppress(psutil.Error):
            memory = psutil.Process(self._process.pid).memory_info().rss
            self._memory_at_first = self._memory_at_first or memory
            if memory > self._memory_at_first + GROWTH_BYTES:
                self.close()
