"""Views on a column that is widened come back as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from loader.contract.model import Contract
from loader.database import make_engine
from loader.migrate import Refused, migrate
from loader.migrate.sql import run as run_whole
from loader.settings import Settings
from tests.migrate.contracts import COLUMNS, changed, contract, insert, rows, table

WIDER = changed("quantity integer", "quantity bigint")
# Roles belong to the whole server, which other workers use too.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
ROLES = ("views_reader", "views_second", "views_Owner", "views_migrator")


@pytest.fixture
def engine(empty_engine: sa.Engine) -> Iterator[sa.Engine]:
    migrate(empty_engine, contract())
    insert(empty_engine, "1, 'open', 5, 12.50, 'first'", "2, 'open', 7, 1, 'second'")
    run(empty_engine, *(f'create role "{role}"' for role in ROLES), "create schema marts")
    yield empty_engine
    run(empty_engine, *(f'drop owned by "{role}" cascade' for role in ROLES))
    run(empty_engine, *(f'drop role "{role}"' for role in ROLES))


def named(text: str) -> str:
    """With the roles' names as they are for this worker."""
    return text.replace("views_", f"views_{WORKER}_")


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            run_whole(connection, named(statement))


VIEWS = """
select
    c.oid::regclass::text as name,
    c.relkind::text,
    c.relowner::regrole::text as owner,
    c.reloptions,
    pg_get_viewdef(c.oid) as definition,
    obj_description(c.oid, 'pg_class') as comment,
    c.relispopulated,
    (
        select array_agg(g order by g)
        from (
            select concat_ws(' ', a.grantor::regrole, a.grantee::regrole, a.privilege_type, a.is_grantable) as g
            from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
        ) x
    ) as grants,
    (
        select array_agg(concat_ws(' ', a.attname, a.attacl, col_description(c.oid, a.attnum),
            (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = c.oid and adnum = a.attnum))
            order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
    ) as columns,
    (
        select array_agg(concat_ws(' ', pg_get_indexdef(indexrelid), obj_description(indexrelid, 'pg_class'))
            order by indexrelid::regclass::text)
        from pg_index where indrelid = c.oid
    ) as indexes
from pg_class c
where c.relnamespace = 'marts'::regnamespace and c.relkind in ('v', 'm')
order by 1
"""


def views(engine: sa.Engine) -> list[tuple[Any, ...]]:
    return rows(engine, VIEWS)


def widen(engine: sa.Engine, wanted: Contract = WIDER) -> list[str]:
    """Migrates; the views must stand as before, and show the same rows."""
    before = views(engine)
    shown = {view[0]: rows(engine, f"select * from {view[0]} order by 1") for view in before if view[6]}
    plan = migrate(engine, wanted)
    assert views(engine) == before
    assert {view[0]: rows(engine, f"select * from {view[0]} order by 1") for view in before if view[6]} == shown
    assert migrate(engine, wanted).is_empty
    return plan.lines()


def test_a_view_comes_back_and_shows_the_wider_type(engine: sa.Engine) -> None:
    run(
        engine,
        "create view marts.quantities as select order_id, quantity, quantity * 2 as twice from staging_erp.orders",
    )
    assert widen(engine) == [
        "erp.orders: column quantity widened from integer to bigint",
        "view marts.quantities: put back on the new types",
    ]
    types = rows(engine, "select distinct pg_typeof(quantity)::text, pg_typeof(twice)::text from marts.quantities")
    assert types == [("bigint", "bigint")]


def test_views_on_views_come_back_in_their_order(engine: sa.Engine) -> None:
    # the innermost is made last: neither names nor oids give the order away
    run(
        engine,
        "create view marts.b_both as select 0 as quantity",
        "create view marts.a_third as select 0 as quantity",
        "create view marts.m_second as select 0 as order_id, 0 as quantity",
        "create view marts.z_first as select order_id, quantity from staging_erp.orders",
        "create or replace view marts.m_second as select order_id::int as order_id, quantity from marts.z_first",
        "create or replace view marts.a_third as select m.quantity from marts.m_second m",
        "create or replace view marts.b_both as "
        "select * from marts.a_third union all select quantity from marts.z_first",
        "create view marts.apart as select note from staging_erp.orders",
    )
    apart = rows(engine, "select 'marts.apart'::regclass::oid")
    lines = widen(engine)
    assert [line.split(":")[0] for line in lines[1:]] == [
        "view marts.z_first", "view marts.m_second", "view marts.a_third", "view marts.b_both",
    ]  # fmt: skip
    assert rows(engine, "select 'marts.apart'::regclass::oid") == apart  # shows another column: left alone


def test_owner_grants_options_comments_and_defaults_come_back(engine: sa.Engine) -> None:
    run(
        engine,
        'grant usage, create on schema marts to "views_Owner"',
        "grant usage on schema marts to views_reader",
        'grant usage on schema staging_erp to "views_Owner"',
        'grant select, insert, update on staging_erp.orders to "views_Owner"',
        "create view marts.mine with (security_barrier, check_option = local) as "
        'select order_id, quantity as "Qty\'s" from staging_erp.orders where quantity > 0',
        "alter view marts.mine alter column order_id set default 7",
        "comment on view marts.mine is 'it''s 100% :mine'",
        "comment on column marts.mine.\"Qty's\" is 'how many'",
        'alter view marts.mine owner to "views_Owner"',
        "grant select on marts.mine to views_reader with grant option",
        "grant insert, update (order_id) on marts.mine to views_second",
        "grant select on marts.mine to public",
        "set role views_reader; grant select on marts.mine to views_migrator; reset role",
        'revoke delete, truncate on marts.mine from "views_Owner"',
        "create view marts.plain with (security_invoker = true) as select order_id from marts.mine",
    )
    widen(engine)


def test_a_view_takes_no_grant_that_new_views_get_by_default(engine: sa.Engine) -> None:
    run(
        engine,
        "create view marts.private as select quantity from staging_erp.orders",
        "create view marts.shared as select quantity from staging_erp.orders",
        "grant select on marts.shared to views_second",
        "alter default privileges in schema marts grant select, delete on tables to views_reader, public",
        "alter default privileges grant insert on tables to views_second",
    )
    try:
        widen(engine)
    finally:
        run(
            engine,
            "alter default privileges in schema marts revoke select, delete on tables from views_reader, public",
            "alter default privileges revoke insert on tables from views_second",
        )


def test_a_materialized_view_comes_back_with_rows_and_indexes(engine: sa.Engine) -> None:
    run(
        engine,
        "create materialized view marts.kept with (fillfactor = 70) as "
        "select order_id, quantity from staging_erp.orders",
        "create unique index kept_key on marts.kept (order_id)",
        "create index kept_partial on marts.kept (quantity) where quantity > 5",
        "comment on index marts.kept_key is 'one row an order'",
        "comment on materialized view marts.kept is 'kept'",
        "grant select on marts.kept to views_reader",
        "create materialized view marts.unfilled as select quantity from marts.kept with no data",
        "create view marts.on_it as select sum(quantity) from marts.kept",
    )
    widen(engine)


@pytest.mark.parametrize("path", ["public", "staging_erp, marts", "marts, pg_catalog, staging_erp"])
def test_a_definition_means_the_same_whatever_the_search_path_is(engine: sa.Engine, path: str) -> None:
    run(
        engine,
        "create table staging_erp.rates as select 3 as rate",
        "create function marts.double(numeric) returns numeric language sql immutable as 'select $1 * 2'",
        "create function marts.upper(text) returns text language sql immutable as 'select $1'",  # not pg_catalog's
        "set local search_path to staging_erp, marts, pg_catalog; create view marts.rated as "
        "select quantity * rate as amount, double(amount), upper(note) as note from orders, rates",
    )

    @sa.event.listens_for(engine, "connect")
    def set_path(connection: Any, _: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"set search_path to {path}")
        connection.commit()

    engine.dispose()
    widen(engine)
    assert rows(engine, "select note from marts.rated order by amount") == [("first",), ("second",)]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            "create function marts.total() returns bigint "
            "begin atomic select sum(quantity) from staging_erp.orders; end",
            "function marts.total()",
        ),
        ("create policy big on staging_erp.orders using (quantity > 1)", "policy big"),
        (
            "create rule shout as on update to staging_erp.orders where new.quantity > 1 do instead nothing",
            "rule shout",
        ),
        ("alter table staging_erp.orders add column _twice int generated always as (quantity * 2) stored", "_twice"),
        (
            "create view marts.v as select quantity from staging_erp.orders; "
            "create function marts.f() returns setof marts.v language sql as 'select * from marts.v'",
            "function marts.f()",
        ),
        (
            "create view marts.v as select quantity from staging_erp.orders; "
            "create function marts.g() returns trigger language plpgsql as 'begin return null; end'; "
            "create trigger catch instead of insert on marts.v for each row execute function marts.g()",
            "trigger catch",
        ),
    ],
)
def test_what_can_not_be_put_back_is_named_and_nothing_happens(engine: sa.Engine, made: str, words: str) -> None:
    run(engine, made)
    before = views(engine)
    with pytest.raises(Refused) as caught:
        migrate(engine, WIDER)
    hindered = [f for f in caught.value.faults if "stands in the way" in f.problem]
    assert [words in fault.problem for fault in hindered] == [True]
    assert hindered[0].remedy.startswith("drop ")
    assert views(engine) == before


def test_whoever_may_not_put_a_view_back_is_told_before(engine: sa.Engine, scratch: Settings) -> None:
    run(
        engine,
        "create view marts.v as select quantity from staging_erp.orders",
        'alter view marts.v owner to "views_Owner"',
        "alter role views_migrator login password 'guest'",
        "grant usage on schema ledger to views_migrator",
        "grant select on all tables in schema ledger to views_migrator",
        "alter schema staging_erp owner to views_migrator",
        "alter table staging_erp.orders owner to views_migrator",
        "alter table staging_erp.orders__history owner to views_migrator",
    )
    guest = make_engine(replace(scratch, user=named("views_migrator"), password="guest"))
    try:
        with pytest.raises(Refused, match=named('grant "views_Owner" to views_migrator')):
            migrate(guest, WIDER)
        run(engine, 'grant "views_Owner" to views_migrator', 'grant all on schema marts to "views_Owner"')
        before = views(engine)
        migrate(guest, WIDER)
        assert views(engine) == before
    finally:
        guest.dispose()


def test_many_widenings_and_views_over_two_tables(engine: sa.Engine) -> None:
    run(
        engine,
        "create view marts.pair as select o.quantity, h.amount from staging_erp.orders o "
        "left join staging_erp.orders__history h using (order_id)",
    )
    texts = {"quantity integer": "quantity numeric(12,0)", "amount numeric(12,2)": "amount numeric(14,2)"}
    lines = widen(engine, contract(table("orders", *(texts.get(text, text) for text in COLUMNS))))
    assert lines[-1] == "view marts.pair: put back on the new types"
