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
    settings, in words. `seconds`, `energy_wh` (GPU): expected, and at the ends of the intervals
    by level; empty where nothing is predicted (a twin, a CPU). `fits`: None where not known.
    """

    same: str
    changes: tuple[str, ...]
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
            changes=tuple(notes[code] for code in CHANGES if code in notes),
            peak_memory_gib=None if twin else found["peak_memory_gib"],
            fits=None if twin or not memory else memory["fits"],
            **({"seconds": {}, "energy_wh": {}} if twin else _costs(build, request, found)),
        )

    def _predicted(
        self, build: Mapping[str, Any], request: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        asked = {name: request[name] for name in SETTINGS if name in request}
        asked |= {"tiling": build["tiling"], "offload": build["offload"]}
        key = canonical({"model": build["model"], **asked})
        if key not in self._known:
            self._known[key] = self.predict(str(build["model"]), asked)
        return self._known[key]


def same(
    build: Mapping[str, Any], request: Mapping[str, Any], effective: Mapping[str, Any]
) -> str:
    """What really runs, as one text."""
    spec = model(str(build["model"]))
    sizes = {name: effective[name] for name in ("height_px", "width_px", "frames")}
    guided = request["guidance_scale"] if request["guidance_scale"] > 1 else 1
    tokens = min(request["prompt_tokens"], spec.max_sequence_length)
    alike = {**request, **sizes, "guidance_scale": guided, "prompt_tokens": tokens}
    if "prompt" in request:
        del alike["prompt_tokens"]
    return canonical({"build": dict(build), **alike})


def _costs(
    build: Mapping[str, Any], request: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """Seconds of the row, and watt-hours at the mean power of its video."""
    video = video_of(found)
    seconds = {"expected": row_seconds(build, request, video)}
    expected_s, expected_wh = found["latency_s"], found["energy_wh"]["gpu"]
    energy = {"expected": expected_wh * seconds["expected"] / expected_s}
    for level in LEVELS:
        ends = zip(
            ("low", "high"),
            found["intervals"]["latency_s"][level],
            found["intervals"]["energy_wh_gpu"][level],
            strict=True,
        )
        for end, latency_s, energy_wh in ends:
            factor = latency_s / expected_s
            took_s = row_seconds(build, request, video.times(factor))
            seconds[f"{level}_{end}"] = took_s
            # Energy of a video over its own seconds: windows that meters ask for stay as long
            energy[f"{level}_{end}"] = energy_wh / latency_s * took_s
    return {"seconds": seconds, "energy_wh": energy}


def video_of(found: Mapping[str, Any]) -> Video:
    """The parts of a predicted video."""
    spec, stages = model(found["model"]), found["stages"]
    steps = found["workload"]["steps"]
    others = [name for name in stages if name not in ("denoiser", "vae_decoder", "other")]
    return Video(
        before_s=sum(stages[name]["latency_s"] for name in others),
        step_s=stages["denoiser"]["latency_s"] / steps,
        steps=steps,
        decoder_s=stages["vae_decoder"]["latency_s"],
        after_s=stages["other"]["latency_s"],
        whole=found["recipe"] != "single",
        min_steps=spec.rules.min_steps,
    )
