"""Tables of other shapes than the lab's, each in a database of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loader.intake import parents
from tests.intake.lab import Lab, parent, table

REGIONS = table("regions", "id integer!")


@pytest.fixture(autouse=True, params=["all are asked", "those that wait for it"])
def found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How those who wait are found when a parent comes: by two ways, and with the same end."""
    if request.param == "those that wait for it":
        monkeypatch.setattr(parents, "FEW", 0)


@pytest.mark.parametrize("keys", [1, 4])
def test_columns_may_be_called_as_what_the_loader_itself_speaks_of(lab_of: Callable[..., Lab], keys: int) -> None:
    names = ("load_id", "awaits", "payload", "first_load_id", "lacks", "name", "row", "status", "t")
    odd = table(
        "odd", f"{names[0]} integer!", *(f"{name} integer" for name in names[1:]), key=names[:keys],
        relationships=(parent("lacks", "regions"),),
    )  # fmt: skip
    lab = lab_of(REGIONS, odd)
    row = dict.fromkeys(names, 5)
    lab.rows("regions", 5)
    assert lab.rows("odd", tuple(row.values())).accepted == 1
    waits = tuple((row | {"load_id": 6, "lacks": 8}).values())
    assert lab.rows("odd", waits).waiting == 1
    assert lab.rows("odd", waits).duplicates == 1
    assert lab.rows("regions", 8).releases[0].accepted == 1
    assert lab.delete("odd", tuple(5 for _ in odd.primary_key)).accepted == 1


def test_a_row_that_lacks_one_parent_less_by_now_repeats_the_one_that_waits(lab_of: Callable[..., Lab]) -> None:
    plots = table(
        "plots", "id integer!", "above integer", "region integer", load="events",
        relationships=(parent("above", "plots"), parent("region", "regions")),
    )  # fmt: skip
    lab = lab_of(REGIONS, plots)
    assert lab.rows("plots", (2, 1, 9)).waiting == 1  # under its plot
    receipt = lab.rows("plots", (1, None, None), (2, 1, 9))
    assert (receipt.accepted, receipt.duplicates, receipt.waiting) == (1, 1, 0)
    assert lab.rows("regions", 9).releases[0].received == 1


@pytest.mark.parametrize(("child", "key", "named"), [
    ("numeric(6,2)", "7.50", True),
    ("bigint", "7", True),
    ("double precision", "7.5", False),  # which of its values are equal to a number is not for us to say
])  # fmt: skip
def test_keys_of_different_types_meet(lab_of: Callable[..., Lab], child: str, key: str, named: bool) -> None:
    lab = lab_of(
        table("regions", "id numeric(8,3)!"),
        table("shops", "id integer!", f"region {child}", relationships=(parent("region", "regions"),)),
    )
    assert lab.rows("shops", (1, key), (2, "9")).waiting == 2
    assert lab.query("select bool_and(awaits is not null) from ledger.rejects") == [(named,)]
    assert lab.rows("regions", f"{key}0" if "." in key else key).releases[0].accepted == 1
