"""A web server outlives what its workers meet: a database that is away, a contract with a fault."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loader.contract.faults import ContractError
from loader.contract.read import read_contract
from loader.database import make_engine
from loader.embedded import EmbeddedServer
from loader.ledger import access
from loader.migrate import migrate
from loader.remedy import Remedy
from loader.settings import Settings
from loader.web_server import WebServer
from tests.conftest import DURABLE_FOR_NOTHING, ROOT, RUN_FOLDER, free_port
from tests.contract.test_live import SOURCES

#: Broken YAML, which is seen before dbt is asked.
FAULTY = SOURCES.replace("        columns:", "       columns:")

pytestmark = pytest.mark.faults


class House:
    """A till's project, a database server of its own, and the web server on both."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "models" / "sources.yml"
        self.sources.parent.mkdir()
        self.sources.write_text(SOURCES)
        (folder / "dbt_project.yml").write_text("name: till\nversion: '1.0'\nprofile: gatehouse\nconfig-version: 2\n")
        shutil.copy(ROOT / "profiles.yml", folder / "profiles.yml")
        parsed = Path(os.environ[RUN_FOLDER]) / "till_contracts"  # kept by content: one parse a run
        parsed.mkdir(exist_ok=True)
        (folder / "state").mkdir()
        (folder / "state" / "contract").symlink_to(parsed)
        self.database = EmbeddedServer(folder / "state", free_port(), DURABLE_FOR_NOTHING)
        self.settings = Settings(folder, folder / "state", port=self.database.port)
        self.web = WebServer(self.settings, port=free_port(), workers=2)
        self.token = ""

    def migrate(self) -> None:
        engine = make_engine(self.settings)
        migrate(engine, read_contract(self.settings.project_dir, self.settings.state_dir))
        with engine.begin() as connection:
            self.token = self.token or access.create_token(connection, "system", datetime.now(UTC) + timedelta(1))
        engine.dispose()

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        """Status and text of an answer; 0 where there is none."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.web.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def workers(self) -> set[int]:
        master = self.web.running()
        return {child.pid for child in master.children()} if master else set()

    def kill_workers(self) -> None:
        """Kills every worker, and waits until others stand in their place."""
        killed = self.workers()
        assert len(killed) == self.web.workers
        for worker in killed:
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: len(self.workers() - killed) == self.web.workers and not self.workers() & killed)
        wait_for(lambda: self.ask("/healthz")[0] == 200)
        master = self.web.running()
        time.sleep(3)  # gunicorn ends everything when a new worker does not boot
        assert self.web.running() == master, self.web.log.read_text()[-2000:]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def house(run_folder: Path) -> Iterator[House]:
    house = House(run_folder)
    house.database.start()
    house.migrate()
    yield house
    house.web.stop()
    house.database.stop()


def sale(house: House, number: int) -> tuple[int, str]:
    return house.ask("/api/v1/loads/till/sales", [{"sale_id": number, "kind": "cash"}])


def test_workers_killed_while_the_database_is_away_come_back_and_serve_when_it_does(house: House) -> None:
    house.web.start()
    assert sale(house, 1)[0] == 201
    house.database.stop()
    house.kill_workers()
    assert house.ask("/readyz")[0] == 503
    assert sale(house, 2)[0] == 503
    house.database.start()
    assert house.ask("/readyz") == (200, '{"status":"ok"}\n')
    assert sale(house, 3)[0] == 201


def test_workers_killed_under_a_faulty_contract_serve_by_the_one_that_was_in_force(house: House) -> None:
    house.web.start()
    house.sources.write_text(FAULTY)
    house.kill_workers()
    assert house.ask("/readyz")[0] == 200
    assert sale(house, 1)[0] == 201
    assert '"kind"' in house.ask("/api/v1/tables/till/sales")[1]


def test_without_any_contract_every_answer_is_503_until_there_is_one(house: House) -> None:
    house.web.start()
    house.database.stop()
    house.kill_workers()  # one that was still starting may have kept its contract until now
    (house.settings.state_dir / "contract_in_force.json").unlink()
    house.kill_workers()
    house.sources.write_text(FAULTY)
    house.database.start()
    status, said = house.ask("/readyz")
    assert (status, json.loads(said)) == (503, {"status": "no contract is in force"})
    status, said = sale(house, 1)
    assert status == 503
    assert "broken YAML" in json.loads(said)["detail"]
    house.sources.write_text(SOURCES)
    assert sale(house, 1)[0] == 201
    assert house.ask("/readyz")[0] == 200


def test_a_server_is_not_started_without_a_database_or_on_a_faulty_contract(house: House) -> None:
    house.sources.write_text(FAULTY)
    with pytest.raises(ContractError, match="broken YAML"):
        house.web.start()
    house.sources.write_text(SOURCES)
    away = replace(house.web, settings=replace(house.settings, port=free_port()))
    with pytest.raises(Remedy, match="No PostgreSQL server answers"):
        away.start()
    assert not house.web.answers()


def test_a_server_that_runs_is_not_reloaded_onto_a_faulty_contract(house: House) -> None:
    house.web.start()
    before = house.workers()
    house.sources.write_text(FAULTY)
    with pytest.raises(ContractError, match="broken YAML"):
        house.web.start()
    assert house.workers() == before
    assert sale(house, 1)[0] == 201
