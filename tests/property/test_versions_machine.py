"""Any sequence of loads, deletes, undos and arrivals of parents leaves what the model says.

After each step: the mirrors and the versions in mirror and history are the model's, and so are the
rows that wait; nobody in a mirror lacks a parent, and everybody who waits does. At the end every load
accounts for its rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from loader.contract.model import Contract, Table
from loader.database import make_engine
from loader.intake import landing, parents
from loader.intake.receipt import Receipt
from loader.intake.undo import UndoRefused
from loader.migrate import migrate
from loader.settings import Settings
from tests.conftest import new_database_of
from tests.intake.lab import SCHEMA, Lab, parent, table
from tests.property.versions_model import Counts, Item, Model, Values

_TABLES = (
    table("shops", "id integer!", "word text"),
    table(
        "stalls", "id integer!", "shop integer", "word text", "at timestamptz!", valid_from="at",
        relationships=(parent("shop", "shops"),),
    ),
    table("nodes", "id integer!", "above integer", "stall integer",
          relationships=(parent("above", "nodes"), parent("stall", "stalls"))),
    table("visits", "id integer!", "stall integer", "word text", load="events",
          relationships=(parent("stall", "stalls"),)),
)  # fmt: skip
CONTRACT = Contract("lab", {("lab", made.name): made for made in _TABLES}, "machine")

_NUMBERS = st.sampled_from(["1", "2", "3"])
_MAYBE = st.one_of(st.none(), _NUMBERS, _NUMBERS, _NUMBERS)
_WORDS = st.sampled_from(["a", "b"])
_DAYS = st.sampled_from([f"2024-01-0{day}T00:00:00Z" for day in range(1, 5)])
_ROWS: dict[str, st.SearchStrategy[Values]] = {
    "shops": st.tuples(_NUMBERS, _WORDS),
    "stalls": st.tuples(_NUMBERS, _MAYBE, _WORDS, _DAYS),
    "nodes": st.tuples(_NUMBERS, _MAYBE, _MAYBE),
    "visits": st.tuples(_NUMBERS, _MAYBE, _WORDS),
}
#: What is wrong with a row, and what it is sent with then.
_FAULTS = st.sampled_from(["", "", "", "", "number", "column"])
_SENT: dict[str, dict[str, str]] = {"": {}, "number": {"id": "1x"}, "column": {"price": "9"}}


class Machine(RuleBasedStateMachine):
    engine: sa.Engine

    @initialize()
    def begin(self) -> None:
        names = ["ledger.mendings", "ledger.rejects", "ledger.loads"]
        names += [f"{SCHEMA}.{made.name}{more}" for made in _TABLES for more in ("", "__history")]
        with self.engine.begin() as connection:
            connection.exec_driver_sql("; ".join(f"delete from {name}" for name in names))
        self.lab = Lab(self.engine, CONTRACT)
        self.model = Model(CONTRACT)
        #: Of each load that can be undone: its table, the load that brought the rows, whether to undo it restores.
        self.loads: dict[int, tuple[Table, int, bool]] = {}
        self.causes: dict[int, int] = {}
        self.undone: set[int] = set()
        self.replays: set[int] = set()

    @rule(name=st.sampled_from(sorted(_ROWS)), data=st.data(), bulk=st.sampled_from([1, landing.BULK]))
    def load(self, name: str, data: st.DataObject, bulk: int) -> None:
        """Rows by either way, some with a number that is none or with a column that the table has not."""
        made = CONTRACT.table("lab", name)
        rows = data.draw(st.lists(st.tuples(_ROWS[name], _FAULTS), min_size=1, max_size=4), "rows")
        lines = []
        for values, fault in rows:
            row = {column: value for column, value in zip(made.column_names, values, strict=True) if value is not None}
            lines.append(json.dumps(row | _SENT[fault]))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(landing, "BULK", bulk)
            receipt = self.lab.load(name, "\n".join(lines), "ndjson")
        self.same_counts(receipt, self.model.load(made, receipt.load_id or 0, rows))
        self.loads[receipt.load_id or 0] = (made, receipt.load_id or 0, False)

    @rule(name=st.sampled_from(sorted(_ROWS)))
    def replay(self, name: str) -> None:
        """Whatever of the table was refused is judged again, as it stands."""
        refused = self.lab.query(
            f"select reject_id from ledger.rejects where status = 'rejected' and table_name = '{name}'"
        )
        if refused:
            receipt = self.lab.replay(name, *(number for (number,) in refused))
            made = CONTRACT.table("lab", name)
            self.same_counts(receipt, self.model.replay(made, receipt.load_id or 0))
            self.loads[receipt.load_id or 0] = (made, receipt.load_id or 0, False)
            self.replays.add(receipt.load_id or 0)

    @rule(
        name=st.sampled_from(["shops", "stalls", "nodes"]),
        keys=st.lists(st.tuples(_NUMBERS, st.one_of(st.none(), _DAYS)), min_size=1, max_size=2),
        cascade=st.booleans(),
    )
    def delete(self, name: str, keys: list[tuple[str, str | None]], cascade: bool) -> None:
        made = CONTRACT.table("lab", name)
        rows: list[Values] = []
        for key, day in keys:
            row = {"id": key, made.valid_from: day}
            rows.append(tuple(row.get(column) for column in made.column_names))
        lines = [json.dumps({n: v for n, v in zip(made.column_names, row, strict=True) if v}) for row in rows]
        receipt = self.lab.load(name, "\n".join(lines), "ndjson", op="delete", cascade="wait" if cascade else None)
        self.same_counts(receipt, self.model.delete(made, receipt.load_id or 0, rows, cascade))
        self.loads[receipt.load_id or 0] = (made, receipt.load_id or 0, False)

    @rule(data=st.data(), cascade=st.sampled_from([None, "wait", "wait"]))
    def undo(self, data: st.DataObject, cascade: str | None) -> None:
        if not self.loads:
            return
        latest = sorted(self.loads)[-6:]
        target = data.draw(st.sampled_from(latest), "load to undo")
        made, root, restores = self.loads[target]
        if target in self.undone:
            assert self.lab.undo(target).receipt.repeated
            return
        before = [replace(item) for item in self.model.items]
        try:
            receipt = self.lab.undo(target, cascade=cascade).receipt
        except UndoRefused:
            assert cascade is None
            assert self.model.undo(made, root, 0, target, restores, self.replays, self.undone)
            self.model.items = before
            return
        undo_id = receipt.load_id or 0
        bereft = self.model.undo(made, root, undo_id, target, restores, self.replays, self.undone)
        assert not bereft or cascade
        self.loads[undo_id] = (made, root, not restores)
        self.causes[undo_id] = target
        self.undone.add(target)
        stands_again = self.causes.get(target)
        while stands_again is not None:  # what the target had undone, and what that had undone, by turns
            self.undone ^= {stands_again}
            stands_again = self.causes.get(stands_again)

    @staticmethod
    def same_counts(receipt: Receipt, counts: Counts) -> None:
        found = Counts(receipt.accepted, receipt.waiting, receipt.rejected, receipt.duplicates)
        assert found == counts, receipt.rejects

    # -- after each step -----------------------------------------------------

    @invariant()
    def everything_is_as_the_model_says(self) -> None:
        if not hasattr(self, "lab"):
            return
        with self.engine.connect() as connection:
            arrivals = {
                (load, row): (first_load, first_row)
                for load, row, first_load, first_row in connection.exec_driver_sql(
                    "select resolved_load_id, resolved_row, first_load_id, first_row from ledger.rejects "
                    "where resolved_row is not null"
                )
            }
            for made in _TABLES:
                columns = ", ".join(
                    f"to_char({c.sql} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
                    if c.type.family == "timestamptz" else f"{c.sql}::text" for c in made.columns
                )  # fmt: skip
                width = len(made.columns)
                mirror = [
                    tuple(row)
                    for row in connection.exec_driver_sql(f"select {columns}, _load_id, _row from {made.mirror}")
                ]
                entries = [
                    tuple(row)
                    for row in connection.exec_driver_sql(
                        f"select {columns}, _load_id, _row, _written_load_id, _reason from {made.history} "
                        "order by _written_load_id"
                    )
                ]
                self.compare(made, mirror, entries, arrivals, width)
            self.compare_waiting(connection)

    def teardown(self) -> None:
        if hasattr(self, "lab"):
            self.lab.audit()  # each load's entry stays as it was written: once at the end is enough

    def compare(
        self, made: Table, mirror: list[tuple[Any, ...]], entries: list[tuple[Any, ...]],
        arrivals: dict[tuple[int, int], tuple[int, int]], width: int,
    ) -> None:  # fmt: skip
        def known(values: Values, place: tuple[int, int], gone: bool) -> tuple[Any, ...]:
            return (arrivals.get(place, place), values, gone)

        standing = {known(row[:width], row[width:], False) for row in mirror}
        assert standing == {known(i.values, i.arrival, False) for i in self.model.mirror(made)}, made.id
        versions = {row[width:]: known(row[:width], row[width:], False) for row in mirror}
        undone = set()
        for *row, written, reason in entries:
            values, place = tuple(row[:width]), (row[width], row[width + 1])
            is_delete = reason == "deleted" and written == place[0]
            versions.setdefault(place, known(values, place, is_delete))
            if reason in ("undone", "restored"):
                undone = undone | {place} if reason == "undone" else undone - {place}
        assert not {place for *_, load, row in mirror for place in [(load, row)]} & undone, made.id
        left = sorted((v for place, v in versions.items() if place not in undone), key=repr)
        assert left == sorted((known(i.values, i.arrival, i.gone) for i in self.model.chosen(made, "in")), key=repr), (
            made.id
        )
        for item in self.model.mirror(made):
            assert not self.model.lacks_parent(item)

    def compare_waiting(self, connection: sa.Connection) -> None:
        found = sorted(
            (name, (load, row), tuple(payload.get(c) for c in CONTRACT.table("lab", name).column_names))
            for name, load, row, payload in connection.exec_driver_sql(
                "select table_name, first_load_id, first_row, payload from ledger.rejects where status = 'waiting'"
            )
        )
        waiting = [item for made in _TABLES for item in self.model.chosen(made, "waiting")]
        assert found == sorted((i.table.name, i.arrival, i.values) for i in waiting)
        assert all(self.model.lacks_parent(item) for item in waiting)


@pytest.fixture(scope="module")
def machine_engine(server: Settings) -> Iterator[sa.Engine]:
    with new_database_of(server, "machine") as made:
        engine = make_engine(made)
        migrate(engine, CONTRACT)
        yield engine
        engine.dispose()


def run(engine: sa.Engine, **more: Any) -> None:
    machine = type("Machine", (Machine,), {"engine": engine})
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parents, "FEW", 0)  # else those who wait, few as they are here, would all be asked
        run_state_machine_as_test(machine, settings=settings(deadline=None, suppress_health_check=quiet, **more))


def test_any_sequence_leaves_what_the_model_says(machine_engine: sa.Engine) -> None:
    run(machine_engine, max_examples=12, stateful_step_count=12, derandomize=True, database=None)


@pytest.mark.deep
def test_any_long_sequence_leaves_what_the_model_says(machine_engine: sa.Engine) -> None:
    run(machine_engine, max_examples=300, stateful_step_count=30, print_blob=True)


def test_the_model_knows_the_order_of_versions() -> None:
    model, stalls = Model(CONTRACT), CONTRACT.table("lab", "stalls")
    days = [f"2024-01-0{day}T00:00:00Z" for day in range(1, 4)]
    model.load(stalls, 1, [(("1", None, "b", days[1]), "")])
    assert model.delete(stalls, 2, [("1", None, None, None)], cascade=False).accepted == 1
    older, same = ("1", None, "a", days[0]), ("1", None, "b", days[1])
    assert model.load(stalls, 3, [(older, ""), (same, "")]) == Counts(1, 0, 0, 1)
    assert model.mirror(stalls) == []
    model.load(stalls, 4, [(("1", None, "c", days[2]), "")])
    assert [item.values[2] for item in model.mirror(stalls)] == ["c"]
    assert isinstance(model.items[0], Item)
