"""Which columns of the models are made from a source's personal ones, by the models' compiled SQL.

What is followed is the making of values: an output column bears the marks of every column that
stands in its expression, through CTEs, subqueries, unions and renames. A column that only decides
which rows come (`where`, `on`) leaves no mark, nor one by which a named window is ordered.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter
from typing import Any

from sqlglot import MappingSchema, exp, parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope, walk_in_scope

#: Columns by relation, which is (schema, table).
Relation = tuple[str, str]
Relations = dict[Relation, list[str]]
#: Relation and column to the source columns that its values are made from.
Marks = dict[tuple[Relation, str], set[str]]
Manifest = dict[str, Any]


def relation_of(node: dict[str, Any]) -> Relation:
    return node["schema"], node.get("alias") or node["identifier"]


def marked_sources(manifest: Manifest) -> Marks:
    """The source columns with `pii: direct`, in the mirror and in its history."""
    marks: Marks = {}
    for source in manifest["sources"].values():
        schema, name = relation_of(source)
        source_name = f"{source['source_name']}.{source['name']}"
        for column in source["columns"].values():
            if column["config"]["meta"].get("pii") == "direct":
                for table in (name, f"{name}__history"):
                    marks[(schema, table), column["name"]] = {f"{source_name}.{column['name']}"}
    return marks


def trace(manifest: Manifest, standing: Relations) -> tuple[Relations, Marks]:
    """Every model's columns, and those of them that are personal; `manifest` has compiled code.

    `standing` are the tables that no model makes. Raises sqlglot's error for a model that can't
    be read whole, such as one with a column that no table of its has.
    """
    models = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    relations = dict(standing)
    relations |= {
        relation_of(node): list(node["columns"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "seed"
    }
    schema = MappingSchema(dialect="postgres")
    for relation, columns in relations.items():
        _add(schema, relation, columns)
    marks = marked_sources(manifest)
    order = TopologicalSorter({name: set(node["depends_on"]["nodes"]) for name, node in models.items()}).static_order()
    for name in order:
        if name in models:
            made = relation_of(models[name])
            found = _Select(models[name]["compiled_code"], schema, marks).outputs()
            relations[made] = list(found)
            _add(schema, made, found)
            marks |= {(made, column): origins for column, origins in found.items() if origins}
    return relations, marks


def _add(schema: MappingSchema, relation: Relation, columns: Iterable[str]) -> None:
    table = exp.table_(relation[1], db=relation[0], quoted=True)
    schema.add_table(table, {f'"{column}"': "text" for column in columns}, dialect="postgres", match_depth=False)


class _Select:
    """One model's SQL."""

    def __init__(self, sql: str, schema: MappingSchema, marks: Marks) -> None:
        self.marks = marks
        tree = parse_one(sql, read="postgres")
        for table in tree.find_all(exp.Table):
            table.set("catalog", None)  # dbt names the database, too
        tree = qualify(tree, schema=schema, dialect="postgres", validate_qualify_columns=True)
        self.scope = build_scope(tree)
        self._known: dict[int, dict[str, set[str]]] = {}

    def outputs(self) -> dict[str, set[str]]:
        """The columns that are selected, each with the personal source columns in it."""
        assert self.scope is not None
        return self._outputs(self.scope)

    def _outputs(self, scope: Scope) -> dict[str, set[str]]:
        if id(scope) not in self._known:
            self._known[id(scope)] = {}  # a recursive part sees what its beginning has
            if isinstance(scope.expression, exp.SetOperation):
                first, *others = [self._outputs(part) for part in scope.set_operation_scopes]
                columns = zip(first, *(other.values() for other in others), strict=True)
                made = {name: first[name].union(*rest) for name, *rest in columns}
            else:
                made = {made.alias_or_name: self._in(made, scope) for made in scope.expression.selects}
            self._known[id(scope)] = made
        return self._known[id(scope)]

    def _in(self, expression: exp.Expression, scope: Scope) -> set[str]:
        """The marks of every column in an expression, and of all that its subqueries select."""
        found: set[str] = set()
        for node in walk_in_scope(expression):
            if isinstance(node, exp.Column):
                found |= self._column(node, scope)
        inside = {id(node) for node in expression.find_all(exp.Query)}
        for subquery in scope.subquery_scopes:
            if id(subquery.expression) in inside:
                found = found.union(*self._outputs(subquery).values())
        return found

    def _column(self, column: exp.Column, scope: Scope) -> set[str]:
        source = scope.sources.get(column.table)
        if isinstance(source, Scope):
            return self._outputs(source).get(column.name, set())
        if isinstance(source, exp.Table):
            return self.marks.get(((source.db, source.name), column.name), set())
        return set()
