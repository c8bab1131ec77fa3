"""Measurement: exact round trips, refusals that name the field, and no mean of unlike rows."""

import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.errors import InputError
from kinowatt.lab.measurement import SCHEMA_VERSION, Measurement, identity, mean_of, unlike
from lab.faults import ROW, row

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
POSITIVE = st.floats(min_value=1e-9, max_value=1e9)


def made(changes: dict[str, Any] | None = None, **conditions: Any) -> Measurement:
    return Measurement.from_dict(row(changes, **conditions))


@given(latency_s=POSITIVE, energy_wh=POSITIVE, more=st.dictionaries(st.text(), JSON, max_size=4))
def test_a_row_survives_json_exactly(
    latency_s: float, energy_wh: float, more: dict[str, Any]
) -> None:
    data = row({"latency_s": latency_s, "energy_wh.gpu": energy_wh})
    data["conditions"]["more"] = data["stability"]["more"] = more
    data["stages"]["refiner"] = {"latency_s": latency_s, "more": more}
    there = Measurement.from_dict(data)
    back = Measurement.from_dict(json.loads(json.dumps(there.to_dict())))
    assert there.to_dict() == data
    assert back == there
    assert back.to_dict() == data


def test_the_fields_are_those_of_the_contract_in_its_order() -> None:
    assert list(made().to_dict()) == list(ROW)
    assert SCHEMA_VERSION == 1


def test_a_measurement_shares_nothing_with_what_it_was_made_of() -> None:
    data = row()
    there = Measurement.from_dict(data)
    data["conditions"]["torch"] = "0.1"
    there.to_dict()["runs"][0]["latency_s"] = 0.0
    assert there.conditions["torch"] == "2.11.0"
    assert there.runs[0]["latency_s"] == 66.5
    assert pickle.loads(pickle.dumps(there)) == there


@pytest.mark.parametrize("name", list(ROW))
def test_a_missing_field_is_named(name: str) -> None:
    data = row()
    del data[name]
    with pytest.raises(InputError, match=rf"^missing field {name}$"):
        Measurement.from_dict(data)


@pytest.mark.parametrize("name", list(ROW))
def test_a_field_of_a_wrong_type_is_named(name: str) -> None:
    for wrong in (True, {"a": 1}) if isinstance(ROW[name], int | float | str) else (True, "x"):
        with pytest.raises(InputError, match=rf"\b{name}\b"):
            made({name: wrong})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latency_s": 0}, "latency_s must be above 0, not 0"),
        ({"latency_s": -1.5}, "latency_s must be above 0, not -1.5"),
        ({"latency_s": 10**400}, "latency_s must be a number"),
        ({"energy_wh.gpu": -0.1}, "energy_wh.gpu must be 0 or more, not -0.1"),
        ({"energy_wh.total": 1.0}, "unknown scope of energy_wh 'total'; one of: gpu, cpu, ram"),
        ({"energy_wh": {"gpu": 1.0, "cpu": 1.0}}, "missing field energy_wh.ram"),
        ({"runs.0.latency_s": -3}, "runs.0.latency_s must be above 0, not -3"),
        ({"runs.0.stages": None}, "runs.0.stages must be an object, not null"),
        ({"runs.0": 3}, "runs.0 must be an object, not 3"),
        ({"power_w": -1}, "power_w must be 0 or more, not -1"),
        ({"peak_memory_gib": "21"}, "peak_memory_gib must be a number, not '21'"),
        ({"warmup_runs": 1.5}, "warmup_runs must be a whole number, 0 or more, not 1.5"),
        ({"protocol": "fulll"}, r"unknown protocol 'fulll' \(did you mean 'full'\?\)"),
        ({"taken_at": "yesterday"}, "taken_at must be an instant with its offset"),
        ({"taken_at": "2026-11-23T12:00:00"}, "taken_at must be an instant with its offset"),
        ({"model": ""}, "model must be a text, not ''"),
        ({"workload.steps": 0}, "workload.steps must be above 0, not 0"),
        ({"workload.effective": None}, "workload.effective must be an object, not null"),
        ({"stages.denoiser": {}}, "missing field stages.denoiser.latency_s"),
        ({"runs": []}, "runs: protocol 'full' has at least one timed run"),
        ({"lattency_s": 1.0}, r"unknown field 'lattency_s' \(did you mean 'latency_s'\?\)"),
        ({"schema_version": 0}, "schema_version must be 1, not 0"),
        ({"schema_version": 2}, "schema_version 2 needs kinowatt of schema 2; this one reads up"),
    ],
)
def test_what_no_measurement_can_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        made(changes)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["latency_s", "conditions.clock_mhz.mean", "energy_wh.gpu"])
def test_a_number_that_is_not_finite_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"^{name}: {value} is not a finite number$"):
        made({name: value})


@pytest.mark.parametrize("value", [object(), {1: 2}, b"x", {1, 2}])
def test_what_is_not_json_is_refused(value: object) -> None:
    data = row()
    data["conditions"]["odd"] = value
    with pytest.raises(InputError, match=r"^conditions\.odd: "):
        Measurement.from_dict(data)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InputError, match=r"^a row is a JSON object, not list$"):
        Measurement.from_dict([1])  # type: ignore[arg-type]


@pytest.mark.parametrize("reasons", [None, {}, {"cpu": ""}, {"cpu": 3}, {"gpu": "why"}, "none"])
def test_null_energy_needs_a_reason(reasons: object) -> None:
    with pytest.raises(InputError, match=r"^energy_wh\.cpu is null without a reason in"):
        made(energy_null=reasons)


def test_a_composed_row_may_have_no_runs() -> None:
    assert made({"protocol": "sampled", "runs": []}).runs == ()


ALIKE: list[dict[str, Any]] = [
    {"taken_at": "2026-11-24T12:00:00+01:00", "latency_s": 67.0, "runs": ROW["runs"] * 2},
    {"conditions.clock_mhz": None, "conditions.temperature_c": {"mean": 70.0}},
    {"conditions.meters": {"nvml-counter": {"resolution_s": 0.02}}, "conditions.seed": 4},
    {"conditions.revision": None, "stability": {"stable": False}, "idle_power_w": None},
]


@pytest.mark.parametrize("changes", ALIKE)
def test_what_varies_from_run_to_run_does_not_part_rows(changes: dict[str, Any]) -> None:
    assert unlike(made(), made(changes)) == []


UNLIKE = {
    "model": "wan2.1-t2v-14b",
    "gpu": "h200-sxm",
    "recipe": "card",
    "protocol": "sampled",
    "workload.steps": 25,
    "workload.effective.tokens": 4,
    "conditions.driver": "580.1",
    "conditions.torch": "2.12.0",
    "conditions.diffusers": "0.43",
    "conditions.attention_backend": "flash",
    "conditions.dtype": {"denoiser": "float16"},
    "conditions.weights": "hub",
    "conditions.offload": "model",
    "conditions.tiling": None,
    "conditions.compile": "blocks",
    "conditions.power_limit_w": 350.0,
    "conditions.cudnn": 91000,
    "conditions.host": {"cpu_model": "EPYC"},
    "conditions.meters": {"codecarbon": {}},
    "conditions.composed": "four rules",
}
SHOWN = {"host": "host.cpu_model"}


@pytest.mark.parametrize("name", list(UNLIKE))
def test_every_condition_that_decides_parts_rows(name: str) -> None:
    shown = name.removeprefix("conditions.")
    assert unlike(made(), made({name: UNLIKE[name]})) == [SHOWN.get(shown, shown)]


@given(changed=st.sets(st.sampled_from(sorted(UNLIKE))))
def test_being_unlike_is_symmetric_and_names_all(changed: set[str]) -> None:
    other = made({name: UNLIKE[name] for name in changed})
    found = unlike(made(), other)
    assert len(found) == len(changed)
    assert set(found) == set(unlike(other, made()))


def test_like_rows_are_averaged() -> None:
    rows = [made({"latency_s": s, "energy_wh.gpu": s / 4}) for s in (66.0, 67.0, 71.0)]
    found = mean_of(rows)
    latency = found.quantities["latency_s"]
    assert latency is not None
    assert (found.n, latency.n, latency.mean, latency.min, latency.max) == (3, 3, 68.0, 66.0, 71.0)
    assert latency.sd == pytest.approx(math.sqrt(7.0))
    energy = found.quantities["energy_wh.gpu"]
    assert energy is not None
    assert energy.mean == 17.0
    assert found.quantities["energy_wh.cpu"] is None
    assert found.identity == identity(rows[0])


def test_a_quantity_is_averaged_over_the_rows_that_have_it() -> None:
    found = mean_of([made(), made({"idle_power_w": None})]).quantities["idle_power_w"]
    assert found is not None
    assert (found.n, found.mean, found.sd) == (1, 123.0, None)


def test_unlike_rows_are_refused_with_both_values() -> None:
    message = r"^rows 1 and 3 differ in torch: '2\.11\.0' and '2\.12\.0'; rows under unlike"
    with pytest.raises(InputError, match=message):
        mean_of([made(), made(), made(torch="2.12.0")])
    with pytest.raises(InputError, match="no rows to average"):
        mean_of([])


def test_nothing_heavy_is_needed_to_read_a_row(fresh_python: Callable[..., str]) -> None:
    heavy = fresh_python(
        "import sys, kinowatt.lab.rows, kinowatt.lab.worker, kinowatt.lab.worker_child;"
        "print([m for m in ('torch', 'numpy', 'diffusers', 'pynvml') if m in sys.modules])"
    )
    assert heavy.strip() == "[]"
