"""What the watch's last try failed by, for the first page: what fails before a build is opened is
in no ledger. Kept in the state folder, since it may be the database that can't be written to."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FILE = "watch-failure.json"


@dataclass(frozen=True)
class WatchFailure:
    """When, by what, and when it is tried again at the latest."""

    at: datetime
    words: str
    again_at: datetime


def write(state_dir: Path, words: str, pause: float) -> None:
    """Best effort: what failed is in the watch's log as well."""
    now = datetime.now(UTC)
    noted = {"at": now.isoformat(), "words": words, "again_at": (now + timedelta(seconds=pause)).isoformat()}
    with suppress(OSError):
        state_dir.mkdir(parents=True, exist_ok=True)
        made = state_dir / f"{FILE}.new"
        made.write_text(json.dumps(noted), "utf-8")
        made.replace(state_dir / FILE)


def forget(state_dir: Path) -> None:
    """The last try went well."""
    with suppress(OSError):
        (state_dir / FILE).unlink(missing_ok=True)


def read(state_dir: Path) -> WatchFailure | None:
    """None if the last try went well, or nobody knows."""
    try:
        noted = json.loads((state_dir / FILE).read_text("utf-8"))
        return WatchFailure(
            datetime.fromisoformat(noted["at"]), str(noted["words"]), datetime.fromisoformat(noted["again_at"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
