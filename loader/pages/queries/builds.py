"""How the last dbt builds went, and what the marts have not seen yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from loader.ledger.models import Build, BuildResult, Load

LATEST = 5
#: What dbt calls a node that came out well; `warn` is let pass, and named.
_GOOD = ("success", "pass", "no-op")
_NAMED = 20


@dataclass
class BuildReport:
    """One build: its ledger entry, its nodes by status, and those that did not come out well."""

    build: sa.Row[Any]
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[sa.Row[Any]] = field(default_factory=list)

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
    return list(reports.values())


def loads_not_published(connection: Connection) -> int | None:
    """Loads that let rows in after the published build's bound; ``None`` if none was published."""
    bound = connection.execute(
        sa.select(Build.upper_bound).where(Build.published_at.is_not(None)).order_by(Build.published_at.desc()).limit(1)
    ).scalar()
    if bound is None:
        return None
    return int(connection.execute(sa.select(sa.func.count()).where(Load.seq > bound, Load.accepted > 0)).scalar_one())
