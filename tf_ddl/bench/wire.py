"""Messages between the benchmark and its workers: one JSON object a line, over a Unix socket."""

from __future__ import annotations

import json
import select
import socket
import time
from typing import Any

__all__ = ["Channel", "ClosedError", "connect"]

_CHUNK = 1 << 16


class ClosedError(ConnectionError):
    """The other side has closed the connection, or ended."""


class Channel:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._received = b""

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Sends one message.

        Raises:
          ClosedError: nobody will read it.
        """
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ClosedError(str(error)) from error

    def receive(self, deadline: float | None) -> dict[str, Any]:
        """The next message.

        Args:
          deadline: `time.monotonic()` after which to give up; None waits until the other side
            ends.

        Raises:
          TimeoutError: nothing came in time.
          ClosedError: the other side has ended.
        """
        while b"\n" not in self._received:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self._socket], [], [], rest)[0]:
                raise TimeoutError("no answer in time")
            try:
                data = self._socket.recv(_CHUNK)
            except OSError as error:
                raise ClosedError(str(error)) from error
            if not data:
                raise ClosedError("the other side has ended")
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)

    def close(self) -> None:
        self._socket.close()


def connect(path: str) -> Channel:
    """Connects to the benchmark that listens at `path`.

    Raises:
      OSError: nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return Channel(connection)
