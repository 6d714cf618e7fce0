"""Numbers, times and states in words, as filters for the templates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint

from loader.contract.model import Freshness
from loader.intake.decode.said import DECIMALS, SEPARATORS

#: A whole number of things that a message of a build counts; years and names are none.
_COUNT = re.compile(r"(?<![\w.,:-])\d{4,}(?= (?:rows|results|loads|models|tests)\b)")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def number(value: float | None) -> str:
    """``1,234``; a dash where there is none."""
    return "–" if value is None else f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """``1 row``, ``1,234 rows``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def grouped(message: str) -> str:
    """A message with the numbers of rows that it tells as ``1,234``."""
    return _COUNT.sub(lambda found: f"{int(found[0]):,}", message)


def span(seconds: float) -> str:
    """A length of time in its largest whole unit: ``2 days``, ``36 hours``."""
    for size, unit in _UNITS:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return counted(int(seconds // size), unit)
    return "0 seconds" if seconds < 1 else "1 second"


def seconds(value: float) -> str:
    """How long something took: ``40 ms``, ``2.4 seconds``, ``12 minutes``."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} seconds" if value < 10 else span(value)


def moment(value: datetime | None) -> str:
    """``22 Nov 2026, 10:16 UTC``."""
    if value is None:
        return "–"
    utc = value.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"


def ago(value: datetime | None) -> str:
    """``12 minutes ago``, by this machine's clock."""
    if value is None:
        return "never"
    seconds = (datetime.now(UTC) - value).total_seconds()
    return "just now" if seconds < 5 else f"{span(seconds)} ago"


def promise(freshness: Freshness | None) -> str:
    """What the contract says of arrivals."""
    if freshness is None:
        return "none"
    limits = []
    if freshness.warn_after is not None:
        limits.append(f"late after {span(freshness.warn_after)}")
    if freshness.error_after is not None:
        limits.append(f"overdue after {span(freshness.error_after)}")
    return ", ".join(limits)


def sentence(message: str) -> str:
    """A rule's message as a sentence of its own: ``must not be empty`` → ``Must not be empty.``"""
    message = message.strip()
    if not message:
        return ""
    ended = message if message[-1] in ".!?…" else message + "."
    begins_with_a_name = "_" in message.split()[0]
    return ended if begins_with_a_name else ended[0].upper() + ended[1:]


def read_as(found: dict[str, Any]) -> str:
    """What a body turned out to be: ``CSV in utf-8, tab between fields, " around them, decimal comma``."""
    said = [str(found["format"]).upper()]
    if "sheet" in found:
        said[0] += f", sheet {found['sheet']}"
    if "encoding" in found:
        said[0] += f" in {found['encoding']}"
    if found.get("bom"):
        said[0] += " with its mark"
    if "separator" in found:
        said.append(f"{_word(SEPARATORS, found['separator'])} between fields")
    if "quote" in found:
        said.append(f"{found['quote']} around them where need be")
    if "decimal" in found:
        said.append(f"decimal {_word(DECIMALS, found['decimal'])}")
    if "columns" in found:
        said.append(f"{counted(len(found['columns']), 'column')} named anew or left out")
    if "packed" in found:
        said.append(f"packed as {found['packed']}")
    return ", ".join(said)


def _word(signs: dict[str, str], sign: str) -> str:
    return next((word for word, meant in signs.items() if meant == sign and word.isalpha()), sign)


def register(blueprint: Blueprint) -> None:
    """Make these filters of every template."""
    for word in (number, counted, grouped, span, seconds, moment, ago, promise, sentence, read_as):
        blueprint.add_app_template_filter(word, word.__name__)
