"""Kinowatt: what a generated video costs, before, while and after it is generated.

Verbs: `predict` answers for one video, `predict_many` for arrays, `compare` for several models or
GPUs, `scaling` along one axis, `levers` for what each knob would save. Nouns: `Prediction`,
`ModelSpec`, `GpuSpec`, `GpuProfile`, `Workload`, `Operator`. Facts: `models`, `gpus`, `grids`.
Every error raised on purpose is a `KinowattError`; bad input is an `InputError`, a `ValueError`.

Importing the package loads nothing; a name is looked up when it is first used.
"""

from importlib import import_module

from kinowatt.version import __version__

TYPE_CHECKING = False  # typing's own costs as long to import as everything else here
if TYPE_CHECKING:
    from kinowatt.analysis.compare import compare, levers, scaling
    from kinowatt.analysis.many import predict_many
    from kinowatt.analysis.predict import predict
    from kinowatt.analysis.prediction import Prediction
    from kinowatt.errors import InputError, KinowattError
    from kinowatt.facts.gpus import GpuSpec, gpu, gpus
    from kinowatt.facts.grids import grid, grids
    from kinowatt.facts.models import ModelSpec, model, models
    from kinowatt.theory.operators import Operator
    from kinowatt.theory.profile import GpuProfile
    from kinowatt.theory.workload import Workload

_WHERE = {
    "GpuProfile": "kinowatt.theory.profile",
    "GpuSpec": "kinowatt.facts.gpus",
    "InputError": "kinowatt.errors",
    "KinowattError": "kinowatt.errors",
    "ModelSpec": "kinowatt.facts.models",
    "Operator": "kinowatt.theory.operators",
    "Prediction": "kinowatt.analysis.prediction",
    "Workload": "kinowatt.theory.workload",
    "compare": "kinowatt.analysis.compare",
    "gpu": "kinowatt.facts.gpus",
    "gpus": "kinowatt.facts.gpus",
    "grid": "kinowatt.facts.grids",
    "grids": "kinowatt.facts.grids",
    "levers": "kinowatt.analysis.compare",
    "model": "kinowatt.facts.models",
    "models": "kinowatt.facts.models",
    "predict": "kinowatt.analysis.predict",
    "predict_many": "kinowatt.analysis.many",
    "scaling": "kinowatt.analysis.compare",
}
__all__ = ["__version__", *_WHERE]  # noqa: PLE0604 (names, though the linter can't see them)


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'kinowatt' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
