"""Kinowatt: what a generated video costs, before, while and after it is generated.

Verbs: `predict` answers for one video, `predict_many` for arrays, `compare` for several models or
GPUs, `scaling` along one axis, `levers` for what each knob would save, `budget` for the best
settings under limits; `measure` takes a row on this machine, `load_measurements` reads rows of
files or of a store, `read_microbench` what `kinowatt microbench` found, `watch` meters anybody's
pipeline, `audit` judges a file of anybody's measurements, `explain` says whether one time is normal,
`card` makes a prediction or a row ready to be published.
Nouns: `Prediction`, `Budget`, `Card`, `Measurement`, `Microbench`, `ModelSpec`, `GpuSpec`,
`GpuProfile`, `GridIntensity`, `Workload`, `Operator`.
Facts: `models`, `model`, `gpus`, `gpu`, `grids`, `grid`.
Every error raised on purpose is a `KinowattError`; bad input is an `InputError`, a `ValueError`.

Importing the package loads nothing; a name is looked up when it is first used.
"""

from importlib import import_module

from kinowatt.version import __version__

TYPE_CHECKING = False  # typing's own costs as long to import as everything else here
if TYPE_CHECKING:
    from kinowatt.analysis.audit.run import audit as audit
    from kinowatt.analysis.budget import Budget as Budget
    from kinowatt.analysis.budget import budget as budget
    from kinowatt.analysis.cards import Card as Card
    from kinowatt.analysis.cards import card as card
    from kinowatt.analysis.compare import compare as compare
    from kinowatt.analysis.compare import levers as levers
    from kinowatt.analysis.compare import scaling as scaling
    from kinowatt.analysis.explain import explain as explain
    from kinowatt.analysis.many import predict_many as predict_many
    from kinowatt.analysis.predict import predict as predict
    from kinowatt.analysis.prediction import Prediction as Prediction
    from kinowatt.errors import InputError as InputError
    from kinowatt.errors import KinowattError as KinowattError
    from kinowatt.facts.gpus import GpuSpec as GpuSpec
    from kinowatt.facts.gpus import gpu as gpu
    from kinowatt.facts.gpus import gpus as gpus
    from kinowatt.facts.grids import GridIntensity as GridIntensity
    from kinowatt.facts.grids import grid as grid
    from kinowatt.facts.grids import grids as grids
    from kinowatt.facts.models import ModelSpec as ModelSpec
    from kinowatt.facts.models import model as model
    from kinowatt.facts.models import models as models
    from kinowatt.facts.profiles import GpuProfile as GpuProfile
    from kinowatt.lab.measure import measure as measure
    from kinowatt.lab.measurement import Measurement as Measurement
    from kinowatt.lab.microbench.result import Microbench as Microbench
    from kinowatt.lab.microbench.result import read_microbench as read_microbench
    from kinowatt.lab.watch import watch as watch
    from kinowatt.rows import load_measurements as load_measurements
    from kinowatt.theory.operators import Operator as Operator
    from kinowatt.theory.workload import Workload as Workload

_HOMES = {
    "kinowatt.analysis.audit.run": ("audit",),
    "kinowatt.analysis.budget": ("Budget", "budget"),
    "kinowatt.analysis.cards": ("Card", "card"),
    "kinowatt.analysis.compare": ("compare", "levers", "scaling"),
    "kinowatt.analysis.explain": ("explain",),
    "kinowatt.analysis.many": ("predict_many",),
    "kinowatt.analysis.predict": ("predict",),
    "kinowatt.analysis.prediction": ("Prediction",),
    "kinowatt.errors": ("InputError", "KinowattError"),
    "kinowatt.facts.gpus": ("GpuSpec", "gpu", "gpus"),
    "kinowatt.facts.grids": ("GridIntensity", "grid", "grids"),
    "kinowatt.facts.models": ("ModelSpec", "model", "models"),
    "kinowatt.facts.profiles": ("GpuProfile",),
    "kinowatt.lab.measure": ("measure",),
    "kinowatt.lab.measurement": ("Measurement",),
    "kinowatt.lab.microbench.result": ("Microbench", "read_microbench"),
    "kinowatt.lab.watch": ("watch",),
    "kinowatt.rows": ("load_measurements",),
    "kinowatt.theory.operators": ("Operator",),
    "kinowatt.theory.workload": ("Workload",),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}
__all__ = ["__version__", *_WHERE]  # noqa: PLE0604 (names, though the linter can't see them)


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'kinowatt' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
