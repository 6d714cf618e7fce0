"""The watch as a process of its own in the background: start, stop, and never two of a folder."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loader.remedy import Remedy
from loader.settings import Settings
from loader.web_server import lives

_START_SECONDS = 60
_STOP_SECONDS = 40
_UP = "up"


@dataclass(frozen=True)
class WatchProcess:
    """The watch of a state folder. Its file is locked for as long as one runs, and holds its pid."""

    settings: Settings

    @property
    def file(self) -> Path:
        return self.settings.state_dir / "watch.pid"

    @property
    def log(self) -> Path:
        return self.settings.state_dir / "watch.log"

    @property
    def output(self) -> Path:
        """What it printed past its log since it was started: why it did not come up."""
        return self.settings.state_dir / "watch.err"

    @contextmanager
    def only_one(self) -> Iterator[Callable[[], None]]:
        """Makes the calling process the watch; gives what to call when it is up. Raises Remedy
        if there is one."""
        self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Remedy(f"A watch runs here already (process {self.running()}).", "One is enough.") from None

            def write(words: str) -> None:
                file.truncate(0)
                file.write(words)
                file.flush()

            write(str(os.getpid()))
            said: list[str] = []

            def is_up() -> None:
                if not said:
                    said.append(_UP)
                    with suppress(OSError):
                        write(f"{os.getpid()} {_UP}")

            yield is_up
            file.truncate(0)

    def running(self) -> int | None:
        """The pid of the watch that runs; None if none does."""
        with suppress(OSError, ValueError), self.file.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().partition(" ")[0])
        return None

    def _is_up(self, pid: int) -> bool:
        with suppress(OSError):
            return self.running() == pid and self.file.read_text().endswith(_UP)
        return False

    def start(self) -> None:
        """Starts it, and returns when it has looked for loads. Raises Remedy when it does not come up."""
        command = [
            *(sys.executable, "-c", "from loader.cli import main; main()"),
            *("--project-dir", str(self.settings.project_dir)),
            *("build", "--watch", "--watch-log", str(self.log)),
        ]
        environment = dict(os.environ) | {"LOADER_STATE_DIR": str(self.settings.state_dir), "PYTHONUNBUFFERED": "1"}
        self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        # as a child of nobody's: a shell in a session of its own puts it into the background and ends
        shell = subprocess.run(
            ["sh", "-c", '"$@" >"$0" 2>&1 </dev/null & echo $!', str(self.output), *command],
            env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        pid = int(shell.stdout)
        give_up = time.monotonic() + _START_SECONDS
        while not self._is_up(pid):
            if not lives(pid) or time.monotonic() > give_up:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                raise Remedy(f"The watch did not come up: {self._last_words()}", f"Its log is {self.log}.")
            time.sleep(0.1)

    def _last_words(self) -> str:
        said = self.output.read_text(errors="replace").strip().splitlines()
        return (said or ["it said nothing"])[-1]

    def stop(self) -> bool:
        """Ends it, also in the middle of a build: nothing of that is published. False if it did not run."""
        pid = self.running()
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + _STOP_SECONDS
        while self.running() == pid:
            if time.monotonic() > give_up:
                raise Remedy(
                    f"The watch (process {pid}) has not ended within {_STOP_SECONDS} seconds.",
                    f"See {self.log}; `kill -9 {pid}` ends it, and nothing is half published by that.",
                )
            time.sleep(0.05)
        return True
