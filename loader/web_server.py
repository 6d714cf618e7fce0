"""The web server: gunicorn with the loader's pages and API, in front or in the
background. What it needs to know it gets from the environment, as anything does
that runs the app."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loader.contract.in_force import require_servable
from loader.embedded import port_owner
from loader.remedy import Remedy
from loader.settings import Settings

APP = "loader.app:create_app()"
START_SECONDS = 60
STOP_SECONDS = 40  # a request that runs has gunicorn's 30 seconds to end
THREADS = 8


@dataclass(frozen=True)
class WebServer:
    """Where it listens. `state_dir` keeps its pid file and log."""

    settings: Settings
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2

    @property
    def pid_file(self) -> Path:
        return self.settings.state_dir / "serve.pid"

    @property
    def log(self) -> Path:
        return self.settings.state_dir / "serve.log"

    @property
    def address(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def command(self) -> list[str]:
        """gunicorn's command line. Threads, because a large upload keeps one busy for
        minutes, and a worker that does not answer meanwhile would be taken for dead."""
        memory = ["--worker-tmp-dir", "/dev/shm"] if os.access("/dev/shm", os.W_OK) else []
        return [
            *(sys.executable, "-m", "gunicorn", APP),
            *("--bind", f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"),
            *("--workers", str(self.workers), "--worker-class", "gthread", "--threads", str(THREADS)),
            *("--limit-request-line", "8190"),
            *("--timeout", "120", "--graceful-timeout", "30", "--no-control-socket", *memory),
            *("--pid", str(self.pid_file)),
        ]

    def environment(self) -> dict[str, str]:
        return (
            dict(os.environ)
            | self.settings.environment()
            | {"LOADER_PROJECT_DIR": str(self.settings.project_dir), "LOADER_STATE_DIR": str(self.settings.state_dir)}
        )

    def run(self) -> None:
        """Becomes the server; does not return. Raises as `start` does."""
        self._ready_to_start()
        require_servable(self.settings)
        os.execve(sys.executable, self.command(), self.environment())

    def start(self) -> bool:
        """Starts it in the background and returns when it answers. Where it runs
        already it takes up changed code and contract instead, without dropping a
        request: False then.

        Raises Remedy if the port is taken, the database does not answer, or it does not
        come up (its last words are in the message), and ContractError. What runs already
        then goes on as it is. This is asked here and once: a worker that takes the place
        of one that died serves by what was in force, whatever the database does meanwhile,
        since gunicorn ends the whole server when a worker does not come up.
        """
        running = self.require_place()
        require_servable(self.settings)
        if running:
            running.send_signal(signal.SIGHUP)
            return False
        self.log.touch()
        said_before = self.log.stat().st_size
        pid = self._launch()
        give_up = time.monotonic() + START_SECONDS
        while not self.answers():
            if not lives(pid) or time.monotonic() > give_up:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                raise Remedy(
                    f"The web server did not come up: {self._last_words(said_before)}", f"Its log is {self.log}."
                )
            time.sleep(0.1)
        return True

    def require_place(self) -> psutil.Process | None:
        """Whether it can listen where it is to: the process that does so already, or None
        where the port is free.

        Raises Remedy if the port is another's, or if it runs and listens elsewhere.
        """
        running = self.running()
        if running is None:
            self._ready_to_start()
        elif not self.answers():
            raise Remedy(
                f"The web server runs already (process {running.pid}), and not at {self.address}.",
                "Stop it first with `loader stop`.",
            )
        return running

    def stop(self) -> bool:
        """Ends it when its requests have ended; False if it did not run."""
        process = self.running()
        if process is None:
            return False
        process.terminate()
        give_up = time.monotonic() + STOP_SECONDS
        while lives(process.pid):  # not psutil's wait: in a container nobody may reap what has ended
            if time.monotonic() > give_up:
                raise Remedy(
                    f"The web server (process {process.pid}) has not ended within {STOP_SECONDS} seconds.",
                    f"See {self.log}; `kill -9 {process.pid}` ends it, and no load is half done by that.",
                )
            time.sleep(0.05)
        self.pid_file.unlink(missing_ok=True)
        return True

    def running(self) -> psutil.Process | None:
        """The process of the pid file, if it is this server and no other process that
        has the number by now."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self.pid_file.read_text()))
            if str(self.pid_file) in process.cmdline():
                return process
        return None

    def answers(self) -> bool:
        """Whether it takes requests; what it answers is not asked."""
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _launch(self) -> int:
        """Starts gunicorn as a child of nobody's: a shell in a session of its own puts it
        into the background and ends. Returns its pid."""
        shell = ["sh", "-c", '"$@" >>"$0" 2>&1 </dev/null & echo $!', str(self.log), *self.command()]
        said = subprocess.run(
            shell, env=self.environment(), start_new_session=True, stdout=subprocess.PIPE, text=True, check=True
        )
        return int(said.stdout)

    def _last_words(self, said_before: int) -> str:
        """Why it did not come up, out of what it logged since."""
        with self.log.open(errors="replace") as log:
            log.seek(said_before)
            said = log.read().strip().splitlines()
        causes = [line.strip() for line in said if re.match(r"[\w.]*(Error|Remedy|Exception)\b", line.strip())]
        return (causes or said or ["it said nothing"])[-1]

    def _ready_to_start(self) -> None:
        self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        if self.running() is None:  # left by a crash: gunicorn would take any process of that number for itself
            self.pid_file.unlink(missing_ok=True)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except PermissionError as error:
                raise Remedy(f"Port {self.port} is reserved for root.", "Choose one above 1023.") from error
            except OSError as error:
                if isinstance(error, socket.gaierror) or error.errno == 99:
                    raise Remedy(f"'{self.host}' is no address of this machine.", "Correct --host.") from error
                raise Remedy(
                    f"Port {self.port} on {self.host} is taken by {port_owner(self.port)}.",
                    f"Choose another, as in PORT={self.port + 1} make up or loader serve --port {self.port + 1}.",
                ) from error


def lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False
