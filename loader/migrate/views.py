"""Views that stand in the way of a column's new type: taken down and put back as they were.

PostgreSQL changes no type under a view. Each such view, and each view on it, is dropped and
made again in the same transaction with its definition, owner, grants, options, comments,
defaults and, when it is materialized, its rows and indexes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from loader.contract.types import identifier, literal
from loader.migrate.sql import run


_VIEWS = ("v", "m")


@dataclass(frozen=True)
class View:
    """A view: what takes it down, and the statements that put it back."""

    oid: int
    name: str
    drop: str
    restore: tuple[str, ...]


@dataclass(frozen=True)
class Obstacle:
    """Something other than a view that hinders the change, and what to do about it."""

    problem: str
    remedy: str


_DEPENDENT = """
with recursive dependent (oid) as (
    select r.ev_class
    from unnest(cast(:oids as oid[]), cast(:numbers as int[])) altered (oid, number)
    inner join pg_depend d
        on d.refclassid = 'pg_class'::regclass
        and d.refobjid = altered.oid
        and d.refobjsubid = altered.number
    inner join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    where r.ev_class <> altered.oid
    union
    select r.ev_class
    from dependent
    inner join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = dependent.oid
    inner join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    where r.ev_class <> dependent.oid
)

select
    c.oid,
    c.relkind::text,
    format('%I.%I', n.nspname, c.relname) as name,
    pg_get_viewdef(c.oid) as definition,
    c.relispopulated,
    am.amname,
    t.spcname,
    c.relowner::regrole::text as owner,
    current_user::regrole::text as ours,
    c.relpersistence = 't' as is_temporary,
    pg_has_role(c.relowner, 'usage') and pg_has_role(c.relowner, 'set') as may_alter,
    coalesce(c.reloptions, '{}') as options,
    obj_description(c.oid, 'pg_class') as comment,
    exists (
        select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    ) as is_of_extension,
    array(
        select distinct u.on_view
        from pg_rewrite r
        inner join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
        cross join lateral (select d.refobjid as on_view) u
        where r.ev_class = c.oid and d.refclassid = 'pg_class'::regclass and u.on_view <> c.oid
    )::bigint[] as stands_on
from dependent
inner join pg_class c on c.oid = dependent.oid
inner join pg_namespace n on n.oid = c.relnamespace
left join pg_am am on am.oid = c.relam
left join pg_tablespace t on t.oid = c.reltablespace
order by c.oid
"""

_COLUMNS = """
select
    a.attname,
    col_description(a.attrelid, a.attnum) as comment,
    pg_get_expr(d.adbin, d.adrelid) as default
from pg_attribute a
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = :oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""

# The owner's own grants first: the others stand on them.
_GRANTS = """
select
    g.column_name,
    g.privilege_type as privilege,
    g.is_grantable,
    case g.grantee when 0 then 'public' else g.grantee::regrole::text end as grantee,
    g.grantor::regrole::text as grantor,
    g.grantor = g.owner as by_owner
from (
    select null::text as column_name, c.relowner as owner, acl.*
    from pg_class c, aclexplode(c.relacl) acl
    where c.oid = :oid
    union all
    select a.attname::text, c.relowner, acl.*
    from pg_class c
    inner join pg_attribute a on a.attrelid = c.oid, aclexplode(a.attacl) acl
    where c.oid = :oid
) g
order by by_owner desc, g.grantor, g.column_name nulls first, grantee, privilege
"""

# What PostgreSQL grants by itself on what we make: alter default privileges.
_DEFAULT_GRANTEES = """
select distinct case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end
from pg_class c
inner join pg_default_acl d
    on d.defaclrole = current_user::regrole
    and d.defaclobjtype = 'r'
    and d.defaclnamespace in (0, c.relnamespace),
    aclexplode(d.defaclacl) acl
where c.oid = :oid and acl.grantee <> c.relowner
order by 1
"""

_INDEXES = """
select
    pg_get_indexdef(i.indexrelid) as definition,
    format('%I.%I', n.nspname, c.relname) as name,
    obj_description(i.indexrelid, 'pg_class') as comment
from pg_index i
inner join pg_class c on c.oid = i.indexrelid
inner join pg_namespace n on n.oid = c.relnamespace
where i.indrelid = :oid
order by c.relname
"""

# What hinders: on an altered column everything but views, indexes, constraints and its own
# default; on a view that goes everything but what is a part of it or goes too.
_OBSTACLES = """
select pg_describe_object(d.classid, d.objid, d.objsubid)
from unnest(cast(:oids as oid[]), cast(:numbers as int[])) altered (oid, number)
inner join pg_depend d
    on d.refclassid = 'pg_class'::regclass and d.refobjid = altered.oid and d.refobjsubid = altered.number
left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
where d.classid in (
        'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass, 'pg_publication_rel'::regclass
    )
    or (r.oid is not null and (r.rulename <> '_RETURN' or r.ev_class = altered.oid))
    or (f.oid is not null and f.adnum <> altered.number)
union
select pg_describe_object(d.classid, d.objid, d.objsubid)
from pg_class v
inner join pg_depend d
    on (d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid)
    or (d.refclassid = 'pg_type'::regclass and d.refobjid in (v.reltype, (select typarray from pg_type where oid = v.reltype)))
left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
where v.oid = any(cast(:views as oid[]))
    and d.deptype in ('n', 'a')
    and not (r.oid is not null and r.ev_class = any(cast(:views as oid[])) and r.rulename = '_RETURN')
    and not (d.classid = 'pg_class'::regclass and exists (select from pg_index i where i.indexrelid = d.objid and i.indrelid = v.oid))
    and not (d.classid = 'pg_attrdef'::regclass and exists (select from pg_attrdef f where f.oid = d.objid and f.adrelid = v.oid))
order by 1
"""


def dependent_views(
    connection: sa.Connection, altered: Iterable[tuple[int, int]]
) -> tuple[list[View], list[Obstacle]]:
    """The views on ``altered`` columns (relation's oid, attribute number), in the order in
    which they can be made again, and whatever hinders."""
    pairs = list(altered)
    if not pairs:
        return [], []
    parameters: dict[str, Any] = {"oids": [p[0] for p in pairs], "numbers": [p[1] for p in pairs]}
    path = run(connection, "select current_setting('search_path')").scalar() or ""
    # With no schema in the path PostgreSQL writes every name of a definition out in full.
    run(connection, "select set_config('search_path', 'pg_catalog', true)")
    try:
        rows = _in_order(list(connection.execute(sa.text(_DEPENDENT), parameters)))
        obstacles = [
            Obstacle(f"{words} stands in the way of the new type", f"drop {words}, migrate, and make it again")
            for words in connection.scalars(sa.text(_OBSTACLES), parameters | {"views": [r.oid for r in rows if r.relkind in _VIEWS]})
        ]
        for row in rows:
            obstacles += _row_obstacles(row)
        views = [_view(connection, row) for row in rows if row.relkind in _VIEWS]
    finally:
        run(connection, f"select set_config('search_path', {literal(path)}, true)")
    return views, obstacles


def _in_order(rows: list[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """Each view after those that it stands on."""
    ordered: list[sa.Row[Any]] = []
    left = {row.oid: row for row in rows}
    while left:
        ready = [row for row in left.values() if not any(oid in left for oid in row.stands_on)]
        ready = ready or list(left.values())  # views in a circle: none of them can be read
        ordered += ready
        for row in ready:
            del left[row.oid]
    return ordered


def _row_obstacles(row: sa.Row[Any]) -> list[Obstacle]:
    if row.relkind not in _VIEWS:
        return []  # a rule on a table: among the obstacles already
    if row.is_temporary:
        return [Obstacle(f"the temporary view {row.name} of another session shows the column", "end that session")]
    if row.is_of_extension:
        return [Obstacle(f"the view {row.name} belongs to an extension", "drop the extension, migrate, create it again")]
    if not row.may_alter:
        return [
            Obstacle(
                f"the view {row.name} shows the column and belongs to {row.owner}, whose views {row.ours} may "
                "not put back",
                f"migrate as a user who may, or: grant {row.owner} to {row.ours}",
            )
        ]
    return []


def _view(connection: sa.Connection, row: sa.Row[Any]) -> View:
    def rows(query: str) -> list[sa.Row[Any]]:
        return list(connection.execute(sa.text(query), {"oid": row.oid}))

    kind = "materialized view" if row.relkind == "m" else "view"
    columns = rows(_COLUMNS)
    restore = [_create(row, kind, [column.attname for column in columns])]
    for index in rows(_INDEXES):
        restore.append(index.definition)
        if index.comment is not None:
            restore.append(f"comment on index {index.name} is {literal(index.comment)}")
    for column in columns:
        name = identifier(column.attname)
        if column.default is not None:
            restore.append(f"alter view {row.name} alter column {name} set default {column.default}")
        if column.comment is not None:
            restore.append(f"comment on column {row.name}.{name} is {literal(column.comment)}")
    if row.comment is not None:
        restore.append(f"comment on {kind} {row.name} is {literal(row.comment)}")
    if row.owner != row.ours:
        restore.append(f"alter {kind} {row.name} owner to {row.owner}")
    defaults = [r[0] for r in rows(_DEFAULT_GRANTEES)]
    restore += _grants(row, rows(_GRANTS), defaults)
    return View(row.oid, row.name, f"drop {kind} {row.name}", tuple(restore))


def _create(row: sa.Row[Any], kind: str, columns: list[str]) -> str:
    listed = ", ".join(identifier(column) for column in columns)
    using = f" using {identifier(row.amname)}" if row.amname else ""
    options = ", ".join(
        f"{name} = {literal(value)}" for name, _, value in (option.partition("=") for option in row.options)
    )
    where = f" tablespace {identifier(row.spcname)}" if row.spcname else ""
    body = row.definition.rstrip().rstrip(";")
    data = ("" if row.relispopulated else " with no data") if row.relkind == "m" else ""
    return f"create {kind} {row.name} ({listed}){using}{f' with ({options})' if options else ''}{where} as\n{body}{data}"


def _grants(row: sa.Row[Any], grants: list[sa.Row[Any]], defaults: list[str]) -> list[str]:
    """The privileges as they were: without those that a new view gets by default."""
    statements = [f"revoke all on {row.name} from {grantee}" for grantee in defaults]
    if any(grant.column_name is None for grant in grants):
        statements.append(f"revoke all on {row.name} from {row.owner}")
    for grant in _in_order_of_grantors(grants):
        column = f" ({identifier(grant.column_name)})" if grant.column_name else ""
        option = " with grant option" if grant.is_grantable and grant.grantee != row.owner else ""
        statement = f"grant {grant.privilege.lower()}{column} on {row.name} to {grant.grantee}{option}"
        if grant.by_owner:
            statements.append(statement)
        else:
            statements += [f"set local role {grant.grantor}", statement, f"set local role {row.ours}"]
    return statements


def _in_order_of_grantors(grants: list[sa.Row[Any]]) -> list[sa.Row[Any]]:
    """Whoever grants on has been granted to before."""
    ordered = [grant for grant in grants if grant.by_owner]
    left = [grant for grant in grants if not grant.by_owner]
    while left:
        able = {grant.grantee for grant in ordered if grant.is_grantable}
        ready = [grant for grant in left if grant.grantor in able] or left
        ordered += ready
        left = [grant for grant in left if grant not in ready]
    return ordered
