"""How the last dbt builds went, and what the marts have not seen yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.build import APPLICATION_NAME, TURN, dbt_at_work
from loader.ledger.models import Build, BuildResult, Load

LATEST = 5
#: What dbt calls a node that came out well, and the ledger one whose build has not ended;
#: `warn` is let pass, and named.
_GOOD = ("success", "made", "pass", "no-op")
_NAMED = 20
#: Builds that were found dead, by number and start: they are not waited for again.
_found_dead: set[tuple[int, datetime]] = set()


@dataclass
class BuildReport:
    """One build: its ledger entry, its nodes by status, and those that did not come out well."""

    build: sa.Row[Any]
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[sa.Row[Any]] = field(default_factory=list)
    broke_off: bool = False

    @property
    def status(self) -> str:
        return "broke off" if self.broke_off else self.build.status or "running"

    @property
    def nodes(self) -> int:
        return sum(self.counts.values())

    @property
    def warnings(self) -> int:
        return self.counts.get("warn", 0)

    @property
    def skipped(self) -> int:
        return self.counts.get("skipped", 0)

    @property
    def failed(self) -> int:
        good = sum(self.counts.get(status, 0) for status in _GOOD)
        return self.nodes - good - self.warnings - self.skipped


def latest_builds(connection: Connection, limit: int = LATEST) -> list[BuildReport]:
    """The builds begun last, newest first; at most 20 failures of each are named."""
    builds = connection.execute(sa.select(Build.__table__).order_by(Build.build_id.desc()).limit(limit))
    reports = {build.build_id: BuildReport(build) for build in builds}
    counts = sa.select(BuildResult.build_id, BuildResult.status, sa.func.count())
    for build_id, status, nodes in connection.execute(
        counts.where(BuildResult.build_id.in_(reports)).group_by(BuildResult.build_id, BuildResult.status)
    ):
        reports[build_id].counts[status or "unknown"] = nodes
    bad = (
        sa.select(BuildResult.__table__)
        .where(
            BuildResult.build_id.in_(reports),
            BuildResult.status.not_in((*_GOOD, "skipped")),
        )
        .order_by(BuildResult.status == "warn", BuildResult.unique_id)
    )
    for result in connection.execute(bad):
        failures = reports[result.build_id].failures
        if len(failures) < _NAMED:
            failures.append(result)
    for report in reports.values():
        report.broke_off = report.build.status == "running" and _is_dead(connection, report.build)
    return list(reports.values())


@dataclass(frozen=True)
class Turns:
    """Who builds through the loader: since when a watch runs, if one does, whether somebody is
    at it, and how many wait for their turn."""

    watched_since: datetime | None
    is_taken: bool
    waiting: int


def turns(connection: Connection) -> Turns:
    """By the sessions and locks of this database, which everybody may see."""
    query = f"""
        with turn as (
            select granted from pg_locks
            where locktype = 'advisory' and objsubid = 1
                and database = (select oid from pg_database where datname = current_database())
                and (classid::bigint << 32 | objid::bigint) = {TURN}
        )
        select
            (
                select min(backend_start) from pg_stat_activity
                where datname = current_database() and application_name = '{APPLICATION_NAME}'
            ) as watched_since,
            (select coalesce(bool_or(granted), false) from turn) as is_taken,
            (select count(*) from turn where not granted) as waiting
    """
    found: Any = connection.execute(sa.text(query)).one()
    return Turns(found.watched_since, found.is_taken, found.waiting)


def _is_dead(connection: Connection, build: sa.Row[Any]) -> bool:
    """Whether dbt has had no session in this database for some seconds: a build that was
    killed can't say so itself. Waits for those seconds once a build and process."""
    key = (build.build_id, build.started_at)
    if dbt_at_work(connection, looks=1 if key in _found_dead else None):
        _found_dead.discard(key)
        return False
    _found_dead.add(key)
    return True


@dataclass(frozen=True)
class Published:
    """What readers see: the build, when it was published, and how many loads let rows in since its bound."""

    build_id: int
    published_at: datetime
    loads_since: int


def published(connection: Connection) -> Published | None:
    """``None`` if nothing was published yet."""
    build = connection.execute(
        sa.select(Build.build_id, Build.upper_bound, Build.published_at)
        .where(Build.published_at.is_not(None))
        .order_by(Build.build_id.desc())
        .limit(1)
    ).one_or_none()
    if build is None:
        return None
    since = sa.select(sa.func.count()).where(Load.seq > build.upper_bound, Load.accepted > 0)
    return Published(build.build_id, build.published_at, connection.execute(since).scalar_one())
