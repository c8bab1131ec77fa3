"""One child process seen from its parent: its messages, what it prints, how it is ended. POSIX."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from kinowatt.lab.channel import Channel
from kinowatt.lab.host import module_environment

TAIL_BYTES = 4096
LOOK_EVERY_S = 0.5


class Child:
    """A `worker_child` in a session of its own, which a terminal's Ctrl-C does not reach.

    `env`: what it has besides the environment of this process.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self._output = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (lives as long as this)
        # So that a file that was emptied is written from its beginning
        fcntl.fcntl(self._output, fcntl.F_SETFL, os.O_APPEND)
        lifeline, held = os.pipe()
        self._lifeline = os.fdopen(held, "wb")  # closed with this object; never written to
        given = [theirs.fileno(), lifeline]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "kinowatt.lab.worker_child", *map(str, given)],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=given,
                start_new_session=True,
                env=module_environment() | dict(env or {}),
            )
        finally:
            theirs.close()
            os.close(lifeline)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def receive(self, until_s: float | None) -> dict[str, Any]:
        """The next message; `TimeoutError` at `until_s` (monotonic), `EOFError` when it is dead.

        The time counts before the message: a child may hang in one thread and chat in another. A
        process that the child started may hold the socket open, so its life is looked at too.
        """
        while until_s is None or time.monotonic() < until_s:
            look_s = time.monotonic() + LOOK_EVERY_S
            try:
                return self.channel.receive(look_s if until_s is None else min(look_s, until_s))
            except TimeoutError:
                if not self.running:
                    raise EOFError("the child is dead") from None
        raise TimeoutError("the time is over")

    def wait(self, limit_s: float) -> None:
        """Waits for the child to end by itself, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(limit_s)

    def end(self, grace_s: float) -> None:
        """Ends the child and its group: SIGTERM, `grace_s` later SIGKILL. May be called twice.

        A process that is stuck in a driver outlives even that, and is not waited for longer.
        """
        if self.running:
            self._signal(signal.SIGTERM)
            self.wait(grace_s)
        self._signal(signal.SIGKILL)
        self.wait(grace_s)
        self.channel.close()
        self._lifeline.close()

    def kill(self) -> None:
        """SIGKILL to the group and no waiting: from any thread, whoever waits for it notices."""
        if self.running:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def exit(self) -> dict[str, Any]:
        """`exit_code`, or the name of the `signal` that ended it; both None while it runs."""
        code = self._process.poll()
        if code is None or code >= 0:
            return {"exit_code": code, "signal": None}
        try:
            return {"exit_code": None, "signal": signal.Signals(-code).name}
        except ValueError:
            return {"exit_code": None, "signal": f"signal {-code}"}

    def forget_output(self) -> None:
        """Empties what it has printed: the tail is then of what comes next."""
        os.ftruncate(self._output.fileno(), 0)

    def tail(self) -> str:
        """The end of what it has printed."""
        descriptor = self._output.fileno()
        start = max(0, os.fstat(descriptor).st_size - TAIL_BYTES)
        return os.pread(descriptor, TAIL_BYTES, start).decode("utf-8", "replace")
