"""Which server a build reaches, and what it says when it has begun."""

from __future__ import annotations

import os

import pytest

from loader import build
from tests.conftest import RUN_FOLDER
from tests.dbt.builds.shop import Shop


def test_our_profile_without_pghost_means_this_folders_server_and_no_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.edit("dbt_project.yml", "profile: shop", "profile: gatehouse")
    shop.edit("profiles.yml", "shop:", "gatehouse:")
    monkeypatch.delenv("PGHOST", raising=False)
    monkeypatch.delenv("LOADER_STATE_DIR", raising=False)
    for command in ("run", "test"):
        outcome = shop.dbt(command)
        assert not outcome.success
        assert f"keeps its data in {os.environ[RUN_FOLDER]}/postgres" in outcome.said
        assert f"whose data are in {shop.folder}/.gatehouse/postgres" in outcome.said
    assert shop.sql("select count(*) from ledger.builds") == [(0,)]
    monkeypatch.setenv("LOADER_STATE_DIR", os.environ[RUN_FOLDER])
    assert shop.dbt("run").success
    monkeypatch.setenv("LOADER_STATE_DIR", "/nowhere")
    monkeypatch.setenv("PGHOST", shop.settings.host)
    assert shop.dbt("run").success, "who names the server means it"


def test_a_build_says_its_number_as_the_loader_reads_it(shop: Shop) -> None:
    said = shop.dbt("run").said
    opened = build._OPENED.search(said)
    assert opened, said
    assert int(opened[1]) == shop.latest_build()["build_id"]
