"""What a caller may say about a body; what is not said is found out."""

from __future__ import annotations

from dataclasses import dataclass

from loader.intake.decode.base import ReadFailure
from loader.intake.decode.encoding import canonical

SEPARATORS = {",": ",", ";": ";", "\t": "\t", "|": "|", "comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
QUOTES = {'"': '"', "'": "'", "double": '"', "single": "'"}
DECIMALS = {".": ".", ",": ",", "point": ".", "comma": ","}
#: The words of the options, in the order that they are shown in.
OPTIONS = ("separator", "quote", "decimal", "encoding", "sheet")


@dataclass(frozen=True)
class Said:
    """What was said outright; ``None`` is to be found out.

    ``separator`` one of comma, semicolon, tab and bar; ``quote`` ``"`` or ``'``; ``decimal``
    ``.`` or ``,``; ``encoding`` one of :data:`~loader.intake.decode.encoding.ENCODINGS`;
    ``sheet`` a sheet's name, or its number from 1.
    """

    separator: str | None = None
    quote: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    @classmethod
    def of(cls, **words: str | None) -> Said:
        """From the words of a request or command; raises :class:`ReadFailure` for one that means nothing."""
        given = {name: word for name, word in words.items() if word is not None}
        said: dict[str, str] = {}
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
        return cls(**said)


NOTHING_SAID = Said()
