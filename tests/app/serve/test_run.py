"""The server as its own process: where it listens, and that stopping loses nothing."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kinowatt.app.cli import main


@contextlib.contextmanager
def server(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yields the address of a server on a free port, and its process."""
    command = [sys.executable, "-m", "kinowatt", "serve", "--port", "0", "--json", "--no-dashboard"]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_it_listens_on_this_machine_alone_and_ends_with_0() -> None:
    with server() as (url, process):
        port = int(url.rpartition(":")[2])
        assert url == f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/v1/health").json()["status"] == "ok"
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((own_address(), port), timeout=2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert "Traceback" not in process.stderr.read()


def test_it_stops_though_told_as_soon_as_it_said_where() -> None:
    with server() as (_, process):
        process.terminate()
        assert process.wait(timeout=60) == 0


def own_address() -> str:
    """An address of this machine that is not loopback, else one that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        if not (found := probe.getsockname()[0]).startswith("127."):
            return str(found)
    return "192.0.2.1"


async def until_refused(url: str, answered: list[int], lost: list[str]) -> None:
    """Asks on one kept connection after another until the server takes no more.

    A connection that cannot be opened is no loss: nothing was asked. A request that was sent and
    not answered is one.
    """
    host, port = url.removeprefix("http://").split(":")
    body = b'{"model": "wan2.1-t2v-1.3b"}'
    head = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            return
        open_ = True
        while open_:
            writer.write(head.encode() + body)
            try:
                headers = await reader.readuntil(b"\r\n\r\n")
                length = int(headers.lower().partition(b"content-length:")[2].partition(b"\r")[0])
                await reader.readexactly(length)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                lost.append(repr(error))
                break
            answered.append(int(headers[9:12]))
            open_ = b"connection: close" not in headers.lower()
        writer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_loses_no_request(number: int) -> None:
    answered: list[int] = []
    lost: list[str] = []

    async def under_load(url: str, process: Any) -> None:
        clients = [asyncio.create_task(until_refused(url, answered, lost)) for _ in range(20)]
        while len(answered) < 100 and not lost:  # in full swing, however slow the machine
            await asyncio.sleep(0.05)
        process.send_signal(number)
        await asyncio.wait_for(asyncio.gather(*clients), timeout=60)

    with server() as (url, process):
        asyncio.run(under_load(url, process))
        assert process.wait(timeout=60) == 0
    assert lost == []
    assert set(answered) == {200}
    assert len(answered) >= 100


def test_an_address_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit) as caught:
            main(["serve", "--port", port, "--no-dashboard"])
    assert caught.value.code == 2
    line = capsys.readouterr().err
    assert line.startswith(f"kinowatt: cannot listen on 127.0.0.1:{port}: Address already in use")
    assert line.count("\n") == 1


@pytest.mark.torture
def test_memory_is_flat_over_ten_minutes() -> None:
    import psutil

    with server() as (url, process), httpx.Client(base_url=url) as client:
        seen = []
        start = time.monotonic()
        turn = 0
        while time.monotonic() - start < 600:
            turn += 1
            asked = {"model": "wan2.1-t2v-1.3b", "steps": 1 + turn % 900, "what_if": {}}
            asked["what_if"] = {"cache": f"0.{turn % 500 + 1}"}
            assert client.post("/v1/predict", json=asked).status_code == 200
            if turn % 50 == 0:
                seen.append(psutil.Process(process.pid).memory_info().rss / 2**20)
        third = len(seen) // 3
        assert max(seen[2 * third :]) - max(seen[third : 2 * third]) < 8
