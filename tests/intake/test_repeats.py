"""Nothing twice: Idempotency-Keys, files, and what a receipt says the second time."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from loader.intake import load as intake
from loader.intake.receipt import Receipt
from loader.ledger.loads import Origin
from tests.intake.lab import Lab

BODY = "id,word\n1,a\nx,b\n"


class Held(io.BytesIO):
    """A body whose last bytes come when ``go`` is set; ``begun`` says that it is being read."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.begun, self.go = threading.Event(), threading.Event()

    def _waited(self, piece: bytes) -> bytes:
        if not piece:
            self.begun.set()
            assert self.go.wait(30)
        return piece

    def readline(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        return self._waited(super().readline(-1 if size is None else size))

    def read(self, size: int | None = -1) -> bytes:
        return self._waited(super().read(-1 if size is None else size))

    def read1(self, size: int | None = -1) -> bytes:
        return self._waited(super().read1(-1 if size is None else size))

    def readinto(self, buffer: Any) -> int:  # type: ignore[override]
        read = super().readinto(buffer)
        self._waited(b"x" * read)
        return read


def send(lab: Lab, key: str, text: str = BODY, content_hash: str = "same", name: str = "notes") -> Receipt:
    return lab.load(name, text, idempotency_key=key, content_hash=content_hash)


def test_the_same_key_and_body_again_gives_the_first_receipt(lab: Lab) -> None:
    first = send(lab, "k")
    before = lab.counts()
    again = send(lab, "k")
    assert (first.repeated, again.repeated) == (False, True)
    assert again == first
    assert again.as_dict() == first.as_dict()
    assert lab.counts() == before


def test_a_receipt_of_a_load_that_let_waiting_rows_in_is_given_whole_again(lab: Lab) -> None:
    lab.rows("shops", (1, 10), (2, 10))
    first = send(lab, "k", "id\n10\n", name="regions")
    assert first.releases[0].accepted == 2
    assert send(lab, "k", "id\n10\n", name="regions").as_dict() == first.as_dict()


def test_the_same_key_with_another_body_is_an_error_and_changes_nothing(lab: Lab) -> None:
    send(lab, "k")
    before = lab.counts()
    with pytest.raises(intake.KeyReused):
        send(lab, "k", content_hash="other")
    assert lab.counts() == before


def test_a_key_belongs_to_its_table(lab: Lab) -> None:
    send(lab, "k")
    assert not send(lab, "k", "id\n1\n", content_hash="other", name="regions").repeated


def test_a_refused_load_is_repeated_as_it_was(lab: Lab) -> None:
    first = lab.load("notes", BODY, idempotency_key="k", content_hash="h", on_reject="refuse")
    again = lab.load("notes", BODY, idempotency_key="k", content_hash="h", on_reject="refuse")
    assert (again.status, again.repeated) == ("refused", True)
    assert again == first


def test_a_load_that_failed_leaves_its_key_free(lab: Lab) -> None:
    with pytest.raises(intake.LoadFailed):
        send(lab, "k", "id,wrd\n")
    assert not send(lab, "k").repeated


def test_a_key_whose_load_has_not_ended_is_still_running(lab: Lab) -> None:
    held = Held(b'{"id": 1, "word": "a"}\n')
    ended: list[Any] = []
    origin = Origin("api", "tester", content_hash="h", idempotency_key="k")

    def first() -> None:
        ended.append(intake.load_stream(lab.engine, lab.contract, lab.table("notes"), held, "ndjson", origin))

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert held.begun.wait(30)
        with pytest.raises(intake.StillRunning):
            lab.rows("notes", (1, "a"), content_hash="h", idempotency_key="k")
        with pytest.raises(intake.StillRunning):  # whatever its body
            lab.rows("notes", (1, "b"), content_hash="other", idempotency_key="k")
        assert lab.rows("notes", (2, "b"), idempotency_key="other").accepted == 1, "others are not kept waiting"
    finally:
        held.go.set()
        thread.join(30)
    again = lab.rows("notes", (1, "a"), content_hash="h", idempotency_key="k")
    assert again.repeated
    assert again == ended[0]


def file(lab: Lab, path: Path, name: str = "notes", **more: Any) -> Receipt:
    return intake.load_file(lab.engine, lab.contract, lab.table(name), path, principal="tester", **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "notes.csv"
    made.write_text(BODY)
    return made


def test_a_file_is_loaded_once(lab: Lab, path: Path) -> None:
    first = file(lab, path)
    before = lab.counts()
    again = file(lab, path.rename(path.with_name("renamed.csv")))
    assert again.repeated
    assert again == first
    assert lab.counts() == before


def test_a_file_that_changed_is_another(lab: Lab, path: Path) -> None:
    file(lab, path)
    path.write_text(BODY.replace("a", "c"))
    assert not file(lab, path).repeated
    assert lab.mirror("notes") == [("1", "c")]


def test_a_file_is_loaded_again_once_another_load_changed_the_table(lab: Lab, path: Path) -> None:
    file(lab, path)
    lab.rows("notes", (1, "b"))
    again = file(lab, path)
    assert not again.repeated
    assert again.accepted == 1
    assert lab.mirror("notes") == [("1", "a")]


def test_loads_that_changed_nothing_do_not_make_a_file_new(lab: Lab, path: Path) -> None:
    file(lab, path)
    assert lab.rows("notes", (1, "a")).duplicates == 1
    assert lab.rows("notes", ("x", "a")).rejected == 1
    assert lab.rows("events", (1, "a")).accepted == 1
    assert file(lab, path).repeated


def test_again_loads_a_file_all_the_same(lab: Lab, path: Path) -> None:
    file(lab, path)
    again = file(lab, path, again=True)
    assert (again.repeated, again.duplicates, again.rejected) == (False, 1, 1)


def test_a_file_whose_load_was_refused_or_tried_dry_is_not_loaded(lab: Lab, path: Path) -> None:
    file(lab, path, options=intake.Options(dry_run=True))
    assert file(lab, path, options=intake.Options(on_reject="refuse")).status == "refused"
    assert not file(lab, path).repeated


def test_a_files_name_may_be_any_bytes(lab: Lab, path: Path) -> None:
    """As of a file from an old Windows machine; the ledger keeps text."""
    odd = path.rename(path.parent / os.fsdecode(b"caf\xe9 \xff.csv"))
    assert file(lab, odd).accepted == 1
    assert lab.query("select file_name from ledger.loads") == [(r"caf\xe9 \xff.csv",)]


def test_a_file_whose_name_says_no_format_fails_with_the_names_that_do(lab: Lab, tmp_path: Path) -> None:
    odd = tmp_path / "notes.doc"
    odd.write_text(BODY)
    with pytest.raises(intake.LoadFailed, match=r"\.csv"):
        file(lab, odd)


@pytest.mark.parametrize("suffix", [".CSV", ".txt", ".tsv"])
def test_a_files_name_may_say_csv_in_several_ways(lab: Lab, path: Path, suffix: str) -> None:
    assert file(lab, path.rename(path.with_suffix(suffix))).accepted == 1


def test_rows_of_the_file_that_were_let_in_since_do_not_make_it_another(lab: Lab, tmp_path: Path) -> None:
    file = written(tmp_path, "id,region\n1,1\n2,7\n")
    lab.rows("regions", 1)
    first = brought(lab, "shops", file)
    assert (first.accepted, first.waiting) == (1, 1)
    assert lab.rows("regions", 7).releases[0].accepted == 1
    again = brought(lab, "shops", file)
    assert (again.repeated, again.load_id) == (True, first.load_id)


def test_rows_of_others_that_were_let_in_since_do(lab: Lab, tmp_path: Path) -> None:
    """What they replaced is what the file says, and is to be said again."""
    file = written(tmp_path, "id,shop,label\n5,1,A\n")
    lab.rows("shops", (1, None))
    brought(lab, "tills", file)
    lab.rows("tills", (5, 9, "B"))
    assert brought(lab, "tills", file).repeated, "it waits, and has changed nothing"
    lab.rows("shops", (9, None))
    assert [row[2] for row in lab.mirror("tills")] == ["B"]
    assert not brought(lab, "tills", file).repeated
    assert [row[2] for row in lab.mirror("tills")] == ["A"]


def test_what_an_undo_took_away_since_does(lab: Lab, tmp_path: Path) -> None:
    """Also an undo that let nothing in: of a replay, whose rows are kept again."""
    refused = lab.rows("things", (1, "A", 11))
    lab.query_and_commit('update ledger.rejects set payload = payload || \'{"size": "6"}\'')
    replayed = lab.replay("things", lab.rejects(refused.load_id)[0]["reject_id"])
    file = written(tmp_path, "id,name,size\n1,A,6\n2,x,1\n")
    assert brought(lab, "things", file).duplicates == 1
    assert lab.undo(replayed.load_id).receipt.accepted == 0
    assert not brought(lab, "things", file).repeated
    assert len(lab.mirror("things")) == 2


def test_the_receipt_given_again_is_of_the_load_that_brought_the_rows(lab: Lab, tmp_path: Path) -> None:
    file = written(tmp_path, BODY)
    first = brought(lab, "notes", file)
    assert brought(lab, "notes", file, again=True).duplicates == 1
    assert brought(lab, "notes", file).load_id == first.load_id


def written(folder: Path, text: str) -> Path:
    file = folder / "rows.csv"
    file.write_text(text, "utf-8")
    return file


def brought(lab: Lab, name: str, file: Path, again: bool = False) -> Receipt:
    return intake.load_file(lab.engine, lab.contract, lab.table(name), file, principal="tester", again=again)
