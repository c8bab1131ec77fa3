"""`kinowatt trace`: from a component's config to its committed table of operators.

The real module is built on the `meta` device (no weights, no GPU), run at a few small sizes, and
every operator's shapes are written as exact polynomials of the symbols: f, h, w the latent grid,
b the batch of one call, l the text tokens computed, v the valid prompt tokens.
"""

import itertools
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kinowatt.lab.modules import on_meta, parameter_bytes, parameter_count
from kinowatt.lab.tracing import components, fitting, tables, writing
from kinowatt.lab.tracing.components import Adapter, Point
from kinowatt.lab.tracing.recorder import Event, record_forward


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What to trace: a class with its config, in one dtype, in one role of a pipeline."""

    table: str
    cls: str
    library: str
    config: Mapping[str, Any]
    dtype: str
    role: str  # "text_encoder", "denoiser", "vae_decoder" or a recipe's own


def trace(source: Source, path: Path) -> None:
    """Traces one component and writes its table to `path` (JSON)."""
    module, adapter = open_module(source)
    dtype = getattr(torch, source.dtype)
    found = [
        {
            "when": case.when,
            "rows": [writing.row_record(row, totals) for row, totals in case.rows.items()],
        }
        for planned in tables.cases(adapter, source.config)
        for case in tables.trace_case(module, adapter, dtype, planned, source.role)
    ]
    header = _header(source, module, adapter)
    header["memory"] = _memory(module, adapter, dtype)
    writing.write_table(path, header, found)


def live_forward(source: Source, point: Point) -> list[Event]:
    """The operators of one forward at one size, in order: the oracle that tables answer to."""
    module, adapter = open_module(source)
    full = {**point, **adapter.fixed, **adapter.derive({**point, **adapter.fixed})}
    return record_forward(
        module, adapter.call(module, getattr(torch, source.dtype), full), full.get("v")
    )


def open_module(source: Source) -> tuple[torch.nn.Module, Adapter]:
    _quiet()
    module = on_meta(source.cls, source.library, source.config, source.dtype)
    return module, components.adapter(source.cls)


def _quiet() -> None:
    """Casts that `on_meta` does on purpose are warned about by diffusers."""
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="torch.nn.init")


def _header(source: Source, module: torch.nn.Module, adapter: Adapter) -> dict[str, Any]:
    import diffusers
    import transformers

    return {
        "format": writing.FORMAT_VERSION,
        "id": source.table,
        "cls": source.cls,
        "role": source.role,
        "dtype": source.dtype,
        "parameters": parameter_count(module),
        "parameter_bytes": parameter_bytes(module),
        "config_digest": writing.config_digest(source.config),
        "versions": {
            "torch": torch.__version__.split("+")[0],
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
        },
        "derived": dict(adapter.derived),
    }


def _memory(module: torch.nn.Module, adapter: Adapter, dtype: torch.dtype) -> dict[str, Any]:
    points = [
        {**p, **adapter.fixed, **adapter.derive({**p, **adapter.fixed})}
        for p in _combinations(adapter.large)
    ]
    peaks = [
        max(
            e.live_bytes for e in record_forward(module, adapter.call(module, dtype, p), p.get("v"))
        )
        for p in points
    ]
    return writing.memory_record(*fitting.relative_fit(_peak_terms(adapter), points, peaks))


def _combinations(values: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """Sizes together from small to large, with every batch: the peak is linear in between."""
    length = max(len(v) for v in values.values())
    shapes = {s: v for s, v in values.items() if s != "b"}
    found = []
    for i, batch in itertools.product(range(length), values["b"]):
        found.append({"b": batch, **{s: v[min(i, len(v) - 1)] for s, v in shapes.items()}})
        found.append({"b": batch, **{s: v[-1 - min(i, len(v) - 1)] for s, v in shapes.items()}})
        found[-1]["f" if "f" in shapes else "b"] = shapes.get("f", (batch,))[min(i, 0)]
    return found


def _peak_terms(adapter: Adapter) -> list[fitting.Monomial]:
    terms: list[fitting.Monomial] = [()]
    if "l" in adapter.large and "h" not in adapter.large:
        return [*terms, ("b", "l"), ("b", "l", "l")]
    terms.append(("b", "h", "w"))
    if "f" in adapter.large:
        terms += [("b", "f", "h", "w"), ("f", "h", "w")]
    return terms
