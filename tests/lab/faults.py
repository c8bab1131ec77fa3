"""Sessions that fail in every way that a worker must survive, and rows without a pipeline.

The sessions run in real children; `campaign` and `append` are parents that a test kills.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import InputError, KinowattError
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.rows import append_row
from kinowatt.lab.worker import Workers

FOREVER_S = 600.0
WORKLOAD = {
    "height_px": 480,
    "width_px": 832,
    "frames": 81,
    "steps": 50,
    "guidance_scale": 5.0,
    "batch_size": 1,
    "prompt_tokens": 40,
    "fps": 16.0,
    "video_s": 5.0625,
    "effective": {
        "height_px": 480,
        "width_px": 832,
        "frames": 81,
        "tokens": 32760,
        "forward_passes": 100,
        "sequences_per_pass": 1,
    },
}
ROW = {
    "schema_version": 1,
    "model": "wan2.1-t2v-1.3b",
    "gpu": "h100-sxm",
    "recipe": "single",
    "protocol": "full",
    "taken_at": "2026-11-23T12:00:00+00:00",
    "workload": WORKLOAD,
    "latency_s": 66.5,
    "energy_wh": {"gpu": 12.25, "cpu": None, "ram": 0.7},
    "stages": {"denoiser": {"latency_s": 63.0, "energy_wh": {"gpu": 11.5}, "calls": 100}},
    "power_w": 663.0,
    "idle_power_w": 123.0,
    "peak_memory_gib": 21.5,
    "peak_reserved_gib": 25.0,
    "warmup_runs": 2,
    "runs": [
        {"latency_s": 66.5, "energy_wh": {"gpu": 12.25, "cpu": None, "ram": 0.7}, "stages": {}}
    ],
    "stability": {"stable": True, "reasons": []},
    "conditions": {
        "driver": "570.86",
        "torch": "2.11.0",
        "diffusers": "0.42.1",
        "attention_backend": "default",
        "dtype": {"denoiser": "bfloat16"},
        "weights": "random",
        "offload": "none",
        "tiling": False,
        "compile": "none",
        "power_limit_w": 700.0,
        "clock_mhz": {"mean": 1500.0, "min": 1400.0, "max": 1980.0},
        "energy_null": {"cpu": "no RAPL on this machine"},
        "host": {"cpu_model": "Xeon 8480"},
        "meters": {"nvml-counter": {"resolution_s": 0.1}},
    },
}


def row(changes: Mapping[str, Any] | None = None, **conditions: Any) -> dict[str, Any]:
    """A row of the contract; `changes` by dotted name, conditions by their own."""
    found: dict[str, Any] = json.loads(json.dumps(ROW))
    found["conditions"].update(conditions)
    for name, value in (changes or {}).items():
        *folders, last = (int(key) if key.isdigit() else key for key in name.split("."))
        place: Any = found
        for folder in folders:
            place = place[folder]
        place[last] = value
    return found


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


class Faults:
    """Does what a request says, by the name of a method."""

    def __init__(self, key: Mapping[str, Any], emit: Any) -> None:
        self.key = key
        self.emit = emit
        self.rows = 0

    def measure(self, request: Mapping[str, Any]) -> Any:
        self.emit({"event": "begun", "pid": os.getpid()})
        return getattr(self, request["do"])(request)

    def row(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self.rows += 1
        return row(pid=os.getpid(), rows=self.rows, argv=sys.argv)

    def short_of_memory(self, request: Mapping[str, Any]) -> None:
        errors = {
            "MemoryError": MemoryError(),
            "OutOfMemoryError": OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            "RuntimeError": RuntimeError("CUDA error: out of memory"),
        }
        if request["error"] == "wrapped":
            raise ValueError("the decoder failed") from errors["OutOfMemoryError"]
        raise errors[request["error"]]

    def refuse(self, request: Mapping[str, Any]) -> None:
        raise (InputError if request["bad_input"] else KinowattError)("frames: 82 won't do\nhere")

    def fail(self, _: Mapping[str, Any]) -> None:
        raise ZeroDivisionError("of\nall things")

    def exit(self, _: Mapping[str, Any]) -> None:
        os._exit(3)

    def leave(self, _: Mapping[str, Any]) -> None:
        sys.exit(4)

    def signal(self, request: Mapping[str, Any]) -> None:
        os.kill(os.getpid(), getattr(signal, request["name"]))
        time.sleep(FOREVER_S)

    def hang(self, _: Mapping[str, Any]) -> None:
        time.sleep(FOREVER_S)

    def hang_for_good(self, _: Mapping[str, Any]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(FOREVER_S)

    def hang_and_chat(self, _: Mapping[str, Any]) -> None:
        """Hangs, while another thread goes on telling of it."""

        def chat() -> None:
            while True:
                self.emit({"event": "alive"})

        threading.Thread(target=chat, daemon=True).start()
        time.sleep(FOREVER_S)

    def hang_in_c(self, _: Mapping[str, Any]) -> None:
        """Keeps the interpreter lock, so no thread of Python can notice anything."""
        ctypes.PyDLL(None).sleep(int(FOREVER_S))

    def exit_with_a_helper(self, _: Mapping[str, Any]) -> None:
        """Dies beside a helper that has inherited all its files."""
        if helper := os.fork():
            self.emit({"event": "helper", "pid": helper})
            os._exit(5)
        time.sleep(FOREVER_S)

    def chatter(self, _: Mapping[str, Any]) -> dict[str, Any]:
        for number in range(40_000):
            sys.stderr.write(f"warning {number}: " + 60 * "x" + "\n")
        print('{"row": "printed by a library"}')
        subprocess.run(["echo", "and by a program"], check=True)
        return self.row({})

    def chatter_and_fail(self, request: Mapping[str, Any]) -> None:
        self.chatter(request)
        self.fail(request)

    def not_a_number(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"latency_s": float("nan")}

    def not_json(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"latency_s": object()}

    def not_a_row(self, _: Mapping[str, Any]) -> list[Any]:
        return [1]

    def no_measurement(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return row({"latency_s": 0})

    def odd_events(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self.emit({"event": "odd", "temperature_c": float("nan")})
        self.emit({"event": "odd", "what": object()})
        self.emit({"event": "told"})
        return self.row({})

    def slow_row(self, request: Mapping[str, Any]) -> dict[str, Any]:
        time.sleep(request["seconds"])
        return self.row({})

    def die_afterwards(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answers, then dies before the next request."""
        threading.Timer(request["seconds"], os._exit, (6,)).start()
        return self.row({})

    def close(self) -> None:
        if folder := self.key.get("closed"):
            Path(folder, str(os.getpid())).touch()


def no_session(key: Mapping[str, Any], _: Any) -> None:
    """A factory that fails as the key says."""
    if key["how"] == "exit":
        os._exit(7)
    if key["how"] == "hang":
        time.sleep(FOREVER_S)
    raise {"refuse": InputError("unknown model"), "fail": OutOfMemoryError("no room")}[key["how"]]


def campaign(path: str, requests: list[dict[str, Any]], *, in_thread: bool = False) -> None:
    """A parent that keeps rows and tells, a JSON line each, what happens. For a test to kill."""

    def tell(event: Mapping[str, Any]) -> None:
        print(json.dumps(event), flush=True)

    workers = Workers("lab.faults:Faults", tell, rows_to=path)

    def work() -> None:
        for request in requests:
            outcome = workers.run({}, request)
            tell({"event": "row" if outcome.row else "failure"})

    with workers:
        if in_thread:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        else:
            work()


def append(path: str, name: str, largest: int) -> None:
    """Appends rows of many sizes for ever, and tells of each one that was written."""
    number = 0
    with contextlib.suppress(BrokenPipeError):
        while True:
            number += 1
            filling = "x" * (number * 7919 % largest)
            append_row(path, Measurement.from_dict(row(of=name, number=number, filling=filling)))
            os.write(1, f"{number}\n".encode())
