import math

import pytest

from kinowatt import predict
from kinowatt.analysis.compare import compare, levers, scaling, why
from kinowatt.errors import InputError


def test_compare_takes_all_models_and_gpus() -> None:
    assert len(compare([], ["h100"])) == 7
    found = compare(["wan-1.3b", "ltx"], ["h100", "l40s"])
    assert [(p.model, p.gpu) for p in found][2] == ("wan2.1-t2v-1.3b", "l40s")


def test_why_is_an_exact_product() -> None:
    first, second = predict("animatediff"), predict("wan-14b")
    factors = why(first, second)
    product = math.prod(factor.factor for factor in factors)
    assert product == pytest.approx(second.latency_s / first.latency_s)
    assert factors[0].factor == pytest.approx(100 / 4)


def test_exponents() -> None:
    points = scaling("wan-1.3b", "steps", [50, 100, 200])
    assert points[1].exponent_latency == pytest.approx(1, abs=0.1)
    large = scaling("wan-1.3b", "size", [720, 1440, 2880], width_px=1280)
    assert 1.5 < large[1].exponent_latency / 2 < 2
    assert sum(large[1].shares.values()) == pytest.approx(1, abs=0.01)
    with pytest.raises(InputError, match="unknown axis"):
        scaling("wan-1.3b", "time")


def test_levers() -> None:
    found = {lever.name: lever for lever in levers("wan-1.3b")}
    assert found["-25% steps"].factor == pytest.approx(0.75, abs=0.01)
    assert found["no guidance"].factor == pytest.approx(0.52, abs=0.02)
    assert found["diffusion caching"].factor == pytest.approx(1 / 1.62)
    assert found["diffusion caching"].basis.startswith("published")
    assert found["unfused attention"].factor > 1
    names = [lever.factor for lever in levers("wan-1.3b")]
    assert names == sorted(names)
    assert "linear layers in FP8" not in {x.name for x in levers("cogvideox-5b", gpu="a100")}
