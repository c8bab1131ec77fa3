"""Large bodies in processes of their own: the same answers, and what happens where one dies."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

import kinowatt
from kinowatt.app.serve.api import create_app
from kinowatt.app.serve.batches import batch
from kinowatt.app.serve.bodies import RefusedError
from kinowatt.app.serve.settings import Settings
from kinowatt.app.serve.workers import LARGE, Workers
from worker_calls import die, whose

MODEL = "wan2.1-t2v-1.3b"


def body(rows: int, **changes: Any) -> bytes:
    """A batch of `rows`, larger than what a thread does from some 20,000 of them."""
    steps = [1 + index % 100 for index in range(rows)]
    asked = {"model": MODEL, "steps": steps, "columns": ["latency_s"], **changes}
    return json.dumps(asked).encode()


LONG = body(40_000)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with contextlib.closing(Workers()) as found:
        yield found


def run(workers: Workers, work: Any, content: bytes) -> Any:
    return asyncio.run(workers.run(work, content, 200_000))


def test_a_large_body_goes_to_another_process_and_a_small_one_does_not(workers: Workers) -> None:
    assert run(workers, whose, b" " * (LARGE - 1)) == os.getpid()
    assert run(workers, whose, b" " * LARGE) != os.getpid()


def test_a_large_batch_is_answered_and_counted_as_a_small_one(workers: Workers) -> None:
    app = create_app(Settings(dashboard=False), workers=workers)

    async def ask() -> tuple[httpx.Response, ...]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            bodies = (LONG, LONG[:-1], body(40_000, model="wan"), body(40_000, frames=[5]))
            found = [await client.post("/v1/predict/batch", content=each) for each in bodies]
            return (*found, await client.get("/v1/metrics"))

    good, cut, unknown, unequal, metrics = asyncio.run(ask())
    expected = kinowatt.predict_many(MODEL, steps=json.loads(LONG)["steps"])
    assert good.json()["columns"]["latency_s"] == expected["latency_s"].tolist()
    assert (cut.status_code, unknown.status_code, unequal.status_code) == (400, 422, 422)
    assert unequal.headers["content-type"] == "application/problem+json"
    assert unequal.json()["detail"] == "columns must be of equal length: frames 1, steps 40000"
    assert "kinowatt_predictions_total 40000.0" in metrics.text


def test_where_a_process_dies_twice_that_is_said_and_the_next_body_is_answered(
    workers: Workers,
) -> None:
    with pytest.raises(RefusedError, match="died twice") as caught:
        run(workers, die, LONG)
    assert caught.value.status == 503
    assert run(workers, batch, LONG)[0] == 40_000


@contextlib.contextmanager
def server() -> Iterator[tuple[str, psutil.Process]]:
    """A server whose workers run."""
    command = [sys.executable, "-m", "kinowatt", "serve", "--port", "0", "--json", "--no-dashboard"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert httpx.post(f"{url}/v1/predict/batch", content=LONG, timeout=60).is_success
            yield url, psutil.Process(process.pid)
        finally:
            process.kill()


def worked_s(children: list[psutil.Process]) -> float:
    """Seconds that their cores have worked."""
    return sum(each.cpu_times().user for each in children)


async def while_asked(url: str, process: psutil.Process, act: Any) -> httpx.Response:
    """The answer to a large batch; something happens while a worker is at it."""
    many = body(200_000, frames=[5 + 4 * (index % 30) for index in range(200_000)])
    children = process.children(recursive=True)
    begun_s = worked_s(children)
    async with httpx.AsyncClient(timeout=120) as client:
        asked = asyncio.create_task(client.post(f"{url}/v1/predict/batch", content=many))
        while worked_s(children) < begun_s + 0.1:
            await asyncio.sleep(0.01)
        assert not asked.done()
        act()
        return await asked


def test_a_batch_whose_process_dies_is_answered_by_another() -> None:
    with server() as (url, process):

        def kill() -> None:
            for each in process.children(recursive=True):
                each.kill()

        found = asyncio.run(while_asked(url, process, kill))
        assert found.status_code == 200
        assert len(found.json()["columns"]["latency_s"]) == 200_000


def test_a_stop_answers_the_batch_that_is_worked_on_and_leaves_no_process() -> None:
    with server() as (url, process):
        children = process.children(recursive=True)
        found = asyncio.run(while_asked(url, process, process.terminate))
        assert len(found.json()["columns"]["latency_s"]) == 200_000
        assert process.wait(30) == 0
        assert psutil.wait_procs(children, timeout=30)[1] == []


def test_workers_do_not_outlive_a_server_that_is_killed() -> None:
    with server() as (_, process):
        children = process.children(recursive=True)
        assert children
        process.kill()
        assert psutil.wait_procs(children, timeout=30)[1] == []
