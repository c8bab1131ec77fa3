"""Work of more than some milliseconds runs apart, so that the server goes on answering."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

T = TypeVar("T")
AT_ONCE = 2  # so that memory stays flat however many ask

_limiters: dict[int, CapacityLimiter] = {}


async def apart(work: Callable[[], T]) -> T:
    """Runs `work` in a thread, at most two at once; others wait their turn."""
    import asyncio

    loop = id(asyncio.get_running_loop())
    if loop not in _limiters:
        _limiters.clear()
        _limiters[loop] = CapacityLimiter(AT_ONCE)
    return await to_thread.run_sync(work, limiter=_limiters[loop])
