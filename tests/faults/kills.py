"""The kinds of kills, each at a moment drawn from a seed, and what must be true after each."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

import psutil
import psycopg2

from tests.faults import books
from tests.faults.bodies import WAYS, Body
from tests.faults.place import Answer, Command, Place, Sender, Upload, wait_for

#: The load had ended before the kill, which hit nobody: counted apart.
TOO_LATE = "too late"
#: The client went before its body was whole: no load had begun that could be hit. Counted apart as well.
TOO_EARLY = "too early"
#: A kill may also come a little after the usual end of an upload; a command takes longer to begin and end.
BEYOND: dict[type[Sender], float] = {Upload: 1.15, Command: 1.5}


def kill_worker(place: Place, random: Random) -> str:
    return _kill(place, random, Upload, lambda sender: sender.kill())


def kill_command(place: Place, random: Random) -> str:
    return _kill(place, random, Command, lambda sender: sender.kill())


def kill_backend(place: Place, random: Random) -> str:
    """One backend, that of the load if there is one; the server ends all others, and recovers."""

    def kill(_: Sender) -> bool:
        backends = place.backends()[:1]
        for backend, _ in backends:
            os.kill(backend, signal.SIGKILL)
        return any(is_busy for _, is_busy in backends)

    return _kill(place, random, random.choice([Upload, Upload, Command]), kill)


def kill_postgres(place: Place, random: Random) -> str:
    """The server with all its processes; it is started again."""

    def kill(_: Sender) -> bool:
        has_hit = any(is_busy for _, is_busy in place.backends())
        server = psutil.Process(place.database.status().pid)
        for process in [server, *server.children()]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        place.database.start()
        return has_hit

    return _kill(place, random, random.choice([Upload, Upload, Command]), kill)


def _kill(place: Place, random: Random, kind: type[Sender], kill: Callable[[Sender], bool]) -> str:
    way = random.choice(list(WAYS))
    usual = place.usual_seconds(way)
    body = place.body(way)
    sender = kind(place, body).start()
    time.sleep(random.uniform(0, BEYOND[kind] * usual))
    has_hit = kill(sender)
    left = afterwards(place, random, kind, body, sender.answer())
    return left if has_hit else TOO_LATE


def hang_up(place: Place, random: Random) -> str:
    """The client goes, in the middle of the body or just after it, with a farewell or without."""
    body = place.body(random.choice(list(WAYS)))
    upload = Upload(place, body)
    head = "".join(f"{name}: {value}\r\n" for name, value in upload.headers().items())
    sent = f"POST /api/v1/loads/lab/{body.table} HTTP/1.1\r\nHost: loader\r\n{head}\r\n".encode() + body.content
    is_whole = random.random() < 0.5
    with socket.create_connection(("127.0.0.1", place.webs[0].port), timeout=60) as client:
        client.sendall(sent if is_whole else sent[: random.randrange(1, len(sent))])
        time.sleep(random.uniform(0, 0.05))
        has_ended = is_whole and books.stands(place.settings, body)
        if random.random() < 0.5:  # a reset
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if not is_whole:
        place.rest()
        assert not books.stands(place.settings, body), "half a body came in"
    left = afterwards(place, random, Upload, body, Answer("unknown"))
    return TOO_LATE if has_ended else left if is_whole else TOO_EARLY


def kill_one_of_two_servers(place: Place, random: Random) -> str:
    """Two web servers get one body under one key; a worker of one is killed meanwhile."""
    way = random.choice(list(WAYS))
    usual = place.usual_seconds(way)
    body = place.body(way)
    first = Upload(place, body, web=0).start()
    time.sleep(random.uniform(0, usual))
    second = Upload(place, body, web=1).start()
    time.sleep(random.uniform(0, usual))
    has_hit = random.choice([first, second]).kill()
    answers = [first.answer(), second.answer()]
    assert {answer.verdict for answer in answers} <= {"taken", "running", "unknown"}, answers
    assert sum(answer.verdict == "taken" and not answer.repeated for answer in answers) <= 1
    told = "taken" if any(answer.verdict == "taken" for answer in answers) else "unknown"
    left = afterwards(place, random, Upload, body, Answer(told))
    return left if has_hit else TOO_LATE


def afterwards(place: Place, random: Random, kind: type[Sender], body: Body, answer: Answer) -> str:
    """Asserts what must be true now, and that a retry ends right. What became of the killed load."""
    assert answer.verdict in ("taken", "nothing", "unknown"), answer
    stood = None
    is_patient = random.random() < 0.5  # else the retry comes while the killed load may still go on
    if is_patient:
        place.rest()
        stood = books.stands(place.settings, body)
        assert stood or answer.verdict != "taken", "what was acknowledged is lost"
        assert not (stood and answer.verdict == "nothing"), "it was said that nothing was loaded"
        books.audit(place.settings)
    retried = _retry(place, kind, body)
    if stood is not None:
        assert retried.repeated == stood
    elif answer.verdict == "taken":
        assert retried.repeated
    again = _retry(place, kind, body)
    assert again.repeated
    place.rest()
    assert books.stands(place.settings, body)
    books.audit(place.settings)
    return "whole" if retried.repeated else "nothing"


def _retry(place: Place, kind: type[Sender], body: Body) -> Answer:
    """Sends the body until it is taken, as a sender does: what is running or away is waited for."""
    answer = Answer("unknown")

    def is_taken() -> bool:
        nonlocal answer
        with suppress(psycopg2.OperationalError):  # the test's own look, while the server recovers
            answer = kind(place, body).start().answer()
        assert answer.verdict in ("taken", "nothing", "running", "unknown"), answer
        return answer.verdict == "taken"

    wait_for(is_taken, "a retry that is taken", 0.1)
    return answer


def summary(kind: str, outcomes: Counter[str]) -> str:
    hits = {outcome: count for outcome, count in outcomes.items() if outcome not in (TOO_EARLY, TOO_LATE)}
    left = ", ".join(f"{count} left {outcome}" for outcome, count in sorted(hits.items()))
    missed = ", ".join(f"{outcomes[when]} {when}" for when in (TOO_EARLY, TOO_LATE) if outcomes[when])
    return f"{kind}: {sum(hits.values())} hit a load at work ({left})" + (f", and {missed}" if missed else "")


KINDS = {
    "kill -9 of a web server's worker": kill_worker,
    "kill -9 of the command": kill_command,
    "kill -9 of a Postgres backend": kill_backend,
    "kill -9 of all of Postgres": kill_postgres,
    "client that hangs up": hang_up,
    "kill -9 of one of two web servers with one key": kill_one_of_two_servers,
}
