"""Two migrates at once, and migrates among loads and readers."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from loader.ledger import upgrade
from loader.ledger.upgrade import ledger_step
from loader.migrate import Plan, migrate
from loader.migrate.locks import ADVISORY_KEY
from loader.remedy import Remedy
from tests.migrate.contracts import COLUMNS, NEWEST, changed, contract, insert, rows, standing, table

WIDER = changed("quantity integer", "quantity bigint")


LINES_LOCKED = """
select from pg_locks
where mode = 'AccessExclusiveLock' and granted and relation = 'staging_erp.lines'::regclass
"""


@pytest.fixture
def engine(empty_engine: sa.Engine) -> sa.Engine:
    migrate(empty_engine, contract())
    insert(empty_engine, "1, 'open', 5, 12.50, 'first'")
    return empty_engine


def until(engine: sa.Engine, query: str) -> None:
    """Returns when ``query`` finds a row; fails after some seconds."""
    for _ in range(200):
        if rows(engine, query):
            return
        time.sleep(0.05)
    pytest.fail(f"never came true: {query}")


def test_of_two_migrates_the_second_waits_and_finds_nothing_to_do(empty_engine: sa.Engine) -> None:
    plans: list[Plan] = []
    said: list[str] = []
    with empty_engine.connect() as first:
        first.execute(sa.text(f"select pg_advisory_xact_lock({ADVISORY_KEY})"))
        workers = [
            threading.Thread(target=lambda: plans.append(migrate(empty_engine, contract(), say=said.append)))
            for _ in range(3)
        ]
        for worker in workers:
            worker.start()
        until(empty_engine, "select 1 from pg_locks where locktype = 'advisory' and not granted having count(*) = 3")
        assert plans == []
        first.rollback()
        for worker in workers:
            worker.join(30)
    assert sorted(plan.is_empty for plan in plans) == [False, True, True]
    assert said == ["another migrate is at work: waiting for it to end"] * 3


def test_a_busy_table_is_named_with_who_holds_it(engine: sa.Engine) -> None:
    with engine.connect() as reader:
        reader.execute(sa.text("set local application_name = 'a report'"))
        pid = reader.scalar(sa.text("select pg_backend_pid() from staging_erp.orders"))
        with pytest.raises(Remedy) as caught:
            migrate(engine, WIDER, lock_seconds=0.5)
    assert "staging_erp.orders is in use" in caught.value.message
    assert f"process {pid} (gatehouse with a report, idle in transaction for" in caught.value.message
    assert f"select pg_terminate_backend({pid})" in caught.value.remedy
    assert standing(engine)[("staging_erp", "orders")].columns["quantity"].type == "integer"
    migrate(engine, WIDER)


@pytest.mark.parametrize("plan_only", [True, False])
def test_a_table_that_can_not_even_be_read_is_no_endless_wait(engine: sa.Engine, plan_only: bool) -> None:
    caught: list[Exception] = []

    def require() -> None:
        try:
            migrate(engine, changed("quantity integer", "quantity integer!"), plan_only, lock_seconds=0.5)
        except Exception as error:
            caught.append(error)

    with engine.connect() as rewriter:
        rewriter.execute(sa.text("lock table staging_erp.orders in access exclusive mode"))
        pid = rewriter.scalar(sa.text("select pg_backend_pid()"))
        worker = threading.Thread(target=require)
        worker.start()
        worker.join(15)
        rewriter.rollback()
    worker.join(15)
    assert [type(error) for error in caught] == [Remedy]
    assert f"process {pid} (gatehouse" in str(caught[0])
    assert "holds AccessExclusiveLock on staging_erp.orders. Nothing was changed." in str(caught[0])


def test_a_table_that_is_free_again_in_time_is_migrated(engine: sa.Engine) -> None:
    with engine.connect() as reader:
        reader.execute(sa.text("select from staging_erp.orders"))
        ender = threading.Timer(0.7, reader.rollback)
        ender.start()
        migrate(engine, WIDER, lock_seconds=20)
        ender.join()
    assert standing(engine)[("staging_erp", "orders")].columns["quantity"].type == "bigint"


def test_readers_do_not_queue_up_behind_a_migrate_that_waits(engine: sa.Engine) -> None:
    with engine.connect() as holder:
        holder.execute(sa.text("select from staging_erp.orders"))
        worker = threading.Thread(target=lambda: migrate(engine, WIDER, lock_seconds=20))
        worker.start()
        until(engine, "select from pg_locks where mode = 'AccessExclusiveLock' and not granted")
        with engine.connect() as reader:  # gets its turn long before the holder ends
            reader.execute(sa.text("set local lock_timeout = '5s'"))
            assert reader.scalar(sa.text("select order_id from staging_erp.orders")) == 1
        holder.rollback()
        worker.join(30)
    assert standing(engine)[("staging_erp", "orders")].columns["quantity"].type == "bigint"


def test_a_load_that_holds_one_table_and_wants_the_next_is_never_ended(engine: sa.Engine) -> None:
    two = contract(table(), table("lines", "order_id bigint"))
    migrate(engine, two)
    texts = [text.replace("quantity integer", "quantity bigint") for text in COLUMNS]
    wider = contract(table("orders", *texts), table("lines", "order_id bigint", "note text"))
    with engine.connect() as load:
        # sorted by name lines is locked first: the load takes them the other way round
        load.execute(sa.text("insert into staging_erp.orders values (2, 'open', 1, 1, 'n', 1, 1)"))
        worker = threading.Thread(target=lambda: migrate(engine, wider, lock_seconds=20))
        worker.start()
        until(
            engine,
            LINES_LOCKED,
        )
        load.execute(sa.text("insert into staging_erp.lines values (2, 1, 1)"))
        load.commit()
        worker.join(30)
    assert rows(engine, "select count(*) from staging_erp.lines") == [(1,)]
    assert "note" in standing(engine)[("staging_erp", "lines")].columns


def test_rows_that_arrive_while_migrate_waits_for_its_locks_are_judged_too(engine: sa.Engine) -> None:
    caught: list[Exception] = []

    def require() -> None:
        try:
            migrate(engine, changed("quantity integer", "quantity integer!"), lock_seconds=20)
        except Exception as error:
            caught.append(error)

    with engine.connect() as load:
        load.execute(sa.text("insert into staging_erp.orders values (2, 'open', null, 1, 'n', 1, 1)"))
        worker = threading.Thread(target=require)
        worker.start()
        until(engine, "select from pg_locks where mode = 'AccessExclusiveLock' and not granted")
        load.commit()
        worker.join(30)
    assert [type(error).__name__ for error in caught] == ["Refused"]
    assert "1 row has no value" in str(caught[0])


def test_a_migrate_that_is_killed_leaves_nothing(empty_engine: sa.Engine) -> None:
    with empty_engine.connect() as blocker:  # holds the name that migrate's last statements need
        blocker.execute(sa.text("create schema staging_erp"))
        errors: list[Exception] = []

        def attempt() -> None:
            try:
                migrate(empty_engine, contract())
            except Exception as error:
                errors.append(error)

        worker = threading.Thread(target=attempt)
        worker.start()
        waiting = "from pg_stat_activity where wait_event_type = 'Lock' and query like 'create schema%'"
        until(empty_engine, f"select {waiting}")
        rows(empty_engine, f"select pg_terminate_backend(pid) {waiting}")
        worker.join(30)
        assert len(errors) == 1
        blocker.rollback()
    with empty_engine.connect() as connection:
        assert ledger_step(connection).standing is None
    assert migrate(empty_engine, contract()).ledger.is_needed


def test_a_reader_half_way_into_a_view_is_never_ended(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create view staging_erp.quantities as select quantity from staging_erp.orders"))
    with engine.connect() as reader:
        # what a query does too: the view's lock first, its table's later
        reader.execute(sa.text("comment on view staging_erp.quantities is null"))
        worker = threading.Thread(target=lambda: migrate(engine, WIDER, lock_seconds=20))
        worker.start()
        until(engine, "select from pg_locks where mode = 'AccessExclusiveLock' and not granted")
        reader.execute(sa.text("set local deadlock_timeout = '10ms'"))
        for _ in range(30):
            assert reader.scalar(sa.text("select quantity from staging_erp.orders")) == 5
            reader.execute(sa.text("select pg_sleep(0.02)"))
        reader.commit()
        worker.join(30)
    assert standing(engine)[("staging_erp", "orders")].columns["quantity"].type == "bigint"


@pytest.fixture
def newer_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program with one more revision of the ledger."""
    shutil.copytree(upgrade._MIGRATIONS, tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "more.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = 'more', {NEWEST!r}\n"
        "def upgrade(): op.execute('alter table ledger.loads add column more text')\n"
    )
    monkeypatch.setattr(upgrade, "_MIGRATIONS", tmp_path / "migrations")


def test_a_newer_ledger_is_a_part_of_the_plan(engine: sa.Engine, newer_program: None) -> None:
    assert migrate(engine, WIDER, plan_only=True).lines()[0] == f"ledger: revision {NEWEST} → more"
    assert migrate(engine, WIDER).lines() == [
        f"ledger: revision {NEWEST} → more",
        "erp.orders: column quantity widened from integer to bigint",
    ]
    assert rows(engine, "select more from ledger.loads") == []
    assert migrate(engine, WIDER).is_empty


def test_a_load_that_writes_the_ledger_is_not_ended_by_a_newer_one(engine: sa.Engine, newer_program: None) -> None:
    with engine.connect() as load:
        load.execute(
            sa.text(
                "insert into ledger.loads (source, table_name, door, principal, status) "
                "values ('erp', 'orders', 'api', 'x', 'running')"
            )
        )
        worker = threading.Thread(target=lambda: migrate(engine, WIDER, lock_seconds=20))
        worker.start()
        until(engine, "select from pg_locks where mode = 'AccessExclusiveLock' and not granted")
        load.execute(sa.text("insert into staging_erp.orders values (2, 'open', 1, 1, 'n', 1, 1)"))
        load.commit()
        worker.join(30)
    assert rows(engine, "select status, more from ledger.loads") == [("running", None)]
