from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from loader import database, embedded
from loader.database import connection_faults, make_engine, require_version
from loader.embedded import EmbeddedServer
from loader.remedy import Remedy
from loader.server_user import ServerUser, server_user
from loader.settings import Settings, port_file
from tests.conftest import DURABLE_FOR_NOTHING, free_port

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can")


@pytest.fixture
def own(run_folder: Path) -> Iterator[EmbeddedServer]:
    """A server of the test's own, not started yet."""
    server = EmbeddedServer(run_folder / "state", free_port(), DURABLE_FOR_NOTHING)
    yield server
    server.stop()


def settings_of(own: EmbeddedServer) -> Settings:
    return Settings(own.state_dir, own.state_dir, port=own.port)


def ask(settings: Settings, query: str) -> object:
    engine = make_engine(settings, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).scalar_one()


def test_it_starts_once_and_stops_once(own: EmbeddedServer) -> None:
    assert own.status().state == "absent"
    assert own.start() is True
    first = own.status()
    assert (first.state, first.port) == ("running", own.port)
    assert own.start() is False
    assert own.status() == first
    assert own.stop() is True
    assert own.status().state == "stopped"
    assert own.stop() is False
    assert embedded._processes_in(own.data_dir) == []


def test_it_is_utf8_utc_and_of_builtin_collation(own: EmbeddedServer) -> None:
    own.start()
    settings = settings_of(own)
    assert ask(settings, "show server_encoding") == "UTF8"
    assert ask(settings, "show timezone") == "UTC"
    assert ask(settings, "select datlocale from pg_database where datname = current_database()") == "C.UTF-8"
    assert ask(settings, "select upper('é')") == "É"
    assert ask(settings, "show application_name") == "gatehouse"


def test_it_wants_its_password_and_listens_on_loopback_only(own: EmbeddedServer) -> None:
    own.start()
    settings = settings_of(own)
    with pytest.raises(Remedy, match="does not let user 'gatehouse' in"), connection_faults(settings):
        ask(replace(settings, password="wrong"), "select 1")
    assert ask(settings, "show listen_addresses") == "127.0.0.1"
    assert ask(settings, "show unix_socket_directories") == ""
    assert ask(settings, "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'gatehouse'") is True


def test_it_lives_on_after_its_starter(own: EmbeddedServer) -> None:
    script = (
        "from pathlib import Path; from loader.embedded import EmbeddedServer; "
        f"EmbeddedServer(Path({str(own.state_dir)!r}), {own.port}).start()"
    )
    # a pipe, which a server that held its starter's output would keep open
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)
    assert own.status().state == "running"
    assert ask(settings_of(own), "select 1") == 1


def test_it_comes_back_after_a_kill_with_everything_that_was_committed(own: EmbeddedServer) -> None:
    own.configuration |= {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    own.start()
    engine = make_engine(settings_of(own), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("create table kept as select generate_series(1, 1000) as n"))
    pid = own.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert own.start() is True
    assert ask(settings_of(own), "select count(*) from kept") == 1000


def test_a_pid_file_that_names_another_process_does_not_keep_it_from_starting(own: EmbeddedServer) -> None:
    own.start()
    own.stop()
    user = server_user()
    stranger = subprocess.Popen(["sleep", "60"], user=user.uid, group=user.gid)
    try:
        pid_file = own.data_dir / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{own.data_dir}\n0\n{own.port}\n\n127.0.0.1\n0 0\nready\n")
        user.own(pid_file)
        assert own.status().state == "stopped"
        assert own.start() is True
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_that_is_taken_is_named_with_the_way_out(own: EmbeddedServer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", own.port))
        other.listen()
        with pytest.raises(Remedy, match=rf"Port {own.port} .* taken by .*{os.getpid()}.*PGPORT={own.port + 1}"):
            own.start()
    assert own.status().state == "absent"


def test_a_running_server_is_not_taken_for_one_on_another_port(own: EmbeddedServer) -> None:
    own.start()
    other = EmbeddedServer(own.state_dir, free_port())
    with pytest.raises(Remedy, match=f"on port {own.port} and not {other.port}"):
        other.start()


def test_its_port_is_noted_for_whoever_is_given_none(own: EmbeddedServer) -> None:
    (own.state_dir.parent / "dbt_project.yml").touch()

    def port_of_a_fresh_shell() -> int:
        return Settings.from_environment(own.state_dir.parent, {"LOADER_STATE_DIR": str(own.state_dir)}).port

    own.start()
    assert port_of_a_fresh_shell() == own.port
    port_file(own.state_dir).unlink()  # of a server that was started before ports were noted
    own.start()
    assert port_file(own.state_dir).exists()
    own.stop()
    assert port_of_a_fresh_shell() == own.port
    own.clean()
    assert port_of_a_fresh_shell() == 5433


def test_the_server_of_another_folder_is_not_taken_for_this_ones(own: EmbeddedServer, tmp_path: Path) -> None:
    own.start()
    assert ask(settings_of(own), "select 1") == 1
    stranger = Settings(tmp_path, tmp_path, port=own.port)
    with pytest.raises(Remedy, match=rf"keeps its data in {own.data_dir}.*{tmp_path}/postgres.*PGHOST=127.0.0.1"):
        ask(stranger, "select 1")
    assert ask(replace(stranger, host_is_given=True), "select 1") == 1
    engine = make_engine(settings_of(own), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("create role guest login password 'guest'"))
    guest = replace(stranger, user="guest", password="guest")
    assert ask(guest, "select 1") == 1, "who may not ask where the data lie is let pass"


def test_an_interrupted_making_leaves_nothing_and_is_done_again(
    own: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = embedded.run

    def dies_halfway(user: ServerUser, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        result = run(user, program, *arguments)
        if program == "initdb":
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(embedded, "run", dies_halfway)
        with pytest.raises(KeyboardInterrupt):
            own.start()
    assert not own.data_dir.exists()
    assert own._half_made()
    assert own.start() is True
    assert own._half_made() == []


def test_a_data_directory_that_lacks_parts_is_left_alone(own: EmbeddedServer) -> None:
    own.start()
    own.stop()
    (own.data_dir / "PG_VERSION").unlink()
    with pytest.raises(Remedy, match="not a whole data directory"):
        own.start()
    assert (own.data_dir / "global/pg_control").exists()


def test_data_of_another_version_are_left_alone(own: EmbeddedServer) -> None:
    own.start()
    own.stop()
    (own.data_dir / "PG_VERSION").write_text("14\n")
    with pytest.raises(Remedy, match="made by PostgreSQL 14"):
        own.start()


def test_a_full_disk_is_said_before_anything_is_made(own: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(embedded.shutil, "disk_usage", lambda _: usage._replace(free=10 * 1024**2))
    with pytest.raises(Remedy, match="10 MB of free disk"):
        own.start()
    assert own._half_made() == []


def test_clean_removes_the_data_and_only_then_are_they_gone(own: EmbeddedServer) -> None:
    own.start()
    assert own.clean() is True
    assert own.status().state == "absent"
    assert own.clean() is False


@as_root
def test_root_needs_no_readable_home(run_folder: Path) -> None:
    home = run_folder / "home"
    home.mkdir(mode=0o700)
    own = EmbeddedServer(home / "clone" / ".gatehouse", free_port(), DURABLE_FOR_NOTHING)
    said: list[str] = []
    own.say = said.append
    try:
        assert own.start() is True
        assert any(str(home) in line for line in said)
        assert not home.stat().st_mode & 0o006, "others may pass through, and read or write nothing"
        assert psutil.Process(own.status().pid).uids().real != 0
        said.clear()
        own.stop()
        own.start()
        assert not any(str(home) in line for line in said)
    finally:
        own.stop()


def test_a_server_that_is_too_old_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(settings, poolclass=sa.NullPool)
    assert require_version(engine) >= database.OLDEST_VERSION
    monkeypatch.setattr(database, "OLDEST_VERSION", 99)
    with pytest.raises(Remedy, match="needs 99 or newer"):
        require_version(engine)


def test_a_server_that_is_not_there_is_explained(server: Settings) -> None:
    nowhere = replace(server, port=free_port(), host_is_given=False)
    with pytest.raises(Remedy, match="make up"), connection_faults(nowhere):
        ask(nowhere, "select 1")


def test_a_database_that_is_not_there_is_named(server: Settings) -> None:
    missing = replace(server, database="no_such")
    with pytest.raises(Remedy, match=r"no database 'no_such'.*PGDATABASE"), connection_faults(missing):
        ask(missing, "select 1")


def test_a_fault_in_a_query_stays_what_it_is(server: Settings) -> None:
    with pytest.raises(sa.exc.ProgrammingError), connection_faults(server):
        ask(server, "select no_such_column")


def test_each_test_has_a_database_of_its_own(settings: Settings, new_database: object) -> None:
    name = ask(settings, "select current_database()")
    assert name == settings.database
    other = new_database("template1")  # type: ignore[operator]
    assert ask(other, "select current_database()") != name


def test_starting_at_the_same_time_makes_one_server(own: EmbeddedServer) -> None:
    script = (
        "from pathlib import Path; from loader.embedded import EmbeddedServer; "
        f"print(EmbeddedServer(Path({str(own.state_dir)!r}), {own.port}).start())"
    )
    starters = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = sorted(starter.communicate(timeout=120)[0].strip() for starter in starters)
    assert answers == ["False", "False", "True"]
    assert own.status().state == "running"
