"""The pages' routes. Each asks the database once and renders; nothing here writes but login."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from loader import docs, watch_failure
from loader.app import API_PREFIX, MAX_BODY_BYTES, gatehouse, is_logged_in
from loader.contract.model import DOORS, Table
from loader.ledger import access
from loader.ledger.models import LOAD_STATUSES, REJECT_STATUSES
from loader.pages import api_docs, errors, words
from loader.pages.contract_words import rules_in_words
from loader.pages.dbt_docs import docs_response
from loader.pages.login import ComeAgain, attempt
from loader.pages.masking import Masks
from loader.pages.queries import arrivals, builds, kept, receipts, sizes
from loader.pages.verdict import verdict_of

pages = Blueprint("pages", __name__, template_folder="templates", static_folder="static", static_url_path="/assets")
words.register(pages)
errors.register(pages)

# beside the API that they describe, and with a login like every page
pages.add_url_rule(f"{API_PREFIX}/docs", "api_docs", api_docs.index)
pages.add_url_rule(f"{API_PREFIX}/docs/<source>/<name>", "api_docs_of_table", api_docs.of_table)

_DAY = timedelta(hours=24)
_LISTED = 100
#: Tables whose kept rows the first page shows at once: what is built and what is late stand below them.
_KEPT_SHOWN = 5
_FORM_BYTES = 1 << 20
#: What pages take files, and how large.
_FILE_BYTES = {"uploads.send": MAX_BODY_BYTES, "mending.send_sheet": 64 << 20}
_REJECT_FILTERS = (
    ("open", "waiting and refused"),
    ("waiting", "waiting"),
    ("rejected", "refused"),
    ("resolved", "taken up again"),
    ("dismissed", "dismissed"),
    ("all", "all"),
)


@pages.app_url_value_preprocessor
def _bound_forms(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """A form is read into memory whole, and its CSRF token looked for before anybody has
    logged in. This hook is the one that comes before that. A file goes to disk, and is taken
    from who has logged in only."""
    if request.path.startswith(API_PREFIX + "/"):
        return
    most = _FILE_BYTES.get(endpoint or "", _FORM_BYTES)
    request.max_content_length = most if most == _FORM_BYTES or is_logged_in() else _FORM_BYTES


@pages.app_context_processor
def _shared() -> dict[str, Any]:
    """What every template may use: the page that is shown, and the doors there are."""
    return {"here": request.endpoint if request else None, "doors": DOORS}


@pages.app_template_global()
def can_bring(table: Table, door: str) -> bool:
    """Whether who is logged in may bring rows into the table by a door, and it is open."""
    return door in table.doors and g.who.may("load", table.source, table.name)


@pages.app_template_global()
def may_trace() -> bool:
    """Whether who is logged in may see what rows of marts are made of; not known of while the database is away."""
    return "who" in g and g.who.reads_all


@pages.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """Who one is; the same answer whatever does not fit. Who guesses is slowed down."""
    target = _own_path(request.values.get("next", ""))
    if request.method == "GET":
        if "user_id" in session:
            return redirect(target)
        return render_template("login.html", next=target, name="", failed=False)
    name, password = request.form.get("name", ""), request.form.get("password", "")
    try:
        user_id = attempt(name, password)
    except ComeAgain as refused:
        page = render_template("login.html", next=target, name=name[:100], failed=False, refused=refused)
        return page, 503 if refused.is_busy else 429, {"Retry-After": str(refused.seconds)}
    if user_id is None:
        page = render_template("login.html", next=target, name=name[:100], failed=True)
        return page, 401
    session.clear()  # nothing of an earlier session goes on, its CSRF token neither
    with gatehouse().engine.connect() as connection:
        session["epoch"] = access.session_epoch(connection, user_id)
    session["user_id"], session["user"] = user_id, name
    return redirect(target, 303)


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    with gatehouse().engine.begin() as connection:
        access.end_sessions(connection, session["user_id"])
    session.clear()
    return redirect(url_for("pages.login"), 303)


def _own_path(target: str) -> str:
    """``target`` if it is a path of this site, else the first page."""
    path = target.startswith("/") and not target.startswith("//")
    # browsers take a backslash for a slash, and drop control characters
    return target if path and "\\" not in target and target.isprintable() else url_for("pages.overview")


@pages.get("/")
def overview() -> ResponseReturnValue:
    """For whoever is on call: what arrived, what is stuck, what is late, what was built."""
    here, now = gatehouse(), datetime.now(UTC)
    contract = here.readable()
    with here.engine.connect() as connection:
        open_rows = kept.kept_back(connection, g.who, Masks(contract))
        fresh = arrivals.freshness(connection, contract, now)
        return render_template(
            "overview.html",
            now=now,
            contract=contract,
            notice=here.notice,
            accepted=arrivals.accepted_since(connection, g.who, now - _DAY),
            waiting=sum(table.waiting for table in open_rows),
            rejected=sum(table.rejected for table in open_rows),
            late=sum(item.is_late for item in fresh),
            never=sum(item.state == "never" for item in fresh),
            kept=open_rows,
            kept_shown=_KEPT_SHOWN,
            late_tables=[item for item in fresh if item.is_late],
            never_loaded=[item for item in fresh if item.state == "never"],
            in_time=[item for item in fresh if not item.is_late and item.state != "never"],
            loads=arrivals.latest_loads(connection, g.who),
            builds=builds.latest_builds(connection),
            published=builds.published(connection),
            failure=watch_failure.read(here.settings.state_dir),
            turns=builds.turns(connection),
            docs_made_at=docs.made_at(here.settings.dbt_target),
        )


@pages.get("/tables")
def tables() -> ResponseReturnValue:
    """Every table of the contract, by system."""
    contract = gatehouse().readable()
    with gatehouse().engine.connect() as connection:
        found = sizes.table_sizes(connection, contract)
    in_order = sorted(contract, key=lambda table: table.source)
    systems = [(source, list(group)) for source, group in groupby(in_order, lambda table: table.source)]
    return render_template("tables.html", contract=contract, systems=systems, sizes=found)


@pages.get("/tables/<source>/<name>")
def table(source: str, name: str) -> ResponseReturnValue:
    """The contract of one table in words, and its last loads."""
    contract, now = gatehouse().contract(), datetime.now(UTC)
    found = contract.tables.get((source, name))
    if found is None:
        abort(404, f"The contract has no table {source}.{name}.")
    with gatehouse().engine.connect() as connection:
        fresh = arrivals.freshness(connection, contract, now)
        return render_template(
            "table.html",
            contract=contract,
            table=found,
            rules=rules_in_words(found, contract),
            size=sizes.table_sizes(connection, [found])[found.id],
            fresh=next(item for item in fresh if item.table is found),
            loads=arrivals.latest_loads(connection, g.who, 10, found),
        )


@pages.get("/loads")
def loads() -> ResponseReturnValue:
    """All loads, newest first, 50 a page."""
    contract = gatehouse().readable()
    chosen = _chosen("table", "status")
    filters = {}
    if "table" in chosen:
        filters["source"], filters["table_name"] = _split(chosen["table"])
    if "status" in chosen:
        filters["status"] = chosen["status"]
    before = _whole("before")
    with gatehouse().engine.connect() as connection:
        found = arrivals.latest_loads(connection, g.who, arrivals.PAGE + 1, None, filters, before)
    shown = found[: arrivals.PAGE]
    return render_template(
        "loads.html",
        contract=contract,
        loads=shown,
        older=shown[-1].load_id if len(found) > len(shown) else None,
        before=before,
        chosen=chosen,
        statuses=LOAD_STATUSES,
        table_ids=_table_ids(contract, chosen),
    )


@pages.get("/loads/<int:load_id>")
def load(load_id: int) -> ResponseReturnValue:
    """The receipt of a load, and what became of it since."""
    contract = gatehouse().contract()
    with gatehouse().engine.connect() as connection:
        found = receipts.find_load(connection, load_id) if load_id < 2**63 else None
        if found is None or not g.who.may("read", found.source, found.table_name):
            abort(404, f"There is no load {load_id}.")
        chosen = kept.Filter(g.who, "all", load_id=load_id)
        seq = found.seq if found.accepted else None
        return render_template(
            "load.html",
            contract=contract,
            table=contract.tables.get((found.source, found.table_name)),
            load=found,
            verdict=verdict_of(found),
            masks=Masks(contract),
            rows=kept.list_rows(connection, chosen, 1, _LISTED),
            releases=receipts.caused_by(connection, g.who, load_id),
            arrived=kept.rows_let_in_by(connection, load_id) if found.door in ("release", "replay") else [],
            published=receipts.published_by(connection, seq) if seq is not None else None,
        )


@pages.get("/rejects")
def rejects() -> ResponseReturnValue:
    """Rows that were not let in, as they came, 20 a page."""
    contract = gatehouse().readable()
    chosen = _chosen("table", "status", "load")
    status = chosen.get("status", "open")
    if status not in (*REJECT_STATUSES, "open", "all"):
        abort(400, f"There is no status {status}.")
    source, name = _split(chosen["table"]) if "table" in chosen else (None, None)
    wanted = kept.Filter(g.who, status, source, name, _whole("load"))
    page = _whole("page") or 1
    with gatehouse().engine.connect() as connection:
        total = kept.count_rows(connection, wanted)
        last = max(1, -(-total // kept.PAGE))
        page = min(page, last)
        rows = kept.list_rows(connection, wanted, page)
        groups = []
        if source and name and (source, name) in contract.tables and g.who.may("mend", source, name):
            groups = kept.groups(connection, source, name)
    return render_template(
        "rejects.html",
        contract=contract,
        rows=rows,
        groups=groups,
        masks=Masks(contract),
        total=total,
        page=page,
        pages=last,
        size=kept.PAGE,
        chosen={"status": status} | chosen,
        filtered=bool(chosen),
        statuses=_REJECT_FILTERS,
        table_ids=_table_ids(contract, chosen),
    )


@pages.get("/dbt/")
def dbt_docs() -> ResponseReturnValue:
    """The docs that `dbt docs generate` made, or how to make them."""
    return docs_response(gatehouse().settings.dbt_target) or render_template("dbt.html")


def _chosen(*names: str) -> dict[str, str]:
    """The filters that are set."""
    return {name: value for name in names if (value := request.args.get(name, "").strip())}


def _split(table_id: str) -> tuple[str, str]:
    source, _, name = table_id.replace("\0", "").partition(".")
    return source, name


def _whole(name: str) -> int | None:
    """A whole number from 1 of the query; ``None`` where it is left out."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    if not 0 < len(digits) <= 19 or int(digits) >= 2**63:
        abort(400, f"'{name}' is a whole number from 1.")
    return int(digits)


def _table_ids(contract: Any, chosen: Mapping[str, str]) -> list[str]:
    """What the filter offers: the contract's tables, and the one that is chosen."""
    known: set[str] = {found.id for found in contract}
    return sorted(known | ({chosen["table"]} if "table" in chosen else set()))
