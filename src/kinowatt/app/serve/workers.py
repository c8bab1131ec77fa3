"""Processes that answer large bodies: every core works, and the server goes on answering.

Bytes go in and bytes come back. They start when the first such body comes, and end with the server.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from kinowatt.app.serve.bodies import RefusedError
from kinowatt.app.serve.heavy import apart

T = TypeVar("T")
MOST = 4  # processes, some 100 MB each
LARGE = 2**16  # bytes of a body, from which the way to another process and back is worth it
LOST = "the process that worked on it died twice; the server goes on"


class Workers:
    """A pool that is made when it is needed, and made anew where one of its processes died."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, work: Callable[[bytes, int], T], body: bytes, most: int) -> T:
        """`work(body, most)`, in a thread where the body is small; once more where it was lost."""
        if len(body) < LARGE:
            return await apart(lambda: work(body, most))
        for _ in range(2):
            pool = self._ready()
            try:
                return await asyncio.wrap_future(pool.submit(work, body, most))
            except BrokenProcessPool:
                self._drop(pool)
        raise RefusedError(503, LOST)

    def close(self) -> None:
        """Ends the processes once they have done what they are at."""
        if self._pool is not None:
            self._pool.shutdown()

    def _ready(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Started afresh: a copy of this process would hold its threads' locks
            self._pool = ProcessPoolExecutor(
                min(MOST, _cores()), multiprocessing.get_context("spawn"), _begin
            )
        return self._pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:  # whoever was on it too has dropped it already
            self._pool = None


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    """A worker leaves Ctrl-C to the server, and does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    server = multiprocessing.parent_process()
    if server is not None:
        server.join()
        os._exit(1)
