"""Instants on a device: CUDA events that cost the host nothing, or the clock of a CPU."""

import time
from typing import Any, Protocol

import torch


class Timeline(Protocol):
    """Marks instants in the order of the device's work."""

    def mark(self) -> Any:
        """An instant after all work queued so far, without waiting for it."""

    def seconds(self, first: Any, second: Any) -> float:
        """Time between two marks that are over."""

    def wait(self) -> None:
        """Until everything queued is done."""

    def wait_for(self, mark: Any) -> None:
        """Until a mark is over; what was queued after it may still run."""

    def forget_peak(self) -> None:
        """Starts the search for peak memory anew."""

    def peak_bytes(self) -> tuple[int, int] | None:
        """Most bytes allocated and reserved since then; None where nobody counts them."""


class CudaTimeline:
    def __init__(self, device: torch.device) -> None:
        self.device = device

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def seconds(self, first: torch.cuda.Event, second: torch.cuda.Event) -> float:
        return float(first.elapsed_time(second)) / 1000

    def wait(self) -> None:
        torch.cuda.synchronize(self.device)

    def wait_for(self, mark: torch.cuda.Event) -> None:
        mark.synchronize()

    def forget_peak(self) -> None:
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak_bytes(self) -> tuple[int, int] | None:
        # One look for both: `max_memory_allocated` and its sister flatten all counters each time
        stats = torch.cuda.memory_stats_as_nested_dict(self.device)
        return stats["allocated_bytes"]["all"]["peak"], stats["reserved_bytes"]["all"]["peak"]


class CpuTimeline:
    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, first: float, second: float) -> float:
        return second - first

    def wait(self) -> None:
        pass

    def wait_for(self, mark: float) -> None:
        pass

    def forget_peak(self) -> None:
        pass

    def peak_bytes(self) -> tuple[int, int] | None:
        return None


def timeline(device: torch.device) -> Timeline:
    return CudaTimeline(device) if device.type == "cuda" else CpuTimeline()
