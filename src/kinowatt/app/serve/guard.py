"""What stands before every request: counting, the key, the size of bodies, and no leaks.

Plain ASGI, since it sees the dashboard's streams as well as REST.
"""

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from kinowatt.app.serve.bodies import RefusedError
from kinowatt.app.serve.metrics import PREFIX, Metrics
from kinowatt.app.serve.problems import problem
from kinowatt.app.serve.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("kinowatt.serve")
OPEN = frozenset({"/v1/health"})  # answered without a key
CHALLENGE = {"www-authenticate": 'Bearer realm="kinowatt", Basic realm="kinowatt"'}
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
)


class Guard:
    """Wraps the application; `draining` asks clients to close their connections.

    `asked`: requests to REST that are not answered yet; those to the dashboard may be streams.
    """

    def __init__(self, app: App, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.draining = False
        self.asked = 0
        key = settings.api_key
        self._digest = None if key is None else _digest(key.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # no web sockets here
        sender = _Sender(send, self)
        start = time.perf_counter()
        rest = scope["path"].startswith(PREFIX)
        self.asked += rest
        self.metrics.in_flight += 1
        try:
            await self._answer(scope, receive, sender)
        finally:
            self.asked -= rest
            self.metrics.in_flight -= 1
            self.metrics.count(scope, sender.status, time.perf_counter() - start)

    async def _answer(self, scope: Scope, receive: Receive, send: "_Sender") -> None:
        try:
            self._check(scope)
            await self.app(scope, _Limited(receive, send, self.settings.max_body_bytes), send)
        except RefusedError as refusal:
            await send.instead(scope, refusal)
        except Exception:
            if send.refusal is None:
                log.exception("%s %s failed", scope["method"], scope["path"])
                send.refusal = RefusedError(500, "this is a fault of the server; its log says why")
        if send.refusal is not None:
            await send.instead(scope, send.refusal)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._digest is not None and scope["path"] not in OPEN:
            given = _key(headers)
            if given is None or not hmac.compare_digest(_digest(given), self._digest):
                word = "a key is needed" if given is None else "this is not the key"
                detail = f"{word}: Authorization: Bearer KEY, or X-API-Key: KEY"
                raise RefusedError(401, detail, CHALLENGE)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise RefusedError(400, "content-length must be a whole number")
        if int(length) > self.settings.max_body_bytes:
            raise too_large(self.settings.max_body_bytes)


class _Limited:
    """Receives a body up to a size, whatever its header said."""

    def __init__(self, receive: Receive, send: "_Sender", limit: int) -> None:
        self.receive = receive
        self.send = send
        self.limit = limit
        self.seen = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        if self.seen > self.limit:
            self.send.refusal = too_large(self.limit)
            raise self.send.refusal
        return message


class _Sender:
    """Sends with the headers that every answer has, and remembers the status."""

    def __init__(self, send: Send, guard: Guard) -> None:
        self.send = send
        self.guard = guard
        self.status = 0
        self.refusal: RefusedError | None = (
            None  # what to say, whatever the application makes of it
        )

    async def __call__(self, message: Message) -> None:
        if self.refusal is not None:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *HEADERS]
            if self.guard.draining:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        await self.send(message)

    async def instead(self, scope: Scope, refusal: RefusedError) -> None:
        """A problem instead of an answer, unless that has begun already."""
        if self.status:
            return
        self.refusal = None
        headers = {**refusal.headers, "connection": "close"} if refusal.status == 413 else None
        found = problem(refusal.status, refusal.detail, headers or refusal.headers)
        await found(scope, _nothing, self)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"the body is larger than {limit} bytes; send several smaller ones")


def _digest(key: bytes) -> bytes:
    """Of equal length for every key, so that comparing tells nothing of it."""
    return hashlib.sha256(key).digest()


def _key(headers: dict[bytes, bytes]) -> bytes | None:
    """The key of a request: bearer token, X-API-Key, or the password that a browser asked for."""
    if b"x-api-key" in headers:
        return headers[b"x-api-key"]
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except ValueError:
            return None
    return None
