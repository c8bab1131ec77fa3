"""How fast weights move between host and GPU, as measured on one host."""

from dataclasses import dataclass
from functools import lru_cache

from kinowatt.facts.loading import SHIPPED, number, read_toml


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfers:
    """Bytes per second of copies from and to pageable host memory; `gpu`: where measured."""

    to_device_bytes_per_s: float
    to_host_bytes_per_s: float
    gpu: str
    source: str


@lru_cache(maxsize=1)
def pageable() -> Transfers:
    path = SHIPPED / "transfers.toml"
    table = read_toml(path)["pageable"]
    return Transfers(
        to_device_bytes_per_s=number(table, "to_device_bytes_per_s", path.name),
        to_host_bytes_per_s=number(table, "to_host_bytes_per_s", path.name),
        gpu=table["gpu"],
        source=table["source"],
    )
