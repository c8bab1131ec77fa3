"""The pipelines are the real ones: classes, dtypes, shapes of calls; and what can't be is refused."""

from typing import Any

import pytest
import torch

from kinowatt.errors import InputError, KinowattError
from kinowatt.facts.models import model
from kinowatt.lab import pipelines
from kinowatt.lab.activations import watched
from kinowatt.lab.modules import with_random_weights
from kinowatt.lab.pipelines import build, denoiser_of
from kinowatt.lab.request import BuildOptions, VideoRequest
from kinowatt.theory.recipe import plan
from kinowatt.theory.workload import make_workload
from twins import TRACED, request_of, twin


@pytest.mark.parametrize("name", TRACED)
def test_a_twin_is_the_same_classes(name: str) -> None:
    built = twin(name)
    spec = built.spec
    assert type(built.pipe).__name__ == spec.pipeline
    assert type(built.pipe.text_encoder).__name__ == spec.component("text_encoder").cls
    assert type(denoiser_of(built.pipe)).__name__ == spec.component("denoiser").cls
    assert type(built.pipe.vae).__name__ == spec.component("vae_decoder").cls
    assert spec.scheduler is not None
    assert type(built.pipe.scheduler).__name__ == spec.scheduler.cls


@pytest.mark.parametrize("name", TRACED)
def test_a_twin_gives_frames(name: str) -> None:
    built = twin(name)
    frames = built.generate(request_of(built, batch_size=1))
    assert len(frames) == 1
    assert len(frames[0]) in (7, 9)  # Mochi makes 7 of 9


@pytest.mark.parametrize("recipe", ["card", "paper", "single"])
def test_the_recipes_of_ltx_run_what_theory_plans(recipe: str) -> None:
    built = twin("ltx-video-0.9.7-dev")
    request = request_of(built, recipe=recipe, steps=3)
    tokens: list[tuple[int, ...]] = []
    denoiser_of(built.pipe).register_forward_pre_hook(
        lambda _, args, kwargs: tokens.append(tuple(kwargs["hidden_states"].shape[:2])),
        with_kwargs=True,
    )
    frames = built.generate(request)
    asked = {n: getattr(request, n) for n in ("height_px", "width_px", "frames", "steps")}
    planned = plan(
        built.spec, make_workload(built.spec, **asked), built.spec.recipe(recipe), tiling=False
    )
    expected = [
        (int(item.symbols["b"]), int(item.symbols["f"] * item.symbols["h"] * item.symbols["w"]))
        for item in planned.passes
        if item.stage == "denoiser"
        for _ in range(int(item.calls))
    ]
    assert tokens == expected
    assert frames[0][0].size == (planned.effective.width_px, planned.effective.height_px)


def dtypes(module: torch.nn.Module) -> dict[str, torch.dtype]:
    return {
        name: tensor.dtype for name, tensor in [*module.named_parameters(), *module.named_buffers()]
    }


@pytest.mark.parametrize("name", ["wan2.1-t2v-1.3b", "cogvideox-2b", "mochi-1-preview"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_casts_as_loading_a_checkpoint_does(name: str, dtype: str, tmp_path: Any) -> None:
    """Oracle: the same module saved, and loaded with that dtype by diffusers or transformers."""
    from kinowatt.lab.twins import shrunk

    built = twin(name)
    for role, module in (
        ("text_encoder", built.pipe.text_encoder),
        ("denoiser", denoiser_of(built.pipe)),
        ("vae_decoder", built.pipe.vae),
    ):
        module.save_pretrained(tmp_path / role)
        loaded = type(module).from_pretrained(tmp_path / role, torch_dtype=getattr(torch, dtype))
        found = built.spec.component(role)
        made = with_random_weights(
            found.cls, found.library, shrunk(found.cls, found.config), dtype, "cpu"
        )
        assert dtypes(made) == dtypes(loaded), role


def test_float32_modules_stay_float32() -> None:
    built = build("wan2.1-t2v-1.3b", BuildOptions(device="cpu", twin=True, dtype="bfloat16"))
    kept = {n for n, d in dtypes(built.pipe.transformer).items() if d is torch.float32}
    assert any("time_embedder" in name for name in kept)
    assert set(dtypes(built.pipe.vae).values()) == {torch.float32}


def test_weights_follow_the_seed() -> None:
    first, again, other = (twin("cogvideox-2b", seed=seed) for seed in (0, 0, 1))
    weights = [next(b.pipe.transformer.parameters()) for b in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_folder_of_weights_is_loaded(tmp_path: Any) -> None:
    built = twin("cogvideox-2b")
    built.pipe.save_pretrained(tmp_path)
    loaded = build(
        "cogvideox-2b", BuildOptions(device="cpu", weights=str(tmp_path), dtype="float32")
    )
    for a, b in zip(
        built.pipe.transformer.parameters(), loaded.pipe.transformer.parameters(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize("attention", ["math", "flash"])
def test_the_kernel_asked_for_is_used(attention: str) -> None:
    built = twin("cogvideox-2b", attention=attention)
    seen = []
    inner = torch.nn.functional.scaled_dot_product_attention

    def noted(*args: Any, **kwargs: Any) -> Any:
        seen.append(
            (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled())
        )
        return inner(*args, **kwargs)

    torch.nn.functional.scaled_dot_product_attention = noted
    try:
        built.generate(request_of(built))
    finally:
        torch.nn.functional.scaled_dot_product_attention = inner
    assert (attention == "flash", attention == "math") in seen
    assert torch.backends.cuda.flash_sdp_enabled()  # and left as it was


def test_what_is_offloaded_gets_its_weights_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def weights(*args: Any) -> torch.nn.Module:
        made.append(args[-1])
        return torch.nn.Linear(2, 2, device="meta").to_empty(device="cpu")

    monkeypatch.setattr(pipelines, "with_random_weights", weights)
    options = BuildOptions(device="cuda", offload="model")
    module = pipelines._module(model("cogvideox-2b"), "denoiser", options)
    assert made == ["cuda"]
    assert {p.device.type for p in module.parameters()} == {"cpu"}


def test_the_kernel_outlives_offloading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offloading puts `forward` back after each call; here to the CPU, which it takes as well."""
    monkeypatch.setattr(
        pipelines, "_place", lambda pipe, _: pipe.enable_model_cpu_offload(device="cpu")
    )
    built = twin("cogvideox-2b", attention="math")
    for _ in range(2):
        with watched(built) as values:
            built.generate(request_of(built))
        assert values["attention_kernels"]["denoiser head 16"] == "math"


def test_kernels_are_noted_by_stage() -> None:
    """Text encoder and denoiser of this twin, as of the real CogVideoX, have one head size."""
    built = twin("ltx-video-0.9.7-dev", attention="math")
    with watched(built) as values:
        built.generate(request_of(built))
    assert values["attention_kernels"] == {
        "denoiser head 8": "math",
        "text_encoder head 8": "flash",
    }


def test_a_kernel_that_is_not_there_is_one_line() -> None:
    built = twin("cogvideox-2b", attention="cudnn")
    with pytest.raises(InputError, match="attention 'cudnn' has no kernel here") as caught:
        built.generate(request_of(built))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["wan2.1-t2v-1.3b", "cogvideox-2b", "mochi-1-preview"])
def test_blocks_are_compiled_whether_diffusers_names_them_or_not(name: str) -> None:
    denoiser = denoiser_of(
        build(name, BuildOptions(device="cpu", twin=True, compile="blocks")).pipe
    )
    blocks = getattr(denoiser, "transformer_blocks", None) or denoiser.blocks
    assert blocks
    assert all(block._compiled_call_impl is not None for block in blocks)


def test_a_unet_has_no_blocks_to_compile() -> None:
    options = BuildOptions(device="cpu", twin=True, compile="blocks")
    with pytest.raises(InputError, match="UNetMotionModel has no repeated blocks"):
        build("animatediff-lightning", options)


def test_tiling_is_switched() -> None:
    assert twin("cogvideox-2b", tiling=True).pipe.vae.use_tiling
    assert not twin("cogvideox-2b", tiling=False).pipe.vae.use_tiling


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"device": "cpu", "attention": "flesh"}, "did you mean 'flash'"),
        ({"device": "cpu", "offload": "all"}, "one of: none, model"),
        ({"device": "cpu", "dtype": "float8"}, "did you mean"),
        ({"device": "gpu"}, "neither 'cpu' nor 'cuda'"),
        ({"device": "cpu", "offload": "model", "twin": True}, "a CPU has only 'none'"),
        ({"device": "cpu", "weights": "hub"}, "need --revision"),
        ({"device": "cpu", "weights": "no/such/folder"}, "model_index.json"),
    ],
)
def test_what_cannot_be_is_one_line(options: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        build("wan2.1-t2v-1.3b", BuildOptions(**options))
    assert "\n" not in str(caught.value)


def test_formulas_have_no_pipeline() -> None:
    with pytest.raises(InputError, match="no pipeline to run"):
        build("wan2.1-t2v-1.3b-as-published", BuildOptions(device="cpu"))


def test_a_broken_checkpoint_is_one_line(tmp_path: Any) -> None:
    (tmp_path / "model_index.json").write_text("{}", encoding="utf-8")
    with pytest.raises(KinowattError, match="could not be loaded"):
        build("wan2.1-t2v-1.3b", BuildOptions(device="cpu", weights=str(tmp_path)))


def test_no_gpu_here_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="kinowatt doctor"):
        build("wan2.1-t2v-1.3b", BuildOptions())


def test_presets_become_requests() -> None:
    spec = model("ltx")
    request = VideoRequest.of(spec, preset="paper", frames=9)
    assert (request.recipe, request.frames, request.steps) == ("paper", 9, 30)
    with pytest.raises(InputError, match="did you mean 'frames'"):
        VideoRequest.of(spec, framse=9)
