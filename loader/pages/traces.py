"""Where a number comes from: the tables that say it, the row that is asked for, and what it was made of."""

from __future__ import annotations

from itertools import groupby

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from loader.app import gatehouse
from loader.contract.model import Contract
from loader.pages.masking import MASK, Masks
from loader.remedy import Remedy
from loader.trace.follow import OWN_COLUMNS, Found, some_keys, trace
from loader.trace.models import Model, Models

traces = Blueprint("traces", __name__)

#: So long may one question of a trace take: a page is waited for.
_SECONDS = 30


@traces.get("/")
def tables() -> ResponseReturnValue:
    """All models that say what they are made of, marts before the warehouse."""
    known: dict[str, Model] = {}
    missing = None
    try:
        known = Models.of(gatehouse().settings.dbt_target).by_id
    except Remedy as failure:
        missing = failure
    ordered = sorted(known.values(), key=lambda model: (not model.is_mart, model.id))
    schemas = [(schema, list(found)) for schema, found in groupby(ordered, key=lambda model: model.schema)]
    return render_template("traces.html", schemas=schemas, missing=missing)


@traces.get("/<schema>/<table>")
def row(schema: str, table: str) -> ResponseReturnValue:
    """What a row was made of; the query has its key, of which what is empty is left out. Without
    one: a form, and some rows to begin from. Direct personal data in keys of staging tables is masked.
    """
    here = gatehouse()
    target = here.settings.dbt_target
    asked = {name: value.replace("\0", "") for name, value in request.args.items() if value}
    found: list[Found] = []
    failure = None
    try:
        model = Models.of(target).named(f"{schema}.{table}")
    except Remedy as problem:
        abort(404, str(problem))
    if asked:
        try:
            found = trace(here.engine, here.contract(), target, model.id, asked, seconds=_SECONDS)
        except Remedy as problem:
            failure = problem
        _mask(found, here.contract())
    samples = [] if found else some_keys(here.engine, model)
    page = render_template("trace.html", model=model, asked=asked, found=found, samples=samples, failure=failure)
    return page, 404 if failure else 200


def _mask(found: list[Found], contract: Contract) -> None:
    masks = Masks(contract)
    for one in found:
        if one.source is not None:
            hidden = [masks(*one.source).hides(name) for name in one.columns[: -len(OWN_COLUMNS)]]
            for values in one.first:
                values[: len(hidden)] = [MASK if hide else value for hide, value in zip(hidden, values, strict=False)]
