"""What physics allows a measured row, and a microbenchmark, to say. A check yields what is wrong.

Rows are plain JSON. FLOPs come from our operator tables, peaks and bandwidths from the data sheets;
no speed that was fitted to rows enters, so that a row can't be judged by itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import permutations
from typing import Any

from kinowatt import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.facts.gpus import gpu
from kinowatt.theory.workload import FIELDS
from kinowatt.units import joules_to_wh, wh_to_joules

Row = Mapping[str, Any]
Check = Callable[[Row], Iterator[str]]

IDLE_W = 60.0  # no H100 or H200 draws as little with a pipeline loaded; where a row has no baseline
OVER_LIMIT = 1.03
SUMS = 2e-3  # two clocks, device and host, over the same video
PARTS = 0.02  # energy of the stages, most of them in windows of their own
ALONE = 0.05  # a short stage repeated alone keeps the GPU busier than it does inside a video
EXACT = 1e-6
FLOAT32_MEAN = 1e-6  # the fraction of finite values is a mean in float32: 1 - it is not quite 0
SAMPLED = 0.05  # mean of the sampled power against the counter's, over a whole video
ALIKE_TOKENS = 1.10
FASTER = 0.97
HOST_S = 0.05  # of a decode, below which the host sets its pace
APART = 1.06  # the same row on two machines: 5.1% where the host sets the pace, else 2% at most
CALL_BOUND_S = 90e-6  # per operator call: below it the host sets the pace, and it varies by more
# Fused convolutions of a float32 decoder run in TF32 where cuDNN is allowed to
TF32 = {"float32": "tf32"}


def planned(row: Row) -> Prediction:
    """Our own plan of a row's video: what runs and how many FLOPs, by stage."""
    conditions, work = row["conditions"], row["workload"]
    asked = tuple((name, work[name]) for name in FIELDS)
    how = (row["recipe"], conditions["tiling"], conditions["offload"])
    return _planned(row["model"], row["gpu"], how, asked)


@cache
def _planned(
    model: str, device: str, how: tuple[str, bool, str], asked: tuple[tuple[str, Any], ...]
) -> Prediction:
    recipe, tiling, offload = how
    return predict(
        model,
        gpu=device,
        profile=f"{device}/datasheet",
        recipe=recipe,
        tiling=tiling,
        offload=offload,
        **dict(asked),
    )


def power(row: Row) -> Iterator[str]:
    """Mean power of the video and of each run: above idle, at most the limit."""
    found = {"power_w": row["power_w"]}
    for index, run in enumerate(row["runs"]):
        wh = run["energy_wh"]["gpu"]
        found[f"runs[{index}]"] = None if wh is None else wh_to_joules(wh) / run["latency_s"]
    yield from _outside(row, found)


def stage_power(row: Row) -> Iterator[str]:
    """Mean power of every stage that was metered."""
    found = {
        stage: wh_to_joules(values["energy_wh"]["gpu"]) / values["latency_s"]
        for stage, values in row["stages"].items()
        if values["energy_wh"]["gpu"] is not None and values["latency_s"] > 0
    }
    yield from _outside(row, found)


def _outside(row: Row, found: Mapping[str, float | None]) -> Iterator[str]:
    low = row["idle_power_w"] or IDLE_W
    high = OVER_LIMIT * row["conditions"]["power_limit_w"]
    for name, watts in found.items():
        if watts is not None and not low <= watts <= high:
            yield f"{name}: {watts:.0f} W, not from {low:.0f} (idle) to {high:.0f} W (limit)"


def idle(row: Row) -> Iterator[str]:
    """An idle GPU draws something, and less than a third of its limit."""
    watts, limit = row["idle_power_w"], row["conditions"]["power_limit_w"]
    if watts is not None and not IDLE_W <= watts <= limit / 3:
        yield f"idle at {watts:.0f} W, of {limit:.0f}"


def sampled_power(row: Row) -> Iterator[str]:
    """Of a whole video the sampled power agrees with the counter's."""
    mean = row["conditions"]["sampled_power_w"]["mean"]
    if row["power_w"] and row["protocol"] == "full" and abs(mean / row["power_w"] - 1) > SAMPLED:
        yield f"sampled at {mean:.0f} W, counted {row['power_w']:.0f} W"


def energy_is_power_times_time(row: Row) -> Iterator[str]:
    wh = row["energy_wh"]["gpu"]
    if wh is None or row["power_w"] is None:
        return
    product = joules_to_wh(row["power_w"] * row["latency_s"])
    if abs(product / wh - 1) > EXACT:
        yield f"{row['power_w']:.4g} W x {row['latency_s']:.4g} s is {product:.4g} Wh, not {wh:.4g}"


def stages_sum(row: Row) -> Iterator[str]:
    total = sum(values["latency_s"] for values in row["stages"].values())
    if abs(total / row["latency_s"] - 1) > SUMS:
        yield f"stages take {total:.4f} s of {row['latency_s']:.4f} s"


def stages_energy(row: Row) -> Iterator[str]:
    """What the stages took is no more than the whole."""
    whole = row["energy_wh"]["gpu"]
    parts = (values["energy_wh"]["gpu"] for values in row["stages"].values())
    total = sum(wh for wh in parts if wh is not None)
    alone = any("alone" in values.get("energy_by", "") for values in row["stages"].values())
    if whole is not None and total > (1 + (ALONE if alone else PARTS)) * whole:
        yield f"stages took {total:.4g} Wh of {whole:.4g} Wh"


def runs_mean(row: Row) -> Iterator[str]:
    """The row is the mean of its runs, in seconds and in joules."""
    runs = row["runs"]
    for name, of_run, own in (
        ("latency_s", lambda run: run["latency_s"], row["latency_s"]),
        ("energy_wh.gpu", lambda run: run["energy_wh"]["gpu"], row["energy_wh"]["gpu"]),
    ):
        values = [of_run(run) for run in runs]
        if values and None not in values and own is not None:
            mean = sum(values) / len(values)
            if abs(mean / own - 1) > EXACT:
                yield f"{name}: {own:.5g}, but the mean of its runs is {mean:.5g}"


def flops(row: Row) -> Iterator[str]:
    """No stage computes faster than the dense peak of its dtype."""
    peaks, dtypes = gpu(row["gpu"]).peak_flops, row["conditions"]["dtype"]
    for stage, plan in planned(row).stages.items():
        seconds = row["stages"].get(stage, {}).get("latency_s")
        if not seconds or not plan["flops"]:
            continue
        dtype = dtypes.get(stage, "bfloat16")
        peak = peaks[TF32.get(dtype, dtype)]
        achieved = plan["flops"] / seconds
        if achieved >= peak:
            yield f"{stage}: {achieved / 1e12:.0f} TFLOP/s, of {peak / 1e12:.0f} ({dtype})"


def work(row: Row) -> Iterator[str]:
    """What the row says that ran is what its settings make our plan run."""
    plan, ran = planned(row), row["workload"]["effective"]
    expected = plan.workload["effective"]
    for name, value in ran.items():
        if value != expected[name]:
            yield f"effective.{name} is {value}, planned {expected[name]}"
    if row["stages"]["denoiser"]["calls"] != expected["forward_passes"]:
        calls = row["stages"]["denoiser"]["calls"]
        yield f"denoiser called {calls} times, planned {expected['forward_passes']}"


def finite(row: Row) -> Iterator[str]:
    """The same work as a real video: no value on the way is infinite or not a number."""
    for where, values in row["conditions"]["activations"].items():
        if not 0 <= values["nonfinite"] <= FLOAT32_MEAN:
            yield f"{where}: {values['nonfinite']:.2g} of the values are not finite"


def memory(row: Row) -> Iterator[str]:
    peak, reserved = row["peak_memory_gib"], row["peak_reserved_gib"]
    size = row["conditions"]["gpu_memory_gib"]
    if not 0 < peak <= reserved <= size:
        yield f"peak of {peak:.1f} GiB, {reserved:.1f} reserved, of {size:.1f}"
    for stage, values in row["stages"].items():
        if values.get("peak_memory_gib", 0) > peak:
            yield f"{stage}: {values['peak_memory_gib']:.1f} GiB, above the row's {peak:.1f}"


def clocks(row: Row) -> Iterator[str]:
    conditions = row["conditions"]
    highest = conditions["clock_mhz"]["max"]
    if highest > conditions["max_sm_clock_mhz"]:
        yield f"{highest:.0f} MHz, above the maximum of {conditions['max_sm_clock_mhz']:.0f}"
    for name in ("clock_mhz", "memory_clock_mhz", "temperature_c", "sampled_power_w"):
        found = conditions[name]
        if not found["min"] <= found["mean"] * (1 + EXACT) <= found["max"] * (1 + 2 * EXACT):
            yield f"{name}: mean {found['mean']:.1f} not in {found['min']:.1f}–{found['max']:.1f}"


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        *(power, stage_power, idle, sampled_power, energy_is_power_times_time),
        *(stages_sum, stages_energy, runs_mean, flops, work, finite, memory, clocks),
    )
}


def failing(row: Row) -> dict[str, list[str]]:
    """By check, what is wrong with a row; empty where nothing is."""
    found = {name: list(check(row)) for name, check in CHECKS.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


# Rows against each other -------------------------------------------------------------------------

HOW = ("attention_backend", "compile", "offload", "dtype", "torch", "diffusers", "weights")


def disordered(rows: Iterable[Row]) -> list[str]:
    """Pairs of like rows in which more tokens take less time a forward."""
    return [
        f"{_named(large)}: {_forward_s(large):.4f} s a forward; {_named(small)}:"
        f" {_forward_s(small):.4f} s"
        for small, large in comparable(rows)
        if _forward_s(large) < FASTER * _forward_s(small)
    ]


def comparable(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """Pairs of like rows, the one with fewer tokens first; not where the host sets both paces."""
    for alike in _grouped(rows, _like):
        for small, large in permutations(alike, 2):
            if _larger(small, large) and not (_call_bound(small) and _call_bound(large)):
                yield small, large


def _like(row: Row) -> str:
    """GPU, model, recipe, videos at once, guidance, and how the pipeline ran."""
    ran, conditions = row["workload"]["effective"], row["conditions"]
    own = [row["gpu"], row["model"], row["recipe"], row["workload"]["batch_size"]]
    own += [ran["sequences_per_pass"], ran["forward_passes"] // row["workload"]["steps"]]
    return repr([*own, *(conditions[name] for name in HOW)])


def _larger(small: Row, large: Row) -> bool:
    """At least a tenth more tokens; with attention frame by frame, in both frames and area."""
    a, b = small["workload"]["effective"], large["workload"]["effective"]
    if b["tokens"] < ALIKE_TOKENS * a["tokens"]:
        return False
    if small["model"] != "animatediff-lightning":
        return True
    areas = (a["height_px"] * a["width_px"], b["height_px"] * b["width_px"])
    return bool(b["frames"] >= a["frames"] and areas[1] >= areas[0])


def _forward_s(row: Row) -> float:
    found: float = row["stages"]["denoiser"]["forward_s"]
    return found


def _call_bound(row: Row) -> bool:
    stage = planned(row).stages["denoiser"]
    calls = stage["calls"] / row["workload"]["effective"]["forward_passes"]
    return _forward_s(row) < calls * CALL_BOUND_S


def crowded(rows: Iterable[Row]) -> list[str]:
    """Pairs alike but for videos at once or guidance in which more sequences take less time."""
    return [
        f"{_named(large)}: {_forward_s(large):.4f} s a forward of more sequences;"
        f" {_named(small)}: {_forward_s(small):.4f} s"
        for small, large in more_sequences(rows)
        if _forward_s(large) < FASTER * _forward_s(small)
    ]


def more_sequences(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """Pairs that differ in how many sequences a forward takes, the one with fewer first."""
    for alike in _grouped(rows, _but_sequences):
        for small, large in permutations(alike, 2):
            fewer, more = (
                row["workload"]["effective"]["sequences_per_pass"] for row in (small, large)
            )
            if fewer < more and not (_call_bound(small) and _call_bound(large)):
                yield small, large


def _but_sequences(row: Row) -> str:
    ran, conditions = row["workload"]["effective"], row["conditions"]
    sizes = [ran[name] for name in ("height_px", "width_px", "frames")]
    own = [row["gpu"], row["model"], row["recipe"], *sizes]
    return repr([*own, *(conditions[name] for name in HOW)])


def apart(rows: Iterable[Row]) -> list[str]:
    """Pairs of the same thing, by whatever protocol and machine, that are not near each other.

    Rows that were composed without the seconds in which offloaded weights move are not the same.
    """
    found = []
    for alike in _grouped((row for row in rows if not _unmoved(row)), _same):
        for name, of in (
            ("seconds", lambda r: r["latency_s"]),
            ("Wh", lambda r: r["energy_wh"]["gpu"]),
        ):
            known = sorted((of(row), _named(row)) for row in alike if of(row) is not None)
            if known and known[-1][0] > APART * known[0][0]:
                found.append(f"{name}: {known[0]} and {known[-1]}")
    return found


def _unmoved(row: Row) -> bool:
    composed = row["conditions"].get("composed")
    return row["conditions"]["offload"] != "none" and bool(composed) and "moves_s" not in composed


def _same(row: Row) -> str:
    work = {name: value for name, value in row["workload"].items() if name != "video_s"}
    return repr(
        [row["gpu"], row["model"], row["recipe"], work, row["conditions"]["tiling"]]
    ) + repr([row["conditions"][name] for name in HOW])


def decoders(rows: Iterable[Row]) -> list[str]:
    """Pairs of like rows in which a larger picture is decoded in less time."""
    return [
        f"{_named(large)} is decoded in {_decode_s(large):.3f} s, {_named(small)} in"
        f" {_decode_s(small):.3f} s"
        for small, large in larger_pictures(rows)
        if _decode_s(large) < FASTER * _decode_s(small)
    ]


def larger_pictures(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """Pairs of as many frames, decoded alike, the one with the smaller picture first; shorter decodes
    wait for their hosts, which differ."""
    for alike in _grouped(rows, _decoder):
        for small, large in permutations(alike, 2):
            if _area(large) >= ALIKE_TOKENS * _area(small) and _decode_s(small) >= HOST_S:
                yield small, large


def _decoder(row: Row) -> str:
    """As many frames and videos at once, by the same decoder."""
    ran, conditions = row["workload"]["effective"], row["conditions"]
    own = [row["gpu"], row["model"], row["recipe"], conditions["tiling"], conditions["offload"]]
    batch = row["workload"]["batch_size"]
    return repr([*own, batch, conditions["dtype"]["vae_decoder"], ran["frames"]])


def _area(row: Row) -> int:
    ran = row["workload"]["effective"]
    found: int = ran["height_px"] * ran["width_px"]
    return found


def _decode_s(row: Row) -> float:
    found: float = row["stages"]["vae_decoder"]["latency_s"]
    return found


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> list[list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _named(row: Row) -> str:
    ran = row["workload"]["effective"]
    size = f"{ran['height_px']}x{ran['width_px']}x{ran['frames']}"
    return f"{row['model']} {size} ({row['taken_at']})"


def duplicates(rows: Sequence[Row]) -> list[str]:
    """Rows that are in the data twice."""
    keys = [(row["model"], row["taken_at"], row["latency_s"]) for row in rows]
    return [f"{key}" for key in dict.fromkeys(keys) if keys.count(key) > 1]
