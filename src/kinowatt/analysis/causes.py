"""Ways of running that make a video slower or hungrier: one registered function per cause.

Settings, units, runs, models and GPUs are `analysis.audit.hypotheses`; these are what labels do
not say at all.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kinowatt.errors import InputError
from kinowatt.facts.hosts import first_call, offloading
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.facts.profiles import profile_files
from kinowatt.facts.throttling import shown
from kinowatt.theory.kernels import known_kernels
from kinowatt.theory.physics import timer_of
from kinowatt.theory.predict import Estimate, Scenario, estimate, moved_of
from kinowatt.units import joules_to_wh

OFFLOADED = -2.5  # shared among hosts as usual, quicker and slower
TOLD = math.log(100)  # where the driver itself says so: it is seldom wrong
LIMITS = (0.8, 0.6, 0.4)  # shares of the power limit that a throttled GPU is tried at


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What a video would take if a cause held; `prior`: natural logarithm, the labels being 0.

    `energy_wh` is of the GPU, None where it is not modelled.
    """

    kind: str
    words: str
    prior: float
    latency_s: float
    energy_wh: float | None


Cause = Callable[[Scenario, Estimate], Iterator[Effect]]  # with what is believed, estimated
_REGISTRY: dict[str, Cause] = {}


def cause(kind: str) -> Callable[[Cause], Cause]:
    """Registers a cause under its kind; a duplicate is refused."""

    def register(function: Cause) -> Cause:
        if kind in _REGISTRY:
            raise ValueError(f"cause {kind!r} is registered twice")
        _REGISTRY[kind] = function
        return function

    return register


def causes() -> Mapping[str, Cause]:
    return _REGISTRY


def effects(scenario: Scenario) -> Iterator[Effect]:
    """Of every cause that can be predicted for this model, GPU and profile."""
    believed = estimate(scenario, operator_table)
    for function in _REGISTRY.values():
        yield from function(scenario, believed)


def _effect(scenario: Scenario, kind: str, words: str, prior: float) -> Effect:
    found = estimate(scenario, operator_table)
    return Effect(
        kind=kind,
        words=words,
        prior=prior,
        latency_s=float(found.latency_s),
        energy_wh=joules_to_wh(float(found.energy_j)),
    )


# What PyTorch's other kernels of attention are called, and how likely each is
ATTENTION = {
    "math": ("attention without a fused kernel (math)", -2.5),
    "flash": ("flash attention instead of cuDNN's", -1.5),
    "efficient": ("memory-efficient attention instead of cuDNN's", -2.0),
}


@cause("attention")
def _attention(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """Another kernel; `math` writes its scores to memory."""
    if scenario.model.form == "paper" or "attention" in scenario.what_if:
        return  # the published form states no bytes
    known = known_kernels((scenario.profile.physics or {}).get("laws", {}))
    for kernel, (words, prior) in ATTENTION.items():
        if kernel in ("math", *known):
            yield _effect(_with(scenario, "attention", kernel), "attention", words, prior)


@cause("compiled")
def _compiled(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """Blocks that torch compiled: the only cause that makes a usual row quicker."""
    if "compile" in scenario.what_if or scenario.model.form == "paper":
        return
    try:
        yield _effect(
            _with(scenario, "compile", "blocks"), "compiled", "compiled transformer blocks", -1.5
        )
    except InputError:
        return  # a UNet has no such blocks


def _with(scenario: Scenario, key: str, value: str) -> Scenario:
    return replace(scenario, what_if={**scenario.what_if, key: value})


@cause("software")
def _software(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """Another fitted profile of the same GPU: the software of another year."""
    for name in profile_files():
        if not name.startswith(f"{scenario.gpu.name}/") or name == scenario.profile.name:
            continue
        other = find_profile(name, scenario.gpu)
        if other.kind == "fitted":
            words = f"other software: that of {name}"
            yield _effect(replace(scenario, profile=other), "software", words, -1.5)


@cause("float32")
def _float32(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """Matrix products and attention at the peak of float32, twice the bytes; convolutions stay."""
    physics, peaks = scenario.profile.physics, scenario.gpu.peak_flops
    if physics is None or not {"float32", "bfloat16"} <= set(peaks):
        return
    share = peaks["float32"] / peaks["bfloat16"]
    laws = {
        name: _slower(law, share if name.startswith(("linear", "attention")) else 1.0)
        for name, law in physics["laws"].items()
    }
    changed = _with_physics(scenario, {**physics, "laws": laws})
    yield _effect(changed, "float32", "float32 instead of half precision", -2.5)


def _slower(law: Mapping[str, Any], share: float) -> dict[str, Any]:
    halved = {**law, "bandwidth_bytes_per_s": law["bandwidth_bytes_per_s"] / 2}
    if law.get("rate_flops") is not None:
        halved["rate_flops"] = law["rate_flops"] * share
    return halved


def _with_physics(scenario: Scenario, physics: Mapping[str, Any]) -> Scenario:
    return replace(scenario, profile=replace(scenario.profile, physics=physics))


@cause("offload")
def _offload(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """Weights that move to the GPU and back, by hosts as slow as they come; or stay, if believed to
    move."""
    if scenario.model.form == "paper":
        return
    if scenario.offload == "model":
        words = "weights stayed on the GPU (no offload)"
        yield _effect(replace(scenario, offload="none"), "offload", words, OFFLOADED)
        return
    offloaded = replace(scenario, offload="model")
    moved = moved_of(offloaded, operator_table)
    words = "weights offloaded to the host (model offload)"
    usual = _effect(offloaded, "offload", words, OFFLOADED + math.log(0.6))
    assert usual.energy_wh is not None
    yield usual
    for times in offloading().spread["80"]:
        yield replace(
            usual,
            words=f"{words}, moved in {times:g} times the usual seconds",
            prior=OFFLOADED + math.log(0.2),
            latency_s=usual.latency_s + (times - 1) * moved["latency"],
            energy_wh=usual.energy_wh + (times - 1) * moved["energy"],
        )


@cause("warm-up")
def _warm_up(scenario: Scenario, believed: Estimate) -> Iterator[Effect]:
    """The first call of a process, which loads and chooses kernels while the GPU waits."""
    extra_s = first_call().extra_s
    waiting_w = float(timer_of(scenario.profile, scenario.gpu).waiting_w())
    yield Effect(
        kind="warm-up",
        words="no warm-up: the first call of a process",
        prior=-2.5,
        latency_s=float(believed.latency_s) + extra_s,
        energy_wh=joules_to_wh(float(believed.energy_j) + extra_s * waiting_w),
    )


@cause("tiling")
def _tiling(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """The VAE decoder in tiles or whole, the other way than believed."""
    if scenario.model.form == "paper":
        return
    words = "VAE not tiled" if scenario.tiling else "VAE tiled"
    yield _effect(replace(scenario, tiling=not scenario.tiling), "tiling", words, -2.5)


@cause("throttling")
def _throttling(scenario: Scenario, _: Estimate) -> Iterator[Effect]:
    """A lower power limit, or heat that acts like one: the clock falls until the power fits."""
    physics = scenario.profile.physics
    if physics is None:
        return
    for share in LIMITS:
        limit_w = physics["power"]["limit_w"] * share
        if limit_w > physics["power"]["static_w"]:
            words = f"throttled, or a power limit of about {limit_w:.0f} W"
            yield _effect(_held_to(scenario, limit_w), "throttling", words, -3.0)


def throttled(scenario: Scenario, found: Mapping[str, float], power_w: float) -> Iterator[Effect]:
    """Faults that the driver told of while the GPU drew `power_w`, which it was then held to.

    Nothing where the profile has no physics, or where less was drawn than its static power.
    """
    physics = scenario.profile.physics
    if physics is not None and found and power_w > physics["power"]["static_w"]:
        words = (
            f"the GPU was throttled to about {power_w:.0f} W: its driver tells of {shown(found)}"
        )
        yield _effect(_held_to(scenario, power_w), "throttling", words, TOLD)


def _held_to(scenario: Scenario, limit_w: float) -> Scenario:
    physics = scenario.profile.physics or {}
    power = {**physics["power"], "limit_w": limit_w}
    return _with_physics(scenario, {**physics, "power": power})
