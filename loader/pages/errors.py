"""Errors as pages: what happened, that nothing is half done, and what to do."""

from __future__ import annotations

import psycopg2
from flask import Blueprint, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable

from loader.app import API_PAGES, API_PREFIX
from loader.contract.live import NoContract
from loader.doors import problems

#: (title, what to do) by status.
_WORDS = {
    400: ("This could not be read", "The address or the form says something that this page does not know."),
    401: ("Please log in first", "Your session has ended, or you have not logged in yet. Nothing was stored."),
    403: ("This is not open to you", "Nothing was stored."),
    404: ("There is nothing at this address", "It may have been mistyped, or the contract has changed since."),
    405: ("This address can't be used that way", "Open it from its page instead of sending to it directly."),
    409: ("Still at work", "Nothing is lost."),
    413: ("This is too large for a form", "Load it as a file, with `loader load SOURCE.TABLE FILE`."),
    500: (
        "Something went wrong here",
        "A load is stored whole or not at all, so nothing is half done. Try again; if it happens "
        "again, the server's log says more at this time.",
    ),
    503: (
        "The database does not answer",
        "A load is stored whole or not at all, so nothing is half done. Try again in a moment; "
        "`loader db status` says how the database is.",
    ),
}  # fmt: skip
_FORGED = (
    "This form had been open too long",
    "Or it was sent from another site. Nothing was stored. Go back, load the page again and send it once more.",
)


def register(blueprint: Blueprint) -> None:
    """Make these the app's answers; the API keeps its own envelope."""
    blueprint.app_errorhandler(HTTPException)(_http)
    blueprint.app_errorhandler(OperationalError)(_no_database)
    blueprint.app_errorhandler(NoContract)(_no_contract)
    # from the driver's own cursor, which SQLAlchemy does not see
    blueprint.app_errorhandler(psycopg2.OperationalError)(_no_database)


def _is_api() -> bool:
    return request.path.startswith(API_PREFIX + "/") and request.endpoint not in API_PAGES


def _http(error: HTTPException) -> ResponseReturnValue:
    if _is_api():
        return problems.handle_http(error)
    code = error.code or 500
    if code < 400:  # a redirect of the router's own
        return error
    title, words = _FORGED if isinstance(error, CSRFError) else _WORDS.get(code, (error.name, ""))
    own = error.description if error.description != type(error).description else None
    detail = None if isinstance(error, (CSRFError, InternalServerError)) else own
    page = render_template("error.html", code=code, title=title, words=words, detail=detail)
    response = Response(page, code)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers.setdefault(name, value)
    return response


def _no_database(error: OperationalError | psycopg2.OperationalError) -> ResponseReturnValue:
    cause = error.orig if isinstance(error, OperationalError) else error
    current_app.logger.error("the database does not answer: %s", cause)
    return _http(ServiceUnavailable())


def _no_contract(error: NoContract) -> ResponseReturnValue:
    """No rows are judged and no page is made without one: 503, with what stands in its way."""
    if _is_api():
        return problems.problem(503, f"No contract is in force, and nothing was stored. {error}")
    words = "Nothing is half done. Try again in a moment; `loader migrate --plan` says what is missing."
    page = render_template("error.html", code=503, title="There is no contract yet", words=words, detail=str(error))
    return Response(page, 503, headers={"Retry-After": "5"})
