from __future__ import annotations

import os
from pathlib import Path

import pytest

from loader.remedy import Remedy
from loader.settings import Settings, find_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").touch()
    return tmp_path


def read(project: Path, **environment: str) -> Settings:
    return Settings.from_environment(project, environment)


def test_nothing_set_means_the_embedded_server(project: Path) -> None:
    settings = read(project)
    assert (settings.host, settings.port) == ("127.0.0.1", 5433)
    assert (settings.database, settings.user, settings.password) == ("gatehouse",) * 3
    assert settings.state_dir == project / ".gatehouse"
    assert not settings.host_is_given


def test_an_empty_variable_counts_as_unset(project: Path) -> None:
    names = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "LOADER_STATE_DIR")
    assert read(project, **dict.fromkeys(names, "")) == read(project)


def test_another_server_has_no_default_password_and_the_usual_port(project: Path) -> None:
    settings = read(project, PGHOST="db.example.com")
    assert settings.password is None
    assert settings.port == 5432
    assert "PGPASSWORD" not in settings.environment()


def test_a_port_alone_moves_the_embedded_server(project: Path) -> None:
    settings = read(project, PGPORT="5999")
    assert (settings.host, settings.port, settings.password) == ("127.0.0.1", 5999, "gatehouse")
    assert not settings.host_is_given


def test_the_port_is_the_one_at_which_the_embedded_server_was_started_last(project: Path) -> None:
    state = project / ".gatehouse"
    (state / "postgres").mkdir(parents=True)
    pid_file = state / "postgres" / "postmaster.pid"
    pid_file.write_text("1\n/data\n0\n5601\n\n127.0.0.1\n")
    assert read(project).port == 5601
    pid_file.write_text("1\n")
    assert read(project).port == 5433
    (state / "postgres.port").write_text("5602\n")
    assert read(project).port == 5602
    assert read(project).environment()["PGPORT"] == "5602"
    assert read(project, PGPORT="5999").port == 5999
    assert read(project, PGHOST="db.example.com").port == 5432
    assert read(project, LOADER_STATE_DIR=str(project / "other")).port == 5433


@pytest.mark.parametrize(
    "given",
    [{}, {"PGPORT": "5999"}, {"PGHOST": "db.example.com", "PGPORT": "6000", "PGUSER": "ann", "PGPASSWORD": "a b'c"}],
)
def test_the_printed_environment_reads_back_as_the_same_connection(project: Path, given: dict[str, str]) -> None:
    before = read(project, **given)
    after = read(project, **before.environment())
    assert after.environment() == before.environment()


@pytest.mark.parametrize("port", ["five", "0", "65536", "-1", "54 33", "٥٤٣٣"])
def test_a_port_that_is_none_is_named(project: Path, port: str) -> None:
    with pytest.raises(Remedy, match="PGPORT"):
        read(project, PGPORT=port)


def test_the_password_stays_out_of_messages(project: Path) -> None:
    assert "s3cret" not in read(project, PGPASSWORD="s3cret").where


def test_the_project_is_found_from_a_folder_below_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_project() == project


def test_an_option_wins_over_the_variable(project: Path, tmp_path: Path) -> None:
    settings = Settings.from_environment(project, {"LOADER_PROJECT_DIR": str(tmp_path / "other")})
    assert settings.project_dir == project


def test_a_folder_without_a_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Remedy, match=r"dbt_project\.yml"):
        find_project()
    with pytest.raises(Remedy, match=r"dbt_project\.yml"):
        find_project(tmp_path / "nowhere")


def test_what_is_kept_of_a_project_that_may_not_be_written_to_goes_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: may(path, mode) and Path(path) != project)
    settings = read(project, XDG_STATE_HOME="/var/states")
    assert settings.state_dir.parent == Path("/var/states/gatehouse")
    assert settings.state_dir.name.startswith(f"{project.name}-")
    assert not settings.is_project_writable
    assert read(project, HOME="/x").state_dir.parent == Path.home() / ".local" / "state" / "gatehouse"
    assert read(project, LOADER_STATE_DIR="/elsewhere").state_dir == Path("/elsewhere")
    (project / ".gatehouse").mkdir()  # made for it by whoever may
    assert read(project).state_dir == project / ".gatehouse"


def test_two_projects_of_one_name_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    folders = [tmp_path / "a" / "shop", tmp_path / "b" / "shop"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "dbt_project.yml").touch()
    first, second = (read(folder, XDG_STATE_HOME="/s").state_dir for folder in folders)
    assert first != second
