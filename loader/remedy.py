"""The one error that is meant for the person at the keyboard."""

from __future__ import annotations


class Remedy(Exception):
    """What went wrong in one sentence, and what to do about it in another.

    The command line prints both and exits with status 1, without a traceback:
    raise it only where the reader can act on it. An error in our own code
    stays the exception that it is.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} {remedy}".strip())
