"""What stands in the database, read from PostgreSQL's own catalog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from loader.contract.types import identifier
from loader.migrate.ddl import BY_LOAD

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
}


@dataclass(frozen=True)
class StandingColumn:
    """A column as it stands; ``number`` is its attribute number."""

    name: str
    number: int
    type: str
    required: bool
    default: str | None
    comment: str


@dataclass(frozen=True)
class StandingIndex:
    """An index; ``columns`` is empty unless it is a whole, plain b-tree over columns."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class StandingRelation:
    """A relation of any kind; ``is_ours`` when the current user may alter it."""

    oid: int
    schema: str
    name: str
    kind: str
    owner: str
    is_ours: bool
    comment: str
    columns: dict[str, StandingColumn] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    primary_key_name: str = ""
    checks: dict[str, str] = field(default_factory=dict)
    indexes: tuple[StandingIndex, ...] = ()

    @property
    def sql(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.name)}"


@dataclass(frozen=True)
class Catalog:
    """The relations of some schemas, by (schema, name), and whose an index name is."""

    user: str
    schemas: frozenset[str]
    relations: dict[tuple[str, str], StandingRelation]
    index_owners: dict[tuple[str, str], str]


_RELATIONS = """
select
    c.oid,
    n.nspname,
    c.relname,
    c.relkind::text,
    c.relowner::regrole::text as owner,
    pg_has_role(c.relowner, 'usage') as is_ours,
    coalesce(obj_description(c.oid, 'pg_class'), '') as comment
from pg_class c
inner join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any(:schemas) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
"""

_COLUMNS = """
select
    a.attrelid,
    a.attname,
    a.attnum,
    format_type(a.atttypid, a.atttypmod) as type,
    a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid) as default,
    coalesce(col_description(a.attrelid, a.attnum), '') as comment
from pg_attribute a
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = any(:oids) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

_CONSTRAINTS = """
select
    k.conrelid,
    k.conname,
    k.contype::text,
    pg_get_constraintdef(k.oid) as definition,
    (
        select array_agg(a.attname::text order by u.place)
        from unnest(k.conkey) with ordinality u (attnum, place)
        inner join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
    ) as columns
from pg_constraint k
where k.conrelid = any(:oids) and k.contype in ('p', 'c')
"""

# attnum 0 is an expression; a plain index has none, is not partial, and sorts in the usual way
_INDEXES = """
select
    i.indrelid,
    c.relname,
    am.amname as method,
    i.indisvalid
        and i.indisready
        and i.indpred is null
        and not i.indisunique
        and am.amname in ('btree', 'brin')
        and not 0 = any(i.indkey::smallint[])
        and i.indnatts = i.indnkeyatts
        and not exists (
            select from unnest(i.indclass::oid[]) u (opclass)
            inner join pg_opclass o on o.oid = u.opclass
            where not o.opcdefault
        ) as is_plain,
    (
        select array_agg(a.attname::text order by u.place)
        from unnest(i.indkey::smallint[]) with ordinality u (attnum, place)
        inner join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.attnum
    ) as columns
from pg_index i
inner join pg_class c on c.oid = i.indexrelid
inner join pg_am am on am.oid = c.relam
where i.indrelid = any(:oids)
order by c.relname
"""

_HISTORIES = """
select n.nspname, c.relname
from pg_class c
inner join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p')
    and c.relname like '%\\_\\_history'
    and 2 = (
        select count(*)
        from pg_attribute a
        where a.attrelid = c.oid and a.attname in ('_written_load_id', '_reason') and not a.attisdropped
    )
order by n.nspname, c.relname
"""


def read_catalog(connection: sa.Connection, schemas: Iterable[str]) -> Catalog:
    """Everything that stands in ``schemas``, indexes and constraints included."""
    wanted = sorted(set(schemas))

    def rows(query: str, **parameters: Any) -> list[sa.Row[Any]]:
        return list(connection.execute(sa.text(query), parameters))

    heads = rows(_RELATIONS, schemas=wanted)
    oids = [head.oid for head in heads]
    names = {head.oid: (head.nspname, head.relname) for head in heads}
    columns: dict[int, dict[str, StandingColumn]] = {oid: {} for oid in oids}
    for row in rows(_COLUMNS, oids=oids):
        columns[row.attrelid][row.attname] = StandingColumn(
            row.attname, row.attnum, row.type, row.attnotnull, row.default, row.comment
        )
    keys: dict[int, tuple[str, tuple[str, ...]]] = {}
    checks: dict[int, dict[str, str]] = {oid: {} for oid in oids}
    for row in rows(_CONSTRAINTS, oids=oids):
        if row.contype == "p":
            keys[row.conrelid] = (row.conname, tuple(row.columns))
        else:
            checks[row.conrelid][row.conname] = row.definition
    indexes: dict[int, list[StandingIndex]] = {oid: [] for oid in oids}
    index_owners: dict[tuple[str, str], str] = {}
    for row in rows(_INDEXES, oids=oids):
        listed = tuple(row.columns or ())
        serves = row.is_plain and (row.method == "btree" or listed == BY_LOAD)
        indexes[row.indrelid].append(StandingIndex(row.relname, listed if serves else ()))
        schema, relation = names[row.indrelid]
        index_owners[(schema, row.relname)] = relation
    relations = {}
    for head in heads:
        key_name, key = keys.get(head.oid, ("", ()))
        relations[(head.nspname, head.relname)] = StandingRelation(
            head.oid, head.nspname, head.relname, head.relkind, head.owner, head.is_ours, head.comment,
            columns[head.oid], key, key_name, checks[head.oid], tuple(indexes[head.oid]),
        )  # fmt: skip
    standing = rows("select nspname from pg_namespace where nspname = any(:schemas)", schemas=wanted)
    return Catalog(
        connection.scalar(sa.text("select current_user::text")) or "",
        frozenset(row.nspname for row in standing),
        relations,
        index_owners,
    )


def standing_histories(connection: sa.Connection) -> list[tuple[str, str]]:
    """(schema, name) of every history in the database, by the columns only a history has."""
    return [(row.nspname, row.relname) for row in connection.execute(sa.text(_HISTORIES))]
