"""Whether name and password fit, at a pace that guessing can't live on."""

from __future__ import annotations

import math
import threading

from flask import current_app, request

from loader.app import gatehouse
from loader.ledger import access, attempts

#: Passwords hashed at once in one process: each takes a processor's tenth of a second and 32 MB.
HASHING_AT_ONCE = 2
#: How long a login waits for its turn to be hashed.
TURN_SECONDS = 2.0
_BUSY_SECONDS = 5

_turns = threading.BoundedSemaphore(HASHING_AT_ONCE)


class ComeAgain(Exception):
    """No password is looked at now; ``seconds`` is when there may be another attempt.
    ``is_busy`` when too many log in at once, and not this name or address that failed too often.
    """

    def __init__(self, seconds: float, is_busy: bool) -> None:
        self.seconds = max(1, math.ceil(seconds))
        self.is_busy = is_busy
        super().__init__(f"come again in {self.seconds} seconds")


def attempt(name: str, password: str) -> int | None:
    """The ``user_id`` when both fit, else ``None``: then a line of the log says who tried, and
    the next attempt may have to wait. Raises :class:`ComeAgain`, also when both would fit."""
    address = request.remote_addr or "unknown"
    if not _turns.acquire(timeout=TURN_SECONDS):
        raise ComeAgain(_BUSY_SECONDS, is_busy=True)
    try:
        engine = gatehouse().engine
        with engine.begin() as connection:
            seconds = attempts.admit(connection, name, address)
        if seconds:
            current_app.logger.warning(
                "login of %r from %s: too many failed, %.0f s to wait", name[:100], address, seconds
            )
            raise ComeAgain(seconds, is_busy=False)
        user_id = None
        if "\0" not in name:
            with engine.begin() as connection:
                user_id = access.check_password(connection, name, password)
        if user_id is None:
            current_app.logger.warning("login of %r from %s: name and password do not fit", name[:100], address)
            return None
        with engine.begin() as connection:
            attempts.succeeded(connection, name, address)
        return user_id
    finally:
        _turns.release()
