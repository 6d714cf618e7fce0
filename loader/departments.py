"""Departments: one login role each, which reads its mart and nothing else.

A role belongs to the server, its rights to this database. What it may read in a mart is granted
where the mart is published (`dbt_project/macros/build/publish_access.sql`); here roles are made,
let in, shut out, and asked for what they read besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from psycopg2.extensions import encrypt_password
from sqlalchemy.exc import DBAPIError

from loader.contract.types import identifier
from loader.migrate.sql import run
from loader.remedy import Remedy

PREFIX = "gatehouse_mart_"
LONGEST_NAME = 63  # of a role, in bytes; PostgreSQL cuts off the rest
_CONNECTIONS = "connection limit 20"  # else one report that opens ever more takes the loader's
#: An ordinary role. It may not log in until somebody gives it a password.
ATTRIBUTES = f"nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls {_CONNECTIONS}"

_NO_RIGHT = "42501"
# Roles of one server are made by whoever works on any of its databases.
_MAKE = """
do $$
begin
    create role {role} {attributes};
exception when duplicate_object or unique_violation then null;
end
$$
"""
_STANDING = """
    select
        rolname as name, rolcanlogin as may_log_in,
        array_remove(array[
            case when rolsuper then 'superuser' end, case when rolbypassrls then 'bypassrls' end,
            case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,
            case when rolreplication then 'replication' end
        ], null) as attributes,
        array(
            select granted.rolname::text from pg_auth_members inner join pg_roles as granted on granted.oid = roleid
            where member = pg_roles.oid order by 1
        ) as member_of,
        array(
            select member.rolname::text from pg_roles as member
            where member.oid <> pg_roles.oid and not member.rolsuper
                and (pg_has_role(member.oid, pg_roles.oid, 'usage') or pg_has_role(member.oid, pg_roles.oid, 'set'))
            order by 1
        ) as members
    from pg_roles
    where rolname = any(:names)
"""
# A model's table stands twice: where it is built, and where it is published.
_IS_PUBLISHED = """
    pg_class.relkind in ('r', 'p') and exists (
        select from pg_class as built
        where built.relname = pg_class.relname and built.relkind in ('r', 'p')
            and built.relnamespace = to_regnamespace(quote_ident(nspname || '__build'))
    )
"""
# Whom a mart's tables, views or columns are granted to, but for owners and superusers.
_READERS = """
    with granted as (
        select relowner, (aclexplode(relacl)).grantee, relnamespace from pg_class
        union all
        select relowner, (aclexplode(attacl)).grantee, relnamespace
        from pg_attribute inner join pg_class on pg_class.oid = attrelid
    )
    select distinct coalesce(rolname::text, 'public') as name
    from granted
    inner join pg_namespace on pg_namespace.oid = relnamespace
    left join pg_roles on pg_roles.oid = grantee
    where nspname ~ '^mart_' and grantee <> relowner and rolsuper is not true
    order by 1
"""
# Every right on a relation, of the role itself, of PUBLIC or of a role that it is a member of.
_READS = f"""
    select
        nspname as schema,
        {_IS_PUBLISHED} as is_published,
        format('%I.%I', nspname, relname) as relation,
        has_table_privilege(:role, pg_class.oid, 'select') or has_any_column_privilege(:role, pg_class.oid, 'select')
            as reads,
        has_table_privilege(:role, pg_class.oid, 'insert, update, delete, truncate, references, trigger') as writes
    from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where relkind in ('r', 'v', 'm', 'f', 'p')
        and nspname !~ '^pg_' and nspname <> 'information_schema'
        and has_schema_privilege(:role, relnamespace, 'usage')
    order by 2
"""
# By advisory locks loads and builds take turns: who may take them can stop both. And a large
# object is kept in the database without a right to make anything there. (Letting go of locks stays
# everybody's: drivers do so when a connection goes back to its pool.)
_KEPT_FROM_READERS = """
    pronamespace = 'pg_catalog'::regnamespace and proname ~ '^(pg_(try_)?advisory_(xact_)?lock|lo_|lowrite$)'
"""
_MAKES = """
    select 'makes tables in ' || nspname from pg_namespace
    where nspname !~ '^pg_' and has_schema_privilege(:role, oid, 'create')
    union all
    select 'makes schemas' where has_database_privilege(:role, current_database(), 'create')
    order by 1
"""


def role_of(department: str) -> str:
    """The name of the department's role."""
    return PREFIX + department


@dataclass(frozen=True)
class Standing:
    """A department's role as the server has it.

    `reads` are the published tables of its mart; `beyond` says, in words, whatever else it may
    do here; `members` are the roles that may do the same by it. `may_log_in` is None where there
    is no such role. Without a department: another role that was granted something in a mart.
    """

    department: str | None
    role: str
    may_log_in: bool | None
    reads: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    may_make_temporary: bool = False
    may_take_locks: bool = False


@dataclass(frozen=True)
class Made:
    """Roles that were made, or are to be, and those that this user may not make."""

    made: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        return [f"{role}: new role, which may not log in yet" for role in self.made]

    def warnings(self) -> list[str]:
        if not self.missing:
            return []
        statements = " ".join(statement_to_make(role) for role in self.missing)
        return [
            f"this user may not make roles, so {', '.join(self.missing)} can't read. Have the server's "
            f"administrator run: {statements} (or let this user make them: alter role … createrole)"
        ]


def statement_to_make(role: str) -> str:
    return f"create role {identifier(role)} {ATTRIBUTES};"


def make_roles(engine: sa.Engine, departments: Iterable[str], plan_only: bool = False) -> Made:
    """Makes the role of each department that has none; a role that stands is left as it is.

    Raises :class:`Remedy` for a department whose role's name would be cut off.
    """
    wanted = [role_of(department) for department in departments]
    for role in wanted:
        if len(role.encode()) > LONGEST_NAME:
            raise Remedy(
                f"The role's name {role} is longer than {LONGEST_NAME} bytes.",
                "Give the department's folder under models/marts a shorter name.",
            )
    with engine.begin() as connection:
        standing = set(connection.scalars(sa.text("select rolname from pg_roles where rolname = any(:names)"),
                                          {"names": wanted}))  # fmt: skip
        lacking = tuple(role for role in wanted if role not in standing)
        may_make = connection.scalar(
            sa.text("select rolsuper or rolcreaterole from pg_roles where rolname = current_user")
        )
        if not may_make:
            return Made(missing=lacking)
        if not plan_only:
            for role in lacking:
                connection.exec_driver_sql(
                    _MAKE.format(role=identifier(role), attributes=ATTRIBUTES),
                    execution_options={"no_parameters": True},
                )
    return Made(made=lacking)


def standing_of(connection: sa.Connection, departments: Sequence[str]) -> list[Standing]:
    """The role of each department: whether it may log in, what it reads, and what it may do beyond."""
    names = [role_of(department) for department in departments]
    found = {row.name: row for row in connection.execute(sa.text(_STANDING), {"names": names})}
    result = []
    for department in departments:
        row = found.get(role_of(department))
        if row is None:
            result.append(Standing(department, role_of(department), None))
            continue
        given = {"role": row.name}
        own = f"mart_{department}"
        relations = connection.execute(sa.text(_READS), given).all()
        temporary = "select has_database_privilege(:role, current_database(), 'temporary')"
        locks = (
            "select exists (select from pg_proc "
            f"where {_KEPT_FROM_READERS} and has_function_privilege(:role, oid, 'execute'))"
        )
        result.append(
            Standing(
                department,
                row.name,
                row.may_log_in,
                tuple(r.relation for r in relations if r.schema == own and r.is_published and r.reads),
                (
                    *(f"is {attribute}" for attribute in row.attributes),
                    *(f"is a member of {role}" for role in row.member_of),
                    *(f"reads {r.relation}" for r in relations if r.reads and not (r.schema == own and r.is_published)),
                    *(f"writes {r.relation}" for r in relations if r.writes),
                    *connection.scalars(sa.text(_MAKES), given),
                ),
                tuple(row.members),
                bool(connection.scalar(sa.text(temporary), given)),
                bool(connection.scalar(sa.text(locks), given)),
            )
        )
    return result


def other_readers(connection: sa.Connection, departments: Sequence[str]) -> list[Standing]:
    """Who else was granted something in a mart: whom models name, whom somebody let in, and roles of
    departments that are no more."""
    known = {role_of(department) for department in departments}
    names = [name for name in connection.scalars(sa.text(_READERS)) if name not in known]
    found = {row.name: row for row in connection.execute(sa.text(_STANDING), {"names": names})}
    result = []
    for name in names:
        relations = connection.execute(sa.text(_READS), {"role": name}).all()
        beyond = []
        if name not in found:
            beyond = ["is every role of the server"]
        elif name.startswith(PREFIX):
            beyond = [f"has no department in the project; `loader department close {name.removeprefix(PREFIX)}`"]
        result.append(
            Standing(
                None,
                name,
                name in found and found[name].may_log_in,
                tuple(r.relation for r in relations if r.schema.startswith("mart_") and r.reads),
                tuple(beyond),
                tuple(found[name].members) if name in found else (),
            )
        )
    return result


def let_in(engine: sa.Engine, department: str, password: str) -> Standing:
    """Lets the department's role log in with this password, and read what stands published.

    The server gets the password's SCRAM verifier, so neither it nor its log ever sees the word.
    Raises :class:`Remedy` when there is no such role, or when it could do more than read its mart.
    """
    role = role_of(department)
    with engine.begin() as connection:
        (now,) = standing_of(connection, [department])
        if now.may_log_in is None:
            raise Remedy(
                f"There is no role {role}, and this user may not make it.",
                f"Have the server's administrator run: {statement_to_make(role)}",
            )
        if now.beyond:
            raise Remedy(
                f"The role {role} could do more than read its mart: it {'; '.join(now.beyond[:5])}.",
                "Take that from it first (revoke …, alter role …).",
            )
        driver = connection.connection.driver_connection
        verifier = encrypt_password(password, role, scope=driver, algorithm="scram-sha-256")
        unlimited = "select rolconnlimit = -1 from pg_roles where rolname = :role"  # one of an older program
        limit = _CONNECTIONS if connection.scalar(sa.text(unlimited), {"role": role}) else ""
        _as_administrator(connection, role, f"alter role {identifier(role)} login password '{verifier}' {limit}")
        _grant_what_stands(connection, department)
        (now,) = standing_of(connection, [department])
    return now


def shut_out(engine: sa.Engine, department: str) -> int:
    """Lets the department's role in no more, and ends its sessions; how many there were."""
    role = role_of(department)
    with engine.begin() as connection:
        _as_administrator(connection, role, f"alter role {identifier(role)} nologin password null")
    with engine.begin() as connection:
        ended = connection.scalars(
            sa.text("select pg_terminate_backend(pid) from pg_stat_activity where usename = :role"), {"role": role}
        )
        return sum(ended)


def close_to_everybody(engine: sa.Engine) -> None:
    """Takes from everybody but superusers what PostgreSQL lets every role do: make temporary tables, take
    the locks by which loads and builds take turns, keep large objects, enter the server's own databases.

    For the embedded server, whose one user is a superuser.
    """
    open_functions = (
        "select oid::regprocedure::text from pg_proc "
        f"where {_KEPT_FROM_READERS} and has_function_privilege('public', oid, 'execute')"
    )
    with engine.begin() as connection:
        name = connection.scalar(sa.text("select current_database()"))
        run(connection, f"revoke temporary on database {identifier(str(name))} from public")
        for database in ("postgres", "template1"):
            run(connection, f"revoke connect, temporary on database {database} from public")
        if functions := connection.scalars(sa.text(open_functions)).all():
            run(connection, f"revoke execute on function {', '.join(functions)} from public")


def _grant_what_stands(connection: sa.Connection, department: str) -> None:
    """What publishing grants, for a role that was made since: nothing, where another user's mart is meant."""
    schema, role = f"mart_{department}", identifier(role_of(department))
    tables = connection.execute(
        sa.text(
            "select format('%I.%I', nspname, relname) as name, pg_has_role(relowner, 'usage') as is_own "
            "from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace "
            f"where nspname = :schema and {_IS_PUBLISHED}"
        ),
        {"schema": schema},
    ).all()
    if tables and all(table.is_own for table in tables):
        run(connection, f"grant usage on schema {identifier(schema)} to {role}")
        run(connection, f"grant select on {', '.join(table.name for table in tables)} to {role}")


def _as_administrator(connection: sa.Connection, role: str, statement: str) -> None:
    try:
        run(connection, statement)
    except DBAPIError as error:
        code = getattr(error.orig, "pgcode", None)
        if code == "42704":
            raise Remedy(f"There is no role {role}.", "`loader migrate` makes it, where its user may.") from error
        if code != _NO_RIGHT:
            raise
        raise Remedy(
            f"This user may not change the role {role}.",
            "Have whoever made it, or a superuser, run this command.",
        ) from error
