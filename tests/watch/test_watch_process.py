"""The dbt that stays and the watch as processes: they start, end, and leave nothing half done."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from loader import dbt_kept, watch_log
from loader.dbt_kept import KeptDbt
from loader.remedy import Remedy
from loader.settings import Settings
from loader.watch_process import WatchProcess
from loader.web_server import lives

PROFILE = """
little:
  target: here
  outputs:
    here: {{type: postgres, schema: little, threads: 2, host: {host}, port: {port}, user: {user},
           password: {password}, dbname: {database}}}
"""


@pytest.fixture
def little(settings: Settings, tmp_path: Path) -> Settings:
    """A project of one model."""
    (tmp_path / "dbt_project.yml").write_text(
        "name: little\nprofile: little\nmodel-paths: [models]\nflags: {send_anonymous_usage_stats: false}\n"
    )
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "one.sql").write_text("select 1 as number")
    given = {name: getattr(settings, name) for name in ("host", "port", "user", "password", "database")}
    (tmp_path / "profiles.yml").write_text(PROFILE.format(**given))
    return replace(settings, project_dir=tmp_path, state_dir=tmp_path / "state")


@pytest.fixture
def kept(little: Settings) -> Iterator[KeptDbt]:
    kept = KeptDbt(little)
    yield kept
    kept.close()


def number(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("select number from little.one").scalar_one())


def test_a_kept_dbt_parses_again_only_when_a_file_changed(
    kept: KeptDbt, little: Settings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    kept.run("build", line=said.append)
    first = kept.pid
    assert number(engine) == 1
    assert any("1 of 1 OK created sql view model little.one" in line for line in said)
    (little.project_dir / "target" / "partial_parse.msgpack").unlink()
    kept.run("build")
    assert not (little.project_dir / "target" / "partial_parse.msgpack").exists(), "it did not parse"

    (little.project_dir / "models" / "one.sql").write_text("select 2 as number")
    kept.run("build")
    assert number(engine) == 2
    (little.project_dir / "models" / "one.sql").write_text("select {{ broken")
    with pytest.raises(Remedy, match=r"dbt parse ended with status 2") as failure:
        kept.run("build")
    assert "one.sql" in failure.value.message
    (little.project_dir / "models" / "one.sql").write_text("{{ config(materialized='table') }} select 3 / 0 as number")
    with pytest.raises(Remedy, match=r"dbt build ended with status 1(.|\n)*division by zero"):
        kept.run("build")
    assert kept.pid == first, "a failure is no reason to begin anew"

    monkeypatch.setattr(dbt_kept, "GROWTH_BYTES", -(1 << 40))
    (little.project_dir / "models" / "one.sql").write_text("{{ config(materialized='table') }} select 3 as number")
    kept.run("build")
    assert kept.pid is None, "it has grown too much"
    kept.run("build")
    assert number(engine) == 3


def test_what_a_kept_dbt_says_is_not_printed_as_well(
    kept: KeptDbt, little: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    (little.project_dir / "models" / "one.sql").write_text("{{ config(materialized='table') }} select 3 / 0 as number")
    with pytest.raises(Remedy, match="division by zero"):
        kept.run("build")
    assert "division by zero" not in "".join(capfd.readouterr())
    assert "division by zero" in (little.project_dir / "logs" / "dbt.log").read_text()


def test_a_log_is_begun_anew_before_it_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_log, "BYTES", 1000)
    with watch_log.DatedLines(tmp_path / "watch.log") as log:
        for number in range(200):
            print(f"line {number}", file=log)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["watch.log", *(f"watch.log.{n}" for n in (1, 2, 3))]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    assert (tmp_path / "watch.log").read_text().endswith(" line 199\n")
    with watch_log.DatedLines(tmp_path / "no folder" / "watch.log") as log:
        print("lost", file=log)


def test_a_kept_dbt_that_dies_is_said_and_the_next_run_has_another(kept: KeptDbt, engine: sa.Engine) -> None:
    def die(_: str) -> None:
        if kept.pid:
            psutil.Process(kept.pid).kill()

    with pytest.raises(Remedy, match="dbt build ended with status -9"):
        kept.run("build", line=die)
    assert kept.pid is None
    kept.run("build")
    assert number(engine) == 1


def test_a_kept_dbt_that_is_broken_off_cancels_its_query_and_ends(
    kept: KeptDbt, little: Settings, engine: sa.Engine
) -> None:
    (little.project_dir / "models" / "one.sql").write_text(
        "{{ config(materialized='table') }} select 1 as number from pg_sleep(60)"
    )

    def stop(line: str) -> None:
        if "START" in line:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        kept.run("build", line=stop)
    assert time.monotonic() - began < 40
    assert kept.pid is None
    assert sleeping(engine) == 0


def sleeping(engine: sa.Engine) -> int | None:
    """How many queries go on sleeping, once the server has heard of the cancelling."""
    query = "select count(*) from pg_stat_activity where datname = current_database() and query like '%%pg_sleep%%'"
    until = time.monotonic() + 20
    left = None
    while left != 0 and time.monotonic() < until:
        with engine.connect() as connection:
            left = connection.exec_driver_sql(query + " and pid <> pg_backend_pid()").scalar()
        time.sleep(0.2)
    return left


STARTER = """
from loader.dbt_kept import KeptDbt
from loader.settings import Settings

kept = KeptDbt(Settings.from_environment())
kept.run("build", line=lambda text: print(kept.pid, text, flush=True))
"""


@pytest.mark.faults
def test_a_kept_dbt_ends_when_who_started_it_is_killed(little: Settings, engine: sa.Engine) -> None:
    (little.project_dir / "models" / "one.sql").write_text(
        "{{ config(materialized='table') }} select 1 as number from pg_sleep(300)"
    )
    environment = dict(os.environ) | little.environment() | {"LOADER_PROJECT_DIR": str(little.project_dir)}
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], env=environment, stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        dbt = next(int(said.split()[0]) for said in starter.stdout if "START" in said)
        starter.kill()
    give_up = time.monotonic() + 30
    while lives(dbt) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not lives(dbt)
    assert sleeping(engine) == 0


def test_a_watch_starts_in_the_background_is_one_and_ends(little: Settings) -> None:
    watch = WatchProcess(little)
    assert watch.running() is None
    assert watch.stop() is False
    # whatever these tests were started by: under nohup a watch stays at a hangup
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        watch.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    pid = watch.running()
    try:
        assert pid is not None
        with pytest.raises(Remedy, match=rf"runs here already \(process {pid}\)"), watch.only_one():
            raise AssertionError("two of them")
        with pytest.raises(Remedy, match="did not come up: A watch runs here already"):
            watch.start()
        assert watch.running() == pid
        assert watch.file.read_text() == f"{pid} up", "it has looked for loads"
    finally:
        assert pid is not None
        os.kill(pid, signal.SIGHUP)
        give_up = time.monotonic() + 40
        while watch.running() and time.monotonic() < give_up:
            time.sleep(0.05)
    assert watch.running() is None
    watch.start()
    assert watch.stop() is True
    assert watch.running() is None
    log = watch.log.read_text()
    assert re.search(r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d the watch has ended$", log, re.M)
    assert all(re.match(r"20\d\d-", line) for line in log.splitlines())
    assert watch.output.read_text() == ""
    give_up = time.monotonic() + 20
    while lives(pid) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not lives(pid)
