"""A wire to the database that breaks when a commit has been done and before its answer arrives."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

from tests.conftest import free_port

COMMIT = b"COMMIT\0"


class Wire:
    """Listens on `port` and passes everything on to `target`, until the first commit: that is passed
    on, its answer is not. New connections are made afterwards only if it `mends`."""

    def __init__(self, target: int, *, mends: bool) -> None:
        self.target, self.mends, self.port = target, mends, free_port()
        self.is_armed = False
        self._is_cut = False
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Wire:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for end in [self._listener, *self._ends]:
            _close(end)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_cut and not self.mends:
                    _close(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
                self._ends += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while sent := client.recv(1 << 16):
                if self.is_armed and COMMIT in sent:
                    self.is_armed, self._is_cut = False, True
                    self._swallowing = client
                server.sendall(sent)
        _close(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                if self._is_cut and client is self._swallowing:
                    break
                client.sendall(answer)
        _close(client)
        _close(server)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
