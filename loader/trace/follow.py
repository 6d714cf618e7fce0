"""From a row of the warehouse or a mart to what it was made of: rows, versions in staging, loads, people.

Nothing here knows a table by name: models say it themselves. Rows are gone through as sets, in
temporary tables of the transaction, so that a row made of a million is no other matter than a row
made of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg2.errors
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError

from loader.contract.model import Contract, Table
from loader.contract.types import identifier, literal
from loader.remedy import Remedy
from loader.trace.models import LOADS, Model, Models, Origin

SHOWN = 5
_STATE = "_state"
#: What is shown of a version in staging behind its key.
OWN_COLUMNS = (_STATE, "_load_id", "_row")


@dataclass
class LoadOf:
    """What a load has to do with it: how many of the rows it brought, and who or what it was."""

    load_id: int
    rows: int
    door: str
    principal: str
    file_name: str | None
    idempotency_key: str | None
    started_at: Any
    cause_load_id: int | None
    #: The load by which these rows first came, where they had to wait or were mended.
    first_load_id: int | None
    #: Loaded after the state that readers have.
    is_later: bool


@dataclass
class Found:
    """The rows of one table: how many, and the first, their key before all else; of a staging
    table the versions, by state and by load."""

    table: str
    into: list[str]
    rows: int
    key: list[str]
    columns: list[str]
    first: list[list[Any]]
    nothing: str | None = None
    #: Of a staging table, as the contract has it: source and table.
    source: tuple[str, str] | None = None
    states: dict[str, int] = field(default_factory=dict)
    loads: list[LoadOf] = field(default_factory=list)
    load_count: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Trace:
    """One row, or the rows of some columns' values, and all that it is made of."""

    def __init__(self, connection: Connection, contract: Contract, models: Models, shown: int = SHOWN) -> None:
        self._connection, self._contract, self._models, self._shown = connection, contract, models, shown
        self._tables: dict[str, str] = {}

    def of(self, table: str, values: Mapping[str, str]) -> list[Found]:
        """The rows first, then what they come from, each table once, after all that it went into.

        Raises Remedy for a table that does not say what it is made of, a column that it has not,
        and where there is no such row.
        """
        model = self._models.named(table)
        self._begin(model, values)
        found = [self._found_rows(model, [])]
        if not found[0].rows:
            raise Remedy(f"{table} has no row with {_words(values)}.", f"Its key is {', '.join(model.key)}.")
        for name, into in self._order(model):
            parent = self._models.by_name.get(name)
            if name == LOADS:
                self._select(name, [self._loads_of(child, origin) for child, origin in into])
                found.append(self._found_loads([child.id for child, _ in into]))
            elif parent is not None:
                self._select(name, [self._rows_of(parent, child, origin) for child, origin in into])
                found.append(self._found_rows(parent, [child.id for child, _ in into]))
            else:
                source = self._source(name, into[0][0])
                self._select(name, [self._versions_of(source, child, origin) for child, origin in into])
                found.append(self._found_versions(source, name, [child.id for child, _ in into]))
        return found

    def _order(self, first: Model) -> Iterator[tuple[str, list[tuple[Model, Origin]]]]:
        """Each parent with those that it goes into, once all of these have been."""
        into: dict[str, list[tuple[Model, Origin]]] = {}
        reached, queue = {first.name}, [first]
        for model in queue:
            for origin in model.origins:
                into.setdefault(origin.name, []).append((model, origin))
                parent = self._models.by_name.get(origin.name)
                if parent is None and origin.ref:
                    raise Remedy(f"{model.name} comes from {origin.ref}, which does not say what it is made of.",
                                 "Give it a config.meta.trace, as docs/trace.md says.")  # fmt: skip
                if parent is not None and parent.name not in reached:
                    reached.add(parent.name)
                    queue.append(parent)
        gone = {first.name}
        while into:
            if first.name in into:
                raise Remedy(f"config.meta.trace goes in a ring: {first.name}.")
            ready = [name for name, children in into.items() if all(child.name in gone for child, _ in children)]
            if not ready:
                raise Remedy(f"config.meta.trace goes in a ring: {', '.join(sorted(into))}.")
            for name in ready:
                yield name, into.pop(name)
                gone.add(name)

    # -- rows ----------------------------------------------------------------

    def _begin(self, model: Model, values: Mapping[str, str]) -> None:
        if not values:
            raise Remedy(f"Which row of {model.id}?", f"Its key is {', '.join(model.key)}.")
        types = self._columns_of(model.relation)
        if not types:
            raise Remedy(f"There is no table {model.id} yet.", "Run `loader build`.")
        if unknown := [name for name in values if name not in types]:
            raise Remedy(f"{model.id} has no column {unknown[0]}.", f"Its key is {', '.join(model.key)}.")
        chosen = " and ".join(
            f"child.{identifier(name)} = cast({literal(value)} as {types[name]})" if value else
            f"child.{identifier(name)} is null"
            for name, value in values.items()
        )  # fmt: skip
        try:
            self._select(model.name, [f"select child.* from {model.relation} as child where {chosen}"])
        except DataError as error:
            words = str(error.orig).strip().splitlines()[0]
            raise Remedy(f"{_words(values)}: {words}.", f"Its key is {', '.join(model.key)}.") from error

    def _select(self, name: str, queries: list[str]) -> None:
        self._tables[name] = table = f"pg_temp.trace_{len(self._tables)}"
        self._connection.exec_driver_sql(
            f"create temp table {table.removeprefix('pg_temp.')} on commit drop as {' union '.join(queries)}".replace(
                "%", "%%"
            )
        )
        self._connection.exec_driver_sql(f"analyze {table}")

    def _rows_of(self, parent: Model, child: Model, origin: Origin) -> str:
        return f"select parent.* from {parent.relation} as parent where {self._holds(child, origin)}"

    def _holds(self, child: Model, origin: Origin) -> str:
        terms = [f"parent.{identifier(theirs)} = child.{identifier(ours)}" for ours, theirs in origin.by.items()]
        if origin.where:
            terms.append(f"({origin.where})")
        relations = [f"{self._tables[child.name]} as child"]
        relations += [
            f"{self._relation(name)} as {identifier(name.partition('.')[2] or name)}" for name in origin.through
        ]
        return f"exists (select 1 from {', '.join(relations)} where {' and '.join(terms)})"

    def _relation(self, name: str) -> str:
        if name in self._models.relations:
            return self._models.relations[name]
        source, _, table = name.partition(".")
        if (source, table) in self._contract.tables:
            return self._contract.tables[source, table].mirror
        raise Remedy(f"config.meta.trace goes through {name}, which is neither a model nor a table of the contract.")

    def _found_rows(self, model: Model, into: list[str]) -> Found:
        table = self._tables[model.name]
        order = ", ".join(identifier(name) for name in model.key)
        rest = [name for name in self._columns_of(table) if name not in model.key]
        columns = [*model.key, *rest]
        shown = ", ".join(map(identifier, columns))
        first = self._rows(f"select {shown} from {table} order by {order} limit {self._shown}")
        return Found(
            model.id, into, self._count(table), list(model.key), columns, [list(row) for row in first],
            nothing=model.nothing,
        )  # fmt: skip

    # -- loads and versions --------------------------------------------------

    def _loads_of(self, child: Model, origin: Origin) -> str:
        column = identifier(str(origin.loads))
        return f"select child.{column} as _load_id, 0 as _row from {self._tables[child.name]} as child"

    def _found_loads(self, into: list[str]) -> Found:
        loads = self._loads_in(self._tables[LOADS])
        first = [[load.load_id] for load in loads[: self._shown]]
        return Found(
            LOADS, into, len(loads), ["load_id"], ["load_id"], first, loads=loads[: self._shown], load_count=len(loads)
        )  # fmt: skip

    def _source(self, name: str, child: Model) -> Table:
        source, _, table = name.partition(".")
        found = self._contract.tables.get((source, table))
        if found is None:
            raise Remedy(f"{child.name} comes from {name}, which is no table of the contract.")
        return found

    def _versions_of(self, source: Table, child: Model, origin: Origin) -> str:
        columns = ", ".join(f"parent.{identifier(name)}" for name in (*source.primary_key, "_load_id", "_row"))
        holds = self._holds(child, origin)
        return (
            f"select {columns}, 'current' as {_STATE} from {source.mirror} as parent where {holds} union "
            f"select {columns}, parent._reason from {source.history} as parent where {holds}"
        )

    def _found_versions(self, source: Table, name: str, into: list[str]) -> Found:
        table = self._tables[name]
        shown = [*source.primary_key, *OWN_COLUMNS]
        columns = ", ".join(identifier(column) for column in shown)
        first = self._rows(f"select {columns} from {table} order by {columns} limit {self._shown}")
        states = dict(map(tuple, self._rows(f"select {_STATE}, count(*) from {table} group by 1 order by 1")))
        loads = self._loads_in(table)
        return Found(
            f"{source.schema}.{source.identifier}", into, states.get("current", 0),
            list(source.primary_key), shown, [list(row) for row in first],
            source=(source.source, source.name), states=states, loads=loads[: self._shown], load_count=len(loads),
        )  # fmt: skip

    def _loads_in(self, table: str) -> list[LoadOf]:
        """Those that brought the table's rows, the largest first."""
        found = self._rows(
            f"""
            with bound as (
                select upper_bound from ledger.builds where published_at is not null order by build_id desc limit 1
            ),
            brought as (select distinct _load_id, _row from {table}),
            counted as (
                select brought._load_id as load_id, count(*) as rows, min(rejects.first_load_id) as first_load_id
                from brought
                left join ledger.rejects as rejects
                    on rejects.resolved_load_id = brought._load_id and rejects.resolved_row = brought._row
                group by 1
            )
            select load_id, rows, door, principal, file_name, idempotency_key, started_at, cause_load_id,
                nullif(first_load_id, load_id), coalesce(seq > (select upper_bound from bound), false)
            from counted inner join ledger.loads using (load_id)
            order by rows desc, load_id
            """
        )
        return [LoadOf(*row) for row in found]

    def _columns_of(self, relation: str) -> dict[str, str]:
        """Each column with its type, in order; none where there is no such relation."""
        found = self._connection.execute(
            sa.text(
                "select attname, format_type(atttypid, atttypmod) from pg_attribute "
                "where attrelid = to_regclass(:relation) and attnum > 0 and not attisdropped order by attnum"
            ),
            {"relation": relation},
        )
        return {row.attname: row.format_type for row in found}

    def _rows(self, query: str) -> list[Any]:
        return list(self._connection.exec_driver_sql(query).all())

    def _count(self, table: str) -> int:
        return int(self._connection.exec_driver_sql(f"select count(*) from {table}").scalar_one())


def trace(
    engine: sa.Engine, contract: Contract, target: Path, table: str, values: Mapping[str, str],
    shown: int = SHOWN, seconds: int | None = None,
) -> list[Found]:  # fmt: skip
    """What the rows of `table` with these values are made of. `target`: dbt's, with its manifest;
    `seconds`: as long as one question to the database may take.

    Raises Remedy, also where what a model says of itself is no SQL.
    """
    models = Models.of(target)
    with engine.connect() as connection:
        if seconds is not None:
            connection.exec_driver_sql(f"set local statement_timeout = '{seconds}s'")
        try:
            return Trace(connection, contract, models, shown).of(table, values)
        except OperationalError as error:
            if not isinstance(error.orig, psycopg2.errors.QueryCanceled):
                raise
            raise Remedy(
                "That takes too long, or was broken off.", "Say more of the key, or ask `loader trace`, which waits."
            ) from error
        except ProgrammingError as error:
            words = str(error.orig).strip().splitlines()[0]
            raise Remedy(
                f"What config.meta.trace says can't be asked: {words}.", "Correct it, or build again."
            ) from error
        finally:
            connection.rollback()


def some_keys(engine: sa.Engine, model: Model, shown: int = SHOWN) -> list[dict[str, str]]:
    """Keys of some rows, to begin from, as texts; none where the table has not been built."""
    columns = ", ".join(f"cast({identifier(name)} as text)" for name in model.key)
    with engine.connect() as connection:
        try:
            rows: list[Any] = list(
                connection.exec_driver_sql(f"select {columns} from {model.relation} limit {shown}").all()
            )
        except ProgrammingError:
            return []
    return [dict(zip(model.key, row, strict=True)) for row in rows]


def _words(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
