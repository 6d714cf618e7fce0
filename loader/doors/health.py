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
    """The database answers too; 503 while it does not."""
    try:
        with current_app.extensions["gatehouse"].engine.connect() as connection:
            connection.execute(sa.select(1))
    except SQLAlchemyError:
        return {"status": "the database does not answer"}, 503
    return {"status": "ok"}
