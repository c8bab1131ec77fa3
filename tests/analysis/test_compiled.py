"""Predictions by code made for their kind are those of the theory itself, to the last bit."""

import random
from typing import Any

import numpy as np
import pytest

import kinowatt
from kinowatt.analysis import compiled
from kinowatt.analysis.compiled import Kind, figures_of
from kinowatt.analysis.figures import figures
from kinowatt.analysis.predict import scenario


@pytest.fixture(autouse=True)
def made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a server that was made in this process before wants of code."""
    monkeypatch.setattr(compiled, "_maker", [lambda work: work()])


def asked(model: str, rng: random.Random) -> dict[str, Any]:
    step = kinowatt.model(model).rules.size_multiple
    return {
        "height_px": step * rng.randrange(4, 1 + 1300 // step),
        "width_px": step * rng.randrange(4, 1 + 1300 // step),
        "frames": rng.randrange(1, 33),
        "steps": rng.randrange(4, 60),
        "batch_size": rng.choice((1, 1, 2)),
        "guidance_scale": rng.choice((1.0, 5.0)),
        "prompt_tokens": rng.choice((3, 40, 400)),
    }


def compare(model: str, count: int, **how: Any) -> int:
    """Asks one kind often; returns how many answers code gave."""
    rng, kind = random.Random(model), Kind()
    kind.asked = compiled.PATIENCE
    by_code = 0
    for _ in range(count):
        try:
            chosen = scenario(model, **asked(model, rng), **how)
            wanted = figures(chosen)
        except kinowatt.InputError:
            continue
        made = len(kind.codes)
        assert kind.figures(chosen) == wanted
        assert kind.figures(chosen) == wanted  # now by the code just made
        by_code += made == len(kind.codes)
    return by_code


@pytest.mark.parametrize(
    ("count", "least"), [(5, 1), pytest.param(14, 4, marks=pytest.mark.torture)]
)
@pytest.mark.parametrize("model", kinowatt.models())
def test_both_ways_agree(model: str, count: int, least: int) -> None:
    assert compare(model, count) >= least


@pytest.mark.parametrize(
    "how",
    [
        {"tiling": True},
        {"gpu": "l4", "what_if": {"attention": "math", "cache": "0.5"}},
        {"offload": "model", "profile": "h100-sxm/datasheet"},
    ],
    ids=str,
)
def test_both_ways_agree_however_it_runs(how: dict[str, Any]) -> None:
    assert compare("wan2.1-t2v-1.3b", 6, **how) >= 1


def test_a_refusal_is_the_same_once_there_is_code() -> None:
    small = {"height_px": 32, "width_px": 32, "recipe": "card"}
    messages = set()
    for _ in range(3):
        with pytest.raises(kinowatt.InputError) as caught:
            kinowatt.predict("ltx-video-0.9.7-dev", **small)
        messages.add(str(caught.value))
        for steps in range(10, 40):
            kinowatt.predict("ltx-video-0.9.7-dev", recipe="card", steps=steps)
    assert len(messages) == 1


def test_a_lone_prediction_waits_for_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled._kind.cache_clear()
    monkeypatch.setattr(compiled, "trace", lambda *_: pytest.fail("code was made"))
    for steps in range(compiled.PATIENCE):
        figures_of(scenario("mochi-1-preview", steps=10 + steps))


def test_code_is_made_for_what_is_the_same_for_everybody_until_it_varies() -> None:
    kind = Kind()
    kind.asked, kind.steady = compiled.PATIENCE, {"batch_size": 1, "prompt_tokens": 40}
    kind.figures(scenario("mochi-1-preview", frames=31))
    (narrow,) = kind.codes
    two = scenario("mochi-1-preview", frames=31, batch_size=2)
    assert kind.figures(two) == figures(two)
    (wide,) = kind.codes
    values = {name: getattr(two.workload, name) for name in compiled.FIELDS}
    assert narrow(**values) is None
    assert wide(**values) == figures(two)
    assert wide(**{**values, "batch_size": 3}) is not None
    assert wide(**{**values, "prompt_tokens": 41}) is None


def columns(model: str, count: int) -> dict[str, Any]:
    rng = random.Random(model)
    rows = [asked(model, rng) for _ in range(count)]
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return columns | {"batch_size": 1, "height_px": columns["height_px"] + 256}


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("wan2.1-t2v-1.3b", {"tiling": True}),
        (
            "mochi-1-preview",
            {"offload": "model", "guidance_scale": 5.0, "what_if": {"compile": "blocks"}},
        ),
        ("ltx-video-0.9.7-dev", {"recipe": "card", "guidance_scale": 1.0, "prompt_tokens": 3}),
        ("wan2.1-t2v-1.3b-as-published", {}),
    ],
    ids=str,
)
def test_columns_by_code_are_those_by_the_theory(
    model: str, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = columns(model, 12) | how
    compiled._column_kind.cache_clear()
    wanted = kinowatt.predict_many(model, **given)
    monkeypatch.setattr(compiled, "PATIENT_ROWS", 0)
    monkeypatch.setattr(compiled, "BLOCK", 7)
    kinowatt.predict_many(model, **given)
    monkeypatch.setattr(compiled, "totals", lambda _: pytest.fail("not all rows found code"))
    found = kinowatt.predict_many(model, **given)
    for name, column in wanted.items():
        np.testing.assert_array_equal(found[name], column)


def test_columns_of_few_rows_wait_for_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled._column_kind.cache_clear()
    monkeypatch.setattr(compiled, "trace_columns", lambda *_: pytest.fail("code was made"))
    steps = np.arange(10, 10 + compiled.PATIENT_ROWS // 4)
    for _ in range(4):
        kinowatt.predict_many("wan2.1-t2v-1.3b-as-published", steps=steps, frames=steps)


def test_codes_are_forgotten_with_the_facts(forget: Any) -> None:
    figures_of(scenario("mochi-1-preview"))
    assert compiled._kind.cache_info().currsize > 0
    forget()
    assert compiled._kind.cache_info().currsize == 0
