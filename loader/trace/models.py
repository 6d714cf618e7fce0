"""What models say of where their rows come from: ``config.meta.trace`` of dbt's manifest (docs/trace.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loader.contract.types import identifier
from loader.remedy import Remedy

_BUILD = "__build"
_FORM = "docs/trace.md has its form."
_MANIFEST_REMEDY = "Run `loader build`, which writes what the models say."
#: What an origin is called that is loads themselves.
LOADS = "ledger.loads"


@dataclass(frozen=True)
class Origin:
    """One parent of a model: a model (`ref`), a table of the contract, or the loads of which the
    child's column `loads` is the number; which of the child's columns are which of its own, and
    what must hold besides, as SQL on ``child``, ``parent`` and the relations that it goes
    `through`, by their names."""

    ref: str | None
    source: str | None
    loads: str | None
    by: Mapping[str, str]
    where: str | None
    through: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.ref or self.source or (self.loads and LOADS))


@dataclass(frozen=True)
class Model:
    """A model that says what it is made of. `key`: the columns that tell a row; `nothing`: why it
    is made of no row."""

    name: str
    schema: str
    table: str
    key: tuple[str, ...]
    origins: tuple[Origin, ...]
    nothing: str | None

    @property
    def id(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def is_mart(self) -> bool:
        return self.schema.startswith("mart_")

    @property
    def relation(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.table)}"


class Models:
    """What dbt's manifest says of the models: by schema and table, as readers know them."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self.by_id: dict[str, Model] = {}
        self.by_name: dict[str, Model] = {}
        self.relations: dict[str, str] = {}
        for node in nodes.values():
            if node["resource_type"] != "model":
                continue
            schema = node["schema"].removesuffix(_BUILD)
            self.relations[node["name"]] = f"{identifier(schema)}.{identifier(node['alias'])}"
            said = (node["config"].get("meta") or {}).get("trace")
            if said is not None:
                model = _model(node, schema, said)
                self.by_id[model.id] = self.by_name[model.name] = model

    @classmethod
    def of(cls, target: Path) -> Models:
        """From the manifest of dbt's last whole build. Raises Remedy if there is none."""
        try:
            return cls(json.loads((target / "manifest.json").read_text("utf-8"))["nodes"])
        except OSError as error:
            raise Remedy(f"There is no {target / 'manifest.json'}.", _MANIFEST_REMEDY) from error

    def named(self, table: str) -> Model:
        """The model of that schema and table. Raises Remedy if none says what it is made of."""
        if table not in self.by_id:
            known = ", ".join(sorted(self.by_id))
            raise Remedy(f"{table} is no model that says what it is made of.", f"There are: {known or 'none'}.")
        return self.by_id[table]


def _model(node: Mapping[str, Any], schema: str, said: Any) -> Model:
    name = node["name"]
    try:
        origins = tuple(
            Origin(
                one.get("ref"), one.get("source"), one.get("loads"),
                by if isinstance(by := one.get("by") or {}, dict) else {column: column for column in by},
                one.get("where"), tuple(one.get("through") or ()),
            )
            for one in said.get("from") or []
        )  # fmt: skip
        key = tuple(said.get("key") or _primary_key(node))
        model = Model(name, schema, node["alias"], key, origins, said.get("nothing"))
    except (KeyError, TypeError, AttributeError) as error:
        raise Remedy(f"config.meta.trace of {name} can't be read: {error!r}.", _FORM) from error
    if not key:
        raise Remedy(f"config.meta.trace of {name}: no key, and the model has no primary key.", _FORM)
    if bool(origins) == bool(model.nothing) or not all(_is_whole(one) for one in origins):
        raise Remedy(f"config.meta.trace of {name}: each parent has ref or source, and by or where; or loads.", _FORM)
    return model


def _is_whole(origin: Origin) -> bool:
    return bool(origin.loads or ((origin.ref or origin.source) and (origin.by or origin.where)))


def _primary_key(node: Mapping[str, Any]) -> list[str]:
    constraints = node.get("constraints") or []
    return next((one["columns"] for one in constraints if one["type"] == "primary_key"), [])
