"""The demonstration shop as a whole: which files, the same ones every time, and what a door will say of them."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from examples.shop import make
from examples.shop.__main__ import shop
from examples.shop.columns import TABLES, kinds
from examples.shop.manifest import FILES_VERSION, GENERATOR_VERSION
from tests.conftest import ROOT
from tests.examples.conftest import MadeShop
from tests.examples.judge import Door, counts, rows_of

# What each file of scale 0.01 holds. The generator's version is part of every idempotency key:
# other rows under an old key would be refused by every door that has them. This is what must go
# red when rows change: raise GENERATOR_VERSION, then enter the new ones. With files that are new or
# gone raise FILES_VERSION.
FINGERPRINTS = json.loads(Path(__file__).with_name("fingerprints.json").read_text())


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_every_file_is_judged_as_faults_json_says(small: MadeShop) -> None:
    door = Door()
    for load in small.loads:
        verdicts = door.take(load.table, small.folder / load.file)
        said = small.faults["files"][load.file]
        assert counts(verdicts) == said["expected"], load.file
        assert load.rows == len(verdicts)
        for kind in said["kinds"]:
            assert {verdicts[place - 1] for place in kind["where"]} <= {kind["verdict"]}, (load.file, kind["kind"])


def test_every_kind_of_fault_is_there(small: MadeShop) -> None:
    verdicts = [kind["verdict"] for said in small.faults["files"].values() for kind in said["kinds"]]
    assert {"accepted", "waiting", "rejected", "duplicate"} == set(verdicts)
    kinds_there = {kind["kind"] for said in small.faults["files"].values() for kind in said["kinds"]}
    assert kinds_there >= {
        "corrections", "late rows", "older versions after newer ones",
        "repeats of lines that came before", "repeats of payments that came before",
        "addresses of unknown customers", "payments of unknown orders",
        "lines of products that nobody knows", "exact repeats of an earlier row",
        "a bad e-mail address", "a date that does not exist", "a boolean 'maybe'", "a missing not-null",
        "an amount with three decimals", "a method nobody knows", "a field too many", "a time without a zone",
        "orders paid ten per cent too little", "orders paid twice",
        "parcels of unknown orders", "returns of lines that nobody sold", "delivered before it was shipped",
        "a booked movement with another quantity", "more clicks than impressions", "an event with other content",
        "a path with a query", "a target of a category nobody knows", "a rate of nothing",
    }  # fmt: skip


def test_notes_count_what_faults_json_counts(small: MadeShop) -> None:
    for load in small.loads:
        for kind in small.faults["files"][load.file]["kinds"]:
            assert f"{kind['rows']:,} {kind['kind']} ({kind['verdict']})" in load.note


def test_files_of_all_three_forms_name_exactly_the_contracts_columns(small: MadeShop) -> None:
    assert {Path(load.file).suffix for load in small.loads} == {".parquet", ".csv", ".ndjson"}
    for load in small.loads:
        first = next(row for row in rows_of(small.folder / load.file) if row is not None)
        assert list(first) == list(kinds(load.table)), load.file


def test_the_columns_are_those_of_the_source_files() -> None:
    contract: dict[str, list[str]] = {}
    for path in (ROOT / "dbt_project/models/staging").glob("*/_*__sources.yml"):
        for source in yaml.safe_load(path.read_text())["sources"]:
            for table in source["tables"]:
                contract[f"{source['name']}.{table['name']}"] = [column["name"] for column in table["columns"]]
    for table in TABLES:
        assert list(kinds(table)) == contract[table], table


def test_loads_json_lists_the_files_in_order_with_keys_of_their_own(small: MadeShop) -> None:
    listed = json.loads((small.folder / "loads.json").read_text())
    assert [set(entry) for entry in listed] == [{"table", "file", "rows", "key", "note"}] * len(listed)
    assert {path.name for path in small.folder.iterdir()} == {entry["file"] for entry in listed} | {
        "loads.json", "faults.json"
    }  # fmt: skip
    assert len({entry["key"] for entry in listed}) == len(listed)


def test_the_same_parameters_give_the_same_bytes_in_any_process(small: MadeShop, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    command = [sys.executable, "-m", "examples.shop", "make", "--out", str(tmp_path), "--scale", "0.01"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert digests(tmp_path) == digests(small.folder)


def test_rows_change_only_with_the_generators_version(small: MadeShop) -> None:
    found = {}
    for load in small.loads:
        digest = hashlib.sha256()
        for row in rows_of(small.folder / load.file):
            digest.update(json.dumps(row, default=str).encode())
        found[load.file] = digest.hexdigest()
    assert {"version": GENERATOR_VERSION, "files_version": FILES_VERSION, "files": found} == FINGERPRINTS


def test_a_folder_of_fewer_files_gets_the_others_and_keeps_its_keys(make_shop: Callable[..., MadeShop]) -> None:
    made = make_shop(scale=0.001)
    faults = json.loads((made.folder / "faults.json").read_text())
    faults["parameters"]["files_version"] = FILES_VERSION - 1
    (made.folder / "faults.json").write_text(json.dumps(faults))
    (made.folder / "payments_refunds.csv").unlink()
    kept = [load for load in made.loads if load.file != "payments_refunds.csv"]
    (made.folder / "loads.json").write_text(json.dumps([asdict(load) for load in kept]))
    assert make(made.folder, scale=0.001) == made.loads
    assert (made.folder / "payments_refunds.csv").is_file()


def test_a_folder_that_is_whole_is_left_alone_and_one_that_is_not_is_made_again(
    make_shop: Callable[..., MadeShop],
) -> None:
    parameters = {"scale": 0.001, "promotions": "none"}
    made = make_shop(**parameters)
    before = digests(made.folder)
    written = (made.folder / "orders.parquet").stat().st_mtime_ns
    assert make(made.folder, **parameters) == made.loads
    assert (made.folder / "orders.parquet").stat().st_mtime_ns == written
    (made.folder / "orders.parquet").unlink()
    make(made.folder, **parameters)
    assert digests(made.folder) == before


def test_other_parameters_replace_the_files_and_only_promotions_have_their_own_key(
    make_shop: Callable[..., MadeShop],
) -> None:
    made = make_shop(scale=0.001)
    (made.folder / "mine.txt").write_text("not the shop's")
    keys = {load.file: load.key for load in made.loads}
    without = {load.file: load.key for load in make(made.folder, scale=0.001, promotions="none")}
    (promotions,) = set(keys) - set(without)
    assert promotions.startswith("promotions_")
    assert not (made.folder / promotions).exists()
    assert (made.folder / "mine.txt").exists()
    assert all(keys[name] == key for name, key in without.items())


def test_somebody_elses_loads_json_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "loads.json").write_text('[{"name": "mine"}]')
    with pytest.raises(ValueError, match="not written by the demonstration shop"):
        make(tmp_path, scale=0.001)
    assert [path.name for path in tmp_path.iterdir()] == ["loads.json"]


@pytest.mark.parametrize(
    "parameters", [{"scale": 0}, {"scale": -1}, {"scale": 1e-9}, {"scale": 1e9}, {"promotions": "some"}]
)
def test_parameters_without_sense_are_refused(tmp_path: Path, parameters: dict) -> None:
    with pytest.raises(ValueError, match=r"scale|promotions"):
        make(tmp_path / "new", **parameters)


def test_a_run_that_breaks_off_leaves_no_loads_json(tmp_path: Path) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if stage == "promotions" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, scale=0.001, report=stop)
    left = {path.name for path in tmp_path.iterdir()}
    assert "loads.json" not in left
    assert not [name for name in left if name.endswith(".part")]


def test_the_command_says_what_it_wrote_and_what_was_there(tmp_path: Path) -> None:
    arguments = ["make", "--out", str(tmp_path), "--scale", "0.001", "--promotions", "none"]
    first = CliRunner().invoke(shop, arguments)
    again = CliRunner().invoke(shop, arguments)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "Written: " in first.stdout
    assert "Already there: " in again.stdout
    refused = CliRunner().invoke(shop, [*arguments, "--scale", "0"])
    assert refused.exit_code == 1
    assert "scale is 0.0" in refused.stderr
