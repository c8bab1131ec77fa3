"""The process of a worker: `python -m kinowatt.lab.worker_child SOCKET LIFELINE`.

It makes one session and measures request after request, as told over the socket. What libraries
print goes to the file that is its standard output and error. It lives no longer than its parent,
who alone holds the other end of the lifeline: a GPU is never kept by an orphan.
"""

import contextlib
import faulthandler
import fcntl
import gc
import importlib
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any, NoReturn

from kinowatt.errors import InputError, KinowattError
from kinowatt.lab.channel import Channel

Message = dict[str, Any]
DETAIL = 500  # characters of an exception's text
# How allocators say that memory is gone in an exception that has no class of its own: PyTorch's
# on the host, cuBLAS, and CUDA outside PyTorch's allocator.
OOM_TEXTS = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def main() -> NoReturn:
    descriptor, lifeline = (int(word) for word in sys.argv[1:])
    _live_no_longer_than_parent(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to act on
    faulthandler.enable()
    faulthandler.register(signal.SIGTERM, chain=True)  # where it hung, before it ends
    for inherited in (descriptor, lifeline):  # not for what this process starts
        os.set_inheritable(inherited, False)
    channel = Channel(socket.socket(fileno=descriptor))
    orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, orders), daemon=True).start()
    code = _serve(channel, orders)
    # Python takes a second and more to let go of torch, the kernel does it at once
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _live_no_longer_than_parent(lifeline: int) -> None:
    """Has the kernel kill this process's group when the parent's end of a pipe is closed.

    `_listen` notices the end of a parent too, but not while a library keeps the interpreter
    lock. PR_SET_PDEATHSIG would not do: it acts at the end of the thread that started a process.
    """
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)


def _listen(channel: Channel, orders: "queue.SimpleQueue[Message]") -> None:
    try:
        while True:
            orders.put(channel.receive())
    except EOFError:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _serve(channel: Channel, orders: "queue.SimpleQueue[Message]") -> int:
    order = orders.get()
    sys.argv = order["argv"]  # rows record the command that the user gave
    try:
        session = _factory(order["factory"])(order["key"], _emitter(channel))
    except Exception as error:  # noqa: BLE001 (the parent is told)
        channel.send(failure(error))
        return 1
    channel.send({"ready": True})
    while "request" in (order := orders.get()):
        _answer(channel, session, order["request"])
        gc.collect()  # an exception's frames may hold tensors in cycles
    session.close()
    return 0


def _factory(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _emitter(channel: Channel) -> Any:
    def emit(event: Mapping[str, Any]) -> None:
        # Progress must never cost a row: what can't be told is dropped
        with contextlib.suppress(TypeError, ValueError):
            channel.send({"event": event})

    return emit


def _answer(channel: Channel, session: Any, request: Mapping[str, Any]) -> None:
    try:
        row = session.measure(request)
        if not isinstance(row, dict):
            raise TypeError(f"a session returned {type(row).__name__}, not a row")
        channel.send({"row": row})
    except Exception as error:  # noqa: BLE001 (the parent is told)
        channel.send(failure(error))


def failure(error: Exception) -> Message:
    """What the parent is told of an exception; its traceback goes to standard error."""
    cause = cause_of(error)
    if cause == "refused":
        return {"cause": cause, "detail": str(error), "bad_input": isinstance(error, InputError)}
    traceback.print_exception(error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    shown = text if len(text) <= DETAIL else text[: DETAIL - 1] + "…"
    return {"cause": cause, "detail": shown, "bad_input": False}


def cause_of(error: BaseException) -> str:
    """`out_of_memory`, `refused` or `error`; libraries wrap the first, so its causes count too."""
    if isinstance(error, KinowattError):
        return "refused"
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__
    return "out_of_memory" if any(_out_of_memory(link) for link in chain) else "error"


def _out_of_memory(error: BaseException) -> bool:
    """By the name of the class, since PyTorch may not even be installed."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"}:
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OOM_TEXTS)


if __name__ == "__main__":
    main()
