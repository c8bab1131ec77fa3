"""Requests of the usual kind are read as h11 reads them; all others, and what is between, by h11."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import h11
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

import kinowatt
from kinowatt.app.serve.api import create_app
from kinowatt.app.serve.settings import Settings
from kinowatt.app.serve.wire import Wire, parsed

BODY = b'{"model": "wan2.1-t2v-1.3b"}'
HOST = b"host: x\r\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)
USUAL = b"POST /v1/predict HTTP/1.1\r\n" + HOST + LENGTH + b"\r\n" + BODY
HEALTH = b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n"
UNUSUAL = {
    "another version": USUAL.replace(b"1.1", b"1.0"),
    "another method": HEALTH.replace(b"GET", b"HEAD"),
    "a page": HEALTH.replace(b"/v1/health", b"/"),
    "not whole": USUAL[:-1],
    "more than one": USUAL + b"GET",
    "no host": USUAL.replace(HOST, b""),
    "two hosts": USUAL.replace(HOST, HOST + HOST),
    "two lengths": USUAL.replace(LENGTH, LENGTH + LENGTH),
    "a length of its own": USUAL.replace(b"length: ", b"length: +"),
    "chunks": USUAL.replace(LENGTH, LENGTH + b"transfer-encoding: chunked\r\n"),
    "to be closed": USUAL.replace(HOST, HOST + b"connection: close\r\n"),
    "asking first": USUAL.replace(HOST, HOST + b"expect: 100-continue\r\n"),
    "a folded line": USUAL.replace(HOST, HOST + b" more\r\n"),
    "white space before the colon": USUAL.replace(b"host:", b"host :"),
    "a lone line feed": USUAL.replace(b"host: x\r\n", b"host: x\n"),
    "a null": USUAL.replace(b"host: x", b"host: x\0"),
    "no characters": USUAL.replace(b"host: x", b"host: \xff"),
    "long": USUAL.replace(HOST, HOST + b"x: " + b"y" * 9000 + b"\r\n"),
}


def by_h11(data: bytes) -> tuple[Any, ...]:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    asked, body = connection.next_event(), b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert isinstance(asked, h11.Request)
    path, _, query = asked.target.partition(b"?")
    return asked.method.decode(), path, query, list(asked.headers), body


def by_wire(data: bytes) -> tuple[Any, ...] | None:
    found = parsed(data)
    if found is None:
        return None
    scope, body = found
    names = ("method", "raw_path", "query_string", "headers")
    return (*(scope[name] for name in names), body)


@pytest.mark.parametrize(
    "data",
    [
        USUAL,
        HEALTH,
        HEALTH.replace(b"x\r\n", b"  a b\tc \r\nEmpty:\r\nConnection:Keep-Alive\r\n"),
        HEALTH.replace(b"health", b"models/a%20b?c=%C3%A9&d"),
    ],
)
def test_the_usual_is_read_as_h11_reads_it(data: bytes) -> None:
    assert by_wire(data) == by_h11(data)


def test_paths_are_unquoted() -> None:
    found = parsed(HEALTH.replace(b"health", b"models/a%20b%C3%A9"))
    assert found is not None
    assert found[0]["path"] == "/v1/models/a bé"


@pytest.mark.parametrize("data", UNUSUAL.values(), ids=UNUSUAL)
def test_the_unusual_is_not_read(data: bytes) -> None:
    assert parsed(data) is None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_nothing_is_read_that_h11_refuses_or_reads_otherwise(data: st.DataObject) -> None:
    """Requests with some bytes put in, taken out or put for others."""
    text = bytearray(data.draw(st.sampled_from([USUAL, HEALTH, *UNUSUAL.values()])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        end = at + data.draw(st.integers(0, 2))
        text[at:end] = data.draw(st.sampled_from([b"", b"\r\n", b" ", b":", b"\0", b"0", b"\xe9"]))
    found = by_wire(bytes(text))
    if found is not None:
        assert found == by_h11(bytes(text))


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server of this application."""
    config = uvicorn.Config(app, port=0, http=Wire, log_level="critical", ws="none", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield reader, writer
    writer.close()
    server.should_exit = True
    await task


async def answers(app: Any, *pieces: bytes, count: int) -> list[tuple[bytes, bytes]]:
    """Heads and bodies of so many answers to what is sent piece by piece."""
    found = []
    async with serving(app) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        for _ in range(count):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
            found.append((head, await reader.readexactly(length)))
        if b"connection: close" in found[-1][0]:
            assert await reader.read() == b""
    return found


def test_one_connection_takes_all_kinds_in_turn() -> None:
    large = json.dumps({"model": "wan2.1-t2v-1.3b", "steps": [20] * 60_000}).encode()
    batch = b"POST /v1/predict/batch HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(large)
    app = create_app(Settings(dashboard=False))
    found = asyncio.run(
        answers(
            app,
            USUAL,
            USUAL[:30],
            USUAL[30:] + HEALTH,
            HEALTH + USUAL,
            batch + large,
            USUAL,
            UNUSUAL["to be closed"],
            count=8,
        )
    )
    wanted = kinowatt.predict("wan2.1-t2v-1.3b").to_dict()
    alike = [json.loads(body) == wanted for _, body in found]
    assert alike == [True, True, False, False, True, False, True, True]
    assert {head[:15] for head, _ in found} == {b"HTTP/1.1 200 OK"}
    assert len(json.loads(found[5][1])["columns"]["flops"]) == 60_000


def test_what_comes_while_an_answer_is_made_waits_its_turn() -> None:
    """And a head comes with its body, whatever is between."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        await asyncio.sleep(0.1)
        length = str(len(body)).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
        )
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})

    other = USUAL.replace(b"1.3b", b"1.4b")
    found = asyncio.run(answers(app, USUAL, other, USUAL + other, count=4))
    assert [b"1.3b" in body for _, body in found] == [True, False, True, False]


def test_a_fault_closes_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError

    async def ask() -> bytes:
        async with serving(app) as (reader, writer):
            writer.write(USUAL)
            return await asyncio.wait_for(reader.read(), 30)

    assert asyncio.run(ask()) == b""


def test_whoever_is_gone_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        heard.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask() -> None:
        async with serving(app) as (_, writer):
            writer.write(USUAL)
            await asyncio.sleep(0.05)
            writer.close()
            while not heard:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(ask(), 30))
    assert heard == ["http.disconnect"]
    assert not caplog.records
