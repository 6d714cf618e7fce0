"""Logins that failed: counted in the ledger, for all workers, and followed by a growing wait.

Counted are the failures of a name from an address, and all of an address whatever the name. Not
those of a name from everywhere: who counted them would let any stranger lock anybody out.
"""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from loader.ledger.models import FailedLogin

#: Failures that have no consequence yet: of a name from an address, and of an address in all.
FREE_OF_NAME = 5
FREE_OF_ADDRESS = 30
#: The wait after the last free failure; each further one doubles it, up to the longest.
FIRST_SECONDS = 30
LONGEST_SECONDS = 15 * 60
#: After so long without a failure all are forgotten.
FORGOTTEN_AFTER = timedelta(hours=1)
_ANY_NAME = ""


def admit(connection: Connection, name: str, address: str) -> float:
    """Count an attempt as failed, before its password is looked at, and return 0; or count
    nothing and return the seconds to wait before there may be another.

    Counting first is what keeps a hundred attempts at the same moment from being one.
    """
    _forget(connection)
    keys = _keys(name, address)
    fresh = [{"name_hash": hashed, "address": place, "failures": 0} for hashed, place in keys]
    now = sa.func.clock_timestamp()
    connection.execute(insert(FailedLogin).values(failed_at=now).on_conflict_do_nothing(), fresh)
    ours = sa.tuple_(FailedLogin.name_hash, FailedLogin.address).in_(keys)
    # in one order for everybody, so that nobody waits in a ring
    rows = connection.execute(
        sa.select(FailedLogin.name_hash, FailedLogin.failures, sa.func.extract("epoch", now - FailedLogin.failed_at))
        .where(ours)
        .order_by(FailedLogin.name_hash)
        .with_for_update()
    ).all()
    left = max(_wait(failures, hashed == _ANY_NAME) - float(age) for hashed, failures, age in rows)
    if left > 0:
        return left
    connection.execute(sa.update(FailedLogin).where(ours).values(failures=FailedLogin.failures + 1, failed_at=now))
    return 0.0


def succeeded(connection: Connection, name: str, address: str) -> None:
    """The attempt fits: the name's failures from there are forgotten, and it was none of the
    address's. (Those stay: or one good login between would free many bad ones.)"""
    (_, place), named = _keys(name, address)
    connection.execute(
        sa.update(FailedLogin)
        .where(FailedLogin.name_hash == _ANY_NAME, FailedLogin.address == place, FailedLogin.failures > 0)
        .values(failures=FailedLogin.failures - 1)
    )
    connection.execute(sa.delete(FailedLogin).where(FailedLogin.name_hash == named[0], FailedLogin.address == named[1]))


def forgive(connection: Connection, name: str) -> None:
    """Forget the failures of a name, from everywhere: it has a new password."""
    connection.execute(sa.delete(FailedLogin).where(FailedLogin.name_hash == _hash(name)))


def _wait(failures: int, is_address: bool) -> float:
    """Seconds that have to pass after the last failure."""
    beyond = failures - (FREE_OF_ADDRESS if is_address else FREE_OF_NAME)
    return 0.0 if beyond < 0 else float(min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(beyond, 20)))


def _keys(name: str, address: str) -> list[tuple[str, str]]:
    place = _network(address)
    return [(_ANY_NAME, place), (_hash(name), place)]


def _hash(name: str) -> str:
    """What is typed for a name may be a password, and of any length: only its hash is kept."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _network(address: str) -> str:
    """The address; of IPv6 the /64, for that is what one customer has at least."""
    try:
        made = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(made, ipaddress.IPv6Address):
        if made.ipv4_mapped is not None:
            return str(made.ipv4_mapped)
        return str(ipaddress.ip_network((made, 64), strict=False))
    return str(made)


def _forget(connection: Connection) -> None:
    old = sa.select(FailedLogin.name_hash, FailedLogin.address).where(
        FailedLogin.failed_at < sa.func.clock_timestamp() - FORGOTTEN_AFTER
    )
    key = sa.tuple_(FailedLogin.name_hash, FailedLogin.address)
    connection.execute(sa.delete(FailedLogin).where(key.in_(old.with_for_update(skip_locked=True))))
