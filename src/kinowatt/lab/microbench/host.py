"""What the host costs: seconds to queue a call, and copies between host and device."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch.nn import functional

from kinowatt.lab.microbench.timing import queued_s
from kinowatt.lab.timeline import Timeline

CALLS = 500
BATCHES = 5
ROUNDS = 60
CHAIN_ROWS, CHAIN_WIDTH = 16384, 2048  # calls of 40 us and more: no host is slower
COPIES_MIB = (1, 16, 256)
STALLS = 20
STALLED_CALLS = 8  # half a millisecond of work between two waits
MASK = 256  # tokens of a prompt, of which a model asks which ones count
MIB = 2**20


def _tiny(device: torch.device) -> Mapping[str, Callable[[], object]]:
    """Calls whose work on the device is next to nothing."""
    dtype = torch.bfloat16
    x = torch.randn(8, 64, device=device, dtype=dtype)
    weight = torch.randn(64, 64, device=device, dtype=dtype)
    # As decoders have them: a layout that is turned around and back, and a bias, are kernels too
    image = torch.randn(1, 32, 4, 8, 8, device=device, dtype=dtype)
    filters = torch.randn(32, 32, 3, 3, 3, device=device, dtype=dtype)
    bias = torch.randn(32, device=device, dtype=dtype)
    heads = torch.randn(1, 2, 16, 64, device=device, dtype=dtype)
    module = torch.nn.Linear(64, 64, device=device, dtype=dtype).requires_grad_(False)
    return {
        "add": lambda: x + x,
        "linear": lambda: functional.linear(x, weight),
        "linear_module": lambda: module(x),
        "layer_norm": lambda: functional.layer_norm(x, (64,)),
        "attention": lambda: functional.scaled_dot_product_attention(heads, heads, heads),
        "convolution": lambda: functional.conv3d(image, filters, bias),
        "view": lambda: x.view(64, 8),
        "cat": lambda: torch.cat([x, x]),
    }


def call_overhead(device: torch.device, line: Timeline, calls: int = CALLS) -> dict[str, Any]:
    """Host seconds to queue one call, by kind, and wall seconds of it when calls follow at once."""
    return {name: _overhead(call, line, calls) for name, call in _tiny(device).items()}


def _overhead(call: Callable[[], object], line: Timeline, calls: int) -> dict[str, float]:
    for _ in range(20):
        call()
    host, wall = [], []
    for _ in range(BATCHES):
        line.wait()
        started = time.perf_counter()
        for _ in range(calls):
            call()
        host.append((time.perf_counter() - started) / calls)
        line.wait()
        wall.append((time.perf_counter() - started) / calls)
    ordered = sorted(host)
    return {
        "host_s": ordered[BATCHES // 2],
        "host_min_s": ordered[0],
        "host_max_s": ordered[-1],
        "wall_s": sorted(wall)[BATCHES // 2],
    }


def unlike_calls(device: torch.device, line: Timeline, rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds of calls that follow unlike ones, beside those of each among its own kind."""
    rows = CHAIN_ROWS if device.type == "cuda" else 8
    x = torch.randn(rows, CHAIN_WIDTH, device=device, dtype=torch.bfloat16)
    weight = torch.randn(CHAIN_WIDTH, CHAIN_WIDTH, device=device, dtype=x.dtype) / CHAIN_WIDTH**0.5
    chain: tuple[Callable[[], object], ...] = (
        lambda: functional.layer_norm(x, (CHAIN_WIDTH,)),
        lambda: x * weight[0],
        lambda: functional.linear(x, weight),
        lambda: functional.gelu(x, approximate="tanh"),
        lambda: x + x,
    )
    alone_s = sum(_round_s([call], line, rounds) for call in chain)
    return {
        "calls": len(chain),
        "alone_s": alone_s,
        "together_s": _round_s(chain, line, rounds),
    }


def stalls(device: torch.device, line: Timeline, rounds: int = STALLS) -> dict[str, Any]:
    """Device seconds of work whose host waits for a result in every round, and without that.

    What it adds are the kernels of `nonzero`, and the idle seconds of the device until its host has
    seen how many there are, has returned and has the next kernel there.
    """
    rows = CHAIN_ROWS if device.type == "cuda" else 8
    x = torch.randn(rows, CHAIN_WIDTH, device=device, dtype=torch.bfloat16)
    mask = torch.ones(MASK, device=device, dtype=torch.bool)

    def work() -> None:
        # Longer than the host needs to queue it, so that it is ahead again before the next wait
        for _ in range(STALLED_CALLS):
            x + x

    def ask() -> None:
        mask.nonzero()

    return {
        "calls": STALLED_CALLS,
        "waiting_s": _round_s((work, ask), line, rounds),
        "queued_s": _round_s((work,), line, rounds),
    }


def _round_s(chain: Sequence[Callable[[], object]], line: Timeline, rounds: int) -> float:
    """Seconds of the device for one round of calls, of many that are queued: the median of some."""

    def once() -> None:
        for call in chain:
            call()

    return median(queued_s(once, rounds, line) for _ in range(BATCHES)) / rounds


def copies(
    device: torch.device, line: Timeline, sizes_mib: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """Seconds to copy, each way, from memory that is pinned and that is not."""
    for mib in sizes_mib:
        there = torch.empty(mib * MIB, dtype=torch.uint8, device=device)
        for pinned in (True, False) if device.type == "cuda" else (False,):
            here = torch.empty(mib * MIB, dtype=torch.uint8, pin_memory=pinned)
            here.fill_(1)  # pages exist before they are timed
            ways = {"to_device": (there, here), "to_host": (here, there)}
            for way, (target, source) in ways.items():
                seconds = min(_copy_s(target, source, line) for _ in range(3))
                yield {"way": way, "pinned": pinned, "bytes": mib * MIB, "seconds": seconds}


def _copy_s(target: torch.Tensor, source: torch.Tensor, line: Timeline) -> float:
    line.wait()
    started = time.perf_counter()
    target.copy_(source, non_blocking=True)
    line.wait()
    return time.perf_counter() - started
