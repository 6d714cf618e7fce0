"""Users and tokens: only hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert
from werkzeug.security import check_password_hash, generate_password_hash

from loader.contract.types import literal
from loader.intake.sql import fetch
from loader.ledger import attempts
from loader.ledger.models import Token, User
from loader.permissions import ACTIONS, ALL_TABLES, ROLES, Principal

#: The fewest characters of a password. Whoever can reach the login may guess; with the waits of
#: `attempts` a dozen characters that are no common word stay beyond guessing, eight do not.
SHORTEST_PASSWORD = 12
#: Compared against when there is no such user, so that the answer takes as long.
_NOBODY = generate_password_hash(secrets.token_urlsafe(16))


#: SQL that finds a token that may be used now; by the driver alone, since every call asks. Once a
#: minute is enough to see that a token is used, and does not queue callers.
_CHECK = (
    "select token_id, name, actions, tables, coalesce(last_used_at < now() - interval '1 minute', true) "
    "from ledger.tokens where token_hash = {} and revoked_at is null and expires_at > now()"
)


class NameTaken(Exception):
    """A person and a program of one name could not be told apart in the ledger."""


def set_password(
    connection: Connection, name: str, password: str, role: str | None = None, tables: tuple[str, ...] = ALL_TABLES
) -> None:
    """Add the user, or replace the password (kept as scrypt); sessions that stand are ended.

    Without a ``role`` a new user is a viewer, and one that there is stays what they were; with one
    it is for ``tables``. Raises :class:`NameTaken`.
    """
    if connection.execute(sa.select(Token.token_id).where(Token.name == name).limit(1)).first() is not None:
        raise NameTaken(f"There is, or was, a token {name}; the ledger would take the person for the program")
    given: dict[str, Any] = {"password_hash": generate_password_hash(password)}
    if role is not None:
        given |= {"role": role, "tables": list(tables)}
    attempts.forgive(connection, name)
    connection.execute(
        insert(User)
        .values(name=name, **given)
        .on_conflict_do_update(
            index_elements=[User.name], set_=given | {"active": True, "session_epoch": User.session_epoch + 1}
        )
    )


def check_password(connection: Connection, name: str, password: str) -> int | None:
    """The ``user_id`` when name and password fit an active user, else ``None``."""
    found = connection.execute(
        sa.select(User.user_id, User.password_hash).where(User.name == name, User.active)
    ).first()
    fits = check_password_hash(found.password_hash if found else _NOBODY, password)
    if found is None or not fits:
        return None
    connection.execute(sa.update(User).where(User.user_id == found.user_id).values(last_login_at=sa.func.now()))
    return int(found.user_id)


def session_epoch(connection: Connection, user_id: int) -> int:
    """The number that a session of the user carries; one with an older number has ended."""
    return int(connection.execute(sa.select(User.session_epoch).where(User.user_id == user_id)).scalar_one())


def check_session(connection: Connection, user_id: int, epoch: int | None) -> Principal | None:
    """Who comes with a session of the user, by what their role is now; ``None`` if it does not hold any more."""
    query = sa.select(User.name, User.role, User.tables)
    found = connection.execute(query.where(User.user_id == user_id, User.active, User.session_epoch == epoch)).first()
    return Principal(found.name, ROLES[found.role], tuple(found.tables)) if found is not None else None


def end_sessions(connection: Connection, user_id: int) -> None:
    """End every session of the user, on all machines."""
    connection.execute(sa.update(User).where(User.user_id == user_id).values(session_epoch=User.session_epoch + 1))


def close_user(connection: Connection, name: str) -> bool:
    """Let the user in no more, at once; false if there is none of that name."""
    closed = connection.execute(
        sa.update(User).where(User.name == name).values(active=False, session_epoch=User.session_epoch + 1)
    )
    return bool(closed.rowcount)


def create_token(
    connection: Connection,
    name: str,
    expires_at: datetime,
    actions: Iterable[str] = ACTIONS,
    tables: Iterable[str] = ALL_TABLES,
) -> str:
    """Make a bearer token for these ``actions`` on ``tables``; the text returned is nowhere kept.

    Raises :class:`NameTaken`.
    """
    if connection.execute(sa.select(User.user_id).where(User.name == name)).first() is not None:
        raise NameTaken(f"There is a user {name}; the ledger would take the program for the person")
    text = f"gh_{secrets.token_urlsafe(32)}"
    given = {"actions": sorted(actions), "tables": list(tables)}
    connection.execute(sa.insert(Token).values(name=name, token_hash=_hash(text), expires_at=expires_at, **given))
    return text


def check_token(connection: Connection, text: str) -> Principal | None:
    """Who comes with the token when it may be used now, else ``None``."""
    found = fetch(connection, _CHECK.format(literal(_hash(text))))
    if not found:
        return None
    token_id, name, actions, tables, is_unseen = found[0]
    if is_unseen:
        connection.execute(sa.update(Token).where(Token.token_id == token_id).values(last_used_at=sa.func.now()))
    return Principal(name, frozenset(actions), tuple(tables))


def revoke_tokens(connection: Connection, name: str) -> int:
    """End all tokens of that name; how many there were."""
    ended = connection.execute(
        sa.update(Token).where(Token.name == name, Token.revoked_at.is_(None)).values(revoked_at=sa.func.now())
    )
    return int(ended.rowcount)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
