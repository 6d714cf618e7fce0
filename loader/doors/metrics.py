"""``/metrics``: what whoever is on call wants to be woken by, for Prometheus.

Everything is asked of the ledger, so that each process of each server says the same, and a restart
forgets nothing. Names and counts of tables are nobody's but a token's that reads all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from loader.app import Gatehouse, gatehouse
from loader.doors import problems
from loader.ledger.models import Build, Load, Reject
from loader.ledger.progress import running_loads
from loader.pages.queries.arrivals import STATES, freshness
from loader.pages.queries.builds import latest_builds, published
from loader.pages.queries.kept import OPEN

metrics = Blueprint("metrics", __name__)
problems.register(metrics)

_TABLE = ["source", "table"]
_VERDICTS = ("accepted", "waiting", "rejected", "duplicates")


@metrics.get("/metrics")
def scrape() -> ResponseReturnValue:
    """Loads, rows, kept rows, lateness and builds in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ledger(gatehouse()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Ledger(Collector):
    """What the ledger says now."""

    def __init__(self, here: Gatehouse) -> None:
        self._here = here

    def collect(self) -> Iterator[Metric]:
        with self._here.engine.connect() as connection:
            yield from _loads(connection)
            yield from _running(connection)
            yield from _kept(connection)
            yield from _late(connection, self._here)
            yield from _builds(connection)
        stale = GaugeMetricFamily("gatehouse_contract_stale", "Whether changed source files can't be taken up")
        stale.add_metric([], float(self._here.notice is not None))
        yield stale


def _loads(connection: Connection) -> Iterator[Metric]:
    loads = CounterMetricFamily("gatehouse_loads", "Loads that have ended", labels=[*_TABLE, "door", "status"])
    rows = CounterMetricFamily(
        "gatehouse_rows", "Rows that loads received, by what became of them", labels=[*_TABLE, "verdict"]
    )
    seconds = CounterMetricFamily("gatehouse_load_seconds", "Time that loads took", labels=[*_TABLE, "door"])
    sums = [sa.func.sum(getattr(Load, verdict)) for verdict in _VERDICTS]
    took = sa.func.coalesce(sa.func.sum(sa.extract("epoch", Load.finished_at - Load.started_at)), 0)
    groups = (Load.source, Load.table_name, Load.door, Load.status)
    of_rows: Counter[tuple[str, str, str]] = Counter()
    of_seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    query = sa.select(*groups, sa.func.count(), took, *sums).group_by(*groups).order_by(*groups)
    for row in connection.execute(query):
        told: list[Any] = list(row)
        (source, table, door, status), (count, took_seconds), counts = told[:4], told[4:6], told[6:]
        loads.add_metric([source, table, door, status], count)
        of_seconds[source, table, door] += float(took_seconds)
        for verdict, number in zip(_VERDICTS, counts, strict=True):
            of_rows[source, table, verdict] += int(number)
    for labels, number in of_rows.items():
        rows.add_metric(labels, number)
    for labels, number in of_seconds.items():
        seconds.add_metric(labels, number)
    yield from (loads, rows, seconds)


def _running(connection: Connection) -> Iterator[Metric]:
    """Of loads that have run for a second: shorter ones tell nobody of themselves."""
    running = GaugeMetricFamily("gatehouse_loads_running", "Loads that have run for a second or more", labels=_TABLE)
    oldest = GaugeMetricFamily(
        "gatehouse_load_running_seconds", "How long the oldest load of a table has run", labels=_TABLE
    )
    now, found = datetime.now(UTC), running_loads(connection)
    counts = Counter((load.source, load.table) for load in found)
    for labels, number in sorted(counts.items()):
        running.add_metric(labels, number)
        began = min(load.started_at for load in found if (load.source, load.table) == labels)
        oldest.add_metric(labels, max(0.0, (now - began).total_seconds()))
    yield from (running, oldest)


def _kept(connection: Connection) -> Iterator[Metric]:
    kept = GaugeMetricFamily(
        "gatehouse_kept_rows", "Rows that wait for a parent or stand refused", labels=[*_TABLE, "status"]
    )
    groups = (Reject.source, Reject.table_name, Reject.status)
    query = sa.select(*groups, sa.func.count()).where(Reject.status.in_(OPEN)).group_by(*groups).order_by(*groups)
    for source, table, status, count in connection.execute(query):
        kept.add_metric([source, table, status], count)
    yield kept


def _late(connection: Connection, here: Gatehouse) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "gatehouse_table_state", f"1 for what a table is by its contract's freshness: {', '.join(STATES)}",
        labels=[*_TABLE, "state"],
    )  # fmt: skip
    arrived = GaugeMetricFamily(
        "gatehouse_table_arrived_timestamp_seconds", "When the last load with a good row ended", labels=_TABLE
    )
    for table in sorted(freshness(connection, here.contract(), datetime.now(UTC)), key=lambda each: each.table.id):
        labels = [table.table.source, table.table.name]
        for each in STATES:
            state.add_metric([*labels, each], float(each == table.state))
        if table.arrived is not None:
            arrived.add_metric(labels, table.arrived.timestamp())
    yield from (state, arrived)


def _builds(connection: Connection) -> Iterator[Metric]:
    builds = CounterMetricFamily("gatehouse_builds", "dbt builds that have ended", labels=["status"])
    query = sa.select(Build.status, sa.func.count()).where(Build.finished_at.is_not(None)).group_by(Build.status)
    for status, count in connection.execute(query.order_by(Build.status)):
        builds.add_metric([status or "unknown"], count)
    yield builds
    for report in latest_builds(connection, 1):
        last = GaugeMetricFamily("gatehouse_build_state", "1 for what became of the last build", labels=["status"])
        last.add_metric([report.status], 1.0)
        failed = GaugeMetricFamily("gatehouse_build_failed_nodes", "Models and tests that failed in the last build")
        failed.add_metric([], report.failed)
        yield from (last, failed)
        if report.build.finished_at is not None:
            took = GaugeMetricFamily("gatehouse_build_seconds", "How long the last build took")
            took.add_metric([], (report.build.finished_at - report.build.started_at).total_seconds())
            yield took
    if seen := published(connection):
        at = GaugeMetricFamily("gatehouse_published_timestamp_seconds", "When the marts were published last")
        at.add_metric([], seen.published_at.timestamp())
        since = GaugeMetricFamily("gatehouse_published_loads_since", "Loads with rows that the marts have not seen yet")
        since.add_metric([], seen.loads_since)
        yield from (at, since)
