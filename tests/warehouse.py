"""What a build has made, told apart from what another build made."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def checksums(engine: sa.Engine) -> dict[str, tuple[int, str]]:
    """Rows and a hash of them, of each table that the build makes for dimensions, facts and marts."""
    query = """
        select format('%I.%I', table_schema, table_name) from information_schema.tables
        where table_type = 'BASE TABLE' and (table_schema = 'warehouse' or table_schema like 'mart%\\_\\_build')
    """
    made = 'select count(*), md5(string_agg(made::text, chr(10) order by made::text collate "C")) from {} as made'
    with engine.connect() as connection:
        names = connection.scalars(sa.text(query)).all()
        found = {name: connection.execute(sa.text(made.format(name))).one() for name in names}
    return {name: (rows, content) for name, (rows, content) in found.items()}


def incremental_models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The manifest's incremental models by name."""
    return {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    }


def facts_that_follow(manifest: dict[str, Any]) -> set[tuple[str, str]]:
    """(fact, dimension) of each fact that points to versions of a dimension, as its changed_by says."""
    return {
        (name, change["versions_of"])
        for name, node in incremental_models(manifest).items()
        for change in node["config"]["meta"]["changed_by"]
        if "versions_of" in change
    }


def sources_that_change(manifest: dict[str, Any]) -> set[str]:
    """`source.table` of all that the changed_by of incremental models names, dimensions' sources too."""
    models = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    found = set()
    for node in incremental_models(manifest).values():
        for change in node["config"]["meta"]["changed_by"]:
            of = (
                models[change["versions_of"]]["config"]["meta"]["versions_from"]
                if "versions_of" in change
                else [change]
            )
            found |= {".".join(each["source"]) for each in of}
    return found
