"""The product's own tiny twins, as tests want them."""

from typing import Any

import torch

from kinowatt.facts.models import models
from kinowatt.lab.measure import twin_size
from kinowatt.lab.pipelines import BuildOptions, Built, build
from kinowatt.lab.request import VideoRequest

TRACED = [name for name, spec in models().items() if spec.form == "traced"]


def twin(name: str, **more: Any) -> Built:
    return build(name, BuildOptions(device="cpu", twin=True, dtype="float32", **more))


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
