"""Every way of making a pipeline that needs a GPU: dtypes, offload, kernels, compilation."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from kinowatt.errors import InputError
from kinowatt.lab.activations import watched
from kinowatt.lab.bench import Bench
from kinowatt.lab.meters.registry import NO_GPU, open_meters
from kinowatt.lab.pipelines import Built, denoiser_of
from kinowatt.lab.protocol import shape_of_output, warm_up
from kinowatt.lab.replay import captured
from kinowatt.lab.request import BACKENDS, OFFLOADS
from kinowatt.lab.timeline import timeline
from twins import TRACED, request_of

pytestmark = pytest.mark.gpu
Maker = Callable[..., Built]

# What each kernel is called among the operators that PyTorch runs
OPERATORS = {
    "cudnn": "aten::_scaled_dot_product_cudnn_attention",
    "flash": "aten::_scaled_dot_product_flash_attention",
    "efficient": "aten::_scaled_dot_product_efficient_attention",
    "math": "aten::_scaled_dot_product_attention_math",
}


def lies_on(module: torch.nn.Module) -> set[str]:
    return {parameter.device.type for parameter in module.parameters()}


def parts(built: Built) -> list[torch.nn.Module]:
    found = [part for pipe in built.pipes for part in pipe.components.values()]
    return [part for part in found if isinstance(part, torch.nn.Module)]


@pytest.mark.parametrize("name", TRACED)
def test_every_model_makes_finite_frames(made: Maker, device: str, name: str) -> None:
    built = made(name)
    request = request_of(built)
    with watched(built) as values:
        output = shape_of_output(built.generate(request))
    assert output["videos"] == 1
    assert output["frames"] in (7, 9)  # Mochi makes 7 of 9
    assert all(lies_on(part) == {device} for part in parts(built))
    assert {"text_encoder", "denoiser"} <= values["activations"].keys()
    for stage, spread in values["activations"].items():
        assert spread["nonfinite"] == 0, stage
        assert 0.01 < spread["std_max"] < 100, stage


@pytest.mark.parametrize("name", TRACED)
def test_offloaded_parts_are_on_the_gpu_only_while_they_run(
    made: Maker, device: str, name: str
) -> None:
    built = made(name, offload="model")
    seen: dict[str, list[set[str]]] = {"text_encoder": [], "denoiser": []}
    for stage, part in (
        ("text_encoder", built.pipe.text_encoder),
        ("denoiser", denoiser_of(built.pipe)),
    ):
        part.register_forward_hook(lambda m, *_, stage=stage: seen[stage].append(lies_on(m)))
    for _ in range(2):  # the hooks of offloading are put on anew after each call
        built.generate(request_of(built))
        offloaded = [p for p in built.pipe.components.values() if isinstance(p, torch.nn.Module)]
        assert all(lies_on(part) == {"cpu"} for part in offloaded)
    for stage, places in seen.items():
        assert len(places) >= 2, stage
        assert all(place == {device} for place in places), stage


def operators_of(built: Built) -> set[str]:
    """What one call of the denoiser runs, after a call of the whole pipeline."""
    with captured(built) as replays:
        built.generate(request_of(built))
    again = next(replay.again for replay in replays.values() if replay.stage == "denoiser")
    activity = torch.profiler.ProfilerActivity.CPU  # the host queues every operator
    with torch.no_grad(), torch.profiler.profile(activities=[activity]) as profile:
        again()
    return {event.key for event in profile.key_averages()}


@pytest.mark.parametrize("offload", OFFLOADS)
@pytest.mark.parametrize("attention", BACKENDS)
def test_the_denoiser_runs_the_kernel_asked_for(made: Maker, attention: str, offload: str) -> None:
    built = made("cogvideox-2b", attention=attention, offload=offload)
    with watched(built) as values:
        built.generate(request_of(built))
    noted = values["attention_kernels"]["denoiser head 16"]
    if attention != "default":
        assert noted == attention
    assert operators_of(built) & set(OPERATORS.values()) == {OPERATORS[noted]}


def test_a_kernel_that_takes_no_float32_is_one_line(made: Maker) -> None:
    built = made("cogvideox-2b", attention="cudnn", dtype="float32")
    with pytest.raises(InputError, match="attention 'cudnn' has no kernel here") as caught:
        built.generate(request_of(built))
    assert "\n" not in str(caught.value)


@pytest.fixture
def compiled_graphs() -> Iterator[Callable[[], int]]:
    """How many graphs were compiled in this test."""
    import torch._dynamo
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    yield lambda: counters["stats"]["unique_graphs"]
    torch._dynamo.reset()


def pixels(frames: Any) -> Any:
    return np.stack([np.asarray(frame, dtype=np.float32) for frame in frames[0]])


@pytest.mark.parametrize("name", ["wan2.1-t2v-1.3b", "ltx-video-0.9.7-dev"])
def test_compiled_blocks_make_the_same_video(
    made: Maker, compiled_graphs: Callable[[], int], name: str
) -> None:
    plain = made(name, dtype="float32")
    compiled = made(name, dtype="float32", compile="blocks")
    request = request_of(plain, recipe="single")
    with open_meters("ram-v3", NO_GPU) as meters:
        bench = Bench(line=timeline(compiled.device), meters=meters)
        warm_up(compiled, request, bench, calls=1)
    warm = compiled_graphs()
    got, expected = pixels(compiled.generate(request)), pixels(plain.generate(request))
    assert compiled_graphs() == warm > 0  # a timed call compiles nothing
    assert np.abs(got - expected).max() <= 0.01 * np.ptp(expected)
