"""Measures the peak of live bytes of components on a GPU: the rows of data/memory/GPU.jsonl.

    python scripts/measure_memory.py TABLE f=21 h=60 w=104 b=1 l=512

One forward with random weights after a first one, in a process of its own so that nothing else
is resident; `live_mib` is torch's max_memory_allocated less the weights.
"""

import json
import sys
import time
from typing import Any

import torch

from kinowatt.facts.components import component
from kinowatt.lab.modules import parameter_bytes, with_random_weights
from kinowatt.lab.tracing import components

VALID_TOKENS = 40


def on_gpu(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    """Inputs of realistic scale instead of the tracer's empty ones."""
    if dtype.is_floating_point:
        return torch.randn(shape, device="cuda").to(dtype)
    if dtype is torch.bool:
        mask = torch.zeros(shape, dtype=dtype, device="cuda")
        mask[..., :VALID_TOKENS] = True
        return mask
    return torch.ones(shape, dtype=dtype, device="cuda")


def measure(table: str, point: dict[str, int]) -> dict[str, Any]:
    component_id, _, dtype = table.rpartition(".")
    found = component(component_id)
    module = with_random_weights(found.cls, found.library, found.config, dtype, "cuda")
    weights = parameter_bytes(module)
    components._empty = on_gpu
    call = components.adapter(found.cls).call(module, getattr(torch, dtype), point)
    with torch.no_grad():
        call()
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
    return {
        "table": table,
        "point": point,
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "weights_mib": weights / 2**20,
        "live_mib": (torch.cuda.max_memory_allocated() - weights) / 2**20,
        "forward_s": time.perf_counter() - start,
    }


if __name__ == "__main__":
    pairs = (argument.partition("=") for argument in sys.argv[2:])
    values = {name: int(value) for name, _, value in pairs}
    sys.stdout.write(json.dumps(measure(sys.argv[1], values)) + "\n")
