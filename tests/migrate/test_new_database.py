"""What an empty database becomes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from loader.contract.model import Relationship, UniqueRule
from loader.migrate import migrate
from tests.migrate.contracts import NEWEST, column, contract, insert, rows, standing, table


def indexes(engine: sa.Engine, relation: str = "orders") -> set[tuple[str, ...]]:
    return {index.columns for index in standing(engine)[("staging_erp", relation)].indexes if index.columns}


def test_the_mirror_has_the_sources_columns_then_the_loaders(empty_engine: sa.Engine) -> None:
    migrate(empty_engine, contract())
    found = rows(
        empty_engine,
        "select attname::text, format_type(atttypid, atttypmod), attnotnull from pg_attribute "
        "where attrelid = 'staging_erp.orders'::regclass and attnum > 0 order by attnum",
    )
    assert found == [
        ("order_id", "bigint", True),
        ("status", "text", True),
        ("quantity", "integer", False),
        ("amount", "numeric(12,2)", False),
        ("note", "character varying(20)", False),
        ("_load_id", "bigint", True),
        ("_row", "bigint", True),
        ("_loaded_at", "timestamp with time zone", True),
    ]
    assert standing(empty_engine)[("staging_erp", "orders")].primary_key == ("order_id",)


def test_the_history_takes_versions_without_required_values(empty_engine: sa.Engine) -> None:
    migrate(empty_engine, contract())
    history = standing(empty_engine)[("staging_erp", "orders__history")]
    required = {name for name, c in history.columns.items() if c.required}
    assert required == {"_load_id", "_row", "_loaded_at", "_written_load_id", "_written_at", "_reason"}
    assert history.primary_key == ()
    assert indexes(empty_engine, "orders__history") == {("order_id",), ("_written_load_id",), ("_load_id", "_row")}


@pytest.mark.parametrize("reason", ["replaced", "deleted", "older", "undone", "lost"])
def test_the_history_says_why_and_takes_no_other_reason(empty_engine: sa.Engine, reason: str) -> None:
    migrate(empty_engine, contract())
    statement = (
        "insert into staging_erp.orders__history (order_id, _load_id, _row, _written_load_id, _reason) "
        f"values (1, 1, 1, 2, '{reason}')"
    )
    with empty_engine.connect() as connection:
        if reason != "lost":
            connection.execute(sa.text(statement))
            return
        with pytest.raises(sa.exc.IntegrityError, match="reason_check"):
            connection.execute(sa.text(statement))


def test_a_required_column_and_the_key_refuse_in_the_mirror(empty_engine: sa.Engine) -> None:
    migrate(empty_engine, contract())
    with pytest.raises(sa.exc.IntegrityError, match='null value in column "status"'):
        insert(empty_engine, "1, null, 1, 1, 'a'")
    insert(empty_engine, "1, 'open', 1, 1, 'a'")
    with pytest.raises(sa.exc.IntegrityError, match="orders_pkey"):
        insert(empty_engine, "1, 'open', 1, 1, 'a'")


def test_rows_are_looked_up_by_index_where_rules_look(empty_engine: sa.Engine) -> None:
    lists = (("code",), ("order_id", "product_id", "code"), ("batch", "code"))
    lines = table(
        "lines", "order_id bigint", "product_id bigint", "code text", "batch text",
        primary_key=("order_id", "product_id"),
        unique_rules=tuple(UniqueRule(columns) for columns in lists),
        relationships=(
            Relationship(("order_id",), ("erp", "orders"), ("order_id",)),
            Relationship(("product_id",), ("erp", "products"), ("product_id",)),
            Relationship(("product_id", "order_id"), ("erp", "lines"), ("product_id", "order_id")),
            Relationship(("batch",), ("erp", "orders"), ("note",)),
        ),
    )  # fmt: skip
    migrate(empty_engine, contract(table(), table("products", "product_id bigint"), lines))
    # ("batch", "code") begins with batch; the key begins with order_id, and holds both in any order
    # a child's own reference has none: a load would pay for it with each row
    assert indexes(empty_engine, "lines") == {("code",), ("batch", "code"), ("_load_id",)}
    assert indexes(empty_engine, "orders") == {("note",), ("_load_id",)}  # note: where children look


def test_labels_and_descriptions_become_comments_with_signs_of_all_kinds(empty_engine: sa.Engine) -> None:
    described = table(label="O'Brien's 100%", description="a :colon, a \\ and a\nline")
    migrate(empty_engine, contract(described))
    assert standing(empty_engine)[("staging_erp", "orders")].comment == "O'Brien's 100%: a :colon, a \\ and a\nline"


def test_names_that_need_quotes_and_names_too_long_for_an_index(empty_engine: sa.Engine) -> None:
    long = "a" * 54
    odd = replace(
        table("odd"),
        columns=(column("Order bigint"), column('a"b%s text'), column("select text")),
        primary_key=("Order",),
        unique_rules=(UniqueRule(('a"b%s', "select")),),
    )
    both = contract(
        odd,
        table(long, *[f"{'b' * 30}_{n} text" for n in range(3)],
              unique_rules=(UniqueRule((f"{'b' * 30}_1",)), UniqueRule((f"{'b' * 30}_2",)))),
    )  # fmt: skip
    migrate(empty_engine, both)
    assert ('a"b%s', "select") in indexes(empty_engine, "odd")
    assert {(f"{'b' * 30}_1",), (f"{'b' * 30}_2",)} <= indexes(empty_engine, long)
    assert migrate(empty_engine, both).is_empty


def test_the_plan_says_everything_in_words_and_the_second_time_there_is_nothing_to_do(
    empty_engine: sa.Engine,
) -> None:
    assert migrate(empty_engine, contract()).lines() == [
        f"ledger: revision none → {NEWEST}",
        "staging_erp: new schema",
        "erp.orders: new table with its history",
    ]
    again = migrate(empty_engine, contract())
    assert again.is_empty
    assert again.lines() == []


def test_a_plan_alone_changes_nothing(empty_engine: sa.Engine) -> None:
    plan = migrate(empty_engine, contract(), plan_only=True)
    assert "erp.orders: new table with its history" in plan.lines()
    assert rows(empty_engine, "select nspname from pg_namespace where nspname in ('ledger', 'staging_erp')") == []


def test_a_plan_leaves_nothing_on_the_connection_that_every_transaction_would_say_again(
    empty_engine: sa.Engine,
) -> None:
    migrate(empty_engine, contract(), plan_only=True)
    with empty_engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert (driver.isolation_level, driver.readonly) == (None, None)
