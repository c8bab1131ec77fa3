"""HTTP/1.1 for requests of the usual kind to REST: whole in one piece, nothing unusual in them.

h11, which reads everything else, is a state machine in Python and takes as long for a request as the
prediction that it asks for. What is read here is a subset of what h11 accepts, with the same result.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import h11
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from kinowatt.app.serve.guard import Message, Scope

MOST_HEAD = 8192  # bytes of a request's line and headers
_LINE = re.compile(rb"(GET|POST) (/v1/[!-~]*) HTTP/1\.1")
# A name and a value without what h11 refuses in one: no white space around, no control characters
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~]+(?:[ \t]+[!-~]+)*|)[ \t]*")
UNUSUAL = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"connection"})
KEPT = (b"connection", b"keep-alive")
CLOSE = (b"connection", b"close")
END = b"\r\n\r\n"

log = logging.getLogger("kinowatt.serve")


def parsed(data: bytes) -> tuple[Scope, bytes] | None:
    """What a request asks for, and its body; None unless it is whole, alone and of the usual kind."""
    head, end, body = data.partition(END)
    if not end or len(head) > MOST_HEAD:
        return None
    line, *rest = head.split(b"\r\n")
    asked = _LINE.fullmatch(line)
    headers = _headers(rest)
    if asked is None or headers is None:
        return None
    named = dict(headers)
    length = named.get(b"content-length", b"0")
    whole = length.isdigit() and len(length) < 10 and int(length) == len(body)
    if not whole or b"host" not in named:
        return None
    path, _, query = asked[2].partition(b"?")
    return {
        "method": asked[1].decode(),
        "path": unquote(path.decode()),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
    }, body


def _headers(lines: list[bytes]) -> list[tuple[bytes, bytes]] | None:
    """Names in lower case with their values; None where one is malformed, unusual or given twice."""
    found = []
    for line in lines:
        parts = _HEADER.fullmatch(line)
        if parts is None:
            return None
        name = parts[1].lower()
        if name in UNUSUAL and (name, parts[2].lower()) != KEPT:
            return None
        found.append((name, parts[2]))
    return found if len({name for name, _ in found}) == len(found) else None


class Wire(H11Protocol):
    """Answers usual requests itself and leaves the others, and what is between, to h11."""

    quick: "Quick | None" = None  # the request that is being answered

    def data_received(self, data: bytes) -> None:
        if self.quick is not None:  # more than was asked to be answered: it waits
            self.quick.later += data
            if len(self.quick.later) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            return
        idle = self.conn.our_state is h11.IDLE and not self.conn.trailing_data[0]
        found = parsed(data) if idle else None
        if found is None:
            super().data_received(data)
            return
        self._unset_keepalive_if_required()
        self.scope = self._whole(found[0])  # type: ignore[assignment]
        self.cycle = self.quick = Quick(self, found[1])  # type: ignore[assignment]
        task = self.loop.create_task(self.quick.run())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _whole(self, asked: Scope) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "state": self.app_state.copy(),
            **asked,
        }

    def answered(self, later: bytes) -> None:
        """The answer has been written; `later`: what came meanwhile."""
        self.quick = None
        self.on_response_complete()
        if later and not self.transport.is_closing():
            self.data_received(later)


class Quick:
    """One request and its answer, which is written in one piece; a cycle as uvicorn has them."""

    def __init__(self, wire: Wire, body: bytes) -> None:
        self.wire = wire
        self.scope: Any = wire.scope
        self.body: bytes | None = body
        self.later = b""
        self.head = b""
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    async def run(self) -> None:
        try:
            await self.wire.app(self.scope, self.receive, self.send)
        except Exception:
            log.exception("%s %s failed", self.scope["method"], self.scope["path"])
        if not self.response_complete and not self.disconnected:  # nothing that could be told
            self.wire.transport.close()

    async def receive(self) -> Message:
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.disconnected and not self.response_complete:
            await self.message_event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.wire.flow.write_paused and not self.disconnected:
            await self.wire.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._begin(message)
            return
        self.wire.transport.write(self.head + message.get("body", b""))
        self.head = b""
        if not message.get("more_body", False):
            self._end()

    def _begin(self, message: Mapping[str, Any]) -> None:
        status, headers = message["status"], message["headers"]
        lines = [b"HTTP/1.1 %d %b" % (status, STATUS_PHRASES[status])]
        lines += [b"%b: %b" % header for header in headers]
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"%b: %b" % CLOSE)
        self.head = b"\r\n".join(lines) + END

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.wire.transport.close()
        self.wire.answered(self.later)
