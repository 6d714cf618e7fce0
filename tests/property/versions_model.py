"""What should stand, by the order of versions alone: no SQL, no transactions, no history.

An *item* is a row or a delete that came, known by the load and row in which it first arrived. It is
in, waits, was refused, or is out (a repetition, or undone). Of the items of a key that are in, the
highest stands in the table, unless it is a delete.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loader.contract.model import Contract, Table

Values = tuple[str | None, ...]


@dataclass
class Item:
    table: Table
    arrival: tuple[int, int]
    values: Values  # in the columns' order; of a delete the key, and valid_from
    gone: bool
    #: Why it can never come in as it is: the name of what is wrong with it.
    fault: str = ""
    state: str = "out"
    #: The load that released it, if it waited; the undo that took it out.
    released_by: int | None = None
    undone_by: int | None = None
    #: The replay that took it up last; the undo of one that kept it again, and what it had been till then.
    replayed_by: int | None = None
    kept_by: int | None = None
    had_been: str = ""

    def get(self, column: str) -> str | None:
        return self.values[self.table.column_names.index(column)]

    @property
    def key(self) -> tuple[str | None, ...]:
        return tuple(self.get(name) for name in self.table.primary_key)

    @property
    def moment(self) -> str:
        return (self.get(self.table.valid_from) or "") if self.table.valid_from else ""

    @property
    def rank(self) -> tuple[str, tuple[int, int]]:
        return (self.moment, self.arrival)


@dataclass
class Counts:
    accepted: int = 0
    waiting: int = 0
    rejected: int = 0
    duplicates: int = 0


@dataclass
class Model:
    contract: Contract
    items: list[Item] = field(default_factory=list)

    # -- what stands ---------------------------------------------------------

    def chosen(self, table: Table, *states: str) -> list[Item]:
        return [item for item in self.items if item.table is table and item.state in states]

    def highest(self, table: Table) -> dict[tuple[str | None, ...], Item]:
        found: dict[tuple[str | None, ...], Item] = {}
        for item in sorted(self.chosen(table, "in"), key=lambda item: item.rank):
            if table.load == "versions" or item.key not in found:
                found[item.key] = item
        return found

    def mirror(self, table: Table) -> list[Item]:
        return [item for item in self.highest(table).values() if not item.gone]

    def lacks_parent(self, item: Item, also: Iterable[Item] = (), besides: Iterable[Item] = ()) -> bool:
        absent = {id(other) for other in besides}
        for relationship in item.table.relationships:
            wanted = tuple(item.get(name) for name in relationship.columns)
            parent = self.contract.tables[relationship.parent]
            standing = [other for other in self.mirror(parent) if id(other) not in absent]
            standing += [other for other in also if other.table is parent]
            if None not in wanted and wanted not in {
                tuple(other.get(name) for name in relationship.parent_columns) for other in standing
            }:
                return True
        return False

    # -- loads ---------------------------------------------------------------

    def load(self, table: Table, load_id: int, rows: list[tuple[Values, str]]) -> Counts:
        """Rows, each with what is wrong with it."""
        new = [Item(table, (load_id, number), row, False, fault) for number, (row, fault) in enumerate(rows, 1)]
        self.items += new
        counts = self.judge(table, new)
        if counts.accepted:
            self.release([table], load_id)
        return counts

    def replay(self, table: Table, load_id: int) -> Counts:
        """What was refused is judged again, but for what is not kept as it was sent: keys, and parts of rows."""
        again = [item for item in self.chosen(table, "rejected") if not item.gone and item.fault != "column"]
        for item in again:
            item.replayed_by, item.undone_by, item.kept_by = load_id, None, None
        counts = self.judge(table, again)
        if counts.accepted:
            self.release([table], load_id)
        return counts

    def judge(self, table: Table, new: list[Item]) -> Counts:
        """What becomes of items that come now, in the order of their arrival."""
        counts = Counts()
        for item in new:
            if item.fault:
                item.state = "rejected"
                counts.rejected += 1
        before_all = self._might_count(table)
        refused = [item for item in new if item.fault]
        new = [item for item in new if not item.fault]
        waiting = {item.values for item in self.chosen(table, "waiting")}
        live = sorted(new, key=lambda item: item.arrival)
        while orphans := [item for item in live if self.lacks_parent(item, self._would_stand(live))]:
            live = [item for item in live if item not in orphans]
        for item in sorted(new, key=lambda item: item.arrival):
            if item in live:
                continue
            repeats = item.values in waiting
            if table.ordered_by_arrival:
                # as it was sent: what was undone is no such thing, nor what was sent with a column too many
                kept = [o for o in before_all if o.state in ("waiting", "rejected", "dismissed") and o.fault == ""]
                mine = [o for o in new if o not in live]
                waits = [o for o in [*kept, *mine] if o.state == "waiting" or o in mine]
                repeats = self._repeats(item, [*before_all, *new], waits, kept)
            item.state = "out" if repeats else "waiting"
            waiting.add(item.values)
            counts.duplicates += repeats
            counts.waiting += not repeats
        before = self.highest(table)
        alike = [item for item in before_all if item not in refused]
        verdicts = [(item, self._verdict(item, before, live, [*before_all, *new], alike)) for item in live]
        for item, verdict in verdicts:
            item.state = verdict
            counts.accepted += verdict == "in"
            counts.rejected += verdict == "rejected"
            counts.duplicates += verdict == "out"
        return counts

    def _would_stand(self, live: list[Item]) -> list[Item]:
        """Those whose key stands once they are in: no delete outranks them."""
        return [
            item for item in live
            if not any(o.gone and o.key == item.key and o.rank > item.rank for o in self.chosen(item.table, "in"))
        ]  # fmt: skip

    def _might_count(self, table: Table) -> list[Item]:
        """What is in or may come in, of what can be told which key it has."""
        return [
            item for item in self.chosen(table, "in", "waiting", "rejected", "undone", "dismissed")
            if item.fault != "number" and not (item.gone and item.state == "rejected")
        ]  # fmt: skip

    @staticmethod
    def _repeats(item: Item, among: list[Item], counting: list[Item], alike: list[Item]) -> bool:
        """Whether one of ``counting`` came before it, and nothing between them but the same, and ``alike``."""
        earlier = [other for other in among if other.key == item.key and other.arrival < item.arrival]
        for other in sorted(earlier, key=lambda other: other.arrival, reverse=True):
            if other.gone or other.values != item.values:
                return False
            if other in counting:
                return True
            if other not in alike:
                return False
        return False

    def _verdict(
        self,
        item: Item,
        before: dict[tuple[str | None, ...], Item],
        new: list[Item],
        known: list[Item],
        alike: list[Item],
    ) -> str:
        earlier = [other for other in new if other.key == item.key and other.arrival < item.arrival]
        standing = before.get(item.key)
        if item.table.load == "events":
            first = standing or (earlier[0] if earlier else None)
            return "in" if first is None else "out" if first.values == item.values else "rejected"
        if item.table.valid_from:
            others = [o for o in self.chosen(item.table, "in") if o.key == item.key and not o.gone] + earlier
            return "out" if any(other.values == item.values for other in others) else "in"
        counting = [*(other for other in known if other.state == "in"), *new]
        return "out" if self._repeats(item, known, counting, alike) else "in"

    def release(self, changed: list[Table], cause: int) -> None:
        changed = list(changed)
        while changed:
            parent = changed.pop(0)
            for child in {table.id: table for table, _ in self.contract.children(parent)}.values():
                ready = [item for item in self.chosen(child, "waiting") if not self.lacks_parent(item)]
                for item in ready:
                    item.state, item.released_by = "out", cause
                if ready and self.judge(child, ready).accepted:
                    changed.append(child)

    # -- deletes -------------------------------------------------------------

    def delete(self, table: Table, load_id: int, keys: list[Values], cascade: bool) -> Counts:
        """Rows as a delete sends them: key, and ``valid_from`` or ``None``."""
        counts, ruling = Counts(), []
        known = self.chosen(table, "in", "waiting")
        for number, values in enumerate(keys, 1):
            item = Item(table, (load_id, number), values, True)
            self.items.append(item)
            mine = [other for other in known if other.key == item.key]
            if table.valid_from and not item.moment:
                moments = [other.moment for other in mine]
                item.values = tuple(
                    max(moments, default=None) if name == table.valid_from else value
                    for name, value in zip(table.column_names, item.values, strict=True)
                )
            if not mine and not item.moment:
                item.state = "rejected"
                counts.rejected += 1
            else:
                ruling.append(item)

        def outranks(item: Item, row: Item) -> bool:
            return item.key == row.key and item.moment >= row.moment

        leaving = [row for row in self.mirror(table) if any(outranks(item, row) for item in ruling)]
        while not cascade:
            denied = [row for row in leaving if self._has_children(row, leaving)]
            refused = [item for item in ruling if any(outranks(item, row) for row in denied)]
            if not refused:
                break
            counts.rejected += len(refused)
            for item in refused:
                item.state = "rejected"
                ruling.remove(item)
            leaving = [row for row in leaving if row not in denied]
        known += [item for item in self._might_count(table) if table.ordered_by_arrival and item not in known]
        stated = list(ruling)
        for item in stated:
            below = [o for o in [*known, *stated] if o.key == item.key and o.rank < item.rank]
            last = max(below, key=lambda other: other.rank, default=None)
            if last is not None and last.gone and last.moment == item.moment and last.state != "undone":
                ruling.remove(item)
                counts.duplicates += 1
        for item in ruling:
            item.state = "in"
        counts.accepted += len(ruling)
        self.follow()
        return counts

    def _has_children(self, row: Item, leaving: list[Item]) -> bool:
        for child, relationship in self.contract.children(row.table):
            own = tuple(row.get(name) for name in relationship.parent_columns)
            for other in self.mirror(child):
                if not any(other is each for each in leaving) and own == tuple(
                    other.get(name) for name in relationship.columns
                ):
                    return True
        return False

    def follow(self) -> list[Item]:
        """Rows without a parent wait, until there are none; those that had stood before it began."""
        stood = {id(item) for table in self.contract for item in self.mirror(table)}
        moved = []
        while orphans := [item for table in self.contract for item in self.mirror(table) if self.lacks_parent(item)]:
            for item in orphans:
                item.state = "waiting"
                moved.append(item)
        return [item for item in moved if id(item) in stood]

    # -- undo ----------------------------------------------------------------

    def undo(
        self, table: Table, root: int, undo_id: int, target: int, restores: bool, replays: set[int], undone: set[int]
    ) -> list[Item]:
        """The rows that stood and wait now, and that were not let in because of the target.

        ``replays`` are the loads that are replays, ``undone`` those that do not stand.
        """
        stood = {id(item): item for each in self.contract for item in self.mirror(each)}
        keys_before = {each.id: {item.key for item in self.mirror(each)} for each in self.contract}
        again: list[Item] = []
        for item in self.items:
            if root in replays:
                if restores and (item.kept_by, item.undone_by, item.state) == (target, target, "rejected"):
                    item.undone_by, item.kept_by, item.state = None, None, "in"
                    if item.had_been == "waiting":
                        again.append(item)
                elif not restores and item.replayed_by == root and item.state in ("in", "waiting"):
                    item.undone_by, item.kept_by, item.had_been, item.state = undo_id, undo_id, item.state, "rejected"
            elif restores and item.undone_by == target:
                item.undone_by = None
                if item.replayed_by in undone:
                    item.state = "rejected"
                elif item.state == "undone":
                    item.state = "in"
                else:
                    again.append(item)
            elif not restores and item.arrival[0] == root and item.state in ("in", "waiting", "rejected"):
                item.undone_by = undo_id
                item.state = "undone" if item.state == "in" else "dismissed"
        self.follow()
        bereft = [item for item in stood.values() if item.state == "waiting" and item.released_by != target]
        replayed = self._judge_again(table, [item for item in again if not item.gone])
        for item in again:
            if item.gone:
                item.state = "rejected"
        changed = [each for each in self.contract if {i.key for i in self.mirror(each)} - keys_before[each.id]]
        self.release([*changed, *([table] if replayed.accepted else [])], undo_id)
        return bereft

    def _judge_again(self, table: Table, again: list[Item]) -> Counts:
        for item in again:
            item.state = "out"
        return self.judge(table, again) if again else Counts()
