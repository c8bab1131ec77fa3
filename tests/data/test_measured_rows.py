"""Every committed row and microbenchmark passes what physics allows, and each check can fail."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from data import physics, rates
from kinowatt.lab.rows import load_measurements

Row = dict[str, Any]
ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / "data" / name for name in ("measurements", "protocol")]
FILES = [file for folder in FOLDERS for file in sorted(folder.rglob("*.jsonl"))]
FILES = [file for file in FILES if not file.name.endswith(".failures.jsonl")]
BENCHES = sorted((ROOT / "data" / "microbench").glob("*.json"))
NAMES = {"ids": lambda path: f"{path.parent.name}/{path.name}"}


def rows_of(file: Path) -> list[Row]:
    return [row.to_dict() for row in load_measurements(file)]


def every_row() -> list[Row]:
    return [row for file in FILES for row in rows_of(file)]


@pytest.mark.parametrize("file", FILES, **NAMES)
def test_every_row_is_possible(file: Path) -> None:
    rows = rows_of(file)
    assert rows
    wrong = {f"{file.name}:{n}": physics.failing(row) for n, row in enumerate(rows, start=1)}
    assert {where: found for where, found in wrong.items() if found} == {}


def test_more_tokens_take_more_time() -> None:
    rows = every_row()
    assert len(list(physics.comparable(rows))) >= 4  # Wan of both sizes, 33 and 81 frames, at least
    assert physics.disordered(rows) == []


def test_rows_agree_with_each_other() -> None:
    """What-ifs are judged too: of batch and guidance by `crowded`, of kernels by `apart`, since a
    row that ran other kernels than it says is not near the rows that it claims to be like."""
    rows = every_row()
    assert len(list(physics.more_sequences(rows))) >= 50
    assert physics.crowded(rows) == []
    assert len(list(physics.larger_pictures(rows))) >= 50
    assert physics.decoders(rows) == []
    assert physics.apart(rows) == []


def test_no_row_is_there_twice() -> None:
    rows = every_row()
    assert physics.duplicates(rows) == []
    assert len(physics.duplicates([*rows, rows[0]])) == 1


@pytest.mark.parametrize("file", BENCHES, **NAMES)
def test_every_microbench_is_possible(file: Path) -> None:
    bench = json.loads(file.read_text("utf-8"))
    assert rates.failing(bench) == {}


# Each check can fail -----------------------------------------------------------------------------


def real(model: str, protocol: str, frames: int) -> Row:
    """A committed row, to be corrupted."""
    for row in rows_of(ROOT / "data/protocol/h100-sxm.jsonl"):
        ran = row["workload"]["effective"]
        if (row["model"], row["protocol"], ran["frames"]) == (model, protocol, frames):
            return row
    raise LookupError(f"{model}, {protocol}, {frames} frames")


def composed() -> Row:
    """Its decoder draws less than its denoiser, each metered in windows of its own."""
    return real("cogvideox-5b", "sampled", 49)


def whole() -> Row:
    return real("wan2.1-t2v-1.3b", "full", 33)


def scale_all_seconds(row: Row, factor: float) -> None:
    """As if a clock had another unit, through the whole row."""
    row["latency_s"] *= factor
    for found in (*row["stages"].values(), *row["runs"]):
        found["latency_s"] *= factor


def milliwatts(row: Row) -> None:
    row["power_w"] *= 1000


def kilowatt_hours(row: Row) -> None:
    row["energy_wh"]["gpu"] /= 1000


def milliseconds(row: Row) -> None:
    row["latency_s"] *= 1000


def faster_clock(row: Row) -> None:
    """Seconds, and joules with them, a tenth: the powers stay as they were."""
    scale_all_seconds(row, 0.1)
    row["energy_wh"]["gpu"] *= 0.1
    for found in (*row["stages"].values(), *row["runs"]):
        energy = found["energy_wh"]
        energy["gpu"] = None if energy["gpu"] is None else 0.1 * energy["gpu"]


def stages_swapped(row: Row) -> None:
    """The decoder's joules for the denoiser's."""
    one, other = row["stages"]["denoiser"], row["stages"]["vae_decoder"]
    one["energy_wh"], other["energy_wh"] = other["energy_wh"], one["energy_wh"]


def half_the_energy(row: Row) -> None:
    """Consistent in itself, but less than its stages took."""
    row["energy_wh"]["gpu"] /= 2
    row["power_w"] /= 2
    for run in row["runs"]:
        run["energy_wh"]["gpu"] /= 2


def stage_missing(row: Row) -> None:
    row["stages"]["vae_decoder"]["latency_s"] = 0.0


def other_run(row: Row) -> None:
    row["runs"][0]["latency_s"] *= 1.01


def whole_of_81() -> Row:
    return real("wan2.1-t2v-1.3b", "full", 81)


def requested_frames(row: Row) -> None:
    """What was asked for in the place of what ran."""
    row["workload"]["effective"]["frames"] = 36


def not_a_number(row: Row) -> None:
    row["conditions"]["activations"]["denoiser_blocks"]["nonfinite"] = 0.001


def mebibytes(row: Row) -> None:
    row["peak_memory_gib"] *= 1024


def beyond_the_clock(row: Row) -> None:
    row["conditions"]["clock_mhz"]["max"] = 2100.0


def mean_outside(row: Row) -> None:
    row["conditions"]["temperature_c"]["mean"] = 120.0


def idle_of_a_load(row: Row) -> None:
    row["idle_power_w"] = 400.0


def idle_in_kilowatts(row: Row) -> None:
    row["idle_power_w"] = 0.125


def meter_of_another_gpu(row: Row) -> None:
    """The counter of one GPU, the samples of one that rests."""
    row["conditions"]["sampled_power_w"] = {"mean": 126.0, "min": 124.0, "max": 130.0}


def of_two_gpus(row: Row) -> None:
    row["energy_wh"]["gpu"] *= 2
    row["power_w"] *= 2


CORRUPTED: list[tuple[str, Callable[[], Row], Callable[[Row], None]]] = [
    ("power", whole, milliwatts),
    ("power", composed, of_two_gpus),
    ("stage_power", composed, stages_swapped),
    ("idle", whole, idle_of_a_load),
    ("idle", whole, idle_in_kilowatts),
    ("sampled_power", whole, meter_of_another_gpu),
    ("energy_is_power_times_time", whole, kilowatt_hours),
    ("energy_is_power_times_time", whole, milliseconds),
    ("stages_sum", composed, milliseconds),
    ("stages_sum", whole, stage_missing),
    ("stages_energy", whole, half_the_energy),
    ("runs_mean", whole, other_run),
    ("flops", whole, faster_clock),
    ("flops", composed, faster_clock),
    ("work", whole, requested_frames),
    ("finite", whole, not_a_number),
    ("memory", whole, mebibytes),
    ("clocks", whole, beyond_the_clock),
    ("clocks", whole, mean_outside),
]


@pytest.mark.parametrize(
    ("check", "source", "corrupt"),
    CORRUPTED,
    ids=[f"{check}-{source.__name__}-{corrupt.__name__}" for check, source, corrupt in CORRUPTED],
)
def test_a_corrupted_row_is_found(
    check: str, source: Callable[[], Row], corrupt: Callable[[Row], None]
) -> None:
    row = source()
    assert physics.failing(row) == {}
    corrupt(row)
    assert check in physics.failing(row)


def test_every_check_of_a_row_was_made_to_fail() -> None:
    assert {check for check, _, _ in CORRUPTED} == set(physics.CHECKS)


def test_energy_alone_is_found_only_by_what_looks_at_energy() -> None:
    """A check that fails on everything would prove nothing."""
    row = composed()
    stages_swapped(row)
    assert set(physics.failing(row)) == {"stage_power"}
    row = whole()
    not_a_number(row)
    assert set(physics.failing(row)) == {"finite"}


def test_two_rows_swapped_are_found() -> None:
    """Each row is possible by itself: the results of 33 frames stand with the 81's workload."""
    small, large = whole(), whole_of_81()
    assert physics.disordered([small, large]) == []
    small["workload"], large["workload"] = large["workload"], small["workload"]
    assert len(physics.disordered([small, large])) == 1


def what_if(**wanted: Any) -> Row:
    """The what-if of Wan at 480x832, 33 frames."""
    for row in rows_of(ROOT / "data/measurements/h100-sxm-what-if.jsonl"):
        found = {**row["workload"], **row["conditions"]}
        if row["model"] == "wan2.1-t2v-1.3b" and all(found[k] == v for k, v in wanted.items()):
            return row
    raise LookupError(f"no what-if {wanted}")


@pytest.mark.parametrize("changed", [{"compile": "blocks"}, {"attention_backend": "flash"}])
def test_a_what_if_that_hides_what_changed_is_found(changed: dict[str, str]) -> None:
    """Compiled blocks take three quarters of the time, flash attention a fifth more."""
    plain, other = whole(), what_if(**changed)
    assert physics.apart([plain, other]) == []
    other["conditions"] |= {"compile": "none", "attention_backend": "default"}
    wrong = physics.apart([plain, other])
    assert [text.split(":")[0] for text in wrong] == ["seconds", "Wh"]


def test_results_of_one_video_under_the_workload_of_two_are_found() -> None:
    one, two = whole(), what_if(batch_size=2)
    assert physics.crowded([one, two]) == []
    one["workload"], two["workload"] = two["workload"], one["workload"]
    assert len(physics.crowded([one, two])) == 1


def test_decoders_swapped_are_found() -> None:
    rows = rows_of(ROOT / "data/measurements/h100-sxm-b-wan-sampled.jsonl")
    small, large = rows[0], rows[8]
    assert physics.decoders([small, large]) == []
    stages = (small["stages"], large["stages"])
    stages[0]["vae_decoder"], stages[1]["vae_decoder"] = (s["vae_decoder"] for s in stages[::-1])
    assert len(physics.decoders([small, large])) == 1


def test_unlike_rows_are_not_compared() -> None:
    """Another GPU or other kernels may be slower or faster, and small differences are no news."""
    small, large = whole(), whole_of_81()
    small["stages"]["denoiser"]["forward_s"] = 10.0
    assert len(physics.disordered([small, large])) == 1
    for name, other in (("attention_backend", "math"), ("compile", "blocks")):
        changed = deepcopy(small)
        changed["conditions"][name] = other
        assert physics.disordered([changed, large]) == []
    assert physics.disordered([small | {"gpu": "h200-sxm"}, large]) == []
    tokens = large["workload"]["effective"]["tokens"]
    small["workload"]["effective"]["tokens"] = round(tokens / 1.09)
    assert physics.disordered([small, large]) == []


# Microbenchmarks --------------------------------------------------------------------------------


def bench() -> Row:
    found: Row = json.loads((ROOT / "data/microbench/h100-sxm.json").read_text("utf-8"))
    return found


def point(found: Row, **wanted: Any) -> Row:
    """The largest point of a kind."""
    alike = [p for p in found["points"] if all(p[name] == value for name, value in wanted.items())]
    chosen: Row = max(alike, key=lambda p: p["burst"]["seconds_per_call"])
    return chosen


def half_the_seconds(found: Row) -> None:
    """Two thirds of the peak become more than all of it."""
    point(found, family="linear", dtype="bfloat16")["burst"]["seconds_per_call"] /= 2


def twice_the_bytes(found: Row) -> None:
    point(found, family="memory", op="add", dtype="bfloat16")["bytes"] *= 2


def power_of_two(found: Row) -> None:
    sustained = next(p["sustained"] for p in found["points"] if p["sustained"])
    sustained["power_w"]["mean"] *= 2


def idle_at_work(found: Row) -> None:
    found["idle"]["power_w"]["mean"] = 500.0


def overclocked(found: Row) -> None:
    sustained = next(p["sustained"] for p in found["points"] if p["sustained"])
    sustained["clock_mhz"]["max"] = 2500.0


def loads_swapped(found: Row) -> None:
    first, second, *_ = found["loads"]
    first["duty"], second["duty"] = second["duty"], first["duty"]


def sizes_swapped(found: Row) -> None:
    """Two lengths of the same attention."""
    alike = [p for p in found["points"] if p["family"] == "attention" and p["backend"] == "cudnn"]
    alike = [p for p in alike if p["params"]["head"] == 128 and p["dtype"] == "bfloat16"]
    alike.sort(key=lambda p: p["flops"])
    alike[-1]["burst"], alike[-2]["burst"] = alike[-2]["burst"], alike[-1]["burst"]


SPOILED: list[tuple[str, Callable[[Row], None]]] = [
    ("rates", half_the_seconds),
    ("bandwidth", twice_the_bytes),
    ("power", power_of_two),
    ("power", idle_at_work),
    ("clocks", overclocked),
    ("load_order", loads_swapped),
    ("order", sizes_swapped),
]


@pytest.mark.parametrize(("check", "spoil"), SPOILED)
def test_a_corrupted_microbench_is_found(check: str, spoil: Callable[[Row], None]) -> None:
    found = bench()
    before = rates.failing(found)
    spoil(found)
    assert len(rates.failing(found).get(check, [])) > len(before.get(check, []))


def test_every_check_of_a_microbench_was_made_to_fail() -> None:
    assert {check for check, _ in SPOILED} == set(rates.CHECKS)
