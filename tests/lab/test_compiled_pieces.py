"""What `docs/experiments/stack.md` says of compiled rows: once watched, blocks stay in pieces."""

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from kinowatt.lab.activations import watched  # noqa: E402

BLOCKS = 9  # one more than dynamo compiles anew of a function before it gives up


@pytest.fixture
def ran():
    torch._dynamo.reset()
    yield []
    torch._dynamo.reset()


def denoiser(ran: list[int]) -> Any:
    """A tiny Wan whose compiled graphs note that they run."""
    small = diffusers.WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=BLOCKS,
        ffn_dim=32,
        text_dim=16,
        freq_dim=16,
        in_channels=4,
        out_channels=4,
    ).eval()

    def noting(graph: Any, _: object) -> Any:
        def run(*args: Any) -> Any:
            ran.append(1)
            return graph.forward(*args)

        return run

    small.compile_repeated_blocks(backend=noting)
    return small


@torch.no_grad()
def once(model: Any) -> None:
    model(torch.ones(1, 4, 3, 8, 8), torch.tensor([5]), torch.ones(1, 7, 16))


@pytest.mark.torture
def test_a_block_is_one_graph_until_it_was_watched(ran, monkeypatch) -> None:
    model = denoiser(ran)
    once(model)
    assert len(ran) == BLOCKS
    torch._dynamo.reset()
    encoder = torch.nn.Linear(2, 2)
    monkeypatch.setattr("kinowatt.lab.activations.denoiser_of", lambda pipe: pipe.transformer)
    built: Any = SimpleNamespace(pipe=SimpleNamespace(text_encoder=encoder, transformer=model))
    with watched(built):
        encoder(torch.ones(1, 2))
        once(model)
    ran.clear()
    once(model)
    assert len(ran) > 2 * BLOCKS
    torch._dynamo.reset()
    ran.clear()
    once(model)
    assert len(ran) == BLOCKS
