"""The verb `budget`: the best settings under limits, what one gives up, and what would have to give.

Quality is never scored here: see `budget_pick`. A user's own scores join the Pareto front.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.budget_ask import Ask, read_ask
from kinowatt.analysis.budget_front import Front, Points, joint, own_front, undominated
from kinowatt.analysis.budget_ladder import checked_model
from kinowatt.analysis.budget_nearest import Relaxation, nearest
from kinowatt.analysis.budget_pick import pick
from kinowatt.analysis.budget_scores import Scores, best_scored, read_scores
from kinowatt.analysis.budget_setting import Setting, checked
from kinowatt.analysis.budget_space import Place, Space, make_space
from kinowatt.analysis.predict import DEFAULT_GPU
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import ModelSpec
from kinowatt.facts.models import model as find_model
from kinowatt.facts.models import models as all_models
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.version import __version__

QUALITY = (
    "Quality is not scored: settings are judged by cost and by their share of the model card's "
    "pixels, frames and steps. Your own scores (scores=…, --scores FILE) join the front."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """A preset's setting; `gives_up`: in words, against the model card (`final`) or `final`.

    `time_factor`, `energy_factor`: over those of `final`.
    """

    setting: Setting
    gives_up: tuple[str, ...]
    time_factor: float
    energy_factor: float

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **self.setting.to_dict(),
            "gives_up": list(self.gives_up),
            "time_factor": self.time_factor,
            "energy_factor": self.energy_factor,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One model on one GPU. `picks` by preset, empty where nothing fits: then see `nearest`.

    `front`: settings that no other of this model dominates, at most `POINTS` of `front_size`.
    `problem`: why this model was not searched on this GPU.
    """

    model: str
    gpu: str
    profile: str | None = None
    recipe: str | None = None
    picks: Mapping[str, Pick]
    nearest: tuple[Relaxation, ...] = ()
    front: Front
    searched: Mapping[str, Any]
    warnings: tuple[Mapping[str, str], ...] = ()
    problem: str | None = None

    @property
    def fits(self) -> bool:
        return bool(self.picks)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "model": self.model,
            "gpu": self.gpu,
            "profile": self.profile,
            "recipe": self.recipe,
            "fits": self.fits,
            "picks": {name: found.to_dict() for name, found in self.picks.items()},
            "nearest": [item.to_dict() for item in self.nearest],
            "front": self.front.to_list(),
            "front_size": self.front.size,
            "searched": dict(self.searched),
            "warnings": [dict(warning) for warning in self.warnings],
            "problem": self.problem,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What `budget` answers: models that fit first, nearest to their model card first."""

    asked: Mapping[str, Any]
    answers: tuple[Answer, ...]
    front: Front
    quality: str = QUALITY

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "asked": dict(self.asked),
            "answers": [answer.to_dict() for answer in self.answers],
            "front": self.front.to_list(),
            "front_size": self.front.size,
            "quality": self.quality,
            "provenance": {"kind": "predicted", "version": __version__},
        }


def budget(
    models: Sequence[str] | str | None = None,
    gpus: Sequence[str] | str = (DEFAULT_GPU,),
    **asked: Any,
) -> Budget:
    """The best settings under limits, for every model (or those named) on every GPU named.

    Limits: `max_latency_s`, `max_energy_wh` (of the GPU), `max_memory_gib`, `max_cost_usd` (with
    `price`, USD per GPU-hour, a number or a mapping by GPU), `max_co2e_g` (with `grid` or
    `intensity`). Minimums: `min_height_px` (480 or "480p": the shorter side), `min_video_s`,
    `min_steps` (without it a quarter of the model card's steps). Maximums: `max_height_px`,
    `max_video_s`, `max_steps`. `aspect`: "16:9", "9:16", "4:3", "1:1", else the model card's.
    `confidence`: 50 keeps limits by the predicted value, 80 and 95 by the upper end of that
    interval; memory has no interval. `scores`: a CSV file, or rows, of model, height, width,
    frames, steps and your own score. Also `recipe`, `profile`, `tiling`, `offload`, `pue`,
    `embodied`. Raises `InputError` with one clear line.
    """
    scores = read_scores(asked.pop("scores", None))
    ask = read_ask(asked)
    specs = _models(models)
    devices = dict.fromkeys(find_gpu(name).name for name in _listed(gpus, "gpus"))
    tried = [_tried(spec, gpu, ask, scores) for gpu in devices for spec in specs]
    if all(isinstance(found, InputError) for _, _, found in tried):
        raise next(found for _, _, found in tried if isinstance(found, InputError))
    answers, fronts = [], []
    for model, gpu, found in tried:
        if isinstance(found, InputError):
            answers.append(_refused(model, gpu, found))
            continue
        fronts.append(undominated(found, scores))
        answers.append(_answer(found, scores, fronts[-1]))
    return Budget(
        asked={**ask.shown(), "gpus": list(devices), "models": [spec.name for spec in specs]},
        answers=tuple(sorted(answers, key=_closeness)),
        front=joint(fronts, scores),
    )


def _listed(names: Sequence[str] | str, kind: str) -> Sequence[str]:
    found = [names] if isinstance(names, str) else list(names)
    if not found:
        raise InputError(f"{kind} must name at least one")
    return found


def _models(names: Sequence[str] | str | None) -> list[ModelSpec]:
    if names is None or not len(names):
        return [spec for spec in all_models().values() if spec.form != "paper"]
    chosen = dict.fromkeys(find_model(name).name for name in _listed(names, "models"))
    return [checked_model(find_model(name)) for name in chosen]


def _tried(
    spec: ModelSpec, gpu: str, ask: Ask, scores: Scores
) -> tuple[str, str, Space | InputError]:
    """The space of a model on a GPU, or why there is none (a dtype that the GPU lacks)."""
    device = find_gpu(gpu)
    accounting = ask.accounting(device)
    try:
        place = Place(
            model=spec,
            gpu=device,
            profile=find_profile(ask.profile, device),
            recipe=spec.recipe(ask.recipe, spec.preset("default")),
            ask=ask,
            accounting=accounting,
        )
        return spec.name, gpu, make_space(place)
    except InputError as error:
        return spec.name, gpu, error


def _refused(model: str, gpu: str, error: InputError) -> Answer:
    return Answer(model=model, gpu=gpu, picks={}, front=Front(), searched={}, problem=str(error))


def _answer(space: Space, scores: Scores, points: Points) -> Answer:
    place = space.place
    found = pick(space)
    confirmed = {at: checked(space, *at) for at in dict.fromkeys(found.values())}
    settings = {name: confirmed[at][0] for name, at in found.items()}
    scored = best_scored(place, scores)
    if scored is not None:
        settings["best_scored"] = scored
    return Answer(
        model=place.model.name,
        gpu=place.gpu.name,
        profile=place.profile.name,
        recipe=place.recipe.name,
        picks={name: _pick(place, name, settings) for name in settings},
        nearest=() if found else nearest(space),
        front=own_front(points),
        searched=_searched(space),
        warnings=_about(confirmed[found["final"]][1].warnings) if found else (),
    )


def _about(warnings: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """What a prediction says of its profile and options, not of one setting."""
    kept = ("profile_", "model_not_in_profile", "offload_not_timed")
    return tuple(warning for warning in warnings if warning["code"].startswith(kept))


def _searched(space: Space) -> dict[str, Any]:
    """How many settings, and their range."""
    if not len(space):
        return {"settings": 0}
    least, floor, most = space.steps
    return {
        "settings": len(space),
        "short_px": [int(space.short_px.min()), int(space.short_px.max())],
        "video_s": [float(space.video_s.min()), float(space.video_s.max())],
        "steps": [floor, most],
        "least_steps_of_pipeline": least,
    }


def _pick(place: Place, name: str, settings: Mapping[str, Setting]) -> Pick:
    setting = settings[name]
    final = settings.get("final", setting)
    card = place.card
    if name == "final":
        words = _words(setting, min(card.height_px, card.width_px), card.frames, card.steps)
    else:
        words = _words(setting, final.short_px, final.frames, final.steps)
    return Pick(
        setting=setting,
        gives_up=words,
        time_factor=setting.latency_s / final.latency_s,
        energy_factor=setting.energy_wh_gpu / final.energy_wh_gpu,
    )


def _words(setting: Setting, short_px: int, frames: int, steps: int) -> tuple[str, ...]:
    """`480p → 320p`, `5.06 → 2.06 s`, `50 → 13 steps`: only what differs."""
    seconds = frames / setting.fps
    found = (
        (setting.short_px != short_px, f"{short_px}p → {setting.short_px}p"),
        (setting.frames != frames, f"{seconds:.3g} → {setting.video_s:.3g} s"),
        (setting.steps != steps, f"{steps} → {setting.steps} steps"),
    )
    return tuple(words for differs, words in found if differs)


def _closeness(answer: Answer) -> tuple[bool, float, float]:
    """Models that fit first; nearest to their model card, then quickest."""
    if "final" not in answer.picks:
        return not answer.fits, 0.0, 0.0
    final = answer.picks["final"].setting
    return False, -min(1.0, *final.share_of_card.values()), final.latency_s
