"""`kinowatt budget`: options as the verb names them, and its answer as tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from kinowatt.analysis.budget import Answer, Budget, Pick, budget
from kinowatt.analysis.budget_front import Front
from kinowatt.analysis.budget_nearest import Relaxation
from kinowatt.analysis.budget_setting import Setting
from kinowatt.analysis.predict import DEFAULT_GPU
from kinowatt.app.render import console, grid
from kinowatt.errors import InputError
from kinowatt.units import (
    format_number,
    format_pixels,
    format_seconds,
    format_wh,
)

SHOWN_RELAXATIONS = 3
SHOWN_FRONT = 10
_RENAMED = {
    "min_height": "min_height_px",
    "max_height": "max_height_px",
    "min_seconds": "min_video_s",
    "max_seconds": "max_video_s",
}


def run(models: Sequence[str], gpus: Sequence[str], given: Mapping[str, Any]) -> Budget:
    """Calls the verb with the options as it names them."""
    asked = {_RENAMED.get(name, name): value for name, value in given.items()}
    if "price" in asked:
        asked["price"] = _prices(asked["price"])
    if str(asked["confidence"]).isdigit():
        asked["confidence"] = int(asked["confidence"])
    return budget(models or None, gpus or (DEFAULT_GPU,), **asked)


def _prices(texts: Sequence[str]) -> float | dict[str, float]:
    """`2.5` is the price of every GPU; `h100=2.5` of one."""
    from kinowatt.facts.gpus import gpu

    pairs = [text.rpartition("=") for text in texts]
    if len(pairs) > 1 and not all(equals for _, equals, _ in pairs):
        raise InputError("several prices are given as --price GPU=USD")
    found = {gpu(name).name if equals else "": _usd(text) for name, equals, text in pairs}
    return found.get("", found)


def _usd(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--price takes USD or GPU=USD, not {text!r:.60}") from None


def report(found: Budget) -> None:
    """What was asked, the best by model, what would have to give, the front, what to know."""
    out = console()
    several = len(found.asked["gpus"]) > 1
    out.print(_asked(found.asked))
    fitting = [answer for answer in found.answers if answer.fits]
    if fitting:
        out.print(_picks(fitting, several))
        for one in fitting:
            out.print(_given_up(one, several))
        out.print()
    missing = [answer for answer in found.answers if not answer.fits and answer.problem is None]
    if missing:
        out.print(_nearest(missing, several))
    if found.front.settings:
        out.print(_front(found.front, several))
    _notes(out, found)
    if fitting:
        out.print(Text(f"As one prediction: {command(fitting[0])}", style="dim"), soft_wrap=True)


def _asked(asked: Mapping[str, Any]) -> str:
    def words(start: str) -> str:
        return ", ".join(
            form.format(asked[name])
            for name, (_, form) in _WORDS.items()
            if name in asked and name.startswith(start)
        )

    parts = [f"{word} {words(start)}" for word, start in _SIDES if words(start)]
    return (
        f"Asked: {'; '.join(parts) or 'what fits in memory'}, on {', '.join(asked['gpus'])}"
        f" (aspect: {asked['aspect']})\nLimits are kept by {asked['limits_kept_by']}."
    )


_SIDES = (("at most", "max_"), ("at least", "min_"))
_WORDS = {
    "max_latency_s": ("time", "{:g} s"),
    "max_energy_wh": ("GPU energy", "{:g} Wh"),
    "max_memory_gib": ("memory", "{:g} GiB"),
    "gpu_memory_gib": ("memory of the GPU", "{:g} GiB"),
    "max_cost_usd": ("cost", "${:g}"),
    "max_co2e_g": ("CO2e", "{:g} g CO2e"),
    "max_height_px": ("size", "{}p"),
    "min_height_px": ("size", "{}p"),
    "max_video_s": ("length", "{:g} s of video"),
    "min_video_s": ("length", "{:g} s of video"),
    "max_steps": ("steps", "{:g} steps"),
    "min_steps": ("steps", "{:g} steps"),
    "offload": ("offload", "{}"),
}


def _picks(answers: Sequence[Answer], several: bool) -> Any:
    money = [name for name in ("cost_usd", "co2e_g") if _has(answers[0], name)]
    table = grid(
        "Best settings, predicted", "model", "runs", "video", "steps", "latency", "energy", "GiB",
        *("USD" if name == "cost_usd" else "g CO2e" for name in money),
    )  # fmt: skip
    table.pad_edge, table.columns[0].no_wrap = False, False
    for answer in answers:
        table.add_row(_who(answer.model, answer.gpu, several))
        for preset, pick in _distinct(answer):
            setting = pick.setting
            table.add_row(
                f" {preset}",
                *_runs(setting),
                *_cost(setting),
                *(_money(name, getattr(setting, name)) for name in money),
            )
        table.add_section()
    return table


def _who(model: str, gpu: str, several: bool) -> str:
    return f"{model} on {gpu}" if several else model


def _has(answer: Answer, name: str) -> bool:
    return any(getattr(pick.setting, name) is not None for pick in answer.picks.values())


def _money(name: str, value: float) -> str:
    return f"{value:.4f}" if name == "cost_usd" else format_number(value)


def _distinct(answer: Answer) -> Iterator[tuple[str, Pick]]:
    """Presets in order; those with the same setting share a row."""
    rows: dict[tuple[Any, ...], tuple[list[str], Pick]] = {}
    for name, pick in answer.picks.items():
        s = pick.setting
        key = (s.height_px, s.width_px, s.frames, s.steps)
        rows.setdefault(key, ([], pick))[0].append(name.replace("_", " "))
    for names, pick in rows.values():
        yield ", ".join(names) + ("*" if pick.setting.beyond_card else ""), pick


def _runs(setting: Setting) -> tuple[str, ...]:
    """Size and frames, seconds of video, steps."""
    size = f"{setting.height_px}x{setting.width_px}x{setting.frames}"
    return size, f"{setting.video_s:.3g} s", str(setting.steps)


def _cost(setting: Setting) -> tuple[str, ...]:
    memory = format_number(setting.peak_memory_gib) + ("†" if setting.tiling else "")
    return format_seconds(setting.latency_s), format_wh(setting.energy_wh_gpu), memory


def _given_up(answer: Answer, several: bool) -> Text:
    """What each preset gives up (or gets): `final` of the model card, the others of `final`."""
    told = []
    for preset, pick in _distinct(answer):
        words = ", ".join(pick.gives_up)
        if preset.startswith("final"):
            told.append(f"{preset} {words} of the card" if words else f"{preset} as the card")
        else:
            told.append(f"{preset} x{format_number(pick.time_factor)} the time: {words}")
    name = _who(answer.model, answer.gpu, several)
    return Text.assemble((f"{name}: ", "bold"), "; ".join(told))


def _nearest(answers: Sequence[Answer], several: bool) -> Any:
    table = grid(
        "Nothing fits: what would have to give", "model", "change", "then runs", "video", "steps",
        "latency", "energy",
    )  # fmt: skip
    table.columns[1].justify = "left"
    for answer in answers:
        name = _who(answer.model, answer.gpu, several)
        if not answer.nearest:
            table.add_row(name, "no size and length of this model is as asked")
        for item in answer.nearest[:SHOWN_RELAXATIONS]:
            latency, energy, _ = _cost(item.setting)
            table.add_row(name, _change(item), *_runs(item.setting), latency, energy)
            name = ""
        table.add_section()
    return table


def _change(item: Relaxation) -> str:
    """A line each: `size 480p → 464p`."""
    lines = []
    for name, (asked, needed) in item.changes.items():
        noun, form = _WORDS[name]
        lines.append(f"{noun} {form.format(asked)} → {form.format(needed)}")
    return "\n".join(lines).replace(" of video", "").replace(" steps", "")


def _front(front: Front, several: bool) -> Any:
    settings = _thinned(front.settings)
    shown = f"{len(settings)} of {front.size}" if front.size > len(settings) else str(front.size)
    scored = settings[0].score is not None
    table = grid(
        f"Pareto front of time, energy and output ({shown})", "model", "runs", "video", "steps",
        "latency", "energy", "output", *(("score",) if scored else ()),
    )  # fmt: skip
    for setting in settings:
        latency, energy, _ = _cost(setting)
        score = (format_number(setting.score or 0.0),) if scored else ()
        output = format_pixels(setting.pixel_frames)
        name = _who(setting.model, setting.gpu, several)
        table.add_row(name, *_runs(setting), latency, energy, output, *score)
    return table


def _thinned(settings: Sequence[Setting]) -> Sequence[Setting]:
    """At most `SHOWN_FRONT`, the ends among them."""
    last = len(settings) - 1
    if last < SHOWN_FRONT:
        return settings
    return [settings[round(i * last / (SHOWN_FRONT - 1))] for i in range(SHOWN_FRONT)]


def _notes(out: Console, found: Budget) -> None:
    out.print(Text(found.quality, style="italic"))
    picks = [pick for answer in found.answers for pick in answer.picks.values()]
    if any(pick.setting.tiling for pick in picks):
        out.print(Text("† decoded in tiles.", style="dim"))
    if any(pick.setting.beyond_card for pick in picks):
        out.print(
            Text("* over a tenth larger or longer than what the model card shows.", style="dim")
        )
    messages = [w["message"] for answer in found.answers for w in answer.warnings]
    refused = [f"{a.model} on {a.gpu}: {a.problem}" for a in found.answers if a.problem]
    for message in dict.fromkeys((*messages, *refused)):
        out.print(Text(f"! {message}", style="yellow"))


def command(answer: Answer) -> str:
    """The command that predicts a model's `final`."""
    setting = next(iter(answer.picks.values())).setting
    return (
        f"kinowatt predict {setting.model} --gpu {setting.gpu} --recipe {setting.recipe}"
        f" --height {setting.height_px} --width {setting.width_px} --frames {setting.frames}"
        f" --steps {setting.steps} --tiling {'on' if setting.tiling else 'off'}"
        f" --offload {setting.offload}"
    )
