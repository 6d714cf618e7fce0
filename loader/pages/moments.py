"""A clock time and its zone, as a form takes them, to a moment that leaves nothing to guess."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?", re.ASCII)


class NoSuchMoment(ValueError):
    """The clock time does not exist in its zone, or exists twice; says which and what to do."""


def is_zone(name: str) -> bool:
    """Whether ``name`` is a zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def with_zone(local: str, zone: str) -> str:
    """``local`` as it stands on a clock in ``zone``, as a moment in UTC: ``2024-02-29T13:45:00Z``.

    A text that is no clock time comes back as it is: the door judges it. Raises
    :class:`NoSuchMoment` in the hours that a change of clocks skips or repeats.
    """
    if not _LOCAL.fullmatch(local):
        return local
    if zone == "UTC":
        return local + "Z"
    try:
        at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
        utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        return local
    if at.utcoffset() != at.replace(fold=1).utcoffset():
        exists = utc.astimezone(at.tzinfo).replace(tzinfo=None) == at.replace(tzinfo=None)
        raise NoSuchMoment(
            f"{local.replace('T', ' ')} {'happened twice' if exists else 'never happened'} in "
            f"{zone}, where the clocks were changed; give this time in UTC"
        )
    return utc.replace(tzinfo=None).isoformat() + "Z"
