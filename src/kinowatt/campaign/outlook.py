"""What a prediction says of one row: what really runs, whether it fits, seconds and watt-hours.

Campaigns never see the theory that will judge their rows: the caller passes a function in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from kinowatt.errors import InputError
from kinowatt.facts.models import model
from kinowatt.lab.duration import Video, row_seconds
from kinowatt.lab.request import VideoRequest
from kinowatt.lab.worker import canonical

LEVELS = ("80", "95")
FAILS = "batch_fails"  # a note by which a prediction says that the pipeline would refuse
CHANGES = ("frames_rounded", "size_differs", "prompt_truncated")
# (model, settings of the workload and how) → `predict --json`; `InputError` where nothing runs
Predict = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
SETTINGS = tuple(f.name for f in fields(VideoRequest) if f.name not in ("prompt", "seed"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """Of one row, before it is measured.

    `same`: equal for two requests that run the same. `changes`: what the pipeline makes of the
    settings, by code in words. `frames`: as generated. `seconds`, `energy_wh` (GPU): expected, and
    at the ends of the intervals by level; empty where nothing is predicted (a twin, a CPU).
    `fits`: None where not known.
    """

    same: str
    changes: Mapping[str, str]
    frames: int
    peak_memory_gib: float | None
    fits: bool | None
    seconds: Mapping[str, float]
    energy_wh: Mapping[str, float]

    @property
    def expected_s(self) -> float | None:
        return self.seconds.get("expected")


class Outlooks:
    """Outlooks of rows; one prediction for each distinct video."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict
        self._known: dict[str, Mapping[str, Any]] = {}

    def of(self, build: Mapping[str, Any], request: Mapping[str, Any]) -> Outlook:
        """Raises `InputError` for what the pipeline does not accept."""
        found = self._predicted(build, request)
        notes = {note["code"]: note["message"] for note in found["warnings"]}
        if FAILS in notes:
            raise InputError(notes[FAILS])
        memory = found["memory"]
        twin = bool(build["twin"]) or build["device"] == "cpu"
        return Outlook(
            same=same(build, request, found["workload"]["effective"]),
            changes={code: notes[code] for code in CHANGES if code in notes},
            frames=found["workload"]["effective"]["frames"],
            peak_memory_gib=None if twin else found["peak_memory_gib"],
            fits=None if twin or not memory else memory["fits"],
            **({"seconds": {}, "energy_wh": {}} if twin else _costs(build, request, found)),
        )

    def _predicted(self, build: Mapping[str, Any], request: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = asked_of(build, request)
        key = canonical({"model": build["model"], **asked})
        if key not in self._known:
            self._known[key] = self.predict(str(build["model"]), asked)
        return self._known[key]


def asked_of(build: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """What a prediction is asked for a row."""
    asked = {name: request[name] for name in SETTINGS if name in request}
    return asked | {"tiling": build["tiling"], "offload": build["offload"]}


def same(build: Mapping[str, Any], request: Mapping[str, Any], effective: Mapping[str, Any]) -> str:
    """What really runs, as one text."""
    spec = model(str(build["model"]))
    sizes = {name: effective[name] for name in ("height_px", "width_px", "frames")}
    guided = max(1.0, request["guidance_scale"])
    tokens = min(request["prompt_tokens"], spec.max_sequence_length)
    alike = {**request, **sizes, "guidance_scale": guided, "prompt_tokens": tokens}
    if "prompt" in request:
        del alike["prompt_tokens"]
    return canonical({"build": dict(build), **alike})


def _costs(
    build: Mapping[str, Any], request: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Seconds of the row, and watt-hours at the mean power of its video.

    Windows that meters ask for stay as long on a slower GPU, so seconds are counted anew at each
    end. Energy keeps the relative interval of the video's.
    """
    video, latency_s, wh = video_of(found), found["latency_s"], found["energy_wh"]["gpu"]
    seconds = {"expected": row_seconds(build, request, video)}
    energy = {"expected": wh * seconds["expected"] / latency_s}
    for level in LEVELS:
        for index, end in enumerate(("low", "high")):
            factor = found["intervals"]["latency_s"][level][index] / latency_s
            seconds[f"{level}_{end}"] = row_seconds(build, request, video.times(factor))
            share = found["intervals"]["energy_wh_gpu"][level][index] / wh
            energy[f"{level}_{end}"] = energy["expected"] * share
    return {"seconds": nested(seconds), "energy_wh": energy}


def nested(ends: Mapping[str, float]) -> dict[str, float]:
    """Intervals that hold the expected value and each other; whole repeats make time uneven."""
    found = dict(ends)
    low = high = found["expected"]
    for level in LEVELS:
        low = found[f"{level}_low"] = min(low, *(found[f"{level}_{e}"] for e in ("low", "high")))
        high = found[f"{level}_high"] = max(high, found[f"{level}_high"])
    return found


def moves_s(stages: Mapping[str, Mapping[str, Any]]) -> float:
    """Seconds of a predicted video's stages in which offload moves weights."""
    return float(sum(stage.get("moving_s", 0.0) for stage in stages.values()))


def video_of(found: Mapping[str, Any]) -> Video:
    """The parts of a predicted video; weights that offload moves do so once a call, whatever its
    steps: they count as what comes before these."""
    spec, stages = model(found["model"]), found["stages"]
    steps = found["workload"]["steps"]
    work_s = {
        name: stage["latency_s"] - stage.get("moving_s", 0.0) for name, stage in stages.items()
    }
    others = [name for name in stages if name not in ("denoiser", "vae_decoder", "other")]
    return Video(
        before_s=sum(work_s[name] for name in others) + moves_s(stages),
        step_s=work_s["denoiser"] / steps,
        steps=steps,
        decoder_s=work_s["vae_decoder"],
        after_s=work_s["other"],
        whole=found["recipe"] != "single",
        min_steps=spec.rules.min_steps,
    )
