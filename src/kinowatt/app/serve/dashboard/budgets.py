"""The page Budget: the best settings under limits, what one gives up, what would have to give."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.budget import Answer as ForModel
from kinowatt.analysis.budget import Budget, budget
from kinowatt.app.serve.dashboard import charts
from kinowatt.app.serve.dashboard.tables import Column, table
from kinowatt.app.serve.dashboard.words import address, both, command, notice, python
from kinowatt.errors import InputError
from kinowatt.units import GIB, format_bytes, format_seconds, format_wh

LIMITS = ("max_latency_s", "max_energy_wh", "max_memory_gib", "min_video_s")
SIZES = ("any", "240p", "360p", "480p", "720p", "1080p")
ASPECTS = ("card", "16:9", "9:16", "4:3", "1:1")
OPTIONS = {"min_video_s": "min_seconds", "min_height_px": "min_height"}
State = Mapping[str, Any]
Answer = tuple[str, str, Any, str, str, str, str]


def answer(state: State) -> Answer:
    """Notice, best settings, the front as chart and table, what would have to give, code, address."""
    given = {name: state[name] for name in LIMITS if state.get(name) is not None}
    if state.get("min_height_px") in SIZES[1:]:
        given["min_height_px"] = state["min_height_px"]
    if state.get("aspect") in ASPECTS[1:]:
        given["aspect"] = state["aspect"]
    names, gpus = list(state.get("models") or ()), list(state.get("gpus") or ())
    try:
        found = budget(names or None, gpus, **given)
    except InputError as error:
        said, none = notice([str(error)], "error"), charts.nothing()
        return said, "", none, "", "", "", address(state)
    options = {OPTIONS.get(name, name): value for name, value in given.items()}
    by_command = command("budget", [], {"model": names, "gpu": gpus, **options})
    front = [setting.to_dict() for setting in found.front.settings]
    return (
        notice([found.quality], "plain"),
        _picks(found),
        charts.front(front),
        _settings(
            "front",
            "None of these is beaten by another, each with the most steps that fit (predicted)",
            front,
        ),
        _missing(found),
        both(by_command, python("budget", [names or None, gpus], given)),
        address(state),
    )


def _picks(found: Budget) -> str:
    rows = [
        {
            "preset": preset,
            **pick.setting.to_dict(),
            "gives_up": ", ".join(pick.gives_up) or "nothing",
        }
        for one in found.answers
        for preset, pick in one.picks.items()
    ]
    if not rows:
        return notice(["no model keeps these limits; below is what would have to give"], "warning")
    extra = (Column(key="gives_up", label="Gives up", left=True),)
    preset = (Column(key="preset", label="Preset", left=True),)
    return _settings("budget", "Best settings (predicted)", rows, preset, extra)


def _settings(
    name: str,
    caption: str,
    rows: Sequence[Mapping[str, Any]],
    before: Sequence[Column] = (),
    after: Sequence[Column] = (),
) -> str:
    runs = [{**row, "runs": "{height_px} x {width_px} x {frames}".format(**row)} for row in rows]
    columns = (
        Column(key="model", label="Model", left=True),
        Column(key="gpu", label="GPU", left=True),
        *before,
        Column(key="runs", label="Runs", left=True),
        Column(key="steps", label="Steps"),
        Column(key="video_s", label="Video", show=format_seconds),
        Column(key="latency_s", label="Time", show=format_seconds),
        Column(key="energy_wh_gpu", label="GPU energy", show=format_wh),
        Column(key="peak_memory_gib", label="Memory", show=lambda gib: format_bytes(gib * GIB)),
        *after,
    )
    return table(name, caption, columns, runs)


def _missing(found: Budget) -> str:
    """What would have to give, and which models were not searched."""
    rows = [row for one in found.answers if not one.fits for row in _changes(one)]
    columns = (
        Column(key="model", label="Model", left=True),
        Column(key="gpu", label="GPU", left=True),
        Column(key="change", label="What would have to give", left=True),
    )
    return table("relaxed", "What does not fit", columns, rows) if rows else ""


def _changes(one: ForModel) -> list[dict[str, str]]:
    words = [
        ", ".join(
            f"{name} {needed} instead of {asked}" for name, (asked, needed) in r.changes.items()
        )
        for r in one.nearest
    ]
    shown = [one.problem] if one.problem else words[:2]
    return [{"model": one.model, "gpu": one.gpu, "change": text} for text in shown]
