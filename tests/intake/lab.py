"""A contract made of the model's own classes, and short ways to load into it and to look.

No dbt is asked: its parser takes seconds. Each table stands for one kind of verdict.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from loader.contract.model import DOORS, Column, Contract, Relationship, RowRule, Table, UniqueRule
from loader.contract.rules import not_null
from loader.contract.types import identifier, parse_type
from loader.intake import load as intake
from loader.intake.decode import NOTHING_SAID, Decoder, Said, Unreadable, open_body
from loader.intake.lineage import versions
from loader.intake.receipt import Receipt
from loader.intake.sql import listed
from loader.intake.undo import Undone, undo
from loader.ledger.loads import Origin

SCHEMA = "staging_lab"


def table(name: str, *columns: str, key: tuple[str, ...] = (), rules: Iterable[RowRule] = (), **more: Any) -> Table:
    """Columns as ``name type`` or ``name type!`` (filled); the key is the first one unless given."""
    made = []
    for text in columns:
        column, _, data_type = text.partition(" ")
        made.append(Column(column, parse_type(data_type.rstrip("!")), data_type.endswith("!"), column, ""))
    stated = tuple(not_null(c.name) for c in made if c.required)
    fields: dict[str, Any] = {"load": "versions", "valid_from": None, "doors": DOORS, "label": name, "description": ""}
    return Table(
        source="lab", name=name, schema=SCHEMA, identifier=name, columns=tuple(made),
        primary_key=key or (made[0].name,), row_rules=(*stated, *rules), **(fields | more),
    )  # fmt: skip


def rule(name: str, columns: str, expression: str, message: str, **more: Any) -> RowRule:
    return RowRule(name, tuple(columns.split()), expression, message, **more)


def parent(columns: str, name: str, fields: str = "id", **more: Any) -> Relationship:
    return Relationship(tuple(columns.split()), ("lab", name), tuple(fields.split()), **more)


_COLOURS = ("red", "blue", "can't")
_COLOUR = "\"colour\" in ('red', 'blue', 'can''t')"
_WARNED = rule("at_least", "size", '"size" >= 1', "should be at least 1", severity="warn")
THINGS = table(
    "things", "id integer!", "name text!", "size integer", "colour text", "begins date", "ends date",
    "price numeric(6,2)",
    rules=(
        rule("at_least", "size", '"size" >= 0', "must be at least 0"),
        rule("at_most", "size", '"size" <= 10', "must be at most 10"),
        rule("accepted_values", "colour", _COLOUR, "must be one of", accepted=_COLOURS),
        rule("compare_columns", "", '"begins" <= "ends"', "must not end before it begins"),
        rule("greater_than", "price", '"price" > 1', "must be more than 1", where="\"colour\" = 'red'"),
        _WARNED,
    ),
)  # fmt: skip

_TABLES = (
    THINGS,
    table("orders", "id integer!", "note text", "updated_at timestamptz!", valid_from="updated_at"),
    table("notes", "id integer!", "word text"),
    table("events", "id integer!", "kind text", "amount numeric(12,2)", load="events"),
    table("seats", "id integer!", "seat integer", unique_rules=(UniqueRule(("seat",)),)),
    table(
        "staff", "id integer!", "desk integer", "badge integer", "boss integer",
        unique_rules=(UniqueRule(("desk",)), UniqueRule(("badge",))), relationships=(parent("boss", "staff"),),
    ),
    table("nodes", "id integer!", "above integer", relationships=(parent("above", "nodes"),)),
    table("regions", "id integer!"),
    table("shops", "id integer!", "region integer", relationships=(parent("region", "regions"),)),
    table("tills", "id integer!", "shop integer", "label text", relationships=(parent("shop", "shops"),)),
    table(
        "stalls", "id integer!", "shop integer", "label text", "updated_at timestamptz!",
        valid_from="updated_at", relationships=(parent("shop", "shops"),),
    ),
    table("rooms", "building text!", "floor integer!", key=("building", "floor")),
    table(
        "visits", "id integer!", "building text", "floor integer", "shop integer", "region integer",
        load="events",
        relationships=(
            parent("building floor", "rooms", "building floor"), parent("shop", "shops"),
            parent("region", "regions", severity="warn"),
        ),
    ),
    table("papers", "id integer!", "body jsonb", "text text"),
    table("lists", "id integer!", "sizes integer[]", "words text[]", "moments timestamptz[]", "prices numeric(6,2)[]"),
)  # fmt: skip
CONTRACT = Contract("lab", {("lab", made.name): made for made in _TABLES}, "fingerprint")

Rows = list[dict[str, Any]]


@dataclass
class Lab:
    """The contract's tables in a database of their own."""

    engine: sa.Engine
    contract: Contract = CONTRACT

    def table(self, name: str) -> Table:
        return self.contract.table("lab", name)

    def with_table(self, changed: Table) -> Lab:
        """The same database under a contract in which one table says something else."""
        return replace(
            self, contract=replace(self.contract, tables={**self.contract.tables, ("lab", changed.name): changed})
        )

    def load(self, name: str, text: str | bytes, format_: str = "csv", **more: Any) -> Receipt:
        """A body of that format; ``more`` are the Options' and the Origin's fields."""
        body = text.encode() if isinstance(text, str) else text
        said = more.pop("said", NOTHING_SAID)
        options = {key: more.pop(key) for key in ("on_reject", "dry_run", "op", "cascade") if key in more}
        origin = Origin(more.pop("door", "api"), more.pop("principal", "tester"), **more)
        return intake.load_stream(
            self.engine, self.contract, self.table(name), io.BytesIO(body), format_, origin,
            intake.Options(**options), said=said,
        )  # fmt: skip

    def rows(self, name: str, *rows: tuple[Any, ...] | int, **more: Any) -> Receipt:
        """Rows as tuples in the columns' order, sent as NDJSON; missing ones are absent."""
        names = self.table(name).column_names
        values = [row if isinstance(row, tuple) else (row,) for row in rows]
        lines = [json.dumps(dict(zip(names, row, strict=False))) for row in values]
        return self.load(name, "\n".join(lines), "ndjson", **more)

    def delete(self, name: str, *keys: tuple[Any, ...] | int, valid_from: str | None = None, **more: Any) -> Receipt:
        """Keys as tuples in the key's order, all with that ``valid_from`` if one is said."""
        made = self.table(name)
        lines = []
        for key in keys:
            row = dict(zip(made.primary_key, key if isinstance(key, tuple) else (key,), strict=True))
            lines.append(json.dumps(row | ({made.valid_from: valid_from} if made.valid_from and valid_from else {})))
        return self.load(name, "\n".join(lines), "ndjson", op="delete", **more)

    def undo(self, load_id: int | None, **more: Any) -> Undone:
        assert load_id is not None
        return undo(self.engine, self.contract, load_id, "tester", **more)

    def replay(self, name: str, *reject_ids: int) -> Receipt:
        return intake.replay(self.engine, self.contract, self.table(name), list(reject_ids), "tester")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

    def query_and_commit(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def mirror(self, name: str) -> list[tuple[Any, ...]]:
        """The current rows, as text, in the key's order."""
        return self._select(name, name, "")

    def history(self, name: str) -> list[tuple[Any, ...]]:
        """The other versions, as text, each with its reason, in the order they came to be history."""
        return self._select(name, f"{name}__history", ", _reason")

    def _select(self, name: str, relation: str, more: str) -> list[tuple[Any, ...]]:
        made = self.table(name)
        columns = ", ".join(f"{column.sql}::text" for column in made.columns)
        key = ", ".join(identifier(column) for column in made.primary_key)
        order = f"{key}, _load_id, _row" if more else key
        return self.query(f"select {columns}{more} from {SCHEMA}.{relation} order by {order}")

    def rejects(self, load_id: int | None) -> list[dict[str, Any]]:
        columns = "reject_id, row, status, rule, column_name, message, faults, payload, resolved_load_id"
        found = self.query(f"select {columns} from ledger.rejects where load_id = {load_id} order by row")
        return [dict(zip(columns.split(", "), row, strict=True)) for row in found]

    def counts(self) -> dict[str, int]:
        """The rows of every table there is, ledger included."""
        names = [f"{SCHEMA}.{t.name}{more}" for t in self.contract for more in ("", "__history")]
        names += ["ledger.loads", "ledger.rejects"]
        found = self.query(" union all ".join(f"select '{name}', count(*) from {name}" for name in names))
        return dict(found) | {"clock": self.query("select last_seq from ledger.clock")[0][0]}

    def audit(self) -> None:
        """Every load that ended accounts for each of its rows in just one place."""
        relations = [f"{SCHEMA}.{t.name}{more}" for t in self.contract for more in ("", "__history")]
        accepted = " union ".join(f"select _load_id as load_id, _row as row from {name}" for name in relations)
        said = " union ".join(
            f"select _written_load_id, _load_id, _row from {name} where _reason in ('undone', 'restored')"
            for name in relations if name.endswith("__history")
        )  # fmt: skip
        for load_id, door, status, *counts in self.query(
            "select load_id, door, status, received, accepted, waiting, rejected, duplicates from ledger.loads "
            "order by load_id"
        ):
            rows = self.query(f"select row from ({accepted}) as a where load_id = {load_id}")
            kept = self.query(f"select row from ledger.rejects where load_id = {load_id}")
            received, let_in, waiting, rejected, duplicates = counts
            assert received == let_in + waiting + rejected + duplicates
            if door in ("undo", "cascade"):  # what it says of rows that other loads brought
                named = self.query(f"select 1 from ({said}) as s where _written_load_id = {load_id}")
                assert (rows, len(kept)) == ([], waiting + rejected), (load_id, door, counts)
                # a row that an undo keeps again, because its replay does not stand, may have waited
                assert len(named) <= received <= len(named) + (rejected if door == "undo" else 0)
                continue
            assert (len(rows), len(kept)) == (let_in, waiting + rejected), (load_id, status, counts)
            places = [row for (row,) in rows + kept]
            assert len(set(places)) == len(places), f"a row of load {load_id} stands in two places"
            assert not places or (min(places) >= 1 and max(places) <= received)
        self._audit_whose()
        self._audit_once()

    def _audit_whose(self) -> None:
        """All that came into a table or went was done by a numbered load into that very table: by
        this a build knows which tables it need not look at."""
        entries = " union ".join(
            f"select '{t.name}' as name, {column} as load_id from {SCHEMA}.{t.name}{more}"
            for t in self.contract
            for column, more in (("_load_id", ""), ("_load_id", "__history"), ("_written_load_id", "__history"))
        )
        assert not self.query(
            f"select name, load_id from ({entries}) as e left join ledger.loads as l using (load_id) "
            "where l.seq is null or l.source <> 'lab' or l.table_name <> e.name"
        )

    def _audit_once(self) -> None:
        """A row that came counts once, or is kept once to be let in, whatever became of it in between."""

        def keys(made: Table) -> str:
            key = listed(made.primary_key)
            return f"select {key} from {made.mirror} union select {key} from {made.history}"

        counting = " union all ".join(
            f"select '{t.name}', _first_load_id, _first_row from ({versions(t, f'({keys(t)}) as k')}) as v"
            for t in self.contract
        )
        kept = "select table_name, first_load_id, first_row from ledger.rejects where status in ('waiting', 'rejected')"
        again = self.query(
            f"select * from ({counting} union all {kept}) as item (name, load_id, row) "
            "group by name, load_id, row having count(*) > 1"
        )
        assert not again, f"these came once, and count twice: {again}"


def decode(format_: str, body: bytes | str, name: str = "notes") -> tuple[Rows, list[Unreadable]]:
    """What the decoder makes of a body: rows with ``_row``, and those it sets aside, in order."""
    rows, aside, _ = read(format_, body, name)
    return rows, aside


def read(
    format_: str, body: bytes | str, name: str = "notes", **said: str
) -> tuple[Rows, list[Unreadable], dict[str, Any]]:
    """As :func:`decode`, with what was found."""
    stream = io.BytesIO(body.encode() if isinstance(body, str) else body)
    rows: Rows = []
    aside: list[Unreadable] = []
    decoder: Decoder = open_body(stream, CONTRACT.table("lab", name), format_, Said.of(**said))
    for batch in decoder:
        rows += batch.rows.to_pylist()
        aside += batch.unreadable
    return rows, sorted(aside, key=lambda row: row.row), decoder.found or {}


def values(rows: Rows) -> Iterator[tuple[Any, ...]]:
    """Rows as tuples, ``_row`` first."""
    return (tuple(row.values()) for row in rows)


def parquet(columns: dict[str, Any] | pa.Table, **more: Any) -> bytes:
    """A Parquet file of these columns."""
    out = io.BytesIO()
    made = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(made, out, **more)
    return out.getvalue()
