"""The warehouse as a page: the star and where each mart comes from, drawn from dbt's manifest.

Mermaid, which Git hosts draw, in Markdown. Nothing on the page is written by hand; a test fails
when `docs/warehouse.md` says something else than the project does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

MADE_BY = "<!-- Made by `loader contract models` from the dbt project: change that. -->"
_INTRODUCTION = """\
Drawn from the project itself. What each table is made for, and why it is so, says
[models.md](models.md); what the sources send is drawn in [ods.md](ods.md)."""
_STAR = """\
A line is a test that every row of the fact finds its row of the dimension; beside it, the fact's
column. Every fact that has such a test is here."""
_LINEAGE = """\
From left to right: what a system sends, steps in between, dimensions and facts, the mart's tables
and who asks them. `stg_` views stand for the source table that each shows."""

Node = dict[str, Any]
Manifest = dict[str, Any]
_FACT, _DIMENSION = "fct_", "dim_"
#: Of the layers after the sources, the marts last.
_RANK = {"seeds": 1, "intermediate": 2, "warehouse": 3}


def warehouse_page(manifest: Manifest) -> str:
    """The whole page as Markdown, ending with a line feed; `manifest` is dbt's own, whole."""
    project = _Project(manifest)
    parts = [MADE_BY, "# The warehouse, drawn", _INTRODUCTION, "## The star", _STAR, star(project)]
    for fact in project.facts():
        parts += [f"### {fact['name']}", *_words(fact), star(project, fact)]
    parts += ["## Where each mart comes from", _LINEAGE]
    for department, marts in project.departments().items():
        parts += [f"### mart_{department}", lineage(project, marts)]
    return "\n\n".join(parts) + "\n"


class _Project:
    """What the pictures ask of a manifest."""

    def __init__(self, manifest: Manifest) -> None:
        self.nodes: dict[str, Node] = {**manifest["nodes"], **manifest["sources"]}
        self.exposures: list[Node] = sorted(manifest["exposures"].values(), key=lambda node: str(node["name"]))
        self.models = {name: node for name, node in self.nodes.items() if node["resource_type"] == "model"}

    def facts(self) -> list[Node]:
        related = {fact for fact, _, _ in self.relations()}
        return [node for name, node in sorted(self.models.items()) if name in related]

    def departments(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for node in sorted(self.models.values(), key=lambda node: list(node["fqn"])):
            if node["fqn"][1] == "marts":
                found.setdefault(str(node["fqn"][2]), []).append(node)
        return found

    def relations(self) -> list[tuple[str, str, str]]:
        """Fact, its column and dimension, of each `relationships` test between the two."""
        found = set()
        for test in self.nodes.values():
            metadata = test.get("test_metadata") or {}
            if metadata.get("name") != "relationships":
                continue
            child = str(test.get("attached_node") or "")
            for parent in test["depends_on"]["nodes"]:
                if parent != child and _is(child, _FACT) and _is(parent, _DIMENSION):
                    found.add((child, str(test["column_name"]), parent))
        return sorted(found)

    def parents(self, name: str) -> list[str]:
        """What a node is made from; a `stg_` view gives way to its source."""
        direct = [parent for parent in self.nodes[name]["depends_on"]["nodes"] if parent in self.nodes]
        found: list[str] = []
        for parent in direct:
            is_view_of_a_source = self.nodes[parent]["fqn"][1] == "staging" and parent in self.models
            found += self.nodes[parent]["depends_on"]["nodes"] if is_view_of_a_source else [parent]
        return sorted(set(found))


def _is(unique_id: str, beginning: str) -> bool:
    return unique_id.split(".")[-1].startswith(beginning)


def star(project: _Project, fact: Node | None = None) -> str:
    """A fenced diagram of facts and dimensions; of one fact, with its keys."""
    relations = [r for r in project.relations() if fact is None or r[0] == fact["unique_id"]]
    lines = ["```mermaid", "erDiagram"]
    if fact is not None:
        columns = sorted({column for _, column, _ in relations})
        lines += [f"    {fact['name']} {{", *(f"        key {column} FK" for column in columns), "    }"]
    for child, column, parent in relations:
        lines.append(f'    {_last(parent)} ||--o{{ {_last(child)} : "{column}"')
    return "\n".join([*lines, "```"])


def lineage(project: _Project, marts: Iterable[Node]) -> str:
    """A fenced diagram of all that the tables of a mart are made from, and of who asks them."""
    own = [str(node["unique_id"]) for node in marts]
    edges: set[tuple[str, str]] = set()
    seen: set[str] = set()
    open_ = list(own)
    while open_:
        name = open_.pop()
        if name not in seen:
            seen.add(name)
            parents = project.parents(name) if name in project.models else []
            edges |= {(parent, name) for parent in parents}
            open_ += parents
    layers: dict[str, list[str]] = {}
    for name in sorted(seen):
        layers.setdefault(_layer(project.nodes[name]), []).append(name)
    lines = ["```mermaid", "flowchart LR"]
    for layer in sorted(layers, key=lambda layer: (4 if layer.startswith("mart_") else _RANK.get(layer, 0), layer)):
        lines += [f'    subgraph {_id(layer)}["{layer}"]']
        lines += [f'        {_id(name)}["{project.nodes[name]["name"]}"]' for name in layers[layer]]
        lines += ["    end"]
    lines += [f"    {_id(parent)} --> {_id(child)}" for parent, child in sorted(edges)]
    for exposure in project.exposures:
        asked = sorted(set(exposure["depends_on"]["nodes"]) & set(own))
        if asked:
            words = str(exposure.get("label") or exposure["name"]).replace('"', "'")
            lines += [f'    {_id(str(exposure["unique_id"]))}(["{words}"])']
            lines += [f"    {_id(name)} --> {_id(str(exposure['unique_id']))}" for name in asked]
    return "\n".join([*lines, "```"])


def _layer(node: Node) -> str:
    if node["resource_type"] == "source":
        return str(node["source_name"])
    if node["resource_type"] == "seed":
        return "seeds"
    layer = str(node["fqn"][1])
    return f"mart_{node['fqn'][2]}" if layer == "marts" else layer


def _words(node: Node) -> Iterator[str]:
    """The description as one line, if there is any."""
    if text := re.sub(r"\s+", " ", str(node["description"])).strip():
        yield text


def _last(unique_id: str) -> str:
    return unique_id.split(".")[-1]


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)
