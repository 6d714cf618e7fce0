"""`loader up` step by step: the web server, the login, when dbt has to build."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from rich.console import Console

from loader import build, dbt
from loader.commands.up import bring_up, first_login
from loader.database import make_engine
from loader.embedded import is_embedded
from loader.ledger import access
from loader.remedy import Remedy
from loader.settings import Settings
from loader.steps import Steps
from loader.web_server import WebServer, lives
from tests.conftest import ROOT, free_port


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    """The test's database with a state folder of its own; the contract that is kept
    in the run's is taken over, so that dbt does not have to parse again."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "contract").symlink_to(settings.state_dir / "contract")
    return replace(settings, state_dir=state)


@pytest.fixture
def web(here: Settings) -> Iterator[WebServer]:
    server = WebServer(here, port=free_port(), workers=1)
    yield server
    server.stop()


def test_the_web_server_starts_reloads_and_stops(web: WebServer) -> None:
    assert web.start() is True
    first = web.running()
    assert first is not None
    assert web.start() is False
    assert web.running() == first
    assert web.answers()
    assert web.stop() is True
    assert not web.answers()
    assert not lives(first.pid)
    assert web.stop() is False


def test_a_web_server_that_was_killed_is_started_anew(web: WebServer) -> None:
    web.start()
    first = web.running()
    assert first is not None
    workers = first.children(recursive=True)
    for process in (first, *workers):
        process.send_signal(signal.SIGKILL)
    give_up = time.monotonic() + 20
    while web.answers() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert web.running() is None
    assert web.start() is True


def test_a_taken_web_port_is_named_with_the_way_out(web: WebServer) -> None:
    with socket.socket() as other:
        other.bind((web.host, web.port))
        other.listen()
        with pytest.raises(
            Remedy, match=rf"Port {web.port} .* taken by .*\(process {os.getpid()}\).*PORT={web.port + 1} make up"
        ):
            web.start()


def test_a_taken_web_port_is_named_before_anything_else_is_begun(here: Settings) -> None:
    no_database = replace(here, port=free_port())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Remedy, match=rf"Port {port} .* is taken"):
            bring_up(no_database, "none", 1.0, port)


def test_a_web_server_that_listens_elsewhere_is_named(web: WebServer) -> None:
    web.start()
    with pytest.raises(Remedy, match=r"runs already .* and not at"):
        replace(web, port=free_port()).require_place()


def test_a_pid_file_that_names_a_stranger_is_no_web_server(web: WebServer) -> None:
    web.pid_file.write_text(f"{os.getpid()}\n")
    assert web.running() is None
    assert web.stop() is False


def test_why_the_web_server_does_not_come_up_is_said(web: WebServer) -> None:
    (web.settings.state_dir / "secret_key").mkdir()
    with pytest.raises(Remedy, match=r"did not come up: IsADirectoryError"):
        web.start()


def test_the_first_login_works_and_is_kept_for_its_owner_alone(here: Settings, engine: sa.Engine) -> None:
    shown = first_login(here, engine)
    kept = here.state_dir / "login"
    login = json.loads(kept.read_text())
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert login["password"] in shown
    with engine.begin() as connection:
        assert access.check_password(connection, login["user"], login["password"]) is not None
    assert first_login(here, engine) == shown


def test_a_password_set_elsewhere_is_left_alone(here: Settings, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        access.set_password(connection, "admin", "of my own")
    assert "set elsewhere" in first_login(here, engine)
    with engine.begin() as connection:
        assert access.check_password(connection, "admin", "of my own") is not None


def test_only_an_unset_pghost_or_the_printed_environment_means_the_embedded_server(tmp_path: Path) -> None:
    (tmp_path / "dbt_project.yml").touch()
    ours = Settings.from_environment(tmp_path, {})
    assert is_embedded(ours)
    assert not is_embedded(Settings.from_environment(tmp_path, {"PGHOST": "db.example.com"}))
    printed = Settings.from_environment(tmp_path, ours.environment())
    assert not is_embedded(printed), "nothing was ever started here: it is a server of the user's own"
    (ours.state_dir / "postgres").mkdir(parents=True)
    assert is_embedded(printed)
    assert not is_embedded(replace(printed, user="ann"))


def test_a_build_is_current_until_a_load_or_a_file_of_the_project_comes(
    here: Settings, engine: sa.Engine, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: a\n")
    mine = replace(here, project_dir=project)

    def note() -> None:
        made = {"build_id": build_id, "project": dbt.project_fingerprint(project)}
        (mine.state_dir / "built.json").write_text(json.dumps(made))

    def execute(statement: str) -> int:
        with engine.begin() as connection:
            return int(connection.execute(sa.text(statement)).scalar() or 0)

    assert not build.is_current(mine, engine), "there was none yet"
    build_id = execute("insert into ledger.builds (upper_bound, status) values (0, 'built') returning build_id")
    note()
    assert not build.is_current(mine, engine), "it was not published"
    execute("update ledger.builds set published_at = now() returning 1")
    assert build.is_current(mine, engine)
    (project / "models" / "one.sql").write_text("select 1")
    assert not build.is_current(mine, engine), "a model came"
    note()
    assert build.is_current(mine, engine)
    execute(
        "insert into ledger.loads (seq, source, table_name, door, principal, status) "
        "values (1, 'erp', 'orders', 'file', 'ann', 'succeeded') returning 1"
    )
    assert not build.is_current(mine, engine), "a load came"


def test_what_dbt_does_not_read_leaves_the_build_current() -> None:
    before = dbt.project_fingerprint(ROOT)
    note = ROOT / "tests" / "test_up.py"
    os.utime(note)
    assert dbt.project_fingerprint(ROOT) == before


def test_a_failed_dbt_call_shows_its_last_lines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt, "dbt_command", lambda: ["sh", "-c", "seq 100; echo 'full_refresh: True'; exit 2"])
    seen: list[str] = []
    with pytest.raises(Remedy) as failure:
        dbt.run_dbt(settings, "build", line=seen.append)
    assert len(seen) == 101
    assert "status 2" in failure.value.message
    assert "  100\n" in failure.value.message
    assert "  50\n" not in failure.value.message
    assert "--full-refresh" in failure.value.remedy


def test_a_build_that_dbt_could_not_end_is_ended_in_the_ledger(
    here: Settings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("insert into ledger.builds (upper_bound, status) values (0, 'running')"))
        connection.execute(sa.text("insert into ledger.builds (upper_bound, status) values (0, 'running')"))
    line = "12:01:02  Build 1: staging up to load number 0, as of 2017-12-31."
    monkeypatch.setattr(dbt, "dbt_command", lambda: ["sh", "-c", f"echo '{line}'; kill -9 $$"])
    with pytest.raises(Remedy, match="dbt build ended with status -9"):
        build.build(here, engine)
    with engine.connect() as connection:
        query = "select status, finished_at is null, message from ledger.builds order by build_id"
        ours, other = connection.execute(sa.text(query)).all()
    assert tuple(ours) == ("failed", False, "not published: dbt broke off before its end")
    assert other.status == "running", "it is not ours to end"
    away = make_engine(replace(here, port=free_port()))
    with pytest.raises(Remedy, match="dbt build ended with status -9"):
        build.build(here, away)


def test_a_step_says_how_it_went_also_when_it_fails() -> None:
    out = StringIO()
    steps = Steps(Console(file=out, width=40))
    with steps.step("first") as step:
        step.detail = "of a detail that is longer than a line of the terminal"
    with pytest.raises(ValueError, match="broken"), steps.step("second"):
        raise ValueError("broken")
    first, second = out.getvalue().splitlines()
    assert first.startswith("first")
    assert first.endswith("a line of the terminal")
    assert second.split()[0] == "second"
    assert second.endswith("failed")
