"""Which views stand in the way of a column's new type, and what hinders putting them back.

PostgreSQL changes no type under a view. Each such view, and each view on it, is dropped and
made again in the same transaction (:mod:`loader.migrate.view_definition`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from loader.migrate.view_definition import View, make_view

_VIEWS = ("v", "m")


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
inner join pg_type row_type on row_type.oid = v.reltype
inner join pg_depend d
    on (d.refclassid = 'pg_class'::regclass and d.refobjid = v.oid)
    or (d.refclassid = 'pg_type'::regclass and d.refobjid in (v.reltype, row_type.typarray))
left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_index i on d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
left join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
where v.oid = any(cast(:views as oid[]))
    and d.deptype in ('n', 'a')
    and (r.ev_class = any(cast(:views as oid[])) and r.rulename = '_RETURN') is not true
    and i.indrelid is distinct from v.oid
    and f.adrelid is distinct from v.oid
order by 1
"""


def dependent_views(connection: sa.Connection, altered: Iterable[tuple[int, int]]) -> tuple[list[View], list[Obstacle]]:
    """The views on ``altered`` columns (relation's oid, attribute number), in the order in
    which they can be made again, and whatever hinders."""
    pairs = list(altered)
    if not pairs:
        return [], []
    parameters: dict[str, Any] = {"oids": [p[0] for p in pairs], "numbers": [p[1] for p in pairs]}
    rows = _in_order(list(connection.execute(sa.text(_DEPENDENT), parameters)))
    parameters["views"] = [row.oid for row in rows if row.relkind in _VIEWS]
    obstacles = [
        Obstacle(f"{words} stands in the way of the new type", f"drop {words}, migrate, and make it again")
        for words in connection.scalars(sa.text(_OBSTACLES), parameters)
    ]
    for row in rows:
        obstacles += _row_obstacles(row)
    return [make_view(connection, row) for row in rows if row.relkind in _VIEWS], obstacles


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
        return [Obstacle(f"the view {row.name} belongs to an extension", "drop that, migrate, create it again")]
    if not row.may_alter:
        return [
            Obstacle(
                f"the view {row.name} shows the column and belongs to {row.owner}, whose views {row.ours} may "
                "not put back",
                f"migrate as a user who may, or: grant {row.owner} to {row.ours}",
            )
        ]
    return []
