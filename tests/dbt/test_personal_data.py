"""No column marked `pii: direct` gets further than the staging layer, under whatever name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlglot.errors import OptimizeError

from loader.database import make_engine
from loader.settings import Settings
from tests.conftest import new_database_of
from tests.dbt.conftest import ROOT, run_dbt
from tests.dbt.lineage import Marks, Relations, outputs, relation_of, trace

Manifest = dict[str, Any]
COLUMNS = """
    select table_schema, table_name, column_name from information_schema.columns
    where table_schema = 'ledger' or table_schema like 'staging\\_%'
"""


@pytest.fixture(scope="module")
def standing_and_manifest(
    server: Settings, template: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Relations, Manifest]:
    """The tables that the loader makes, and dbt's manifest with every model compiled."""
    scratch = tmp_path_factory.mktemp("compiled")
    with new_database_of(server, "compiled", template) as settings:
        engine = make_engine(settings, poolclass=sa.NullPool)
        standing: Relations = {}
        with engine.connect() as connection:
            for schema, table, column in connection.execute(sa.text(COLUMNS)):
                standing.setdefault((schema, table), []).append(column)
        ran = run_dbt(
            "compile", "--select", "resource_type:model", folder=ROOT, scratch=scratch, **settings.environment()
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return standing, json.loads((scratch / "target" / "manifest.json").read_text())


@pytest.fixture(scope="module")
def traced(standing_and_manifest: tuple[Relations, Manifest]) -> tuple[Relations, Marks]:
    standing, manifest = standing_and_manifest
    return trace(manifest, standing)


@pytest.fixture
def change(standing_and_manifest: tuple[Relations, Manifest]) -> Callable[..., set[tuple[str, str, str]]]:
    """What reaches where after replacing text of models' compiled SQL: (relation, column, source's column)."""

    def changed(**models: tuple[str, str]) -> set[tuple[str, str, str]]:
        standing, manifest = standing_and_manifest
        manifest = copy.deepcopy(manifest)
        for name, (old, new) in models.items():
            node = manifest["nodes"][f"model.gatehouse.{name}"]
            assert old in node["compiled_code"], name
            node["compiled_code"] = node["compiled_code"].replace(old, new)
            node["depends_on"]["nodes"].append("model.gatehouse.stg_crm__customers")
        return beyond_staging(manifest, trace(manifest, standing)[1])

    return changed


def beyond_staging(manifest: Manifest, marks: Marks) -> set[tuple[str, str, str]]:
    further = {
        relation_of(node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] != "staging"
    }
    return {
        (".".join(relation), column, origin)
        for (relation, column), origins in marks.items()
        for origin in origins
        if relation in further
    }


def test_every_model_is_read_whole(
    standing_and_manifest: tuple[Relations, Manifest], traced: tuple[Relations, Marks]
) -> None:
    """Else a column could go on unseen: what is traced is what is described."""
    _, manifest = standing_and_manifest
    relations, marks = traced
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    assert models
    read = {node["name"]: set(relations[relation_of(node)]) for node in models}
    described = {node["name"]: set(node["columns"]) for node in models}
    assert {name: read[name] ^ described[name] for name in read if read[name] != described[name]} == {}
    assert marks[("staging", "stg_crm__customers"), "email"] == {"crm.customers.email"}
    assert marks[("staging", "stg_crm__customers"), "phone"] == {"crm.customers.phone"}


def test_nothing_personal_gets_further_than_staging(change: Callable[..., set[tuple[str, str, str]]]) -> None:
    assert change() == set(), "take the column out, or keep what it is made from in staging"


#: Where dim_customers ends, and the same with people's names and addresses at hand.
END = "customers.load_id\nfrom members\n"
WITH_PEOPLE = (
    "customers.load_id, {} as note\nfrom members\n"
    "left join staging.stg_crm__customers as people on members.customer_id = people.customer_id\n"
)


def test_a_personal_column_is_found_under_another_name(change: Callable[..., set[tuple[str, str, str]]]) -> None:
    found = change(
        dim_customers=(END, WITH_PEOPLE.format("upper(people.email)")),
        customer_360=("customers.customer_status,", "customers.customer_status, md5(customers.note) as reached_by,"),
    )
    assert found == {
        ("warehouse.dim_customers", "note", "crm.customers.email"),
        ("mart_customers__build.customer_360", "reached_by", "crm.customers.email"),
    }


@pytest.fixture
def note(standing_and_manifest: tuple[Relations, Manifest], traced: tuple[Relations, Marks]) -> Callable[..., set[str]]:
    """What a column of dim_customers would bear, were it made by this expression, and after these joins."""

    def made(expression: str, joins: str = "") -> set[str]:
        sql = standing_and_manifest[1]["nodes"]["model.gatehouse.dim_customers"]["compiled_code"]
        assert END in sql
        found = outputs(sql.replace(END, WITH_PEOPLE.format(expression) + joins), *traced)
        assert {column for column, marks in found.items() if marks} <= {"note"}
        return found["note"]

    return made


@pytest.mark.parametrize(
    "expression",
    [
        "coalesce(people.phone, 'none')",
        "case when people.birth_date > current_date then 1 end",
        "(select max(others.last_name) from staging.stg_crm__customers as others)",
        "count(people.first_name) over (partition by customers.customer_id)",
        "row_number() over (order by people.email)",
        # of a query around the one that takes it
        "(select people.email)",
        "(select max(people.email) from members as m where m.customer_id = people.customer_id)",
        "(select (select people.email))",
        "array(select people.email)",
        # of a row taken whole
        "cast(people as varchar(200))",
        "concat(people, '')",
        "md5(cast(row(people.*) as text))",
        "to_jsonb(people)",
        "(select concat(people, '') from members as m limit 1)",
    ],
)
def test_it_is_found_in_any_expression(note: Callable[..., set[str]], expression: str) -> None:
    assert note(expression)


@pytest.mark.parametrize(
    "made",
    [
        "lateral (select people.email as made_of) as l",
        "lateral (values (people.email)) as l (made_of)",
        "lateral unnest(array[people.email]) as l (made_of)",
        "string_to_table(people.email, '@') as l (made_of)",
    ],
)
def test_it_is_found_in_what_is_made_of_each_row(note: Callable[..., set[str]], made: str) -> None:
    assert note("l.made_of", f"cross join {made}\n") == {"crm.customers.email"}


@pytest.mark.parametrize(
    "expression",
    [
        "(select stranger.email)",
        "(select max(x.email) from staging.no_such_table as x)",
        "to_jsonb(stranger)",
        "(with recursive r as (select people.email union all select r.email from r) select max(r.email) from r)",
    ],
)
def test_what_can_not_be_followed_is_an_error(note: Callable[..., set[str]], expression: str) -> None:
    with pytest.raises(OptimizeError):
        note(expression)


def test_what_only_has_the_name_of_something_personal_is_not_marked(note: Callable[..., set[str]]) -> None:
    assert note("(with people as (select 1 as email) select (select people.email) from people)") == set()
    assert note("people.customer_id") == set()


def test_versions_are_followed_too(change: Callable[..., set[tuple[str, str, str]]]) -> None:
    """The history has all columns of its source, and none of them goes on from there either."""
    versions = "stg_crm__customers__versions"
    found = change(
        **{versions: ("_loaded_at as loaded_at\n", "_loaded_at as loaded_at, last_name as note\n")},
        int_customer_homes=(
            "moments.changed_at,",
            f"(select max(note) from staging.{versions}) as note, moments.changed_at,",
        ),
    )
    assert {origin for _, _, origin in found} == {"crm.customers.last_name"}


def test_dbts_own_test_waits_for_every_mart(standing_and_manifest: tuple[Relations, Manifest]) -> None:
    """Else it looks at a mart of before, or at none."""
    nodes = standing_and_manifest[1]["nodes"]
    marts = {key for key, node in nodes.items() if node["resource_type"] == "model" and node["fqn"][1] == "marts"}
    waits_for = set(nodes["test.gatehouse.personal_data_stays_in_staging"]["depends_on"]["nodes"])
    assert marts - waits_for == set(), "add `-- depends_on: {{ ref('…') }}` to personal_data_stays_in_staging.sql"
