"""One operator of Wan 1.3B from its shape to the video, as a table of `docs/how-it-works.md`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kinowatt.analysis.predict import scenario
from kinowatt.facts.data import data_path
from kinowatt.facts.operator_tables import operator_table
from kinowatt.lab.rows import load_measurements
from kinowatt.theory.physics import PhysicalClock, Piece, physics_of
from kinowatt.theory.predict import Estimate, Scenario, estimate
from kinowatt.units import TERA, joules_to_wh

MODEL = "wan2.1-t2v-1.3b"
MEASURED = "measurements/h100-sxm.jsonl"
Line = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True)
class Worked:
    """The denoiser of a video, and its self-attention: `one` is all of its calls together."""

    asked: Scenario
    found: Estimate
    timer: PhysicalClock
    pieces: Sequence[Piece]
    forwards: float

    @property
    def one(self) -> Piece:
        return max(self.pieces, key=lambda piece: piece.operator.flops)

    @property
    def in_a_forward(self) -> float:
        return float(self.one.operator.calls / self.forwards)

    @property
    def total(self) -> tuple[float, float, float]:
        """Of one forward at the greatest clock: seconds that stretch, that do not, joules."""
        columns = ("compute_s", "memory_s", "dynamic_j")
        sums = (sum(getattr(piece, name) for piece in self.pieces) for name in columns)
        stretching_s, fixed_s, dynamic_j = (float(each) / self.forwards for each in sums)
        return stretching_s, fixed_s, dynamic_j


def worked() -> Worked:
    """At the settings of the card, by the default profile of the H100."""
    asked = scenario(MODEL)
    found = estimate(asked, operator_table)
    assert asked.profile.physics is not None
    timer = PhysicalClock(physics_of(asked.profile.physics))
    stages = [each for each in found.operators if each.stage == "denoiser"]
    pieces = [timer.piece(each) for each in stages]
    forwards = float(found.plan.effective.forward_passes)
    return Worked(asked=asked, found=found, timer=timer, pieces=pieces, forwards=forwards)


def lines() -> Iterator[Line]:
    """Step by step: what, how it comes about, how much."""
    yield ("Step", "By hand", "Value")
    case = worked()
    yield from _call(case)
    yield from _forward(case)
    yield from _video(case)


def _call(case: Worked) -> Iterator[Line]:
    one, gpu = case.one, case.asked.gpu
    flops, nbytes = (each / one.operator.calls for each in (one.operator.flops, one.operator.bytes))
    peak, bandwidth = gpu.peak_flops["bfloat16"], gpu.bandwidth_bytes_per_s
    law_s = one.compute_s / one.operator.calls
    yield ("tokens", "21 latent frames × 30 × 52 patches", f"{one.operator.dims['q']:,.0f}")
    yield ("FLOPs of a call", "2 · 2 · 12 · 128 · tokens²", f"{flops / TERA:.2f} TFLOP")
    yield ("bytes of a call", "4 · tokens · 12 · 128 · 2", f"{nbytes / 1e6:.0f} MB")
    yield ("at the peak", f"FLOPs / {peak / TERA:.0f} TFLOP/s", f"{1e3 * flops / peak:.2f} ms")
    moved = f"bytes / {bandwidth / TERA:.2f} TB/s"
    yield ("at the bandwidth", moved, f"{1e3 * nbytes / bandwidth:.2f} ms")
    rate = f"FLOPs / {flops / law_s / TERA:.0f} TFLOP/s"
    yield ("by the learned law, at the greatest clock", rate, f"{1e3 * law_s:.2f} ms")


def _forward(case: Worked) -> Iterator[Line]:
    power, (stretching_s, fixed_s, dynamic_j) = case.timer.physics.power, case.total
    unlimited_w = power.static_w + dynamic_j / (stretching_s + fixed_s)
    stage = case.found.stages["denoiser"]
    clock = stretching_s / (stage.latency_s / case.forwards - fixed_s)
    sums = f"C = {stretching_s:.4f} s, M = {fixed_s:.4f} s, E = {dynamic_j:.1f} J"
    yield (
        f"a forward, {len(case.pieces)} kinds of operators, greatest clock",
        sums,
        f"{stretching_s + fixed_s:.4f} s",
    )
    yield ("power that this would take", "static + E / (C + M)", f"{unlimited_w:.0f} W")
    limit = f"E (1 − a + a x) = (limit − static) (C / x + M), limit {power.limit_w:.0f} W"
    yield ("clock x that the limit leaves", limit, f"{100 * clock:.1f}%")
    mine = next(each for each in stage.operators if each.operator is case.one.operator)
    call_s, call_j = (value / mine.operator.calls for value in (mine.latency_s, mine.energy_j))
    yield ("the call at that clock", "C / x + M, its own", f"{1e3 * call_s:.2f} ms, {call_j:.2f} J")
    n = case.in_a_forward
    share = mine.latency_s / stage.latency_s
    yield (
        f"its {n:.0f} calls in a forward",
        f"× {n:.0f}",
        f"{n * call_s:.4f} s, {n * call_j:.1f} J, {100 * share:.0f}% of the forward",
    )


def _video(case: Worked) -> Iterator[Line]:
    stage, n = case.found.stages["denoiser"], case.forwards
    forward = f"{stage.latency_s / n:.4f} s, {stage.energy_j / n:.1f} J"
    yield ("the forward", "C / x + M", forward)
    made = f"{stage.latency_s:.1f} s, {joules_to_wh(stage.energy_j):.2f} Wh"
    yield ("the denoiser, predicted", f"× {n:.0f} forwards", made)
    row = next(row for row in load_measurements(str(data_path(MEASURED))) if row.model == MODEL)
    seen = row.stages["denoiser"]
    measured = f"{seen['latency_s']:.1f} s, {seen['energy_wh']['gpu']:.2f} Wh"
    yield ("the denoiser, measured", f"`data/{MEASURED}`, {row.protocol}", measured)
    known = row.conditions
    clock = 100 * known["clock_mhz"]["mean"] / known["max_sm_clock_mhz"]
    yield ("clock, measured", "mean of the samples of that row", f"{clock:.1f}%")
