"""What else could have produced the numbers: known defaults, units, runs, exchanged columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kinowatt.analysis.audit.forecasts import Options, complete, profiles_of
from kinowatt.facts.gpus import gpus
from kinowatt.facts.models import ModelSpec, models
from kinowatt.facts.models import model as find_model
from kinowatt.units import JOULES_PER_WH, WH_PER_KWH

# Sizes and counts that people ask for, besides the presets of the models
SIZES = (
    *((256, 256), (288, 512), (384, 640), (480, 832), (512, 512), (544, 960)),
    *((576, 1024), (720, 1280), (1088, 1920)),
)
FRAMES = (17, 25, 33, 41, 49, 65, 81, 97, 121, 129, 161)
STEPS = (4, 8, 10, 20, 25, 30, 40, 50, 60, 100)
BATCHES = (2, 4, 8)
RUNS = (2, 3, 5, 10)
TIME_UNITS = {"milliseconds": 1e-3, "minutes": 60.0, "hours": 3600.0, "microseconds": 1e-6}
ENERGY_UNITS = {
    "kWh": WH_PER_KWH,
    "J": 1 / JOULES_PER_WH,
    "kJ": WH_PER_KWH / JOULES_PER_WH,
    "mWh": 1 / WH_PER_KWH,
}
# Natural logarithms of how likely each is beforehand, the labels being 0: the fewer things must be
# wrong, and the better known the values, the likelier. They break ties; the fit decides.
PRESET, OWN, KNOWN, PAIR = -2.0, -2.5, -3.5, -4.5
UNIT, WINDOW, SWAPPED, OTHER_MODEL, OTHER_GPU, FREE = -3.0, -3.5, -4.0, -5.0, -5.0, -7.0
OTHER_COUNT = -2.0  # of several runs where the file states another number of them


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypothesis:
    """Settings that ran instead of the labels, and what stated numbers must be multiplied by."""

    kind: str
    words: str
    prior: float
    changes: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)  # recipe, tiling
    exchanged: tuple[str, str] | None = None  # two labels that stand in each other's column
    model: str | None = None
    gpu: str | None = None
    time: float = 1.0
    energy: float = 1.0
    runs: int = 0  # of how many runs the numbers are, where that is the hypothesis
    swapped: bool = False  # seconds stand where Wh should and the other way round

    def settings(self, model: str, labelled: Mapping[str, float]) -> dict[str, float]:
        """What ran, as `model` can run it."""
        given = {**labelled, **self.changes}
        if self.exchanged:
            one, other = self.exchanged
            given[one], given[other] = labelled[other], labelled[one]
        return complete(self.model or model, given)[0]

    def how(self, stated: Options) -> Options:
        """Options under which it is predicted; those of another model are its own."""
        if self.model is not None:
            return ()
        return tuple(sorted({**dict(stated), **self.options}.items()))


LABELS = Hypothesis(kind="labels", words="as labelled", prior=0.0)


@cache
def hypotheses(model: str, gpu: str) -> tuple[Hypothesis, ...]:
    """Everything that is tried for rows of a model on a GPU."""
    spec = find_model(model)
    return (
        *_presets(spec),
        *_single(spec),
        *_pairs(spec),
        *_numbers(),
        *_others(spec, gpu),
    )


def _size(height: float, width: float) -> dict[str, float]:
    return {"height_px": float(height), "width_px": float(width)}


def _words(changes: Mapping[str, float]) -> str:
    parts = []
    if "height_px" in changes:
        parts.append(f"{changes['height_px']:g}x{changes['width_px']:g}")
    for name, word in (("frames", "frames"), ("steps", "steps")):
        if name in changes:
            parts.append(f"{changes[name]:g} {word}")
    return ", ".join(parts)


def _settings(changes: Mapping[str, float], prior: float, note: str = "") -> Hypothesis:
    return Hypothesis(
        kind="settings", words=_words(changes) + note, prior=prior, changes=dict(changes)
    )


def _presets(spec: ModelSpec) -> Iterator[Hypothesis]:
    for name, preset in spec.presets.items():
        size = _size(preset.height_px, preset.width_px)
        changes = {**size, "frames": float(preset.frames), "steps": float(preset.steps)}
        yield _settings(changes, PRESET, f" (preset {name!r} of {spec.name})")
        del changes["frames"]
        yield _settings(changes, PRESET, f" (of preset {name!r})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """Values of one kind of setting with how likely each is."""

    changes: Mapping[str, float]
    prior: float
    own: bool


def _known(spec: ModelSpec) -> Mapping[str, tuple[Known, ...]]:
    """Sizes, frames and steps: the model's own presets first, then other models', then ladders."""
    own = list(spec.presets.values())
    all_of = [preset for other in models().values() for preset in other.presets.values()]
    sizes = [(p.height_px, p.width_px) for p in own], [(p.height_px, p.width_px) for p in all_of]
    frames = [p.frames for p in own], [p.frames for p in all_of]
    steps = [p.steps for p in own], [p.steps for p in all_of]
    return {
        "size": _ranked([_size(*s) for s in sizes[0]], [_size(*s) for s in (*sizes[1], *SIZES)]),
        "frames": _ranked(_each("frames", frames[0]), _each("frames", [*frames[1], *FRAMES])),
        "steps": _ranked(_each("steps", steps[0]), _each("steps", [*steps[1], *STEPS])),
    }


def _each(name: str, values: list[int]) -> list[dict[str, float]]:
    return [{name: float(value)} for value in values]


def _ranked(own: list[dict[str, float]], known: list[dict[str, float]]) -> tuple[Known, ...]:
    found: dict[tuple[tuple[str, float], ...], Known] = {}
    for values, prior, mine in ((own, OWN, True), (known, KNOWN, False)):
        for changes in values:
            key = tuple(sorted(changes.items()))
            found.setdefault(key, Known(changes=changes, prior=prior, own=mine))
    return tuple(found.values())


def _single(spec: ModelSpec) -> Iterator[Hypothesis]:
    for values in _known(spec).values():
        for value in values:
            yield _settings(value.changes, value.prior)
    guided = spec.preset("default").guidance_scale
    for scale in {1.0, max(guided, 5.0)}:
        word = "without guidance" if scale <= 1 else f"with guidance ({scale:g})"
        yield Hypothesis(kind="settings", words=word, prior=OWN, changes={"guidance_scale": scale})
    for count in BATCHES:
        words = f"batches of {count}"
        changes = {"batch_size": float(count)}
        yield Hypothesis(kind="settings", words=words, prior=KNOWN, changes=changes)
    exchanged = ("frames", "steps")
    words = "frames and steps exchanged"
    for name in spec.recipes:
        if len(spec.recipes) > 1:
            options = {"recipe": name}
            yield Hypothesis(kind="settings", words=f"recipe {name}", prior=OWN, options=options)
    yield Hypothesis(kind="swapped", words=words, prior=SWAPPED, exchanged=exchanged)


def _pairs(spec: ModelSpec) -> Iterator[Hypothesis]:
    known = _known(spec)
    for one, other in (("size", "steps"), ("size", "frames"), ("frames", "steps")):
        for first in known[one]:
            for second in known[other]:
                if first.own or second.own:
                    prior = PAIR if first.own and second.own else PAIR - 1.5
                    yield _settings({**first.changes, **second.changes}, prior)


def _numbers() -> Iterator[Hypothesis]:
    for unit, factor in TIME_UNITS.items():
        yield Hypothesis(kind="unit-slip", words=f"the time is in {unit}", prior=UNIT, time=factor)
    for unit, factor in ENERGY_UNITS.items():
        yield Hypothesis(
            kind="unit-slip", words=f"the energy is in {unit}", prior=UNIT, energy=factor
        )
    for count in RUNS:
        share = 1 / count
        yield _window(count, "the time is", time=share)
        yield _window(count, "the energy is", energy=share)
        yield _window(count, "time and energy are", time=share, energy=share)
    yield Hypothesis(kind="swapped", words="time and energy exchanged", prior=SWAPPED, swapped=True)


def _window(count: int, what: str, time: float = 1.0, energy: float = 1.0) -> Hypothesis:
    words = f"{what} of {count} runs"
    return Hypothesis(kind="runs", words=words, prior=WINDOW, time=time, energy=energy, runs=count)


def _others(spec: ModelSpec, gpu: str) -> Iterator[Hypothesis]:
    for other in models().values():
        if other.name != spec.name and other.form != "paper":
            nearer = 1.5 if other.family == spec.family else 0.0
            yield Hypothesis(
                kind="settings",
                words=f"the model was {other.name}",
                prior=OTHER_MODEL + nearer,
                model=other.name,
            )
    for name in gpus():
        if name != gpu and profiles_of(name):
            yield Hypothesis(
                kind="settings", words=f"the GPU was {name}", prior=OTHER_GPU, gpu=name
            )
