"""Departments' roles: made by who may, let in by a password that nobody keeps, and read no more than their mart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import psycopg2
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from loader.commands.department import department as command
from loader.commands.migrate import migrate as migrate_command
from loader.contract.model import Contract
from loader.database import make_engine
from loader.departments import Made, close_to_everybody, let_in, make_roles, role_of, standing_of
from loader.remedy import Remedy
from loader.settings import Settings

DESK = "desk_of_test"
ROLE = role_of(DESK)
PASSWORD = "four words of a test"


@pytest.fixture
def mart(settings: Settings, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[sa.Engine]:
    """A database with the mart of one department and no role for it; it is gone from the server after the test."""
    contract = Contract("shop", {}, departments=(DESK,))
    for module in ("department", "migrate"):
        monkeypatch.setattr(f"loader.commands.{module}.contract_of", lambda *_: contract)
    for schema in (f"mart_{DESK}", f"mart_{DESK}__build"):
        run(engine, f"create schema {schema}", f"create table {schema}.desks as select 7 as desk")
    yield engine
    run(engine, f"drop schema mart_{DESK}, mart_{DESK}__build cascade")
    if one(engine, f"select count(*) from pg_roles where rolname = '{ROLE}'"):
        run(engine, f"drop owned by {ROLE}", f"drop role {ROLE}")


def run(engine: sa.Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def one(engine: sa.Engine, query: str) -> object:
    with engine.connect() as connection:
        return connection.scalar(sa.text(query))


def call(settings: Settings, *arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(command, list(arguments), obj=settings, input=given, standalone_mode=False)


def login(settings: Settings, password: str) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=settings.host, port=settings.port, dbname=settings.database, user=ROLE, password=password
    )


def test_a_role_is_made_once_and_may_not_log_in(mart: sa.Engine, settings: Settings) -> None:
    assert make_roles(mart, [DESK], plan_only=True) == Made(made=(ROLE,))
    assert make_roles(mart, [DESK]) == Made(made=(ROLE,))
    assert make_roles(mart, [DESK]) == Made()
    with mart.connect() as connection:
        (standing,) = standing_of(connection, [DESK])
    assert (standing.may_log_in, standing.reads, standing.beyond) == (False, (), ())
    with pytest.raises(psycopg2.OperationalError, match=r"not permitted to log in|authentication failed"):
        login(settings, PASSWORD)


def test_opened_it_reads_its_mart_and_closed_it_is_out_at_once(mart: sa.Engine, settings: Settings) -> None:
    opened = call(settings, "open", DESK)
    assert opened.exception is None
    line = opened.stdout.splitlines()[-1]
    told = dict(re.findall(r"(PG\w+)=(\S+)", line))
    assert told.keys() == {"PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"}
    session = login(settings, told["PGPASSWORD"])
    with session.cursor() as cursor:
        cursor.execute(f"select desk from mart_{DESK}.desks")
        assert cursor.fetchall() == [(7,)]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("select from ledger.loads")
    closed = call(settings, "close", DESK)
    assert closed.stdout == f"{ROLE} may not log in; 1 sessions ended\n"
    with pytest.raises(psycopg2.Error), session.cursor() as cursor:
        cursor.execute("select 1")
    with pytest.raises(psycopg2.OperationalError, match=r"not permitted to log in|authentication failed"):
        login(settings, told["PGPASSWORD"])
    listed = call(settings, "list")
    assert f"{ROLE}\tmay not log in\treads mart_{DESK}.desks" in listed.stdout


def test_a_password_that_is_given_is_not_shown_and_reaches_no_log(mart: sa.Engine, settings: Settings) -> None:
    sent: list[str] = []
    sa.event.listen(mart, "before_cursor_execute", lambda *event: sent.append(f"{event[2]} {event[3]}"))
    make_roles(mart, [DESK])
    let_in(mart, DESK, PASSWORD)
    assert any("SCRAM-SHA-256$" in statement for statement in sent)
    assert not any(PASSWORD in statement for statement in sent)
    login(settings, PASSWORD).close()
    opened = call(settings, "open", DESK, "--password-stdin", given=PASSWORD + " again\n")
    assert PASSWORD not in opened.output
    login(settings, PASSWORD + " again").close()
    assert "11 characters" in str(call(settings, "open", DESK, "--password-stdin", given="eleven sign\n").exception)


def test_a_department_that_the_project_has_not_is_named_with_those_there_are(
    mart: sa.Engine, settings: Settings
) -> None:
    refused = call(settings, "open", "desks").exception
    assert isinstance(refused, Remedy)
    assert DESK in refused.remedy


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"grant select on ledger.loads to {ROLE}; grant usage on schema ledger to {ROLE}", "reads ledger.loads"),
        (f"grant delete on mart_{DESK}.desks to {ROLE}", f"writes mart_{DESK}.desks"),
        (f"grant create on schema mart_{DESK} to {ROLE}", f"makes tables in mart_{DESK}"),
        (f"alter role {ROLE} bypassrls", "is bypassrls"),
        (f"grant pg_read_all_data to {ROLE}", "is a member of pg_read_all_data"),
    ],
)
def test_what_it_could_do_beyond_its_mart_is_said_and_keeps_it_out(
    mart: sa.Engine, settings: Settings, statement: str, said: str
) -> None:
    call(settings, "open", DESK)
    assert call(settings, "list").return_value != 1
    run(mart, *statement.split("; "))
    with mart.connect() as connection:
        (standing,) = standing_of(connection, [DESK])
    assert said in standing.beyond
    assert f"beyond its mart: {said}" in call(settings, "list").stderr
    refused = call(settings, "open", DESK).exception
    assert isinstance(refused, Remedy)
    assert "could do more than read its mart" in refused.message


@pytest.mark.parametrize(
    "statement", ["create table {} as select 1 as a", "create view {} as select 1 as a",
                  "create materialized view {} as select 1 as a"],
)  # fmt: skip
def test_what_lies_in_a_mart_and_is_no_models_is_not_granted_and_beyond(
    mart: sa.Engine, settings: Settings, statement: str
) -> None:
    stray = f"mart_{DESK}.stray"
    run(mart, statement.format(stray))
    assert f"reads mart_{DESK}.desks\n" in call(settings, "open", DESK).stdout
    assert one(mart, f"select has_table_privilege('{ROLE}', '{stray}', 'select')") is False
    run(mart, f"grant select on {stray} to {ROLE}")
    listed = call(settings, "list")
    assert f"beyond its mart: reads {stray}" in listed.stderr
    assert listed.return_value == 1


def test_who_else_was_let_into_a_mart_is_listed_with_who_reads_by_it(mart: sa.Engine, settings: Settings) -> None:
    call(settings, "open", DESK)
    others = ("auditors of test", "ann of test", "bob of test", role_of("former_of_test"))
    run(mart, *(f'create role "{name}"' for name in others))
    auditors, ann, bob, former = (f'"{name}"' for name in others)
    try:
        run(mart, f"grant usage on schema mart_{DESK} to {auditors}, {former}, {bob}",
            f"grant select on mart_{DESK}.desks to {auditors}", f"grant {auditors} to {ann}",
            f"grant {ROLE} to {ann}", f"grant select (desk) on mart_{DESK}.desks to {bob}")  # fmt: skip
        listed = call(settings, "list")
        assert listed.return_value != 1
        assert listed.stdout.splitlines()[:5] == [
            f"{DESK}\t{ROLE}\tmay log in\treads mart_{DESK}.desks", "  and by it ann of test",
            f"-\tauditors of test\tmay not log in\treads mart_{DESK}.desks", "  and by it ann of test",
            f"-\tbob of test\tmay not log in\treads mart_{DESK}.desks",
        ]  # fmt: skip

        # A department that was renamed leaves its role behind.
        run(mart, f"grant select on mart_{DESK}.desks to {former}")
        listed = call(settings, "list")
        assert listed.return_value == 1
        assert "has no department in the project; `loader department close former_of_test`" in listed.stderr
        found = {reader["role"]: reader for reader in json.loads(call(settings, "list", "--json").stdout)}
        assert found[role_of("former_of_test")]["department"] is None
        run(mart, f"revoke select on mart_{DESK}.desks from {former}")
        assert call(settings, "list").return_value != 1

        run(mart, f"grant select on mart_{DESK}.desks to public")
        listed = call(settings, "list")
        assert listed.return_value == 1
        assert "public is every role of the server" in listed.stderr
    finally:
        for name in (auditors, ann, bob, former):
            run(mart, f"drop owned by {name}", f"drop role {name}")


def test_what_everybody_may_do_is_named_and_can_be_taken_from_them(mart: sa.Engine, settings: Settings) -> None:
    call(settings, "open", DESK, "--password-stdin", given=PASSWORD + "\n")
    said = call(settings, "list").stderr
    assert "revoke temporary on database" in said
    assert "Every role may take the locks by which loads and builds take turns" in said
    close_to_everybody(mart)
    said = call(settings, "list").stderr
    assert "temporary" not in said
    assert "locks" not in said
    run(mart, "create temporary table kept_by_the_owner (a int)", "select pg_advisory_xact_lock(1)")
    session = login(settings, PASSWORD)
    session.autocommit = True
    with session.cursor() as cursor:
        for statement in (
            "pg_advisory_lock(hashtextextended('gatehouse build', 0))", "pg_try_advisory_lock(1)",
            "pg_advisory_lock_shared(1, 2)", "pg_advisory_xact_lock(1)", "pg_try_advisory_xact_lock_shared(1)",
            "lo_from_bytea(0, 'kept')", "lo_create(0)",
        ):  # fmt: skip
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"select {statement}")
        cursor.execute("select pg_advisory_unlock_all()")  # as drivers do
    session.close()
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        login(replace(settings, database="postgres"), PASSWORD)


def test_one_department_does_not_take_all_connections(mart: sa.Engine, settings: Settings) -> None:
    limit = f"select rolconnlimit from pg_roles where rolname = '{ROLE}'"
    make_roles(mart, [DESK])
    assert one(mart, limit) == 20
    run(mart, f"alter role {ROLE} connection limit -1")  # made by an older program
    call(settings, "open", DESK)
    assert one(mart, limit) == 20
    run(mart, f"alter role {ROLE} connection limit 50")  # meant by somebody
    call(settings, "open", DESK)
    assert one(mart, limit) == 50


def test_on_the_embedded_server_it_is_said_that_a_role_protects_nothing(
    mart: sa.Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "This is the embedded server, for one person's machine"
    assert words not in call(settings, "open", DESK).stderr
    monkeypatch.setattr("loader.commands.department.is_embedded", lambda _: True)
    assert words in call(settings, "open", DESK).stderr


def test_where_roles_may_not_be_made_it_is_said_what_is_missing(mart: sa.Engine, settings: Settings) -> None:
    run(mart, "create role clerk_of_test login password 'clerk of the tests'")
    clerk = replace(settings, user="clerk_of_test", password="clerk of the tests")
    engine = make_engine(clerk)
    try:
        missing = make_roles(engine, [DESK])
        assert missing == Made(missing=(ROLE,))
        assert f'create role "{ROLE}" nologin' in missing.warnings()[0]
        refused = call(clerk, "open", DESK).exception
        assert isinstance(refused, Remedy)
        assert f'create role "{ROLE}" nologin' in refused.remedy

        make_roles(mart, [DESK])  # the administrator has run it, and the clerk may still not change it
        assert make_roles(engine, [DESK]) == Made()
        refused = call(clerk, "open", DESK).exception
        assert isinstance(refused, Remedy)
        assert "may not change the role" in refused.message
        listed = call(clerk, "list", "--json")
        assert json.loads(listed.stdout)[0]["may_log_in"] is False
    finally:
        engine.dispose()
        run(mart, "drop owned by clerk_of_test", "drop role clerk_of_test")


def test_migrate_makes_the_roles_and_says_so(mart: sa.Engine, settings: Settings) -> None:
    def migrate(*arguments: str) -> Result:
        return CliRunner().invoke(migrate_command, list(arguments), obj=settings)

    words = f"{ROLE}: new role, which may not log in yet"
    assert words in migrate("--plan").stdout
    assert not one(mart, f"select count(*) from pg_roles where rolname = '{ROLE}'")
    assert json.loads(migrate("--plan", "--json").stdout)["roles"] == [ROLE]
    done = migrate().stdout
    assert words in done
    assert done.endswith("Done.\n")
    assert words not in migrate().stdout


def test_a_name_that_the_server_would_cut_off_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(Remedy, match="longer than 63 bytes"):
        make_roles(engine, ["d" * 49])
