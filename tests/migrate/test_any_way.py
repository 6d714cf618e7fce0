"""Whatever the way, the end is the same: a database that followed the contract through its
changes stands as one that was made from the last contract at once, its rows unharmed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import sqlalchemy as sa

from loader.contract.model import Relationship, Table, UniqueRule
from loader.contract.types import parse_type
from loader.migrate import Refused, migrate
from tests.migrate.contracts import column, contract, rows, standing, table

# Whatever the way, the end is the same: a database that followed the contract through its
# changes stands as one that was made from the last contract at once.

WIDER = {
    "smallint": ["integer", "bigint", "numeric(9,2)"],
    "integer": ["bigint", "numeric(12,2)", "numeric"],
    "bigint": ["numeric"],
    "numeric(9,2)": ["numeric(12,2)", "numeric(12,4)"],
    "numeric(12,2)": ["numeric(14,4)", "numeric"],
    "varchar(5)": ["varchar(9)", "text"],
    "varchar(9)": ["text"],
}


def mutated(chance: random.Random, made: Table) -> Table:
    """One change to a table: mostly one that is let through."""
    columns = list(made.columns)
    place = chance.randrange(1, len(columns))
    one = columns[place]
    match chance.choice(["add", "widen", "widen", "require", "rules", "text", "drop", "narrow"]):
        case "add":
            columns.append(column(f"c{len(columns)}_{chance.randrange(99)} {chance.choice(list(WIDER))}"))
        case "widen" if one.type.sql in WIDER:
            columns[place] = replace(one, type=parse_type(chance.choice(WIDER[one.type.sql])))
        case "require":
            columns[place] = replace(one, required=not one.required)
        case "rules":
            names = [c.name for c in columns if chance.random() < 0.4]
            relations = tuple(Relationship((n,), ("erp", made.name), ("id",)) for n in names[1:])
            return replace(made, unique_rules=tuple(UniqueRule((n,)) for n in names), relationships=relations)
        case "text":
            return replace(made, description=f"text {chance.randrange(99)}")
        case "drop":
            del columns[place]
        case "narrow":
            columns[place] = replace(one, type=parse_type("smallint"))
    return replace(made, columns=tuple(columns))


def contents(engine: sa.Engine, made: Table) -> list[tuple[dict[str, object]]]:
    return rows(engine, f"select row_to_json(t)::jsonb from {made.mirror} t order by id")  # type: ignore[return-value]


def one_row(engine: sa.Engine, made: Table, number: int) -> None:
    """A row with a value in every column but optional ones of odd numbers."""
    names = [c.name for c in made.columns if c.required or number % 2 == 0 or c.name == "id"]
    values = ", ".join([str(number), *("'7'" for _ in names[1:])])
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"insert into {made.mirror} ({', '.join(names)}, _load_id, _row) values ({values}, 1, {number})")
        )


@pytest.mark.parametrize("seed", range(6))
def test_following_every_change_ends_where_starting_anew_ends(
    empty_engine: sa.Engine, another_engine: sa.Engine, seed: int
) -> None:
    chance = random.Random(seed)
    last = contract(*(table(name, "id integer", "a smallint", "b varchar(5)!", "c integer!") for name in ("x", "y")))
    migrate(empty_engine, last)
    followed = refused = 0
    for number in range(1, 25):
        for made in last:
            one_row(empty_engine, made, number)
        wanted = contract(*(mutated(chance, made) for made in last))
        before = standing(empty_engine)
        kept = [
            rows(empty_engine, f"select row_to_json(t)::jsonb - '_loaded_at' from {t.mirror} t order by id")
            for t in last
        ]
        try:
            migrate(empty_engine, wanted)
        except Refused:
            assert standing(empty_engine) == before  # refused means untouched
            refused += 1
            continue
        assert migrate(empty_engine, wanted).is_empty
        now = [
            rows(empty_engine, f"select row_to_json(t)::jsonb - '_loaded_at' from {t.mirror} t order by id")
            for t in last
        ]
        for old_rows, new_rows in zip(kept, now, strict=True):
            for (old,), (new,) in zip(old_rows, new_rows, strict=True):
                assert {key: new[key] for key in old} == old
        last, followed = wanted, followed + 1
    assert followed >= 5
    assert refused >= 3
    migrate(another_engine, last)
    assert standing(empty_engine) == standing(another_engine)
