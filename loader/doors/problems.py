"""RFC 9457 problem details: the one envelope of every error that the API gives."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response
from werkzeug.exceptions import HTTPException

_WORDS = {
    401: "Send `Authorization: Bearer TOKEN`; `loader token create NAME` makes one.",
    404: "There is nothing at this address; /api/v1/openapi.json lists what there is.",
    503: "The database does not answer; nothing was stored. Send it again with the same Idempotency-Key.",
    413: "The body is larger than the server takes; load the file with `loader load`.",
}


def problem(status: int, detail: str, **members: Any) -> Response:
    """A problem as a response; ``members`` are further fields of it."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    response = Response(
        json.dumps({**body, "detail": detail, **members}, ensure_ascii=False),
        status,
        mimetype="application/problem+json",
    )
    if status == 503:
        response.headers["Retry-After"] = "5"
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def handle_http(error: HTTPException) -> Response:
    """Any HTTP error as a problem, with what to do where that is known."""
    code = error.code or 500
    response = problem(code, _WORDS.get(code, error.description or ""))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers.setdefault(name, value)
    return response


def register(blueprint: Blueprint) -> None:
    """Make every HTTP error under the blueprint a problem."""
    blueprint.register_error_handler(HTTPException, handle_http)
