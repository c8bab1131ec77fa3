"""The real diffusers pipeline of each model, and how each recipe calls it.

A new family is one function of `RECIPES` where its pipeline is called in a way of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from kinowatt.errors import InputError, KinowattError
from kinowatt.facts.models import ModelSpec, model
from kinowatt.lab.modules import with_random_weights
from kinowatt.lab.request import BACKENDS, BuildOptions, VideoRequest
from kinowatt.lab.tokenizers import prompt_of, stand_in
from kinowatt.lab.twins import shrunk


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Built:
    """A pipeline ready to be called; `extra` holds further pipelines of a cascade by role."""

    spec: ModelSpec
    options: BuildOptions
    pipe: Any
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return torch.device(self.options.device)

    @property
    def pipes(self) -> tuple[Any, ...]:
        return (self.pipe, *self.extra.values())

    def generate(self, request: VideoRequest) -> Any:
        """From prompt to frames in memory: what `latency_s` times."""
        recipe = RECIPES.get((self.spec.family, request.recipe), _one_call)
        with torch.no_grad():
            return recipe(self, request)


def build(name: str, options: BuildOptions) -> Built:
    """The real pipeline of a model; `InputError` for what can't be made, in one line."""
    spec = model(name)
    if spec.scheduler is None:
        raise InputError(f"{spec.name} is the paper's formulas: there is no pipeline to run")
    check_device(options.device)
    if options.offload != "none" and options.device == "cpu":
        raise InputError(
            "offload 'model' moves components to a GPU and back: a CPU has only 'none'"
        )
    _quiet()
    torch.manual_seed(options.seed)
    pipe = _random(spec, options) if options.weights == "random" else _loaded(spec, options)
    _tune(pipe, options)
    _place(pipe, options)
    pipe.set_progress_bar_config(disable=True)
    return Built(spec=spec, options=options, pipe=pipe, extra=_extra(spec, options, pipe))


def check_device(device: str) -> None:
    """`InputError` unless a device can be used here."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return
    if kind != "cuda" or (index and not index.isdigit()):
        raise InputError(f"device {device!r} is neither 'cpu' nor 'cuda' nor 'cuda:INDEX'")
    count = torch.cuda.device_count()
    if not torch.cuda.is_available() or int(index or 0) >= count:
        seen = f"{count} GPUs" if count else "no GPU"
        raise InputError(
            f"no device {device!r} here: torch {torch.__version__} sees {seen};"
            " `kinowatt doctor` says why, `--device cpu --twin` runs a tiny twin"
        )


def _quiet() -> None:
    import diffusers
    import transformers

    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()


def dtype_of(spec: ModelSpec, role: str, options: BuildOptions) -> str:
    """The dtype of a component: what is asked for, save where the model keeps float32."""
    own = spec.dtype(role)
    return own if options.dtype is None or own == "float32" else options.dtype


def _module(spec: ModelSpec, role: str, options: BuildOptions) -> torch.nn.Module:
    found = spec.component(role)
    config = shrunk(found.cls, found.config) if options.twin else found.config
    dtype = dtype_of(spec, role, options)
    module = with_random_weights(found.cls, found.library, config, dtype, options.device)
    # Random numbers for billions of weights take a GPU a second and a CPU minutes
    return module.to("cpu") if options.offload != "none" else module


def _random(spec: ModelSpec, options: BuildOptions) -> Any:
    import diffusers

    scheduler = spec.scheduler
    assert scheduler is not None
    parts: dict[str, Any] = {
        "tokenizer": stand_in(spec.max_sequence_length),
        "scheduler": getattr(diffusers, scheduler.cls)(**scheduler.config),
        "text_encoder": _module(spec, "text_encoder", options),
        "vae": _module(spec, "vae_decoder", options),
    }
    denoiser = _module(spec, "denoiser", options)
    if spec.family == "animatediff":
        parts |= {"unet": denoiser, "motion_adapter": None}
    else:
        parts["transformer"] = denoiser
    return getattr(diffusers, spec.pipeline)(**parts)


def _loaded(spec: ModelSpec, options: BuildOptions) -> Any:
    """From a folder, or from the hub at a pinned revision."""
    import diffusers

    if options.twin:
        raise InputError("a twin has random weights: leave out --weights")
    source = spec.hub_id if options.weights == "hub" else options.weights
    if options.weights == "hub" and not options.revision:
        raise InputError(f"weights from the hub need --revision, a commit of {spec.hub_id}")
    if options.weights != "hub" and not Path(source, "model_index.json").is_file():
        raise InputError(
            f"weights {source!r}: not a folder with a model_index.json; allowed: random, hub, FOLDER"
        )
    dtype = getattr(torch, options.dtype or spec.dtype("denoiser"))
    try:
        cls = getattr(diffusers, spec.pipeline)
        return cls.from_pretrained(source, revision=options.revision, torch_dtype=dtype)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise KinowattError(f"{source} could not be loaded: {error}") from None


def _place(pipe: Any, options: BuildOptions) -> None:
    if options.offload == "model":
        pipe.enable_model_cpu_offload(device=options.device)
    else:
        pipe.to(options.device)


def _extra(spec: ModelSpec, options: BuildOptions, pipe: Any) -> dict[str, Any]:
    if "latent_upsampler" not in spec.components:
        return {}
    from diffusers import LTXLatentUpsamplePipeline

    upsampler = _module(spec, "latent_upsampler", options)
    cascade = LTXLatentUpsamplePipeline(vae=pipe.vae, latent_upsampler=upsampler)
    upsampler.to(options.device)
    cascade.set_progress_bar_config(disable=True)
    return {"latent_upsampler": cascade}


def denoiser_of(pipe: Any) -> Any:
    """The module that a pipeline calls once or twice per step."""
    return getattr(pipe, "transformer", None) or pipe.unet


def _tune(pipe: Any, options: BuildOptions) -> None:
    """Tiling, attention kernel and compilation, as the options say.

    Before `_place`: offloading puts `forward` back to what it found, after every call.
    """
    if options.tiling is not None:
        (pipe.vae.enable_tiling if options.tiling else pipe.vae.disable_tiling)()
    denoiser = denoiser_of(pipe)
    if options.compile == "blocks":
        _compile_blocks(denoiser)
    if BACKENDS[options.attention] is not None:
        _use_backend(denoiser, options.attention)


def _compile_blocks(denoiser: Any) -> None:
    """Each block of a transformer in place; diffusers names those of some classes alone."""
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks()
        return
    blocks = getattr(denoiser, "transformer_blocks", None)
    if blocks is None:
        raise InputError(f"{type(denoiser).__name__} has no repeated blocks to compile")
    for block in blocks:
        block.compile()


# How PyTorch says, on a GPU and on a CPU, that none of the kernels it may use takes a call
NO_KERNEL = ("No available kernel", "No viable backend")


def _use_backend(denoiser: torch.nn.Module, name: str) -> None:
    """Only this kernel for the attention of the denoiser; decoders have heads it may not take."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    inner, chosen = denoiser.forward, getattr(SDPBackend, str(BACKENDS[name]))

    def forward(*args: Any, **kwargs: Any) -> Any:
        try:
            with sdpa_kernel(chosen):
                return inner(*args, **kwargs)
        except RuntimeError as error:
            if not any(text in str(error) for text in NO_KERNEL):
                raise
            raise InputError(
                f"attention {name!r} has no kernel here for the dtype, head size or mask of"
                f" {type(denoiser).__name__}: 'default' lets PyTorch choose"
            ) from None

    denoiser.forward = forward


def _common(built: Built, request: VideoRequest) -> dict[str, Any]:
    prompt = request.prompt or prompt_of(request.prompt_tokens)
    return {
        "prompt": [prompt] * request.batch_size,
        "negative_prompt": [""] * request.batch_size,
        "guidance_scale": request.guidance_scale,
        "num_frames": request.frames,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
    }


def _one_call(built: Built, request: VideoRequest) -> Any:
    size = {"height": request.height_px, "width": request.width_px}
    steps = {"num_inference_steps": request.steps}
    return built.pipe(**_common(built, request), **size, **steps).frames


# Model card of LTX-Video 0.9.7: generate at 2/3 of the size, double the latents, refine
CASCADE_SCALE = (2, 3)
REFINE_STEPS = 10
REFINE_STRENGTH = 0.4


def _ltx_cascade(built: Built, request: VideoRequest) -> Any:
    common = _common(built, request) | {"frame_rate": round(request.fps)}
    ratio = built.pipe.vae_spatial_compression_ratio
    numerator, denominator = CASCADE_SCALE
    height, width = (
        size * numerator // denominator // ratio * ratio
        for size in (request.height_px, request.width_px)
    )
    small = {"height": height, "width": width}
    latents = built.pipe(
        **common, **small, num_inference_steps=request.steps, output_type="latent"
    ).frames
    latents = built.extra["latent_upsampler"](latents=latents, **small, output_type="latent").frames
    return built.pipe(
        **common,
        height=2 * height,
        width=2 * width,
        latents=latents,
        denoise_strength=REFINE_STRENGTH,
        num_inference_steps=REFINE_STEPS,
        decode_timestep=0.05,
        image_cond_noise_scale=0.025,
    ).frames


Generate = Callable[[Built, VideoRequest], Any]
RECIPES: Mapping[tuple[str, str], Generate] = {
    ("ltx", "card"): _ltx_cascade,
    ("ltx", "paper"): _ltx_cascade,
}
