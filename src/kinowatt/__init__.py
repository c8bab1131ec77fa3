"""Kinowatt: what a generated video costs, before, while and after it is generated.

`predict` answers for one video, `predict_many` for arrays, `compare` for several models or GPUs.
Everything heavy is loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kinowatt.version import __version__

if TYPE_CHECKING:
    from kinowatt.analysis.many import predict_many
    from kinowatt.analysis.predict import predict
    from kinowatt.analysis.prediction import Prediction
    from kinowatt.errors import InputError, KinowattError
    from kinowatt.facts.gpus import GpuSpec, gpu, gpus
    from kinowatt.facts.models import ModelSpec, model, models

_WHERE = {
    "InputError": "kinowatt.errors",
    "KinowattError": "kinowatt.errors",
    "GpuSpec": "kinowatt.facts.gpus",
    "gpu": "kinowatt.facts.gpus",
    "gpus": "kinowatt.facts.gpus",
    "ModelSpec": "kinowatt.facts.models",
    "model": "kinowatt.facts.models",
    "models": "kinowatt.facts.models",
    "Prediction": "kinowatt.analysis.prediction",
    "predict": "kinowatt.analysis.predict",
    "predict_many": "kinowatt.analysis.many",
}
__all__ = ["__version__", *sorted(_WHERE)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'kinowatt' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
