"""A small HTTP client for load: keep-alive connections, one request in flight on each."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True, slots=True)
class Load:
    """What happened: seconds of each answer from when it was due, and answers that were not 200."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0
    elapsed_s: float = 0.0

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def encoded(path: str, body: Any) -> bytes:
    """One POST request as bytes."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Connection:
    """Sends requests one after another and reads whole answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=2**26
            )
        assert self.reader is not None
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r")[0])
        body = await self.reader.readexactly(length)
        if b"connection: close" in head:
            self.close()
        return int(head[9:12]), body

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.writer = None


async def closed_loop(port: int, requests: Iterator[bytes], connections: int) -> Load:
    """As fast as the server answers: each connection asks again once it has its answer."""
    load = Load()
    start = time.perf_counter()

    async def client() -> None:
        connection = Connection(port)
        for request in requests:
            began = time.perf_counter()
            status, _ = await connection.ask(request)
            load.seconds.append(time.perf_counter() - began)
            load.errors += status != 200
        connection.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    load.elapsed_s = time.perf_counter() - start
    return load


async def open_loop(port: int, requests: Iterator[bytes], rate: float, connections: int) -> Load:
    """At a fixed rate, whatever the server does; an answer's seconds count from when it was due."""
    load = Load()
    start = time.perf_counter() + 0.5
    due = iter(enumerate(requests))

    async def client() -> None:
        connection = Connection(port)
        for index, request in due:
            when = start + index / rate
            await asyncio.sleep(max(when - time.perf_counter(), 0))
            try:
                status, _ = await connection.ask(request)
            except (OSError, asyncio.IncompleteReadError):
                load.errors += 1
                connection.close()
                continue
            load.seconds.append(time.perf_counter() - when)
            load.errors += status != 200
        connection.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    load.elapsed_s = time.perf_counter() - start
    return load
