"""A whole tiled decode of every real VAE on meta against tiles, seams and joins as predicted."""

from collections import Counter

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from kinowatt.facts.models import model  # noqa: E402
from kinowatt.facts.operator_tables import operator_table  # noqa: E402
from kinowatt.lab.trace import Source, open_module  # noqa: E402
from kinowatt.lab.tracing.recorder import record_forward  # noqa: E402
from kinowatt.theory.expressions import evaluate  # noqa: E402
from kinowatt.theory.passes import pass_operators  # noqa: E402
from kinowatt.theory.recipe import Pass  # noqa: E402
from kinowatt.theory.tiling import cut  # noqa: E402

SIZES = {
    "wan2.1-t2v-1.3b": (3, 60, 50),
    "cogvideox-5b": (3, 60, 90),
    "ltx-video-0.9.7-dev": (3, 20, 28),
    "mochi-1-preview": (3, 60, 50),
    "animatediff-lightning": (1, 80, 96),
}
# Fewer tiles, but of every kind: after one whole tile or two, cut short once or twice
FEWER = {
    "wan2.1-t2v-1.3b": (3, 60, 40),
    "cogvideox-5b": (3, 46, 64),
    "mochi-1-preview": (3, 40, 50),
}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *(SIZES | FEWER).items(),
        *(pytest.param(n, SIZES[n], marks=pytest.mark.torture) for n in FEWER),
    ],
)
def test_bytes_and_calls_of_a_tiled_decode(name: str, size: tuple[int, int, int]) -> None:
    spec, found = model(name), model(name).component("vae_decoder")
    table = spec.table("vae_decoder")
    dtype = spec.dtype("vae_decoder")
    source = Source(
        table=table,
        cls=found.cls,
        library=found.library,
        config=found.config,
        dtype=dtype,
        role="vae_decoder",
    )
    module, adapter = open_module(source)
    module.enable_tiling()
    f, h, w = size
    point = {"f": f, "h": h, "w": w, "b": 1}
    call = adapter.call(module, getattr(torch, dtype), {**point, **adapter.derive(point)})
    events = record_forward(module, call)
    symbols = {**point, "pixel_frames": evaluate(spec.rules.frames, {"f": f})}
    item = Pass(
        name="decode",
        stage="vae_decoder",
        component="vae_decoder",
        calls=1,
        symbols=symbols,
        tiles=cut(found.tiling, h, w),
    )
    nbytes, calls = Counter(), Counter()
    for operator in pass_operators(spec, item, operator_table):
        nbytes[operator.kind] += operator.bytes
        calls[operator.kind] += operator.calls
    real_bytes, real_calls = Counter(), Counter()
    for event in events:
        real_bytes[event.kind] += event.nbytes
        real_calls[event.kind] += 1
    assert sum(calls.values()) == pytest.approx(sum(real_calls.values()), rel=2e-3)
    for kind, total in real_bytes.items():
        if total > 0.02 * sum(real_bytes.values()):
            assert nbytes[kind] == pytest.approx(total, rel=0.01), kind
    for kind, total in real_calls.items():
        if total > 0.02 * sum(real_calls.values()):
            assert calls[kind] == pytest.approx(total, rel=0.01), kind
