"""Compiled blocks of a pipeline that was warmed up: one graph each, though one call was watched."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from kinowatt.lab import protocol  # noqa: E402
from kinowatt.lab.bench import Bench  # noqa: E402
from kinowatt.lab.meters.registry import NO_GPU, open_meters  # noqa: E402
from kinowatt.lab.pipelines import Built  # noqa: E402
from kinowatt.lab.timeline import timeline  # noqa: E402
from twins import request_of, twin  # noqa: E402

BLOCKS = 9  # one more than dynamo compiles anew of a function before it gives up
FORWARDS = 4  # two steps with guidance


@pytest.fixture
def ran() -> Iterator[list[int]]:
    torch.compiler.reset()
    yield []
    torch.compiler.reset()


def compiled(ran: list[int]) -> Built:
    """A twin of Wan with more blocks, whose compiled graphs note that they run."""
    built = twin("wan2.1-t2v-1.3b")
    small = built.pipe.transformer
    deep = type(small).from_config({**small.config, "num_layers": BLOCKS}).eval()

    def noting(graph: Any, _: object) -> Any:
        def run(*args: Any) -> Any:
            ran.append(1)
            return graph.forward(*args)

        return run

    deep.compile_repeated_blocks(backend=noting)
    built.pipe.register_modules(transformer=deep)
    return replace(built, options=replace(built.options, compile="blocks"))


def graphs_of_a_call(built: Built, ran: list[int]) -> int:
    """How many compiled graphs run in a video, after the warm-up."""
    with open_meters("ram-v3", NO_GPU) as meters:
        bench = Bench(line=timeline(built.device), meters=meters)
        protocol.warm_up(built, request_of(built), bench, calls=1)
    ran.clear()
    built.generate(request_of(built))
    return len(ran)


@pytest.mark.torture
def test_a_block_is_one_graph_after_the_warm_up(ran: list[int]) -> None:
    assert graphs_of_a_call(compiled(ran), ran) == BLOCKS * FORWARDS


@pytest.mark.torture
def test_without_compiling_anew_it_stays_in_pieces(
    ran: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rows with two warm-ups were taken by, as `docs/experiments/stack.md` says."""
    monkeypatch.setattr("torch.compiler.reset", lambda: None)
    assert graphs_of_a_call(compiled(ran), ran) > 2 * BLOCKS * FORWARDS
