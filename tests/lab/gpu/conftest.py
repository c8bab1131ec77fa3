"""What only a GPU can show, by `make test-gpu`; elsewhere these tests are skipped and say why."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from kinowatt.lab.pipelines import Built, build
from kinowatt.lab.request import BuildOptions

Maker = Callable[..., Built]


@pytest.fixture(scope="session")
def device() -> str:
    """The GPU that the tests run on."""
    if not torch.cuda.is_available():
        pytest.skip(f"torch {torch.__version__} sees no NVIDIA GPU: `kinowatt doctor` says why")
    return "cuda"


@pytest.fixture
def made(device: str) -> Maker:
    """Builds the twin of a model on the GPU, each component in its own dtype."""

    def make(name: str, **more: Any) -> Built:
        return build(name, BuildOptions(device=device, twin=True, **more))

    return make
