"""The ledger's revisions make what its models say, once, and only where they may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from loader.database import make_engine
from loader.ledger.models import LOAD_STATUSES, REJECT_STATUSES, Base
from loader.ledger.upgrade import ledger_step, upgrade_ledger
from loader.remedy import Remedy
from loader.settings import Settings

STRUCTURE = """
select c.relname, 'column', a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity, pg_get_expr(d.adbin, d.adrelid))
from pg_class c
inner join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'ledger'::regnamespace and c.relkind = 'r' and c.relname <> 'alembic_version'
union all
select conrelid::regclass::text, 'constraint', conname, pg_get_constraintdef(oid)
from pg_constraint
where connamespace = 'ledger'::regnamespace
    and contype <> 'n'
    and conrelid is distinct from to_regclass('ledger.alembic_version')
union all
select tablename, 'index', indexname, indexdef
from pg_indexes
where schemaname = 'ledger' and tablename <> 'alembic_version'
order by 1, 2, 3
"""


@pytest.fixture
def empty(new_database: Callable[[str], Settings]) -> Iterator[sa.Engine]:
    engine = make_engine(new_database("template1"))
    yield engine
    engine.dispose()


def test_revisions_make_what_the_models_say(empty: sa.Engine) -> None:
    def made(connection: sa.Connection) -> list[Any]:
        return [tuple(row) for row in connection.execute(sa.text(STRUCTURE))]

    with empty.connect() as connection:
        upgrade_ledger(connection)
        by_revisions = made(connection)
        connection.rollback()
        connection.execute(sa.text("create schema ledger"))
        Base.metadata.create_all(connection)
        by_models = made(connection)
    assert by_revisions == by_models
    assert {row[0] for row in by_revisions} >= {"loads", "rejects", "clock", "users", "tokens", "builds"}


def test_a_second_upgrade_has_nothing_to_do(empty: sa.Engine) -> None:
    with empty.begin() as connection:
        assert ledger_step(connection).is_needed
        upgrade_ledger(connection)
        connection.execute(sa.text("update ledger.clock set last_seq = 7"))
    with empty.begin() as connection:
        assert not ledger_step(connection).is_needed
        upgrade_ledger(connection)
        assert connection.execute(sa.text("select * from ledger.clock")).all() == [(True, 7)]


def test_an_upgrade_is_a_part_of_its_transaction(empty: sa.Engine) -> None:
    with empty.connect() as connection:
        upgrade_ledger(connection)
        connection.rollback()
        assert ledger_step(connection).standing is None
        assert not sa.inspect(connection).has_schema("ledger")


def test_a_ledger_of_a_newer_program_is_refused(empty: sa.Engine) -> None:
    with empty.connect() as connection:
        upgrade_ledger(connection)
        connection.execute(sa.text("update ledger.alembic_version set version_num = '9999'"))
        with pytest.raises(Remedy, match="revision 9999") as caught:
            ledger_step(connection)
    assert "newer version of Gatehouse" in caught.value.message


def test_a_schema_of_that_name_that_is_no_ledger_is_refused(empty: sa.Engine) -> None:
    with empty.connect() as connection:
        connection.execute(sa.text("create schema ledger"))
        assert ledger_step(connection).standing is None  # nothing in it: ours to use
        connection.execute(sa.text("create table ledger.accounts (a int)"))
        with pytest.raises(Remedy, match="holds accounts, which Gatehouse did not make"):
            ledger_step(connection)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection


def load(connection: sa.Connection, **values: Any) -> int:
    values = {"source": "erp", "table_name": "orders", "door": "api", "principal": "x", "status": "succeeded"} | values
    names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    return int(
        connection.execute(
            sa.text(f"insert into ledger.loads ({names}) values ({places}) returning load_id"), values
        ).scalar_one()
    )


def test_a_load_conserves_its_rows(connection: sa.Connection) -> None:
    load(connection, received=10, accepted=4, waiting=3, rejected=2, duplicates=1)
    with pytest.raises(sa.exc.IntegrityError, match="loads_conservation_check"):
        load(connection, received=10, accepted=4, waiting=3, rejected=2)


def test_a_key_counts_once_a_table_and_sender_unless_its_load_failed(connection: sa.Connection) -> None:
    load(connection, idempotency_key="k", status="failed")
    load(connection, idempotency_key="k", status="running")
    load(connection, idempotency_key="k", table_name="products")
    load(connection, idempotency_key="k", principal="y")
    load(connection)
    load(connection)
    with pytest.raises(sa.exc.IntegrityError, match="loads_idempotency_key_idx"):
        load(connection, idempotency_key="k")


def reject(connection: sa.Connection, status: str) -> None:
    connection.execute(
        sa.text(
            "insert into ledger.rejects (load_id, row, source, table_name, status, rule, message, faults, "
            "payload, first_load_id, first_row) values (:load, 1, 'a', 'b', :status, 'r', 'm', '[]', '{}', 1, 1)"
        ),
        {"load": load(connection), "status": status},
    )


def test_a_loads_status_is_one_of_a_few(connection: sa.Connection) -> None:
    for status in LOAD_STATUSES:
        load(connection, status=status)
    with pytest.raises(sa.exc.IntegrityError, match="loads_status_check"):
        load(connection, status="lost")


def test_a_rejects_status_is_one_of_a_few(connection: sa.Connection) -> None:
    for status in REJECT_STATUSES:
        if status != "dismissed":  # that one needs who and why: tests/commands/test_dismiss.py
            reject(connection, status)
    with pytest.raises(sa.exc.IntegrityError, match="rejects_status_check"):
        reject(connection, "lost")


def test_there_is_one_clock(connection: sa.Connection) -> None:
    assert connection.execute(sa.text("select * from ledger.clock")).all() == [(True, 0)]
    for value in ("true", "false"):
        with pytest.raises(sa.exc.IntegrityError, match="clock"), connection.begin_nested():
            connection.execute(sa.text(f"insert into ledger.clock (singleton) values ({value})"))


def test_a_loads_number_is_given_once(connection: sa.Connection) -> None:
    load(connection, seq=1)
    with pytest.raises(sa.exc.IntegrityError, match="loads_seq_key"):
        load(connection, seq=1)
