"""dbt's own docs as one page, kept apart from the rest of the site.

dbt's page brings its scripts and styles in its body, so it needs a policy of its own. It runs
in a sandbox: scripts may run, but they are of no origin, see no session, and reach nothing
(the page would also report each view to its maker's server).
"""

from __future__ import annotations

import json
from pathlib import Path

from flask import Response

from loader.docs import CATALOG, MANIFEST, PAGE

_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
)
_PLACES = {
    '"MANIFEST.JSON INLINE DATA"': MANIFEST,
    '"CATALOG.JSON INLINE DATA"': CATALOG,
}


def docs_response(target: Path) -> Response | None:
    """The page with what `dbt docs generate` wrote put into it; ``None`` if it has not run."""
    try:
        page = (target / PAGE).read_text("utf-8")
        for place, name in _PLACES.items():
            page = page.replace(place, _for_script((target / name).read_text("utf-8")))
    except (OSError, ValueError):
        return None
    return Response(page, headers={"Content-Security-Policy": _POLICY})


def _for_script(text: str) -> str:
    """JSON that can stand in a script: a description must not end the element."""
    return json.dumps(json.loads(text), ensure_ascii=False).replace("<", "\\u003c")
