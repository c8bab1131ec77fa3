"""A session without torch that sleeps, returns a valid row, and fails as it is told.

It runs in the worker's process, so it imports little: that one is started again and again.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import InputError
from lab.faults import row


class Session:
    """Does what a request says under `fault`, else returns a row that names its order."""

    def __init__(self, key: Mapping[str, Any], emit: Any) -> None:
        self.emit = emit
        if folder := key.get("pids"):
            Path(folder, str(os.getpid())).touch()
        if key.get("start") == "refused":
            raise InputError("unknown model")

    def measure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.emit({"event": "run", "run": 1, "of": 1, "power_instant_w": 500.0})
        self._fault(request)
        time.sleep(request["seconds"])
        return row({"latency_s": 1.0 + request["number"]}, number=request["number"])

    def _fault(self, request: Mapping[str, Any]) -> None:
        name = request.get("fault")
        if name is None or self._had(request):
            return
        if name == "oom":
            raise MemoryError("no room")
        if name == "refuse":
            raise InputError("82 frames won't do")
        if name == "error":
            raise ZeroDivisionError("of all things")
        if name == "crash":
            os._exit(3)
        if name == "hang":
            time.sleep(600.0)

    def _had(self, request: Mapping[str, Any]) -> bool:
        """Whether a fault that comes `times` times has come so often; without it, for ever."""
        if "times" not in request:
            return False
        marks = Path(request["marks"])
        count = len(list(marks.glob(f"{request['number']}-*")))
        (marks / f"{request['number']}-{count}").touch()
        return bool(count >= request["times"])

    def close(self) -> None:
        pass


def open_session(key: Mapping[str, Any], emit: Any) -> Session:
    return Session(key, emit)
