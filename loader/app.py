"""The Flask app: doors, pages and who may use them."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from flask import Flask, Request, abort, current_app, g, has_request_context, redirect, request, session, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from loader.contract.live import LiveContract
from loader.contract.model import Contract
from loader.database import make_engine, single_statements
from loader.ledger import access
from loader.permissions import ACTIONS, Principal
from loader.remedy import Remedy
from loader.settings import Settings

#: Endpoints that answer without a login or token; a test holds the list.
OPEN_ENDPOINTS = frozenset({"pages.static", "pages.login", "health.healthz", "health.readyz"})
#: What each other endpoint asks of who comes, of :data:`loader.permissions.ACTIONS`: for the table in
#: its address, or, without one, for any: then it shows what they may read and no more. The routes
#: IN_VIEW look it up themselves, since the table is known when the load or row is; EVERYTHING shows rows
#: of marts, which are made of all tables. What is not listed answers nobody.
ANYBODY, IN_VIEW, EVERYTHING = "anybody", "in view", "everything"
NEEDS = {
    "pages.logout": ANYBODY, "pages.overview": "read", "pages.tables": "read", "pages.table": "read",
    "pages.loads": "read", "pages.load": IN_VIEW, "pages.rejects": "read", "pages.dbt_docs": "read",
    "pages.api_docs": "read", "pages.api_docs_of_table": "read",
    "traces.tables": EVERYTHING, "traces.row": EVERYTHING,
    "forms.new": "load", "forms.create": "load", "forms.pick": "load",
    "uploads.new": "load", "uploads.send": "load", "uploads.progress": "load",
    "uploads.template": "load",
    "imports.show": "load", "imports.act": "load",
    "api.post_load": IN_VIEW, "api.post_undo": IN_VIEW,
    "api.get_loads": "read", "api.get_load": IN_VIEW,
    "rejects.get_rejects": "read", "rejects.get_rejects_csv": "read", "rejects.get_reject": IN_VIEW,
    "rejects.patch_reject": IN_VIEW, "rejects.post_replay": IN_VIEW,
    "mending.row": IN_VIEW, "mending.mend": IN_VIEW, "mending.dismiss": IN_VIEW,
    "mending.many": IN_VIEW, "mending.mend_many": IN_VIEW,
    "mending.sheet": IN_VIEW, "mending.sheet_file": IN_VIEW, "mending.send_sheet": IN_VIEW,
    "metrics.scrape": EVERYTHING,
    "api.get_tables": "read", "api.get_table": "read", "api.get_openapi": "read",
}  # fmt: skip
#: What a login may read of the API: the contract. Rows need a token, since pages mask them.
CONTRACT_ENDPOINTS = frozenset({"api.get_openapi", "api.get_tables", "api.get_table"})
API_PREFIX = "/api/v1"
#: What is for programs, though it does not stand there: they have a token.
FOR_PROGRAMS = frozenset({"metrics.scrape"})
#: Pages that stand beside the API: for people, who log in.
API_PAGES = frozenset({"pages.api_docs", "pages.api_docs_of_table"})
#: The largest body taken; a larger file goes through `loader load`.
MAX_BODY_BYTES = 2 << 30
#: The largest form without its files, such as cells that were pasted.
MAX_FORM_BYTES = 8 << 20
#: How long a login lasts: a working day.
SESSION_SECONDS = 12 * 3600

_KEY_LENGTH = 64

#: How long a thread may go on while another waits; Python's own is ten times that.
_SWITCH_SECONDS = 0.0005

csrf = CSRFProtect()


class Sessions(SecureCookieSessionInterface):
    """Flask's own, but that nothing is made ready to read a cookie where none came: most calls are programs'."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)


@dataclass
class Gatehouse:
    """What every view needs: the settings, the engine and the contract in force."""

    settings: Settings
    engine: Engine
    live: LiveContract

    def readable(self) -> Contract:
        """The contract as who comes may see it: with the tables that they may read."""
        who: Principal = g.who
        return who.readable(self.contract())

    def contract(self) -> Contract:
        """The contract in force; a request that changes something waits for the newest.
        Raises :class:`NoContract`, which is answered with 503, while there is none."""
        return self.live.current(to_judge=has_request_context() and request.method != "GET")

    @property
    def notice(self) -> str | None:
        return self.live.notice


def gatehouse() -> Gatehouse:
    """The app's own :class:`Gatehouse`."""
    found: Gatehouse = current_app.extensions["gatehouse"]
    return found


def create_app(settings: Settings | None = None) -> Flask:
    """Make the app. It needs neither the database nor a faultless contract: a worker that
    takes another's place may come up while there is none, and answers 503 until there is.
    Whether a server may start at all is for `WebServer` to say."""
    from loader.doors.api import api
    from loader.doors.forms import forms
    from loader.doors.health import health
    from loader.doors.imports import imports
    from loader.doors.mending import mending
    from loader.doors.metrics import metrics
    from loader.doors.rejects import rejects
    from loader.doors.upload import uploads
    from loader.pages.blueprint import pages
    from loader.pages.traces import traces

    settings = settings or Settings.from_environment()
    # a thread that comes back from the database holds a table, and should not wait long for others'
    sys.setswitchinterval(_SWITCH_SECONDS)
    engine = make_engine(settings, pool_size=10, max_overflow=20)
    app = Flask(__name__, static_folder=None)
    app.session_interface = Sessions()
    app.config.update(
        SECRET_KEY=_secret_key(settings.state_dir),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        MAX_FORM_PARTS=2000,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=os.environ.get("LOADER_HTTPS") == "1",
        PERMANENT_SESSION_LIFETIME=SESSION_SECONDS,
    )
    if proxies := _proxies():
        # or everybody comes from the proxy's address, and one who guesses keeps all others out
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies)  # type: ignore[method-assign]
    app.extensions["gatehouse"] = Gatehouse(settings, engine, LiveContract(settings, engine))
    csrf.init_app(app)
    csrf.exempt(api)
    csrf.exempt(rejects)
    app.register_blueprint(pages)
    app.register_blueprint(traces, url_prefix="/trace")
    app.register_blueprint(forms, url_prefix="/tables")
    app.register_blueprint(uploads, url_prefix="/tables")
    app.register_blueprint(imports, url_prefix="/tables")
    app.register_blueprint(mending, url_prefix="/rejects")
    app.register_blueprint(api, url_prefix=API_PREFIX)
    app.register_blueprint(rejects, url_prefix=API_PREFIX)
    app.register_blueprint(health)
    app.register_blueprint(metrics)
    app.before_request(_require_identity)
    app.after_request(_secure)
    return app


def _require_identity() -> ResponseReturnValue | None:
    """Nobody comes in uninvited: a token for the API, a login for everything else."""
    if "\0" in unquote(request.full_path):
        abort(400, "The address holds a NUL character.")
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    is_api = request.path.startswith(API_PREFIX + "/") and request.endpoint not in API_PAGES
    is_api |= request.endpoint in FOR_PROGRAMS
    who = _by_token() if is_api else _by_session()
    if who is None and request.endpoint in CONTRACT_ENDPOINTS:
        who = _by_session()
    if who is not None:
        g.who, g.principal = who, who.name
        _require_right()
        return None
    if request.method == "GET" and not is_api:
        return redirect(url_for("pages.login", next=request.full_path.rstrip("?")))
    abort(401)


def _require_right() -> None:
    """Whoever has come in may not do everything: 403 or 404 ends the request."""
    if request.endpoint is None:
        return  # there is no such address, and that is all it is told
    need, given = NEEDS.get(request.endpoint), request.view_args or {}
    if need in (ANYBODY, IN_VIEW):
        return
    if need == EVERYTHING:
        if not g.who.reads_all:
            abort(403, "This shows what is made of all tables, and you may not see all of them.")
    elif need not in ACTIONS:
        abort(403)
    elif "source" in given:
        require(need, given["source"], given["table" if "table" in given else "name"])
    elif need not in g.who.actions:
        abort(403, f"You may not {ACTIONS[need]} any table.")


def require(action: str, source: str, table: str) -> None:
    """End the request unless who comes may do this with the table: with 404, as if it was not there,
    where they may not even read it, else with 403."""
    if g.who.may(action, source, table):
        return
    if not g.who.may("read", source, table):
        abort(404, f"There is no table {source}.{table}, or it is not open to you.")
    abort(403, f"You may not {ACTIONS[action]} {source}.{table}.")


def _by_token() -> Principal | None:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        return None
    with single_statements(gatehouse().engine) as connection:
        return access.check_token(connection, text.strip())


def is_logged_in() -> bool:
    """Whether the request comes with a login that holds."""
    return _by_session() is not None


def _by_session() -> Principal | None:
    if "user_id" not in session:
        return None
    with gatehouse().engine.connect() as connection:
        who = access.check_session(connection, session["user_id"], session.get("epoch"))
    if who is None:
        session.clear()
    return who


def _secure(response: Response) -> Response:
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cache-Control", "no-store")  # the pages' own files say something else already
    return response


def _proxies() -> int:
    """How many proxies stand in front, by LOADER_PROXIES; raises :class:`Remedy`."""
    given = os.environ.get("LOADER_PROXIES") or "0"
    if not (given.isascii() and given.isdigit() and int(given) < 100):
        raise Remedy(f"LOADER_PROXIES is '{given}'.", "Set it to the number of proxies in front, or unset it.")
    return int(given)


def _secret_key(state_dir: Path) -> str:
    """The key that signs sessions: LOADER_SECRET_KEY, or one made once for this machine."""
    given = os.environ.get("LOADER_SECRET_KEY")
    if given:
        return given
    kept = state_dir / "secret_key"
    state_dir.mkdir(parents=True, exist_ok=True)
    if not kept.exists() or len(kept.read_text("ascii")) < _KEY_LENGTH:
        # whole or not at all, also when two processes start at once
        descriptor, made = tempfile.mkstemp(dir=state_dir)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_LENGTH // 2))
        Path(made).replace(kept)
    return kept.read_text("ascii")
