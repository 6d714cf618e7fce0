"""The contract changes, and the tables follow with their rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from loader.contract.model import UniqueRule
from loader.contract.types import parse_type
from loader.migrate import migrate
from loader.migrate.widening import widens
from tests.migrate.contracts import COLUMNS, changed, contract, insert, rows, standing, table, to_history

ROW = "1, 'open', 5, 12.50, 'first'"


@pytest.fixture
def engine(empty_engine: sa.Engine) -> sa.Engine:
    """The orders table with one row, and that row once in the history."""
    migrate(empty_engine, contract())
    insert(empty_engine, ROW)
    to_history(empty_engine)
    return empty_engine


def column_type(engine: sa.Engine, name: str, relation: str = "orders") -> str:
    return str(standing(engine)[("staging_erp", relation)].columns[name].type)


def test_a_new_optional_column_comes_to_mirror_and_history(engine: sa.Engine) -> None:
    new = contract(table("orders", *COLUMNS, "channel text"))
    plan = migrate(engine, new)
    assert plan.lines() == ["erp.orders: new column channel text"]
    assert rows(engine, "select note, channel from staging_erp.orders") == [("first", None)]
    assert column_type(engine, "channel", "orders__history") == "text"
    assert standing(engine)[("staging_erp", "orders")].columns["channel"].comment == "Channel"
    assert migrate(engine, new).is_empty


def test_a_new_required_column_comes_to_a_table_without_rows(empty_engine: sa.Engine) -> None:
    migrate(empty_engine, contract())
    migrate(empty_engine, contract(table("orders", *COLUMNS, "channel text!")))
    found = standing(empty_engine)
    assert found[("staging_erp", "orders")].columns["channel"].required
    assert not found[("staging_erp", "orders__history")].columns["channel"].required


WIDENINGS = [
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("smallint", "numeric(5,0)"),
    ("integer", "numeric(10,0)"),
    ("integer", "numeric(12,2)"),
    ("bigint", "numeric(19,0)"),
    ("bigint", "numeric"),
    ("numeric(12,2)", "numeric(13,2)"),
    ("numeric(12,2)", "numeric(14,4)"),
    ("numeric(12,2)", "numeric"),
    ("varchar(20)", "varchar(21)"),
    ("varchar(20)", "text"),
]
OTHERS = [
    ("integer", "smallint"),
    ("bigint", "integer"),
    ("integer", "numeric(9,0)"),
    ("integer", "numeric(11,2)"),
    ("bigint", "numeric(18,0)"),
    ("bigint", "double precision"),
    ("numeric", "numeric(12,2)"),
    ("numeric(12,2)", "numeric(12,4)"),
    ("numeric(12,2)", "numeric(14,1)"),
    ("numeric(12,2)", "numeric(11,2)"),
    ("numeric(12,2)", "double precision"),
    ("double precision", "numeric"),
    ("numeric(5,0)", "integer"),
    ("varchar(20)", "varchar(19)"),
    ("text", "varchar(20)"),
    ("date", "timestamptz"),
    ("date", "timestamp"),
    ("timestamp", "timestamptz"),
    ("timestamptz", "timestamp"),
    ("uuid", "text"),
    ("text", "uuid"),
    ("integer", "text"),
    ("boolean", "integer"),
    ("jsonb", "text"),
]


LARGEST = {
    "smallint": "-32768",
    "integer": "-2147483648",
    "bigint": "-9223372036854775808",
    "numeric(12,2)": "-9999999999.99",
    "varchar(20)": "'" + "x" * 20 + "'",
}


def test_a_type_that_holds_more_is_widened_with_every_value(empty_engine: sa.Engine) -> None:
    old = [f"value_{n} {types[0]}" for n, types in enumerate(WIDENINGS)]
    new = [f"value_{n} {types[1]}" for n, types in enumerate(WIDENINGS)]
    migrate(empty_engine, contract(table("facts", "fact_id bigint", *old)))
    values = ", ".join(LARGEST[types[0]] for types in WIDENINGS)
    with empty_engine.begin() as connection:
        connection.execute(sa.text(f"insert into staging_erp.facts values (1, {values}, 1, 1)"))
    before = rows(empty_engine, "select * from staging_erp.facts")
    wider = contract(table("facts", "fact_id bigint", *new))
    assert migrate(empty_engine, wider).lines() == [
        f"erp.facts: column value_{n} widened from {types[0]} to {types[1]}" for n, types in enumerate(WIDENINGS)
    ]
    assert rows(empty_engine, "select * from staging_erp.facts") == before
    for n, (_, wanted) in enumerate(WIDENINGS):
        for relation in ("facts", "facts__history"):
            assert parse_type(column_type(empty_engine, f"value_{n}", relation)).sql == wanted
    assert migrate(empty_engine, wider).is_empty


@pytest.mark.parametrize(("old", "new"), OTHERS)
def test_any_other_type_is_no_widening(old: str, new: str) -> None:
    assert not widens(parse_type(old), parse_type(new))


def test_a_column_may_be_empty_from_now_on(engine: sa.Engine) -> None:
    assert migrate(engine, changed("status text!", "status text")).lines() == ["erp.orders: column status may be empty"]
    insert(engine, "2, null, 5, 1, 'second'")


def test_a_column_without_empty_values_is_required_from_now_on(engine: sa.Engine) -> None:
    new = changed("quantity integer", "quantity integer!")
    assert migrate(engine, new).lines() == ["erp.orders: column quantity may not be empty"]
    with pytest.raises(sa.exc.IntegrityError, match="null value"):
        insert(engine, "2, 'open', null, 1, 'second'")


def test_a_version_that_a_new_requirement_would_refuse_is_warned_of(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update staging_erp.orders__history set quantity = null"))
    plan = migrate(engine, changed("quantity integer", "quantity integer!"))
    assert len(plan.warnings) == 1
    assert "1 versions in the history have no quantity" in plan.warnings[0]


def test_indexes_follow_the_rules_and_others_stay(engine: sa.Engine) -> None:
    ruled = table(unique_rules=(UniqueRule(("note",)),))
    assert migrate(engine, contract(ruled)).lines() == ["erp.orders: index on note"]
    with engine.begin() as connection:
        connection.execute(sa.text("create index by_somebody on staging_erp.orders (amount)"))
    assert migrate(engine, contract()).lines() == ["erp.orders: index on note dropped"]
    names = {index.name for index in standing(engine)[("staging_erp", "orders")].indexes}
    assert names == {"orders_pkey", "orders___load_id_idx", "by_somebody"}


def test_an_index_somebody_made_serves_a_rule_as_well(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create index by_somebody on staging_erp.orders (note)"))
    assert migrate(engine, contract(table(unique_rules=(UniqueRule(("note",)),)))).is_empty


@pytest.mark.parametrize(
    "index",
    ["(note) where note <> ''", "(lower(note))", "(note, lower(note))", "(note text_pattern_ops)", "(note, amount)"],
)
def test_an_index_over_a_part_serves_no_rule(engine: sa.Engine, index: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(f"create index by_somebody on staging_erp.orders {index}"))
    plan = migrate(engine, contract(table(unique_rules=(UniqueRule(("note",)),))))
    assert plan.lines() == ["erp.orders: index on note"]


def test_an_index_that_a_failed_build_left_invalid_is_made_again(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update pg_index set indisvalid = false where indexrelid = 'staging_erp.orders___load_id_idx'::regclass"
            )
        )
    assert migrate(engine, contract()).lines() == ["erp.orders: index on _load_id"]
    assert migrate(engine, contract()).is_empty


def test_comments_follow_labels_and_descriptions(engine: sa.Engine) -> None:
    described = table(description="One row an order.")
    described = replace(
        described,
        columns=tuple(
            replace(c, description="Where it stands") if c.name == "status" else c for c in described.columns
        ),
    )
    assert migrate(engine, contract(described)).lines() == ["erp.orders: comments"]
    found = standing(engine)[("staging_erp", "orders")]
    assert found.comment == "Orders: One row an order."
    assert found.columns["status"].comment == "Status: Where it stands"


def test_the_key_in_another_order_is_the_same_key(empty_engine: sa.Engine) -> None:
    texts = ("order_id bigint", "line integer")
    migrate(empty_engine, contract(table("lines", *texts, primary_key=("order_id", "line"))))
    plan = migrate(empty_engine, contract(table("lines", *texts, primary_key=("line", "order_id"))))
    assert plan.lines()[0] == "erp.lines: primary key in the order line, order_id"
    assert standing(empty_engine)[("staging_erp", "lines")].primary_key == ("line", "order_id")


def test_a_table_gone_from_the_contract_stays_and_is_named(engine: sa.Engine) -> None:
    plan = migrate(engine, contract(table("products", "product_id bigint")))
    assert plan.warnings == (
        "staging_erp.orders is no longer in the contract; it and its history are left standing with their data",
    )
    assert rows(engine, "select order_id from staging_erp.orders") == [(1,)]
    # and a whole system that is gone
    gone = migrate(engine, contract(replace(table("customers", "customer_id bigint"), schema="staging_crm")))
    assert [warning.split(" ")[0] for warning in gone.warnings] == ["staging_erp.orders", "staging_erp.products"]


def test_what_somebody_took_away_from_the_tables_comes_back(engine: sa.Engine) -> None:
    before = standing(engine)
    for statement in (
        "alter table staging_erp.orders__history drop constraint orders__history_reason_check",
        "alter table staging_erp.orders__history alter column note set not null",
        "alter table staging_erp.orders alter column _loaded_at drop default",
        "comment on table staging_erp.orders is null",
        "drop index staging_erp.orders__history__order_id_idx",
    ):
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
    migrate(engine, contract())
    assert standing(engine) == before


def test_a_history_that_somebody_dropped_is_made_again(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("drop table staging_erp.orders__history"))
    assert migrate(engine, contract()).lines() == ["erp.orders: new history"]
