"""Verdicts, and that each of the three can come out."""

import pytest

from kinowatt.analysis.reproduction import claims_models, claims_scaling
from kinowatt.analysis.reproduction.model import verdict
from kinowatt.analysis.reproduction.scaling import Growth

CLAIMS = {
    "Latency and energy grow quadratically": ("with correction", "exponents 1.23 to 1.69"),
    "Doubling one dimension": ("with correction", "x3.02"),
    "Doubling height and width": ("with correction", "x10.0"),
    "Cost is perfectly linear": ("with correction", "4.8 s + 3.565 s per step"),
    "Halving the steps": ("holds", "x0.510"),
    "Theory agrees": ("no", "worst 34%"),
    "Text encoder, timestep": ("with correction", "59%"),
    "Attention and MLP are compute-bound above 295 and 590": ("with correction", "591 and 360"),
    "The same holds on all accelerators": ("with correction", "at most 1121"),
    "The GPU is saturated": ("with correction", "601 to 693 W"),
    "μ = 0.456": ("with correction", "0.287 to 0.302"),
    "At very short lengths": ("with correction", "53% of FLOPs at 1024 tokens"),
    "The GPU takes at least": ("holds", "82.8 to 87.1%"),
    "CPU and RAM weigh": ("no", "14.2% against 14.4%"),
    "AnimateDiff and WAN-14B": ("holds", "x2998"),
    "The reasons are": ("with correction", "3 of 4"),
    "A video costs 30": ("holds", "31 / 1,926 / 45,257"),
    "Energy is power limit": ("with correction", "601 to 693 W"),
    "Reducing output size": ("with correction", "75% against 38%"),
}


@pytest.mark.parametrize(("start", "expected"), CLAIMS.items())
def test_claims(reproduction, start: str, expected: tuple[str, str]) -> None:
    claim = next(c for c in reproduction.claims if c.text.startswith(start))
    assert claim.verdict == expected[0]
    assert claim.number.startswith(expected[1])


def test_every_claim_is_held_to_a_verdict(reproduction) -> None:
    assert len(reproduction.claims) == len(CLAIMS)
    counts = reproduction.headline["verdicts"]
    assert counts == {"holds": 4, "with correction": 13, "no": 2}


def test_the_three_words() -> None:
    assert verdict(True, True) == verdict(True, False) == "holds"
    assert verdict(False, True) == "with correction"
    assert verdict(False, False) == "no"


@pytest.mark.parametrize(("ratio", "word"), [(4.0, "holds"), (3.0, "with correction"), (1.9, "no")])
def test_the_verdict_follows_the_data(monkeypatch, ratio: float, word: str) -> None:
    grown = Growth(latency=ratio, energy=ratio, tokens=2.0)
    monkeypatch.setattr(claims_scaling, "frames_doubled", lambda: grown)
    assert claims_scaling.doubling().verdict == word


@pytest.mark.parametrize(("stages", "word"), [(2, "holds"), (1, "with correction")])
def test_a_cascade_would_be_a_reason(monkeypatch, stages: int, word: str) -> None:
    monkeypatch.setattr(
        claims_models, "_stages", lambda name: stages if name == claims_models.WAN_14B else 1
    )
    assert claims_models.reasons().verdict == word
