"""What the database ends a command by is said in a sentence, with what to do."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg2
import pytest
import sqlalchemy as sa

from loader import cli
from loader.database import ended_by

#: An error as the server itself sends it.
RAISE = "do $$ begin raise exception 'could not extend file' using errcode = '{code}'; end $$"


@pytest.fixture
def run(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """`run(statement)`: what `loader` prints when a command of it meets that."""

    def run(statement: str, raw: bool = False) -> str:
        def command(standalone_mode: bool) -> int:
            if raw:
                connection = engine.raw_connection()
                connection.cursor().execute(statement)
            with engine.begin() as connection:
                connection.execute(sa.text(statement))
            return 0

        monkeypatch.setattr(cli.cli, "main", command)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == cli.FAILED
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (RAISE.format(code="53100"), "The database's disk is full (could not extend file). Run it again when there is "
         "free space on the database's disk."),
        (RAISE.format(code="53200"), "The database ended the command: could not extend file."),
        (RAISE.format(code="XX001"), "The database ended the command: could not extend file."),
        (RAISE.format(code="23514"), "The database ended the command: could not extend file."),
        (RAISE.format(code="42501"), "The database ended the command: could not extend file."),
        ("select * from ledger.no_such", "The database has no ledger yet. Run `loader migrate` first."),
    ],
)  # fmt: skip
def test_a_database_failure_is_a_sentence(run: Callable[..., str], statement: str, words: str, raw: bool) -> None:
    assert run(statement, raw) == f"{words}\n"


@pytest.mark.parametrize("raw", [False, True])
def test_a_database_that_goes_away_is_a_sentence(run: Callable[..., str], raw: bool) -> None:
    # the server's own last word may be lost with the connection
    words = "terminating connection due to administrator command|server closed the connection unexpectedly"
    said = run("select pg_terminate_backend(pg_backend_pid())", raw)
    assert re.fullmatch(
        rf"The database went away in the middle \(({words})\); its log says why. Run it again when it is back.\n", said
    )


def test_a_wrong_statement_stays_an_error_of_the_program(run: Callable[..., str]) -> None:
    with pytest.raises(sa.exc.ProgrammingError):
        run("select no_such_column")


def test_a_load_says_of_a_full_disk_what_to_do(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.OperationalError) as caught, engine.begin() as connection:
        connection.execute(sa.text(RAISE.format(code="53100")))
    assert isinstance(caught.value.orig, psycopg2.errors.DiskFull)
    assert ended_by(caught.value).endswith("Send it again when there is free space on the database's disk")
