"""``/healthz`` and ``/readyz``: for whatever watches the process."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> ResponseReturnValue:
    """The process answers."""
    return {"status": "ok"}


@health.get("/readyz")
def readyz() -> ResponseReturnValue:
    """The database answers too, and there is a contract to serve by; 503 while that is not so."""
    here = current_app.extensions["gatehouse"]
    try:
        with here.engine.connect() as connection:
            connection.execute(sa.select(1))
    except SQLAlchemyError:
        return {"status": "the database does not answer"}, 503
    if not here.live.is_there:
        return {"status": "no contract is in force"}, 503
    return {"status": "ok"}
