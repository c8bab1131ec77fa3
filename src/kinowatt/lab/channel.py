"""Messages between two processes: JSON objects, one a line, over a socket of their own."""

import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

CHUNK = 1 << 16
SOON_S = 0.001  # a time-out of zero would mean something else to a socket


class Channel:
    """One end. Any thread may send; one thread receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._received = bytearray()
        self._sending = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises `ValueError` or `TypeError` for what is not JSON, `OSError` if nobody listens."""
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        with self._sending:
            self._socket.settimeout(None)
            self._socket.sendall(line)

    def receive(self, until_s: float | None = None) -> dict[str, Any]:
        """The next whole message.

        Raises `TimeoutError` at `until_s` (of `time.monotonic()`), `EOFError` when the other end
        is gone and everything it sent has been read; half a message is dropped.
        """
        while (end := self._received.find(b"\n")) < 0:
            left = None if until_s is None else max(SOON_S, until_s - time.monotonic())
            self._received += self._more(left)
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        message: dict[str, Any] = json.loads(line)
        return message

    def _more(self, left_s: float | None) -> bytes:
        self._socket.settimeout(left_s)
        try:
            data = self._socket.recv(CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            raise EOFError("the other end is gone")
        return data

    def close(self) -> None:
        self._socket.close()
