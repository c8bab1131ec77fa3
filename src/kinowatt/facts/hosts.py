"""What the host adds to a video, as measured on one: weights that move, a first call."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from kinowatt.facts.loading import SHIPPED, number, read_toml


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfers:
    """Bytes per second at which offload moves weights; `gpu`: where measured.

    `spread`: measured over predicted seconds of a call's moves, low and high ends by level.
    """

    to_device_bytes_per_s: float
    to_host_bytes_per_s: float
    spread: Mapping[str, tuple[float, float]]
    gpu: str
    source: str


@lru_cache(maxsize=1)
def offloading() -> Transfers:
    path = SHIPPED / "hosts.toml"
    table = read_toml(path)["offload"]
    return Transfers(
        to_device_bytes_per_s=number(table, "to_device_bytes_per_s", path.name),
        to_host_bytes_per_s=number(table, "to_host_bytes_per_s", path.name),
        spread={level: (low, high) for level, (low, high) in table["spread"].items()},
        gpu=table["gpu"],
        source=table["source"],
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstCall:
    """Seconds that the first call of a process takes on top: the median of those seen."""

    extra_s: float
    gpu: str
    source: str


@lru_cache(maxsize=1)
def first_call() -> FirstCall:
    path = SHIPPED / "hosts.toml"
    table = read_toml(path)["first_call"]
    return FirstCall(
        extra_s=number(table, "extra_s", path.name), gpu=table["gpu"], source=table["source"]
    )
