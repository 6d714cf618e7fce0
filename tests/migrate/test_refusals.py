"""What migrate refuses: each refusal names table, column and remedy, and nothing is applied."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from loader.contract.faults import Fault
from loader.contract.model import Contract, RowRule, UniqueRule
from loader.database import make_engine
from loader.migrate import Refused, migrate
from loader.remedy import Remedy
from loader.settings import Settings
from tests.migrate.contracts import COLUMNS, changed, contract, insert, rows, standing, table, to_history


@pytest.fixture
def engine(empty_engine: sa.Engine) -> sa.Engine:
    """The orders table with one row."""
    migrate(empty_engine, contract())
    insert(empty_engine, "1, 'open', 5, 12.50, 'first'")
    return empty_engine


def refused(engine: sa.Engine, wanted: Contract) -> list[Fault]:
    """The refusals, having seen that nothing changed and that the plan says the same."""
    before = standing(engine)
    with pytest.raises(Refused) as caught:
        migrate(engine, wanted)
    assert standing(engine) == before
    assert list(migrate(engine, wanted, plan_only=True).refusals) == caught.value.faults
    return caught.value.faults


def only(faults: list[Fault], column: str) -> Fault:
    assert [(f.table, f.column) for f in faults] == [("erp.orders", column)]
    assert faults[0].path == "models/_erp__sources.yml"
    assert faults[0].remedy
    return faults[0]


def test_a_narrower_type(engine: sa.Engine) -> None:
    fault = only(refused(engine, changed("amount numeric(12,2)", "amount numeric(10,2)")), "amount")
    assert fault.problem == (
        "the column is numeric(12,2) in the database and numeric(10,2) in the contract, which holds less"
    )
    assert "keep `data_type: numeric(12,2)`" in fault.remedy


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("quantity integer", "quantity text"),
        ("amount numeric(12,2)", "amount double precision"),
        ("status text!", "status boolean!"),
    ],
)
def test_an_incompatible_type(engine: sa.Engine, old: str, new: str) -> None:
    fault = only(refused(engine, changed(old, new)), old.split()[0])
    assert "not every value can be carried over unchanged" in fault.problem


def test_a_type_that_no_contract_can_name(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("alter table staging_erp.orders alter column note type character(20)"))
    assert "the column is character(20) in the database" in only(refused(engine, contract()), "note").problem


def test_a_column_gone_from_the_contract(engine: sa.Engine) -> None:
    fault = only(refused(engine, changed("note varchar(20)", None)), "note")
    assert "gone from the contract" in fault.problem
    assert 'alter table "staging_erp"."orders__history" drop column "note"' in fault.remedy


def test_a_renamed_column_is_told_how_and_the_way_works(engine: sa.Engine) -> None:
    renamed = changed("note varchar(20)", "remark varchar(20)")
    fault = only(refused(engine, renamed), "note")
    way = fault.remedy.split("keeps its data: ")[1].split(". ")[0]
    assert way.count("rename column") == 2
    with engine.begin() as connection:
        connection.execute(sa.text(way))
    migrate(engine, renamed)
    assert rows(engine, "select remark from staging_erp.orders") == [("first",)]


def test_the_way_to_drop_a_column_works(engine: sa.Engine) -> None:
    without = changed("note varchar(20)", None)
    with engine.begin() as connection:
        connection.execute(sa.text(only(refused(engine, without), "note").remedy.split("for good: ")[1]))
    assert migrate(engine, without).is_empty


def test_a_new_required_column_on_a_table_with_rows_and_its_three_steps(engine: sa.Engine) -> None:
    required, optional = (
        contract(table("orders", *COLUMNS, "channel text!")),
        contract(table("orders", *COLUMNS, "channel text")),
    )
    fault = only(refused(engine, required), "channel")
    assert "new and required" in fault.problem
    assert "add it as optional" in fault.remedy
    migrate(engine, optional)
    assert "1 row has no value" in only(refused(engine, required), "channel").problem
    with engine.begin() as connection:
        connection.execute(sa.text("update staging_erp.orders set channel = 'web'"))
    migrate(engine, required)


def test_a_requirement_that_rows_break_is_refused_with_their_count(engine: sa.Engine) -> None:
    insert(engine, "2, 'open', null, 1, null", "3, 'open', null, 1, null")
    fault = only(refused(engine, changed("quantity integer", "quantity integer!")), "quantity")
    assert fault.problem == "the column is required, and 2 rows have no value in it"
    statement = fault.remedy.split("(", 1)[1].split(")", 1)[0]
    assert [row[0] for row in rows(engine, statement)] == [2, 3]


@pytest.mark.parametrize("key", [("status",), ("order_id", "status")])
def test_a_changed_key(engine: sa.Engine, key: tuple[str, ...]) -> None:
    faults = refused(engine, contract(table(primary_key=key)))
    fault = only(faults, "")
    assert f"primary_key is {', '.join(key)} in the contract and order_id in the database" in fault.problem
    assert "keep `primary_key: [order_id]`" in fault.remedy


def test_a_key_that_somebody_dropped_is_told_how_and_the_way_works(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("alter table staging_erp.orders drop constraint orders_pkey"))
    fault = only(refused(engine, contract()), "")
    with engine.begin() as connection:
        connection.execute(sa.text(fault.remedy.split("back: ")[1]))
    assert migrate(engine, contract()).is_empty


@pytest.mark.parametrize("reason", ["replaced", "older"])
def test_versions_become_events_only_while_nothing_was_replaced(engine: sa.Engine, reason: str) -> None:
    events = contract(table(load="events"))
    assert migrate(engine, events).is_empty
    to_history(engine, reason)
    assert "the history holds 1 versions" in only(refused(engine, events), "").problem


def test_undone_events_stay_events(engine: sa.Engine) -> None:
    to_history(engine, "undone")
    assert migrate(engine, contract(table(load="events"))).is_empty


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("create table staging_erp.products (product_id bigint)", "without _load_id, _row, _loaded_at"),
        ("create view staging_erp.products as select 1 as product_id", "is a view"),
        ("create sequence staging_erp.products__history", "is a sequence"),
    ],
)
def test_a_relation_that_somebody_else_made(engine: sa.Engine, made: str, words: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(made))
    faults = refused(engine, contract(table(), table("products", "product_id bigint")))
    assert [f.table for f in faults] == ["erp.products"]
    assert words in faults[0].problem
    assert "rename it (alter" in faults[0].remedy


def test_the_name_of_an_index_that_something_else_has(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create table staging_erp.products___load_id_idx (a int)"))
    faults = refused(engine, contract(table(), table("products", "product_id bigint")))
    assert "called staging_erp.products___load_id_idx, which is something else's name" in faults[0].problem


def test_the_name_of_a_new_rules_index_that_something_else_has(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("create table staging_erp.kept (a int); create index orders__note_idx on staging_erp.kept (a)")
        )
    faults = refused(engine, contract(table(unique_rules=(UniqueRule(("note",)),))))
    assert "called staging_erp.orders__note_idx, which is something else's name" in faults[0].problem


def test_two_tables_that_would_share_a_relation(engine: sa.Engine) -> None:
    faults = refused(engine, contract(table(), table("orders__history", "a bigint")))
    assert "would be a relation of erp.orders too" in faults[0].problem


def test_sources_among_the_ledgers_tables(engine: sa.Engine) -> None:
    assert (
        "the schema ledger is not"
        in refused(engine, contract(table(), table("loads", "a bigint", schema="ledger")))[0].problem
    )


def test_every_refusal_is_named_at_once_and_good_changes_wait_with_the_bad(engine: sa.Engine) -> None:
    wanted = contract(table("orders", "order_id bigint!", "status text", "quantity smallint", "channel text!"))
    assert [(f.column) for f in refused(engine, wanted)] == ["amount", "note", "quantity", "channel"]


def test_a_table_of_another_owner(empty_engine: sa.Engine, scratch: Settings) -> None:
    migrate(empty_engine, contract())
    guest = f"guest_of_{scratch.database}"  # roles belong to the whole server
    with empty_engine.begin() as connection:
        connection.execute(sa.text(f"create role {guest} login password 'guest'"))
        connection.execute(sa.text(f"grant usage on schema ledger, staging_erp to {guest}"))
        connection.execute(sa.text(f"grant select on all tables in schema ledger, staging_erp to {guest}"))
    engine = make_engine(replace(scratch, user=guest, password="guest"))
    try:
        faults = refused(engine, contract(table("orders", *COLUMNS, "channel text")))
        assert f"belongs to gatehouse, and {guest} may not alter it" in faults[0].problem
        with pytest.raises(Remedy, match="PostgreSQL does not do this: staging_crm: create schema"):
            migrate(engine, contract(table(), table("customers", "a bigint", schema="staging_crm")))
    finally:
        engine.dispose()
        with empty_engine.begin() as connection:
            connection.execute(sa.text(f"drop owned by {guest}; drop role {guest}"))


def test_a_statement_that_fails_takes_everything_back(engine: sa.Engine) -> None:
    with engine.begin() as connection:  # PostgreSQL changes no type that another table's row type holds
        connection.execute(sa.text("create table staging_erp.kept (one staging_erp.orders)"))
    before = standing(engine)
    wanted = contract(table("a_first", "a bigint"), *changed("quantity integer", "quantity bigint"))
    with pytest.raises(Remedy, match="uses its row type") as caught:
        migrate(engine, wanted)
    assert "Nothing was changed" in caught.value.remedy
    assert standing(engine) == before


def test_nothing_of_the_ledger_is_made_when_the_contract_is_refused(empty_engine: sa.Engine) -> None:
    rule = RowRule("row_condition", (), "amont > 0", "amount must be positive")
    with pytest.raises(Refused, match="amont"):
        migrate(empty_engine, contract(table(row_rules=(rule,))))
    assert rows(empty_engine, "select nspname from pg_namespace where nspname in ('ledger', 'staging_erp')") == []
