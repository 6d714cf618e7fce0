"""What /metrics says is what the ledger says; a real Prometheus takes it, with the alerts that are shipped."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loader.ledger import access
from tests.conftest import free_port
from tests.pages import desk as house
from tests.pages.desk import TICKET, Desk
from tests.pages.test_browser import site

__all__ = ["site"]

desk, desk_template = house.desk, house.desk_template

MONITORING = Path(__file__).parents[2] / "infra" / "monitoring"
PROMETHEUS = shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None and "REQUIRE_ALL" not in os.environ, reason="prometheus is not installed"
)


def token(desk: Desk, *tables: str) -> str:
    with desk.engine.begin() as connection:
        return access.create_token(
            connection, f"watch {tables}", datetime.now(UTC) + timedelta(days=1), ["read"], tables or ["*"]
        )


def scraped(desk: Desk) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, in the order of the labels' names."""
    response = desk.app.test_client().get("/metrics", headers={"Authorization": f"Bearer {token(desk)}"})
    assert response.status_code == 200, response.text
    assert response.content_type.startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_it_says_what_the_ledger_says(desk: Desk) -> None:
    desk.load("teams", {"team_id": 1, "name": "one"}, {"team_id": "x", "name": "two"}, {"team_id": 1, "name": "one"})
    desk.load("tickets", TICKET, TICKET | {"ticket_id": "2"})
    found = scraped(desk)
    assert found["gatehouse_loads_total", "api", "desk", "succeeded", "teams"] == 1
    rows = {verdict: found["gatehouse_rows_total", "desk", "teams", verdict]
            for verdict in ("accepted", "waiting", "rejected", "duplicates")}  # fmt: skip
    assert rows == {"accepted": 1, "waiting": 0, "rejected": 1, "duplicates": 1}
    assert found["gatehouse_kept_rows", "desk", "rejected", "teams"] == 1
    assert found["gatehouse_kept_rows", "desk", "waiting", "tickets"] == 2
    assert found["gatehouse_load_seconds_total", "api", "desk", "teams"] > 0
    assert found["gatehouse_table_state", "desk", "on time", "tickets"] == 1
    assert found["gatehouse_table_state", "desk", "overdue", "tickets"] == 0
    assert abs(found["gatehouse_table_arrived_timestamp_seconds", "desk", "tickets"] - time.time()) < 60
    assert found["gatehouse_contract_stale",] == 0
    desk.execute("update ledger.loads set finished_at = finished_at - interval '3 days' where table_name = 'tickets'")
    found = scraped(desk)
    assert found["gatehouse_table_state", "desk", "overdue", "tickets"] == 1
    assert found["gatehouse_table_state", "desk", "on time", "tickets"] == 0


def test_a_build_and_what_it_has_not_seen(desk: Desk) -> None:
    desk.load("teams", {"team_id": 1, "name": "one"})
    desk.execute(
        "insert into ledger.builds (upper_bound, status, started_at, finished_at, published_at) values "
        "(0, 'published', now() - interval '90 seconds', now(), now()), "
        "(0, 'failed', now() - interval '30 seconds', now(), null)"
    )
    found = scraped(desk)
    assert found["gatehouse_builds_total", "published"] == found["gatehouse_builds_total", "failed"] == 1
    assert found["gatehouse_build_state", "failed"] == 1
    assert 29 < found["gatehouse_build_seconds",] < 31
    assert found["gatehouse_published_loads_since",] == 1
    assert abs(found["gatehouse_published_timestamp_seconds",] - time.time()) < 60


def test_it_is_for_a_token_that_reads_everything(desk: Desk) -> None:
    client = desk.app.test_client()
    assert client.get("/metrics").status_code == 401
    assert desk.client.get("/metrics").status_code == 401, "a login is no token"
    few = {"Authorization": f"Bearer {token(desk, 'desk.teams')}"}
    assert client.get("/metrics", headers=few).status_code == 403


def test_a_database_that_is_away_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Bearer {token(desk)}"}

    def away(*_: object) -> None:
        raise psycopg2.OperationalError("connection refused")

    desk.engine.dispose()
    monkeypatch.setattr(desk.engine.pool, "_creator", away)
    monkeypatch.setattr(desk.engine.pool, "_invoke_creator", away)
    assert desk.app.test_client().get("/metrics", headers=headers).status_code == 503


def test_every_metric_that_an_alert_or_the_dashboard_asks_for_is_there(desk: Desk) -> None:
    desk.load("teams", {"team_id": "x", "name": "one"}, {"team_id": 1, "name": "one"})
    desk.execute(
        "insert into ledger.builds (upper_bound, status, started_at, finished_at, published_at) "
        "values (0, 'published', now(), now(), now())"
    )
    said = {name for name, *_ in scraped(desk)} | {"gatehouse_load_running_seconds"}
    asked = (MONITORING / "gatehouse.rules.yml").read_text() + (MONITORING / "grafana.json").read_text()
    names = set(re.findall(r"gatehouse_\w+", asked))
    assert len(names) >= 8
    assert names <= said, names - said


@contextmanager
def prometheus(folder: Path, site: str, secret: str) -> Iterator[Callable[[str], Any]]:
    """A real one that scrapes the site each second, with the rules; yields a way to ask its API."""
    assert PROMETHEUS is not None, "REQUIRE_ALL asks for it"
    (folder / "token").write_text(secret)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(MONITORING / "gatehouse.rules.yml")],
        "scrape_configs": [{
            "job_name": "gatehouse", "static_configs": [{"targets": [site.removeprefix("http://")]}],
            "authorization": {"credentials_file": str(folder / "token")},
        }],
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [PROMETHEUS, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        )  # fmt: skip
    try:

        def ask(path: str) -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)["data"]

        yield ask
    finally:
        running.terminate()
        running.wait(20)


@needs_prometheus
def test_a_real_prometheus_takes_it_and_alerts(desk: Desk, site: str, tmp_path: Path) -> None:
    desk.load("tickets", TICKET)
    desk.execute(
        "insert into ledger.builds (upper_bound, status, started_at, finished_at) values (0, 'failed', now(), now())"
    )
    with prometheus(tmp_path, site, token(desk)) as ask:
        give_up = time.monotonic() + 60
        while True:
            try:
                found = ask("query?" + urllib.parse.urlencode({"query": "gatehouse_kept_rows"}))["result"]
                groups = ask("rules")["groups"]
                alerts = {alert["labels"]["alertname"] for alert in ask("alerts")["alerts"]}
                if found and "GatehouseBuildFailed" in alerts:
                    break
            except OSError:
                pass
            assert time.monotonic() < give_up, (tmp_path / "log").read_text()[-3000:]
            time.sleep(0.3)
        assert [(each["metric"]["table"], each["metric"]["status"], each["value"][1]) for each in found] == [
            ("tickets", "waiting", "1")
        ]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) >= 8
        assert not [rule for rule in rules if rule["health"] == "err"], rules
        assert "GatehouseDown" not in alerts
