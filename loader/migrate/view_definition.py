"""A view as the statements that make it again exactly as it is.

Its definition, owner, grants, options, comments, column defaults and, when it is
materialized, its rows and indexes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from loader.contract.types import identifier, literal
from loader.migrate.plan import Lock

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


@dataclass(frozen=True)
class View:
    """A view: what takes it down, and the statements that put it back."""

    oid: int
    name: str
    lock: Lock
    drop: str
    restore: tuple[str, ...]


def make_view(connection: sa.Connection, row: sa.Row[Any]) -> View:
    """The view of ``row`` (oid, name, kind, definition, options, owner, …) as statements."""

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
    # LOCK on a view would lock every table under it; an owner who stays is no change.
    lock = Lock(row.name, "access exclusive", f"alter {kind} {row.name} owner to {row.owner}")
    return View(row.oid, row.name, lock, f"drop {kind} {row.name}", tuple(restore))


def _create(row: sa.Row[Any], kind: str, columns: list[str]) -> str:
    listed = ", ".join(identifier(column) for column in columns)
    using = f" using {identifier(row.amname)}" if row.amname else ""
    options = ", ".join(
        f"{name} = {literal(value)}" for name, _, value in (option.partition("=") for option in row.options)
    )
    where = f" tablespace {identifier(row.spcname)}" if row.spcname else ""
    body = row.definition.rstrip().rstrip(";")
    data = ("" if row.relispopulated else " with no data") if row.relkind == "m" else ""
    having = f" with ({options})" if options else ""
    return f"create {kind} {row.name} ({listed}){using}{having}{where} as\n{body}{data}"


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
