"""Weights that offload moves between host and GPU: seconds by stage, in which the GPU waits."""

from collections.abc import Mapping

from kinowatt.facts.hosts import Transfers
from kinowatt.facts.models import ModelSpec, Recipe
from kinowatt.theory.passes import Tables


def moving_s(
    model: ModelSpec, recipe: Recipe, tables: Tables, rates: Transfers
) -> Mapping[str, float]:
    """Seconds by stage of one call, as diffusers' `enable_model_cpu_offload` has components take
    turns: each goes up before it runs, after the one before it came down; the last comes down at
    the end, in `other`."""
    weights = {role: tables(table).parameter_bytes for role, table in model.components.items()}
    seconds: dict[str, float] = {}
    resident: str | None = None
    for item in recipe.passes:
        if item.component == resident or item.component not in weights:
            continue
        down_s = weights[resident] / rates.to_host_bytes_per_s if resident else 0.0
        up_s = weights[item.component] / rates.to_device_bytes_per_s
        seconds[item.stage] = seconds.get(item.stage, 0.0) + down_s + up_s
        resident = item.component
    if resident:
        seconds["other"] = weights[resident] / rates.to_host_bytes_per_s
    return seconds
