"""One row: the settings of a measurement sorted out, and a worker process that takes it."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from kinowatt.errors import InputError, KinowattError, expect_extra, unknown_name
from kinowatt.facts.models import ModelSpec, model
from kinowatt.lab.measurement import Measurement
from kinowatt.lab.request import BuildOptions, FullOptions, VideoRequest
from kinowatt.lab.worker import Failure, Workers

FACTORY = "kinowatt.lab.session:open_session"
BUILD = (*(field.name for field in fields(BuildOptions)), "meters")
ASKED = (*(field.name for kind in (VideoRequest, FullOptions) for field in fields(kind)), "preset")
SETTINGS = tuple(dict.fromkeys((*BUILD, *ASKED)))  # the seed is the pipeline's
DEFAULT_LIMIT_S = 4 * 3600.0
OnEvent = Callable[[dict[str, Any]], None]


class MeasurementFailed(KinowattError):  # noqa: N818 (it names what happened)
    """There is no row; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.cause.replace('_', ' ')}: {failure.detail}")
        self.failure = failure


def measure(
    name: str,
    *,
    protocol: str = "full",
    store: str | None = None,
    on_event: OnEvent | None = None,
    time_limit_s: float = DEFAULT_LIMIT_S,
    **settings: Any,
) -> Measurement:
    """Measures one video of a model on this machine, in a process of its own.

    `protocol`: "full" or "sampled". `store`: a `.jsonl` file that the row is added to.
    `on_event`: told of progress. Settings are those of `BuildOptions` (weights, dtype, device,
    attention, offload, tiling, compile, twin, …), `meters`, `VideoRequest` (height_px, frames,
    steps, …, `preset`) and `FullOptions` (warmup, runs, …). Raises `InputError` for settings that
    cannot be, `MeasurementFailed` where there is no row.
    """
    expect_extra("measure", "torch", "diffusers", "transformers", "accelerate")
    key, request = sorted_out(model(name), settings)
    with Workers(FACTORY, rows_to=store, on_event=on_event) as workers:
        outcome = workers.run(key, {**request, "protocol": protocol}, time_limit_s)
    if outcome.row is None:
        assert outcome.failure is not None
        if outcome.failure.bad_input:
            raise InputError(outcome.failure.detail)
        raise MeasurementFailed(outcome.failure)
    return Measurement.from_dict(outcome.row)


def sorted_out(
    spec: ModelSpec, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What makes the pipeline (the key of its worker), and what is asked of it."""
    for name in settings:
        if name not in SETTINGS:
            raise unknown_name("setting", name, SETTINGS)
    given = {name: value for name, value in settings.items() if value is not None}
    preset = spec.preset(given.get("preset", "default"))
    key = {"tiling": preset.tiling, "offload": preset.offload}
    key |= {name: given[name] for name in BUILD if name in given}
    request = {name: given[name] for name in ASKED if name in given and name not in BUILD}
    if key.get("device", "cuda") == "cpu":
        key["offload"] = given.get("offload", "none")  # a CPU has nowhere to offload to
        key.setdefault("dtype", "float32")
    if key.get("twin"):
        request = twin_size(spec) | request
    return {"model": spec.name, **key}, request


def twin_size(spec: ModelSpec) -> dict[str, int]:
    """A size at which a tiny twin takes part of a second on a CPU."""
    multiple = spec.rules.size_multiple
    return {
        "height_px": max(64, 3 * multiple),
        "width_px": max(64, 5 * multiple),
        "frames": 9,
        "steps": 4,
    }
