"""Each detector on rows made for it: what it says of the faulty ones, and silence about the rest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

import kinowatt
from kinowatt.analysis.audit.case import Case
from kinowatt.analysis.audit.flags import Cause, Flag, merged, ranges
from kinowatt.analysis.audit.forecasts import complete, profiles_of, width
from kinowatt.analysis.audit.hypotheses import LABELS, hypotheses
from kinowatt.analysis.audit.registry import detector, detectors
from kinowatt.analysis.audit.states import states_of
from kinowatt.formats.claims import EVERYTHING, UNSTATED, Claim, Reading, StageClaim

WAN = "wan2.1-t2v-1.3b"
SIZE = {"height_px": 480.0, "width_px": 832.0}


def claim(line: int = 2, **given: Any) -> Claim:
    return Claim(line=line, label=f"row {line}", **{"gpu": "h100-sxm", **given})


def numbered(rows: Iterable[Mapping[str, Any]]) -> list[Claim]:
    return [claim(line, **row) for line, row in enumerate(rows, 2)]


def predicted(power: float = 1.0, time: float = 1.0, **work: float) -> dict[str, Any]:
    """A row exactly as predicted, but for factors of time and power."""
    settings = {**SIZE, "frames": 81.0, "steps": 50.0, **work}
    found = kinowatt.predict(WAN, **settings)
    energy = (found.energy_wh["gpu"] or 0.0) * time * power
    return {
        "model": WAN,
        "workload": settings,
        "latency_s": found.latency_s * time,
        "energy_wh": {"gpu": energy},
    }


def flags(kind: str, claims: Sequence[Claim]) -> list[Flag]:
    reading = Reading(file="test", format="table", claims=tuple(claims))
    return list(detectors()[kind].detect(Case(reading, claims)))


def all_flags(claims: Sequence[Claim]) -> list[Flag]:
    return [flag for kind in detectors() for flag in flags(kind, claims)]


def frames(*factors: tuple[float, float]) -> list[dict[str, Any]]:
    """A sweep of frames with a factor of time and of power for each row."""
    return [
        predicted(time=time, power=power, frames=17.0 + 8 * index)
        for index, (time, power) in enumerate(factors)
    ]


CLEAN = [(1.0, 1.0), (1.004, 0.998), (0.997, 1.001), (1.001, 1.0), (0.999, 0.999)] * 2


def test_a_clean_sweep_raises_nothing() -> None:
    assert all_flags(numbered(frames(*CLEAN))) == []


def test_a_detector_is_registered_once_and_says_its_rule() -> None:
    found = detectors()
    assert len(found) == 28
    assert all(item.finds and item.rule for item in found.values())
    with pytest.raises(ValueError, match="registered twice"):
        detector("copy", "again", "none")(lambda case: iter(()))


# Cells and power ----------------------------------------------------------------------------------


def test_cells_that_are_no_numbers() -> None:
    bad = claim(latency_s=float("nan"), unread={"energy_wh_gpu": "OOM"})
    good = claim(3, latency_s=1.0, energy_wh={"gpu": 0.1})
    found = flags("not-a-number", [bad, good])
    assert {flag.what for flag in found} == {"latency_s is 'nan'", "energy_wh_gpu is 'OOM'"}
    assert {flag.lines for flag in found} == {(2,)}


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_zero_and_negative(value: float) -> None:
    stage = {"decode": StageClaim(latency_s=0.0)}
    (flag,) = flags("not-positive", [claim(latency_s=1.0, energy_wh={"gpu": value}, stages=stage)])
    assert flag.evidence == {"energy_wh.gpu": value}


@pytest.mark.parametrize(("watts", "kinds"), [(720, 0), (722, 1), (57, 0), (55, 1)])
def test_power_between_idle_and_limit(watts: float, kinds: int) -> None:
    rows = [claim(latency_s=3600.0, energy_wh={"gpu": watts})]
    found = flags("power-above-limit", rows) + flags("power-below-idle", rows)
    assert len(found) == kinds
    for flag in found:
        assert flag.evidence["power_w"] == pytest.approx(watts)


def test_stated_limits_go_before_the_datasheet() -> None:
    row = {"latency_s": 3600.0, "energy_wh": {"gpu": 450.0}}
    assert flags("power-above-limit", [claim(**row)]) == []
    (flag,) = flags("power-above-limit", [claim(**row, power_limit_w=400.0)])
    assert flag.evidence["limit_w"] == 400.0
    assert flags("power-above-limit", [claim(**row, power_limit_w=400.0, gpu_count=2.0)]) == []
    (flag,) = flags("power-below-idle", [claim(**row, idle_power_w=460.0)])
    assert flag.evidence["idle_w"] == 460.0


@pytest.mark.parametrize(("stated", "count"), [(104.0, 0), (106.0, 1), (94.0, 1)])
def test_stated_power_against_energy_over_time(stated: float, count: int) -> None:
    row = claim(latency_s=36.0, energy_wh={"gpu": 1.0}, power_w={"gpu": stated})
    assert len(flags("power-mismatch", [row])) == count


def test_energy_without_scope() -> None:
    row = claim(latency_s=1.0, energy_wh={UNSTATED: 0.1}, columns={"energy_wh": "energy"})
    (flag,) = flags("scope", [row, claim(3, latency_s=1.0, energy_wh={"gpu": 0.1})])
    assert (flag.lines, flag.evidence["column"]) == ((2,), "energy")


def test_gpu_energy_that_is_everything() -> None:
    energy = {"gpu": 800.0, "cpu": 80.0, "ram": 40.0}
    rows = numbered({"latency_s": 3600.0, "energy_wh": energy} for _ in range(3))
    (flag,) = flags("whole-machine", rows)
    assert flag.evidence["gpu_alone_w"] == pytest.approx(680.0)
    equal = {"gpu": 500.0, "cpu": 80.0, "ram": 40.0, EVERYTHING: 500.0}
    (flag,) = flags("whole-machine", [claim(latency_s=3600.0, energy_wh=equal)])
    assert "is the sum" in flag.what
    honest = {**energy, "gpu": 680.0, EVERYTHING: 800.0}
    assert flags("whole-machine", [claim(latency_s=3600.0, energy_wh=honest)]) == []


@pytest.mark.parametrize(
    ("scope", "watts", "window", "count"),
    [("ram", 38.0, 0.5, 1), ("cpu", 42.5, 0.0, 1), ("gpu", 650.0, 0.0, 1), ("ram", 38.0, 9.0, 0)],
)
def test_constants(scope: str, watts: float, window: float, count: int) -> None:
    rows = numbered(
        {"latency_s": t, "energy_wh": {scope: watts * (t + window) / 3600}}
        for t in (10.0, 14.0, 30.0, 55.0, 90.0, 200.0)
    )
    found = flags("constant", rows)
    assert len(found) == count
    for flag in found:
        assert flag.evidence["power_w"] == pytest.approx(watts)
        assert flag.evidence["window_longer_s"] == pytest.approx(window)


def test_a_meter_scatters_and_a_model_that_says_so_is_no_fault() -> None:
    seconds = (10.0, 14.0, 30.0, 55.0, 90.0, 200.0)
    noisy = [38.0 * (1 + 0.01 * (-1) ** i) for i in range(6)]
    rows = [
        {"latency_s": t, "energy_wh": {"ram": w * t / 3600}}
        for t, w in zip(seconds, noisy, strict=True)
    ]
    assert flags("constant", numbered(rows)) == []
    exact = [{"latency_s": t, "energy_wh": {"ram": 38.0 * t / 3600}} for t in seconds]
    assert flags("constant", numbered({**r, "modelled": frozenset({"ram"})} for r in exact)) == []


def test_rounding() -> None:
    few = [410.0, 1.9, 260.0, 50.0, 9.7]
    found = flags("rounded", numbered({"latency_s": t} for t in few))
    assert found[0].evidence["rounding"] == pytest.approx(0.05 / 1.9)
    assert flags("rounded", numbered({"latency_s": t + 0.123} for t in few)) == []


# Stages and bookkeeping ---------------------------------------------------------------------------


def staged(latency_s: float, energy_wh: float, **stages: float) -> Claim:
    return claim(
        latency_s=latency_s,
        energy_wh={"gpu": energy_wh},
        stages={name: StageClaim(latency_s=s) for name, s in stages.items()},
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (staged(10.0, 1.8, denoiser=8.0, other=2.0), ""),
        (staged(10.0, 1.8, text=1.0, denoiser=8.0), ""),  # the rest is not stated
        (staged(10.0, 1.8, denoiser=6.0, other=2.0), "stages do not add up to the time"),
        (staged(10.0, 1.8, denoiser=8.0, decoder=2.3), "stages do not add up to the time"),
        (staged(8.0, 1.8, denoiser=8.0, decoder=2.0), "the time is that of denoiser alone"),
    ],
)
def test_stages(row: Claim, said: str) -> None:
    assert [flag.what for flag in flags("stages", [row])] == ([said] if said else [])


def test_energy_of_stages() -> None:
    parts = {name: StageClaim(energy_wh_gpu=e) for name, e in (("a", 2.0), ("b", 1.0))}
    (flag,) = flags("stages", [claim(latency_s=20.0, energy_wh={"gpu": 2.0}, stages=parts)])
    assert flag.what == "the energy is that of one stage alone"
    assert flags("stages", [claim(latency_s=20.0, energy_wh={"gpu": 3.0}, stages=parts)]) == []


def test_copies() -> None:
    row = {"latency_s": 12.3456, "energy_wh": {"gpu": 2.3456}, "model": WAN}
    one, other = {"workload": {"steps": 10.0}}, {"workload": {"steps": 20.0}}
    (flag,) = flags("copy", numbered([{**row, **one}, {**row, **other}]))
    assert flag.what.startswith("the same numbers under other settings")
    (flag,) = flags("copy", numbered([{**row, **one}, {**row, **one}]))
    assert flag.what.startswith("the same row again")
    rounded = {"latency_s": 12.0, "energy_wh": {"gpu": 2.3}}
    assert flags("copy", numbered([rounded, rounded])) == []


@pytest.mark.parametrize(("jitter", "count"), [(0.0, 0), (5e-5, 1), (5e-4, 0)])
def test_near_copies(jitter: float, count: int) -> None:
    row, other = predicted(frames=33.0), predicted(frames=81.0)
    near = {
        **other,
        "latency_s": row["latency_s"] * (1 + jitter),
        "energy_wh": {"gpu": row["energy_wh"]["gpu"] * (1 + jitter)},
    }
    assert len(flags("near-copy", numbered([row, near]))) == count
    assert flags("near-copy", numbered([row, {**near, "workload": row["workload"]}])) == []


def test_gpus_that_change_inside_a_sweep() -> None:
    rows = frames(*CLEAN[:6])
    mixed = [
        {**row, "gpu": "h200-sxm" if i in (2, 4) else "h100-sxm"} for i, row in enumerate(rows)
    ]
    (flag,) = flags("mixed-gpus", numbered(mixed))
    assert flag.lines == (4, 6)
    compared = [{**row, "gpu": gpu} for row in rows[:2] for gpu in ("h100-sxm", "h200-sxm")]
    assert flags("mixed-gpus", numbered(compared)) == []


def test_times_of_day() -> None:
    day = "2026-03-01T09:{:02d}:00"
    rows = [{"latency_s": 100.0, "taken_at": day.format(4 * i)} for i in range(10)]
    assert flags("order", numbered(rows)) == []
    swapped = [dict(row) for row in rows]
    swapped[3]["taken_at"], swapped[6]["taken_at"] = rows[6]["taken_at"], rows[3]["taken_at"]
    (flag,) = flags("order", numbered(swapped))
    assert set(flag.lines) <= {5, 6, 7, 8}
    assert {5, 8} & set(flag.lines)
    sessions = [*rows[5:], *rows[:5]]
    assert flags("order", numbered(sessions)) == []
    (flag,) = flags("order", numbered({**row, "latency_s": 400.0} for row in rows))
    assert flag.evidence == {"pairs": 9}


# Sweeps -------------------------------------------------------------------------------------------


def test_steps_off_the_line() -> None:
    rows = [predicted(steps=float(n)) for n in range(5, 51, 5)]
    assert flags("nonlinear-steps", numbered(rows)) == []
    rows[7]["latency_s"] *= 1.15
    (flag,) = flags("nonlinear-steps", numbered(rows))
    assert flag.lines == (9,)
    assert flag.evidence["on_the_line_s"] == pytest.approx(rows[7]["latency_s"] / 1.15, rel=1e-6)


def test_a_staircase() -> None:
    rows = [predicted(frames=float(n)) for n in range(33, 45)]
    (flag,) = flags("staircase", numbered(rows))
    assert (flag.evidence["labels"], flag.evidence["distinct"]) == (12, 4)
    assert flag.lines == tuple(range(2, 13))  # 44 stands alone
    assert flags("staircase", numbered(rows[::4])) == []


def test_drift() -> None:
    rows = [predicted(time=1 + 0.005 * index) for index in range(12)]
    (flag,) = flags("drift", numbered(rows))
    assert flag.evidence["change"] == pytest.approx(0.055, abs=0.001)
    still = [predicted(time=1 + 0.005 * (-1) ** index) for index in range(12)]
    assert flags("drift", numbered(still)) == []


def test_clock_states_throttled_and_cold_rows() -> None:
    state = [*CLEAN[:3], (1.1, 0.91), (1.1, 0.91), (1.1, 0.91), *CLEAN[:4]]
    (flag,) = flags("states", numbered(frames(*state)))
    assert flag.lines == (5, 6, 7)
    assert flag.evidence["time_over_expected"] == pytest.approx(1.1, abs=0.01)
    assert flags("throttled", numbered(frames(*state))) == []
    single = [*CLEAN[:4], (1.3, 0.7), *CLEAN[:5]]
    (flag,) = flags("throttled", numbered(frames(*single)))
    assert flag.lines == (6,)
    cold = numbered(frames((1.4, 0.85), *CLEAN))
    (flag,) = flags("cold-row", cold)
    assert flag.lines == (2,)
    warm = numbered({**row, "warmup_runs": 2.0} for row in frames((1.4, 0.85), *CLEAN))
    assert flags("cold-row", warm) == []


def test_states_of_a_sequence_come_again() -> None:
    noise = [0.0, 1.0, -1.0, 0.5, -0.5]
    values = [700 + n for n in noise] + [650 + n for n in noise] + [700 + n for n in noise]
    usual, other = states_of(values)
    assert usual.members == (*range(5), *range(10, 15))
    assert other.members == tuple(range(5, 10))
    assert (usual.level, other.level) == (700, 650)
    assert len(states_of([700 + n for n in noise * 4])) == 1


# Labels -------------------------------------------------------------------------------------------


def best(kind: str, rows: Iterable[Mapping[str, Any]]) -> Cause:
    (flag,) = flags(kind, numbered(rows))
    return flag.causes[0]


def test_steps_that_did_not_run() -> None:
    rows = frames(*CLEAN)
    rows[4]["workload"] = {**rows[4]["workload"], "steps": 30.0}
    (flag,) = flags("settings", numbered(rows))
    assert flag.lines == (6,)
    assert flag.causes[0].settings == {"steps": 50.0}


@pytest.mark.parametrize(
    ("changes", "ran"),
    [
        ({"height_px": 480.0, "width_px": 832.0}, {"height_px": 720.0, "width_px": 1280.0}),
        ({"guidance_scale": 5.0}, {"guidance_scale": 1.0}),
        ({"frames": 121.0}, {"frames": 49.0}),
    ],
)
def test_settings_of_a_whole_table(changes: dict[str, float], ran: dict[str, float]) -> None:
    rows = [predicted(**ran, steps=float(n)) for n in (10, 20, 30, 40, 50)]
    for row in rows:
        row["workload"] = {**row["workload"], **changes}
    found = best("settings", rows)
    assert {name: found.settings.get(name) for name in ran} == ran
    assert found.measured_s / found.predicted_s == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "time", "energy", "words"),
    [
        ("unit-slip", 1e3, 1.0, "the time is in milliseconds"),
        ("unit-slip", 1 / 60, 1.0, "the time is in minutes"),
        ("unit-slip", 1.0, 1e-3, "the energy is in kWh"),
        ("unit-slip", 1.0, 3600.0, "the energy is in J"),
        ("runs", 5.0, 1.0, "the time is of 5 runs"),
        ("runs", 1.0, 5.0, "the energy is of 5 runs"),
    ],
)
def test_units_and_runs(kind: str, time: float, energy: float, words: str) -> None:
    rows = frames(*CLEAN)
    for row in rows:
        row["latency_s"] *= time
        row["energy_wh"] = {"gpu": row["energy_wh"]["gpu"] * energy}
    assert best(kind, rows).words == words


def test_units_without_a_model() -> None:
    rows = [{"latency_s": 100.0 + t, "energy_wh": {"gpu": 0.019}} for t in range(5)]
    (flag,) = flags("unit-slip", numbered(rows))
    assert flag.suggestion == "the time is in milliseconds or the energy is in kWh"
    assert flags("unit-slip", numbered({**r, "energy_wh": {"gpu": 19.0}} for r in rows)) == []


def test_exchanged_columns() -> None:
    rows = frames(*CLEAN)
    for row in rows:
        row["latency_s"], row["energy_wh"] = row["energy_wh"]["gpu"], {"gpu": row["latency_s"]}
    assert best("swapped", rows).words == "time and energy exchanged"


def test_settings_that_cannot_run_and_labels_that_contradict() -> None:
    row = predicted()
    row["workload"] = {**row["workload"], "width_px": 831.0}
    (flag,) = flags("impossible-settings", numbered([row]))
    assert flag.what == f"{WAN} cannot run width_px 831 (nearest that runs: 832)"
    ran = {"steps": 40.0, "frames": 77.0}
    (flag,) = flags("labels", numbered([{**predicted(), "ran": ran}]))
    assert flag.evidence == {"steps": {"label": 50.0, "ran": 40.0}}  # 81 for 77 is rounding


def test_flops_above_the_peak() -> None:
    row = predicted(time=0.1)
    work = kinowatt.predict(WAN, **row["workload"]).flops["total"]
    (flag,) = flags("flops-above-peak", numbered([row]))
    assert flag.evidence["flops_per_s"] == pytest.approx(work / row["latency_s"])
    assert flag.evidence["peak_flops_per_s"] == pytest.approx(989e12, rel=0.001)
    assert flags("flops-above-peak", numbered([predicted()])) == []


def test_another_stack_is_a_note_not_a_fault() -> None:
    rows = [
        {**predicted(time=0.75, steps=float(n)), "rest": {"torch": "9.9"}} for n in (20, 30, 50)
    ]
    (flag,) = flags("stack", numbered(rows[:1]))
    assert flag.severity == "note"
    assert flag.evidence["measured_over_expected"] == pytest.approx(0.75, rel=0.01)
    assert flags("settings", numbered(rows)) == []


# What they share ----------------------------------------------------------------------------------


def test_known_defaults_are_tried() -> None:
    tried = hypotheses(WAN, "h100-sxm")
    words = {item.words for item in tried}
    assert {
        "720x1280",
        "49 frames",
        "30 steps",
        "without guidance",
        "the model was wan2.1-t2v-14b",
    } <= words
    assert {"the GPU was h200-sxm", "batches of 4", "frames and steps exchanged"} <= words
    assert LABELS.settings(WAN, SIZE)["steps"] == 50.0


def test_what_is_not_given_is_the_model_cards() -> None:
    settings, wrong = complete(WAN, {"height_px": 479.0, "frames": 80.5})
    assert settings["width_px"] == 832
    assert settings["height_px"] == 480
    assert len(wrong) == 2


def test_widths_come_from_the_profile() -> None:
    name = "h100-sxm/paper-corrected"
    assert name in profiles_of("h100-sxm")
    seen, family = (width(name, "h100-sxm", model) for model in (WAN, "wan2.1-t2v-14b"))
    stranger = width(name, "h100-sxm", "mochi-1-preview")
    assert seen.time < family.time == pytest.approx(stranger.time / 2)


def test_flags_that_say_the_same_are_one() -> None:
    made = [
        Flag(
            kind="k",
            severity="error",
            what="w",
            lines=(n,),
            evidence={"power_w": float(n), "a": "x"},
        )
        for n in (3, 2, 7)
    ]
    (one,) = merged(made)
    assert one.lines == (2, 3, 7)
    assert one.evidence == {"power_w": 3.0, "a": "x"}
    assert ranges(one.lines) == "2-3, 7"
    endless = Flag(kind="k", severity="note", what="w", lines=(2,), evidence={"x": float("-inf")})
    assert merged([endless])[0].evidence == {"x": "-inf"}  # JSON has no infinity
