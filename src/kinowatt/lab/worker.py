"""The process that keeps one pipeline for many rows, and what becomes of a row that fails.

A session is made by a factory, `factory(key, emit)`, in a child process: it has
`measure(request) -> row` and `close()`. Whatever happens in the child, the parent goes on, knows
why the row is missing, and starts another child when there is a next row.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from kinowatt.errors import InputError
from kinowatt.lab.child import Child
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import append_failure, append_row

Cause = Literal["out_of_memory", "refused", "error", "crash", "hang", "start", "lost"]
Listener = Callable[[dict[str, Any]], None]
SURVIVED: tuple[Cause, ...] = ("out_of_memory", "refused")
START_LIMIT_S = 1800.0  # weights of a large model from a slow disk
GRACE_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why there is no row.

    - `out_of_memory`, of the GPU or the host: the row ends; its process lives on.
    - `refused`: Kinowatt's own error; `bad_input` where it is the request that is wrong.
    - `error`: any other exception. `crash`: the process died. `hang`: it passed its time limit.
    - `start`: no session could be made; `detail` says why. `lost`: the machine is gone with it.

    After all but the first two the process is replaced. `exit_code` or `signal`: how it ended, where it
    did. `stderr_tail`: the end of what it printed during the row, a traceback included.
    """

    cause: Cause
    detail: str
    exit_code: int | None = None
    signal: str | None = None
    stderr_tail: str = ""
    bad_input: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Either a row or the reason for its absence."""

    row: dict[str, Any] | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        if (self.row is None) == (self.failure is None):
            raise ValueError("an outcome holds either a row or a failure")


class Worker:
    """One child process with one session, started with the first row. For one thread at a time.

    `factory`: `module:function`, imported by the child. `key`: what the session is made of (JSON
    values). `on_event` is told what the session emits. A session that is not made within
    `start_limit_s` is given up; `grace_s` is how long a child has between SIGTERM and SIGKILL.
    `env`: variables of the child besides those of this process.
    """

    def __init__(
        self,
        factory: str,
        key: Mapping[str, Any],
        on_event: Listener | None = None,
        *,
        start_limit_s: float = START_LIMIT_S,
        grace_s: float = GRACE_S,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.env = env
        self.factory = factory
        self.key = _json("key", key)
        self.on_event = on_event
        self.start_limit_s = start_limit_s
        self.grace_s = grace_s
        self._child: Child | None = None
        self._starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._end()

    @property
    def restarts(self) -> int:
        """How often a child had to be replaced."""
        return max(0, self._starts - 1)

    @property
    def pid(self) -> int | None:
        """The child's process, None where there is none."""
        return self._child.pid if self._child is not None and self._child.running else None

    def run(self, request: Mapping[str, Any], time_limit_s: float | None = None) -> Outcome:
        """Measures one row; a failure is an answer, never an exception.

        Raises `InputError` for a request that is not JSON. What interrupts the wait (Ctrl-C, an
        error of `on_event`) ends the child and goes on.
        """
        order = {"request": _json("request", request)}
        try:
            found = self._started() or self._ask(order, time_limit_s)
        except BaseException:
            self._end()  # it would go on with a row that nobody waits for
            raise
        if not isinstance(found, Failure):
            return Outcome(row=found["row"])
        if found.cause not in SURVIVED:
            self._end()
        return Outcome(failure=found)

    def kill(self) -> None:
        """Ends the child at once, from any thread; a row under way comes back as a crash."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """Lets the session close itself, and ends the child; the next row would start another."""
        if self._child is not None and self._child.running:
            with contextlib.suppress(OSError):
                self._child.channel.send({"close": True})
                self._child.wait(self.grace_s)
        self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end(self.grace_s)

    def _started(self) -> Failure | None:
        """Sees to it that there is a child with a session, or says why there can't be one."""
        if self._child is not None and self._child.running:
            return None
        if self._child is not None:
            ended = _how(self._child)
            self._end()
            self._tell({"event": "worker_died", "detail": f"between two rows, {ended}"})
        self._child = Child(self.env)
        self._starts += 1
        order = {"factory": self.factory, "key": self.key, "argv": sys.argv}
        found = self._ask(order, self.start_limit_s)
        return replace(found, cause="start") if isinstance(found, Failure) else None

    def _ask(self, order: Mapping[str, Any], limit_s: float | None) -> Mapping[str, Any] | Failure:
        """Sends an order and waits for its answer, passing on what is told meanwhile."""
        child = self._child
        assert child is not None
        until_s = None if limit_s is None else time.monotonic() + limit_s
        child.forget_output()
        with contextlib.suppress(OSError):  # of a dead child, whose end `receive` will tell
            child.channel.send(order)
        while True:
            try:
                answer = child.receive(until_s)
            except TimeoutError:
                child.end(self.grace_s)
                return _failure(child, "hang", f"no answer within the time limit of {limit_s:g} s")
            except EOFError:
                child.wait(self.grace_s)
                child.end(self.grace_s)
                return _failure(child, "crash", f"the worker's process {_how(child)}")
            if "event" not in answer:
                break
            self._tell(answer["event"])
        if "cause" in answer:
            return Failure(**answer, stderr_tail=child.tail())
        return answer

    def _tell(self, event: dict[str, Any]) -> None:
        if self.on_event is not None:
            self.on_event(event)


def _failure(child: Child, cause: Cause, detail: str) -> Failure:
    return Failure(cause=cause, detail=detail, stderr_tail=child.tail(), **child.exit())


def _how(child: Child) -> str:
    """How a child came to its end, in words."""
    ended = child.exit()
    if ended["signal"] is None:
        return f"ended with exit code {ended['exit_code']}"
    hint = (
        ": the kernel's out-of-memory killer is a likely cause, see `dmesg`"
        if ended["signal"] == "SIGKILL"
        else ""
    )
    return f"was killed by {ended['signal']}{hint}"


def canonical(key: Mapping[str, Any]) -> str:
    """One text for equal keys, whatever the order of their fields."""
    return json.dumps(_json("key", key), sort_keys=True, separators=(",", ":"))


def _json(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as the child will see it."""
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"a {kind} of a worker holds JSON values alone: {error}") from None
    return copy


class Workers:
    """One worker for each key: whatever changes the pipeline (model, dtype, weights, offload, …).

    `exclusive`: a worker of another key is closed first, since a GPU holds one pipeline.
    `rows_to`: each row is added to this file the moment it arrives, and each failure to the file
    of failures beside it. Further options are those of `Worker`.
    """

    def __init__(
        self,
        factory: str,
        on_event: Listener | None = None,
        *,
        exclusive: bool = True,
        rows_to: str | Path | None = None,
        **options: Any,
    ) -> None:
        self.factory = factory
        self.on_event = on_event
        self.exclusive = exclusive
        self.rows_to = rows_to
        self.options = options
        self._workers: dict[str, Worker] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._workers.clear()
        self._open.__exit__(*error)

    @property
    def restarts(self) -> int:
        """How often a child had to be replaced, of the workers that are open."""
        return sum(worker.restarts for worker in self._workers.values())

    def run(
        self,
        key: Mapping[str, Any],
        request: Mapping[str, Any],
        time_limit_s: float | None = None,
    ) -> Outcome:
        """Measures one row by the worker of this key and keeps it; see `Worker.run`."""
        worker = self._worker(key)
        try:
            outcome = worker.run(request, time_limit_s)
        except KeyboardInterrupt:
            self._failed(key, request, {"cause": "interrupted", "detail": "Ctrl-C"})
            raise
        return self._kept(key, request, outcome)

    def kill(self) -> None:
        """Ends every child at once, from any thread; see `Worker.kill`."""
        for worker in list(self._workers.values()):
            worker.kill()

    def close(self) -> None:
        """Closes every worker; the next row would start another."""
        self.__exit__(None, None, None)

    def _worker(self, key: Mapping[str, Any]) -> Worker:
        name = canonical(key)
        if name not in self._workers:
            if self.exclusive:
                self.close()
            worker = Worker(self.factory, key, self.on_event, **self.options)
            self._workers[name] = self._open.enter_context(worker)
        return self._workers[name]

    def _kept(
        self, key: Mapping[str, Any], request: Mapping[str, Any], outcome: Outcome
    ) -> Outcome:
        if self.rows_to is None:
            return outcome
        if outcome.failure is not None:
            self._failed(key, request, outcome.failure.to_dict())
            return outcome
        assert outcome.row is not None
        try:
            append_row(self.rows_to, Measurement.from_dict(outcome.row))
        except InputError as error:
            failure = Failure(cause="error", detail=f"the row breaks its contract: {error}")
            self._failed(key, request, {**failure.to_dict(), "row": outcome.row})
            return Outcome(failure=failure)
        return outcome

    def _failed(
        self, key: Mapping[str, Any], request: Mapping[str, Any], failure: Mapping[str, Any]
    ) -> None:
        if self.rows_to is not None:
            append_failure(self.rows_to, key, request, failure)
