"""The product's own tiny twins, as tests want them: real classes, under a second on a CPU."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from kinowatt.facts.models import models
from kinowatt.lab.measure import twin_size
from kinowatt.lab.pipelines import Built, build
from kinowatt.lab.request import BuildOptions, VideoRequest

TRACED = [name for name, spec in models().items() if spec.form == "traced"]


def twin(name: str, **more: Any) -> Built:
    return build(name, BuildOptions(device="cpu", twin=True, dtype="float32", **more))


def pipeline(name: str) -> Any:
    """The pipeline alone of a model's twin."""
    return twin(name).pipe


FAMILIES = (
    *("wan2.1-t2v-1.3b", "cogvideox-2b", "ltx-video-0.9.7-dev", "mochi-1-preview"),
    "animatediff-lightning",
)
TWINS: Mapping[str, Callable[[], Any]] = {name: partial(pipeline, name) for name in FAMILIES}


def request_of(built: Built, **more: Any) -> VideoRequest:
    return VideoRequest.of(built.spec, **(twin_size(built.spec) | {"steps": 2} | more))


def traces_of(pipe: Any) -> tuple[Any, ...]:
    """What hooks could leave on a pipeline."""
    modules = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    return (
        type(pipe),
        [(len(m._forward_hooks), len(m._forward_pre_hooks), sorted(vars(m))) for m in modules],
        sorted(vars(pipe.scheduler)),
    )


def watch(pipe: Any) -> dict[str, list[dict[str, Any]]]:
    """Records the calls of text encoder, denoiser and decoder while the pipeline runs."""
    calls: dict[str, list[dict[str, Any]]] = {"text_encoder": [], "denoiser": [], "vae_decoder": []}

    def encoder(_: object, args: tuple[torch.Tensor, ...], kwargs: dict[str, Any]) -> None:
        ids = args[0] if args else kwargs["input_ids"]
        calls["text_encoder"].append({"b": ids.shape[0], "l": ids.shape[1]})

    def denoiser(_: object, args: tuple[torch.Tensor, ...], kwargs: dict[str, Any]) -> None:
        latents = kwargs.get("hidden_states", args[0] if args else None)
        call = {"b": latents.shape[0], "shape": tuple(latents.shape)}
        if "encoder_attention_mask" in kwargs:
            call["valid"] = kwargs["encoder_attention_mask"].sum(dim=1).tolist()
        calls["denoiser"].append(call)

    pipe.text_encoder.register_forward_pre_hook(encoder, with_kwargs=True)
    module = getattr(pipe, "transformer", None) or pipe.unet
    module.register_forward_pre_hook(denoiser, with_kwargs=True)
    inner = pipe.vae.decode

    def decode(latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        calls["vae_decoder"].append({"b": latents.shape[0], "shape": tuple(latents.shape)})
        return inner(latents, *args, **kwargs)

    pipe.vae.decode = decode
    pipe.set_progress_bar_config(disable=True)
    return calls
