"""What a caller may say about a body; what is not said is found out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from loader.intake.decode.base import ReadFailure
from loader.intake.decode.encoding import canonical

SEPARATORS = {",": ",", ";": ";", "\t": "\t", "|": "|", "comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
QUOTES = {'"': '"', "'": "'", "double": '"', "single": "'"}
DECIMALS = {".": ".", ",": ",", "point": ".", "comma": ","}
_SHOWN = 80
_LAST_HEADER = 1000
#: How a body is written, by the words of the options, in the order that they are shown in.
DIALECT = ("separator", "quote", "decimal", "encoding", "sheet", "header_row")
#: All that can be said: that, and what its columns are.
OPTIONS = (*DIALECT, "columns")


@dataclass(frozen=True)
class Said:
    """What was said outright; ``None`` is to be found out.

    ``separator`` one of comma, semicolon, tab and bar; ``quote`` ``"`` or ``'``; ``decimal``
    ``.`` or ``,``; ``encoding`` one of :data:`~loader.intake.decode.encoding.ENCODINGS`;
    ``sheet`` a sheet's name, or its number from 1; ``columns`` the body's names of columns, each
    with the table's name of it, or ``None`` to leave it out: those that are not said bear the
    table's names. ``header_row`` is the line, or the row of a sheet that is not empty, which has the
    names, from 1. ``as_it_is``: nobody has said yet what the columns are, and all are read as text.
    """

    separator: str | None = None
    quote: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    header_row: int | None = None
    columns: tuple[tuple[str, str | None], ...] = ()
    as_it_is: bool = False

    @property
    def meant(self) -> dict[str, str | None]:
        """``columns`` as a dict."""
        return dict(self.columns)

    def content(self, digest: str) -> str:
        """What tells a body, of this SHA-256 as hex, from others: under other names it is another."""
        if not self.columns:
            return digest
        return hashlib.sha256(
            (digest + json.dumps(sorted(self.columns, key=lambda pair: pair[0]))).encode()
        ).hexdigest()

    @classmethod
    def of(cls, **words: str | None) -> Said:
        """From the words of a request or command; raises :class:`ReadFailure` for one that means nothing."""
        given = {name: word for name, word in words.items() if word is not None}
        said: dict[str, Any] = {}
        for name, signs in (("separator", SEPARATORS), ("quote", QUOTES), ("decimal", DECIMALS)):
            if name in given:
                if given[name] not in signs:
                    choices = ", ".join(word for word in signs if word.isalpha())
                    raise ReadFailure(f"{name} is the sign itself, or one of: {choices}")
                said[name] = signs[given[name]]
        if "encoding" in given:
            said["encoding"] = canonical(given["encoding"])
        if "sheet" in given:
            said["sheet"] = given["sheet"]
        if "header_row" in given:
            text = given["header_row"]
            if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _LAST_HEADER):
                raise ReadFailure(f"header_row is the number of the row that has the names, from 1 to {_LAST_HEADER}")
            said["header_row"] = int(text)
        if "columns" in given:
            said["columns"] = _columns(given["columns"])
        return cls(**said)


def _columns(text: str) -> tuple[tuple[str, str | None], ...]:
    """From JSON: ``{"Order No.": "order_id", "Remark": null}``."""
    try:
        pairs = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError):
        pairs = None
    is_object = isinstance(pairs, list) and all(isinstance(pair, tuple) for pair in pairs)
    if (
        not is_object
        or not text.lstrip().startswith("{")
        or any(target is not None and not isinstance(target, str) for _, target in pairs)
    ):
        raise ReadFailure(
            "columns is a JSON object of the file's names, each with the table's, or null to leave it out: "
            '{"Order No.": "order_id", "Remark": null}'
        )
    names: dict[str, str | None] = {}
    taken: dict[str, str] = {}
    for name, target in pairs:
        if name in names:
            raise ReadFailure(f"columns says twice what {name[:_SHOWN]!r} is")
        if target is not None and target in taken:
            raise ReadFailure(
                f"columns says of both {taken[target][:_SHOWN]!r} and {name[:_SHOWN]!r} that they are "
                f"{target[:_SHOWN]!r}; leave one of them out by null"
            )
        names[name] = target
        if target is not None:
            taken[target] = name
    return tuple(names.items())


NOTHING_SAID = Said()
