"""The receipt: what became of a load, in the shape that every door gives back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

#: A receipt lists the first rows that were not let in; the ledger keeps all of them.
LISTED = 100
#: Reasons that a dry run tells apart.
REASONS = 50


@dataclass(frozen=True)
class RowFault:
    """One row that was not let in, by its first fault.

    ``faults`` are all of them, each as the ledger keeps it: column, rule, message, value.
    """

    row: int
    column: str | None
    rule: str
    message: str
    value: str | None
    faults: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The first fault as a receipt lists it, and all of them."""
        return {**vars(self), "faults": list(self.faults)}


@dataclass(frozen=True)
class Reason:
    """Why rows were not let in: how many of one verdict have a first fault of one rule, and the first of them."""

    verdict: str
    column: str | None
    rule: str
    message: str
    rows: int
    first_row: int


@dataclass(frozen=True)
class Warned:
    """A rule that warns: how many rows let in break it, and the first of them."""

    column: str | None
    rule: str
    message: str
    rows: int
    first_row: int | None


@dataclass(frozen=True)
class Receipt:
    """``received = accepted + waiting + rejected + duplicates``, always.

    ``load_id`` is ``None`` for a dry run. ``repeated`` is true when this body or key had been
    loaded before and nothing was done. ``releases`` are receipts of the loads by which rows
    that had been waiting came in, ``cascades`` of those by which rows were set to waiting
    because their parent went. ``format`` is what the body turned out to be: ``format`` and, as
    far as it has them, ``encoding``, ``bom``, ``separator``, ``quote``, ``decimal``, ``sheet``,
    ``packed`` and ``columns``, those that were given the table's names. ``reasons`` are a dry
    run's, of which nothing can be asked later: the commonest :data:`REASONS` of them.
    """

    load_id: int | None
    source: str
    table: str
    door: str
    status: str
    received: int
    accepted: int
    waiting: int
    rejected: int
    duplicates: int
    warnings: tuple[Warned, ...] = ()
    rejects: tuple[RowFault, ...] = ()
    releases: tuple[Receipt, ...] = ()
    cascades: tuple[Receipt, ...] = ()
    format: dict[str, Any] | None = None
    reasons: tuple[Reason, ...] = field(default=(), compare=False)
    repeated: bool = field(default=False, compare=False)

    @property
    def clean(self) -> bool:
        """Every row was accepted or a duplicate."""
        return not (self.rejected or self.waiting) and self.status != "refused"

    def as_dry_run(self) -> Receipt:
        """Of a load that was taken back: what it would have done, and what would have followed; none has a number."""
        return replace(
            self, load_id=None, status="dry_run",
            releases=tuple(release.as_dry_run() for release in self.releases),
            cascades=tuple(cascade.as_dry_run() for cascade in self.cascades),
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """The receipt as JSON, with links to what can be asked next."""
        links = {}
        if self.load_id is not None:
            links = {
                "self": f"/api/v1/loads/{self.load_id}",
                "rejects": f"/api/v1/rejects?load_id={self.load_id}",
                "table": f"/api/v1/tables/{self.source}/{self.table}",
            }
        return {
            "load_id": self.load_id,
            "source": self.source,
            "table": self.table,
            "door": self.door,
            "status": self.status,
            "format": self.format,
            "received": self.received,
            "accepted": self.accepted,
            "waiting": self.waiting,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "warnings": [vars(warned) for warned in self.warnings],
            "rejects": [reject.as_dict() for reject in self.rejects],
            "releases": [
                {
                    "load_id": release.load_id,
                    "source": release.source,
                    "table": release.table,
                    "accepted": release.accepted,
                    "rejected": release.rejected,
                }
                for release in self.releases
            ],
            "cascades": [
                {
                    "load_id": cascade.load_id,
                    "source": cascade.source,
                    "table": cascade.table,
                    "waiting": cascade.waiting,
                }
                for cascade in self.cascades
            ],
            "links": links,
        } | ({"reasons": [vars(reason) for reason in self.reasons]} if self.status == "dry_run" else {})
