"""Decodes large enough for diffusers to run convolutions in pieces, against a fresh trace."""

from collections import Counter

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from kinowatt.facts.models import model  # noqa: E402
from kinowatt.facts.operator_tables import operator_table  # noqa: E402
from kinowatt.lab.trace import Source, live_forward  # noqa: E402
from kinowatt.theory.passes import pass_operators  # noqa: E402
from kinowatt.theory.recipe import Pass  # noqa: E402

CASES = [
    ("mochi-1-preview", (4, 60, 106)),
    ("mochi-1-preview", (14, 60, 106)),
    ("cogvideox-5b", (5, 80, 128)),
    ("cogvideox-5b", (5, 60, 90)),
]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_pieces_cost_what_they_cost(name: str, size: tuple[int, int, int]) -> None:
    spec, found = model(name), model(name).component("vae_decoder")
    source = Source(
        table=spec.table("vae_decoder"),
        cls=found.cls,
        library=found.library,
        config=found.config,
        dtype=spec.dtype("vae_decoder"),
        role="vae_decoder",
    )
    point = {**dict(zip("fhw", size, strict=True)), "b": 1}
    real_bytes, real_calls = Counter(), Counter()
    for event in live_forward(source, point):
        real_bytes[event.kind] += event.nbytes
        real_calls[event.kind] += 1
    item = Pass(
        name="decode",
        stage="vae_decoder",
        component="vae_decoder",
        calls=1,
        symbols=point,
        tiles=None,
    )
    nbytes, calls = Counter(), Counter()
    for operator in pass_operators(spec, item, operator_table):
        nbytes[operator.kind] += operator.bytes
        calls[operator.kind] += operator.calls
    assert calls == real_calls
    for kind, total in real_bytes.items():
        assert nbytes[kind] == pytest.approx(total, rel=1e-3), kind
