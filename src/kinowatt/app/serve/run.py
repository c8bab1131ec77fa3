"""Listens, says where, and stops without losing a request."""

import asyncio
import contextlib
import ctypes
import json
import signal
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kinowatt.analysis.compiled import make_codes_by
from kinowatt.app.serve.settings import Settings
from kinowatt.errors import InputError, require_extra

BACKLOG = 2048
SO_ATTACH_FILTER = 26  # of Linux; Python's socket module has no name for it
ACCEPT_S = 0.1  # in which connections that wait to be accepted are
ANSWER_S = 60  # that requests to REST have for being answered: a large batch on a busy machine
GRACE_S = 5  # that open streams of the dashboard may hold up a stop


def serve(settings: Settings, json_: bool) -> None:
    """Serves until SIGINT or SIGTERM."""
    for module in ("fastapi", "uvicorn", "prometheus_client", "orjson"):
        require_extra("serve", module)
    listener = listen(settings.host, settings.port)
    from kinowatt.app.serve.api import create_app
    from kinowatt.app.serve.browse import Rows
    from kinowatt.app.serve.workers import Workers

    make_codes_by(ThreadPoolExecutor(1).submit)  # so that no answer waits for code to be made
    closing = contextlib.closing
    with closing(Rows(settings.store)) as rows, closing(Workers()) as workers:
        if settings.store is not None:
            rows.check()  # before anybody asks
        server = _server(create_app(settings, rows, workers), settings.drain_s)
        for number in (signal.SIGINT, signal.SIGTERM):  # also before the loop runs; and no failure
            signal.signal(number, lambda *_: setattr(server, "should_exit", True))
        _announce(settings, listener.getsockname()[1], json_)
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; `InputError` where the address cannot be had."""
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot listen on {host}:{port}: {reason}; port 0 is any free") from None
    # asyncio sets it only where the protocol was named; connections inherit it from here
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _server(guard: Any, drain_s: float) -> Any:
    import uvicorn

    class Draining(uvicorn.Server):
        """Stops in three steps, so that whoever got through to it is answered.

        No new connections, but those that wait to be accepted are; every answer asks the client to
        close; what is still open after `drain_s` without a request to REST is closed.
        """

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            guard.draining = True
            for listener in sockets or ():
                refuse_new(listener)
            await asyncio.sleep(ACCEPT_S)
            for each in self.servers:
                each.close()
            end = time.monotonic() + drain_s
            while self.server_state.connections and time.monotonic() < end and not self.force_exit:
                await asyncio.sleep(0.01)
            end += ANSWER_S
            while guard.asked and time.monotonic() < end and not self.force_exit:
                await asyncio.sleep(0.01)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        guard,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=GRACE_S,
        ws="none",
        lifespan="on",
    )
    return Draining(config)


def refuse_new(listener: socket.socket) -> None:
    """Lets no new connection through to a listening socket; those in its queue stay.

    Closing it at once would reset them. Linux can filter what arrives; elsewhere the queue is left
    to be emptied by accepting alone.
    """
    if not sys.platform.startswith("linux"):
        return
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF: return 0 bytes
    program = struct.pack("HP", 1, ctypes.addressof(drop))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _announce(settings: Settings, port: int, json_: bool) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    if json_:
        print(
            json.dumps({"url": url, "api": f"{url}/v1", "dashboard": settings.dashboard}),
            flush=True,
        )
        return
    pages = f"dashboard {url}/, " if settings.dashboard else ""
    key = "; every request needs the API key" if settings.api_key else ""
    print(
        f"Kinowatt serves {pages}REST {url}/v1 (GET /v1/openapi.json){key}. Ctrl-C stops.",
        file=sys.stderr,
        flush=True,
    )
