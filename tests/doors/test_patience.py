"""A table that is being loaded makes nobody wait for ever, and a replay that fails says so."""

from __future__ import annotations

import ast
import inspect
import os
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loader.commands.load import load as load_command
from loader.commands.load import replay as replay_command
from loader.doors import forms, patience, rejects
from loader.intake import load as intake
from loader.intake import undo as undoing
from loader.ledger import loads
from loader.web_server import WebServer
from tests.conftest import ROOT, free_port
from tests.doors.test_api import Caller, assert_problem
from tests.pages.desk import Desk, hidden_fields, words

REPLAY = "/api/v1/rejects/replay"


@contextmanager
def loading(desk: Desk, table: str, seconds: float = 8) -> Iterator[threading.Event]:
    """Another load holds the table, until the event is set or the time is over."""
    held, end = threading.Event(), threading.Event()

    def hold() -> None:
        with desk.engine.begin() as other:
            loads.lock_tables(other, {table}, set())
            held.set()
            end.wait(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        yield end
    finally:
        end.set()
        holder.join()


def refused_team(desk: Desk) -> None:
    """A kept row that would be let in now."""
    desk.load("teams", {"team_id": 1, "name": " "})
    desk.execute("""update ledger.rejects set payload = payload || '{"name": "mended"}'""")


def full_disk(desk: Desk, table: str) -> None:
    """The server answers each insert into the table as it does when its disk is full."""
    desk.execute(
        "create function full_disk() returns trigger language plpgsql as "
        "$$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$"
    )
    desk.execute(f"create trigger full_disk before insert on {table} execute function full_disk()")


def end_when_waited_for(desk: Desk, end: threading.Event) -> None:
    waiting = "select 1 from pg_locks where not granted and locktype = 'advisory' and database = "
    waiting += "(select oid from pg_database where datname = current_database())"
    while not end.is_set() and not desk.rows(waiting):
        time.sleep(0.05)
    end.set()


def run(desk: Desk, command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), obj=desk.settings, standalone_mode=False)  # type: ignore[arg-type]


def said(result: Result) -> list[str]:
    """The lines on standard error, without those of progress that a slow machine adds."""
    return [line for line in result.stderr.splitlines() if not line.startswith("  ")]


def test_a_form_is_told_of_the_other_load_and_keeps_what_was_typed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "_WAIT_SECONDS", 1)
    with loading(desk, "desk.teams"):
        response = desk.fill("teams", team_id="1", name="precious")
    assert response.status_code == 503
    assert "another load into this table is still running; send it again" in words(response.text)
    assert 'value="precious"' in response.text
    assert desk.rows("select count(*) from ledger.loads") == [(0,)]


def test_every_door_of_the_web_says_how_long_it_waits() -> None:
    """A load without a limit keeps a thread until the other load ends, and the site with it."""
    patient = {
        name
        for module in (intake, undoing)
        for name, made in vars(module).items()
        if inspect.isfunction(made) and made.__module__ == module.__name__
        if "lock_seconds" in inspect.signature(made).parameters
    }
    assert patient >= {"load", "load_stream", "load_file", "replay", "undo"}
    calls = 0
    for path in (*(ROOT / "loader" / "doors").glob("*.py"), *(ROOT / "loader" / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in patient:
                calls += 1
                given = {keyword.arg for keyword in node.keywords}
                assert "lock_seconds" in given, f"{path.name}, line {node.lineno}: {node.func.id} waits for ever"
    assert calls >= 4


def test_those_who_come_late_wait_a_moment_only() -> None:
    with patience.patience(60) as first:
        waiting = [patience.patience(60) for _ in range(patience.SEATS - 1)]
        for each in waiting:
            each.__enter__()
        with patience.patience(60) as late:
            assert late() == patience.HURRIED_SECONDS
        for each in waiting:
            each.__exit__(None, None, None)
        assert first() > 50
    with patience.patience(60) as again:
        assert again() > 50


def test_the_site_answers_while_many_wait_for_a_table(desk: Desk, tmp_path: Path) -> None:
    """One worker, eight threads, 24 forms sent at once into a table that is being loaded."""
    for name in ("contract", "secret_key"):
        kept = desk.settings.state_dir / name
        (shutil.copytree if kept.is_dir() else shutil.copy)(kept, tmp_path / name)
    server = WebServer(replace(desk.settings, state_dir=tmp_path), port=free_port(), workers=1)
    cookie = desk.client.get_cookie("session")
    assert cookie is not None
    form = f"{server.address}/tables/desk/teams/new"

    def ask(address: str, data: bytes | None = None, session: str = cookie.value) -> tuple[int, str, str]:
        request = urllib.request.Request(address, data, {"Cookie": f"session={session}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode(), answer.headers.get("Set-Cookie", "")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), ""

    assert server.start()
    try:
        _, page, made = ask(form)
        session = made.partition("session=")[2].partition(";")[0]
        sent = [urllib.parse.urlencode(hidden_fields(page) | {"c.team_id": str(n)}).encode() for n in range(24)]
        with loading(desk, "desk.teams", 60) as end, ThreadPoolExecutor(24) as people:
            answers = [people.submit(ask, form, body, session) for body in sent]
            time.sleep(1)
            began = time.monotonic()
            assert ask(f"{server.address}/healthz")[0] == 200
            waited = time.monotonic() - began
            codes = {answer.result()[0] for answer in answers}
            end.set()
        assert waited < 12, waited
        assert codes == {503}
    finally:
        server.stop()


def test_a_replay_is_told_of_the_other_load(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller(desk)
    refused_team(desk)
    monkeypatch.setattr(rejects, "LOCK_SECONDS", 1)
    with loading(desk, "desk.teams"):
        response = caller.call("POST", REPLAY, json={"source": "desk", "table": "teams"})
    assert_problem(response, 503, "desk.teams", "still running")
    assert response.headers["Retry-After"]
    assert desk.rows("select door, status from ledger.loads order by load_id") == [
        ("api", "succeeded"),
        ("replay", "failed"),
    ]
    assert desk.rows("select status from ledger.rejects") == [("rejected",)]


def test_a_replay_that_fails_gives_the_receipts_of_the_tables_before(desk: Desk) -> None:
    caller = Caller(desk)
    refused_team(desk)
    desk.load("people", {"address": "a@a.example", "badge": "x"})
    desk.execute("""update ledger.rejects set payload = payload || '{"badge": "1"}' where table_name = 'people'""")
    full_disk(desk, "staging_desk.teams")
    ids = [number for (number,) in desk.rows("select reject_id from ledger.rejects")]
    response = caller.call("POST", REPLAY, json={"reject_ids": ids})
    assert_problem(response, 503, "desk.teams", "could not extend file")
    problem = response.get_json(force=True)
    (receipt,) = problem["receipts"]
    assert (receipt["table"], receipt["accepted"]) == ("people", 1)
    assert desk.rows("select count(*) from staging_desk.people") == [(1,)]
    assert desk.rows(f"select status, message from ledger.loads where load_id = {problem['load_id']}") == [
        (
            "failed",
            "the database's disk is full (could not extend file). "
            "Send it again when there is free space on the database's disk",
        )
    ]
    assert desk.rows("select table_name from ledger.rejects where status = 'rejected'") == [("teams",)]


def test_the_command_says_why_a_replay_failed(desk: Desk) -> None:
    refused_team(desk)
    full_disk(desk, "staging_desk.teams")
    result = run(desk, replay_command, "desk.teams")
    assert (result.return_value, result.stdout) == (1, "")
    assert "the rows are as they were: the database's disk is full (could not extend file)" in result.stderr
    assert desk.rows("select status from ledger.loads where door = 'replay'") == [("failed",)]


def test_a_page_that_the_driver_itself_fails_is_a_503(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's own cursor raises the driver's errors, which SQLAlchemy does not wrap."""
    desk.execute("alter table staging_desk.teams rename to gone")
    desk.execute(
        "create function full_disk() returns integer language plpgsql as "
        "$$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$"
    )
    desk.execute("insert into staging_desk.gone (team_id, _load_id, _row, _loaded_at) values (1, 1, 1, now())")
    desk.execute("create view staging_desk.teams as select * from staging_desk.gone where full_disk() = 1")
    assert "The database does not answer" in desk.get("/tables/desk/teams/new?like=1", 503)


# -- the command -----------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "teams.csv"
    path.write_text("team_id\n1\n")
    return path


def test_the_command_says_whom_it_waits_for(desk: Desk, file: Path) -> None:
    with loading(desk, "desk.teams", 30) as end:
        looking = threading.Thread(target=end_when_waited_for, args=(desk, end))
        looking.start()
        result = run(desk, load_command, "desk.teams", str(file))
        looking.join()
    assert result.return_value == 0
    assert said(result) == ["waiting for another load into desk.teams"]
    assert desk.rows("select team_id from staging_desk.teams") == [(1,)]


def test_the_command_says_nothing_when_there_is_nobody_to_wait_for(desk: Desk, file: Path) -> None:
    result = run(desk, load_command, "desk.teams", str(file))
    assert (result.return_value, said(result)) == (0, [])


def test_the_command_loads_a_file_whose_name_is_no_text(desk: Desk, file: Path) -> None:
    odd = file.rename(file.parent / os.fsdecode(b"\xff.csv"))
    assert run(desk, load_command, "desk.teams", str(odd)).return_value == 0
    again = run(desk, load_command, "desk.teams", str(odd) + "\udcfe")
    assert again.return_value == 1
    assert r"\udcff.csv\udcfe: nothing was loaded: No such file" in again.stderr


@pytest.mark.parametrize("command", ["load", "replay"])
def test_the_command_waits_as_long_as_it_is_told(desk: Desk, file: Path, command: str) -> None:
    refused_team(desk)
    made, rest = (load_command, [str(file)]) if command == "load" else (replay_command, [])
    with loading(desk, "desk.teams"):
        result = run(desk, made, "desk.teams", *rest, "--wait", "1")
    assert result.return_value == 1
    waited, failed = said(result)
    assert waited == "waiting for another load into desk.teams"
    assert "another load into this table is still running" in failed
    assert desk.rows("select count(*) from staging_desk.teams") == [(0,)]
