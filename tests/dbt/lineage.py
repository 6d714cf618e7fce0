"""Which columns of the models are made from a source's personal ones, by the models' compiled SQL.

What is followed is the making of values: an output column bears the marks of every column that
stands in its expression, through CTEs, subqueries, unions and renames. A column that only decides
which rows come (`where`, `on`) leaves no mark, nor one by which a named window is ordered. Of a row
taken whole (`to_jsonb(people)`), and of what a function or `lateral` makes of a row, every column
bears all the marks. What can't be followed is an error: no column is taken for clean unread.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import TopologicalSorter
from typing import Any

from sqlglot import MappingSchema, exp, parse_one
from sqlglot.errors import OptimizeError
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


def outputs(sql: str, relations: Relations, marks: Marks) -> dict[str, set[str]]:
    """The columns of one select, each with what is marked in it."""
    schema = MappingSchema(dialect="postgres")
    for relation, columns in relations.items():
        _add(schema, relation, columns)
    return _Select(sql, schema, marks).outputs()


def _add(schema: MappingSchema, relation: Relation, columns: Iterable[str]) -> None:
    table = exp.table_(relation[1], db=relation[0], quoted=True)
    schema.add_table(table, {f'"{column}"': "text" for column in columns}, dialect="postgres", match_depth=False)


class _Select:
    """One model's SQL."""

    def __init__(self, sql: str, schema: MappingSchema, marks: Marks) -> None:
        self.schema, self.marks = schema, marks
        tree = parse_one(sql, read="postgres")
        for table in tree.find_all(exp.Table):
            table.set("catalog", None)  # dbt names the database, too
        if any(clause.recursive for clause in tree.find_all(exp.With)):
            raise OptimizeError("with recursive: what its rows are made of is not followed")
        tree = qualify(tree, schema=schema, dialect="postgres", validate_qualify_columns=True)
        self.scope = build_scope(tree)
        self._known: dict[int, dict[str, set[str]]] = {}

    def outputs(self) -> dict[str, set[str]]:
        """The columns that are selected, each with the personal source columns in it."""
        assert self.scope is not None
        return self._outputs(self.scope)

    def _outputs(self, scope: Scope) -> dict[str, set[str]]:
        if id(scope) not in self._known:
            if isinstance(scope.expression, exp.SetOperation):
                first, *others = [self._outputs(part) for part in scope.set_operation_scopes]
                columns = zip(first, *(other.values() for other in others), strict=True)
                made = {name: first[name].union(*rest) for name, *rest in columns}
            elif isinstance(scope.expression, exp.UDTF):
                made = {"": self._in(scope.expression, scope)}  # whatever its columns are called
            else:
                made = {made.alias_or_name: self._in(made, scope) for made in scope.expression.selects}
            self._known[id(scope)] = made
        return self._known[id(scope)]

    def _in(self, expression: exp.Expression, scope: Scope) -> set[str]:
        """The marks of every column in an expression, and of all that its subqueries select."""
        found: set[str] = set()
        for node in walk_in_scope(expression):
            if isinstance(node, exp.TableColumn) or (isinstance(node, exp.Column) and node.is_star):
                found |= self._row(node.name if isinstance(node, exp.TableColumn) else node.table, scope)
            elif isinstance(node, exp.Column):
                found |= self._column(node, scope)
        inside = {id(node) for node in expression.walk()}
        for subquery in scope.subquery_scopes:
            if id(subquery.expression) in inside:
                found = found.union(*self._outputs(subquery).values())
        return found

    def _column(self, column: exp.Column, scope: Scope) -> set[str]:
        marks = self._source(column.table, scope)
        if "" not in marks and column.name not in marks:
            raise OptimizeError(f"{column.sql()}: no column of what it is taken from")
        return marks.get(column.name, marks.get("", set()))

    def _row(self, name: str, scope: Scope) -> set[str]:
        return set().union(*self._source(name, scope).values())

    def _source(self, name: str, scope: Scope | None) -> dict[str, set[str]]:
        """The columns of what is called so here, or in a query around this one; "" is any column."""
        while scope is not None:
            _, source = scope.selected_sources.get(name, (None, None))
            if isinstance(source, Scope):
                return self._outputs(source)
            if isinstance(source, exp.Table) and isinstance(source.this, exp.Func):
                return {"": self._in(source.this, scope)}
            if isinstance(source, exp.Table) and (columns := self.schema.column_names(source)):
                return {column: self.marks.get(((source.db, source.name), column), set()) for column in columns}
            scope = scope.parent
        raise OptimizeError(f"{name}: no table that is known")
