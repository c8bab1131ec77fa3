"""The page Is my time normal?: the expected range, a verdict, and what would explain the time."""

from collections.abc import Mapping, Sequence
from typing import Any

from kinowatt.analysis.explain import Expected, Explanation, RankedCause, expected, explain
from kinowatt.app.serve.dashboard import charts
from kinowatt.app.serve.dashboard.tables import Column, table
from kinowatt.app.serve.dashboard.words import (
    address,
    both,
    card,
    cards,
    command,
    notice,
    python,
)
from kinowatt.errors import InputError
from kinowatt.units import format_number, format_seconds, format_wh

SETTINGS = ("height_px", "width_px", "frames", "steps", "guidance_scale")
STATED = ("latency_s", "energy_wh")
ASK = "Type the seconds that one call of yours took, from prompt to frames in memory, warmed up."
WIDENED = (
    "The software of your run is not stated, or other than the profile's: the ranges are "
    "widened by 8% in time and 17% in energy, what two laboratories differ by."
)
State = Mapping[str, Any]
Answer = tuple[str, str, Any, str, str, str, str]


def settings(state: State) -> dict[str, Any]:
    """What the verb is asked, of what the page holds."""
    given = {name: state[name] for name in SETTINGS if state.get(name) is not None}
    given["gpu"] = state["gpu"]
    if state.get("kernel") not in (None, "fused"):
        given["what_if"] = {"attention": state["kernel"]}
    return given


def answer(state: State) -> Answer:
    """Verdict, figures, chart, range, causes, code and address; or one line that says why not."""
    try:
        return _answer(state)
    except InputError as error:
        said = notice([str(error)], "error")
        return (said, "", charts.nothing(), "", "", "", address(state))


def _answer(state: State) -> Answer:
    model, given = state["model"], settings(state)
    stated = {name: state[name] for name in STATED if state.get(name) is not None}
    if "latency_s" in stated:
        found: Expected = explain(model, **stated, **given)
    else:
        found = expected(model, **given)
    words = ""
    if isinstance(found, Explanation):
        asked = {**given, **stated}
        words = both(command("explain", [model], asked), python("explain", [model], asked))
    causes = _shown(found)
    return (
        _said(found),
        _figures(found),
        _chart(found, causes),
        _range(found),
        _causes(causes) if causes else "",
        words or both(command("predict", [model], given), python("predict", [model], given)),
        address(state),
    )


def _shown(found: Expected) -> Sequence[RankedCause]:
    """Causes, where there is something to explain."""
    if not isinstance(found, Explanation) or _is_normal(found):
        return ()
    return found.causes


def _is_normal(found: Explanation) -> bool:
    return found.verdict == "normal" and found.energy_verdict in (None, "normal")


def _said(found: Expected) -> str:
    if not isinstance(found, Explanation):
        return notice([ASK], "plain")
    low, high = found.intervals["latency_s"]["95"]
    between = f"the 95% interval of {format_seconds(low)} to {format_seconds(high)}"
    where = {"normal": "within", "fast": "below", "slow": "above"}[found.verdict]
    lines = [
        f"{found.verdict.capitalize()}: {format_seconds(found.latency_s)} is {found.ratio:.2f} "
        f"times the predicted time, {where} {between}."
    ]
    if found.energy_wh_gpu is not None:
        low, high = found.intervals["energy_wh_gpu"]["95"]
        lines.append(
            f"GPU energy {found.energy_verdict}: {format_wh(found.energy_wh_gpu)}, "
            f"expected {format_wh(low)} to {format_wh(high)}."
        )
    if not _is_normal(found) and found.causes:
        lines.append(f"Likeliest: {found.causes[0].words}.")
    return notice(lines, "plain" if _is_normal(found) else "warning")


def _figures(found: Expected) -> str:
    time = card("Expected time", format_seconds(found.predicted_s), _ends(found, "latency_s"))
    energy = card("Expected GPU energy", format_wh(found.predicted_wh_gpu), _ends(found))
    figures = [time, energy]
    if isinstance(found, Explanation):
        times = f"{found.ratio:.2f} times the predicted"
        figures = [
            card("Your time is", found.verdict, "by the 95% interval"),
            card("Your time", format_seconds(found.latency_s), times),
            time,
            energy,
        ]
        if found.energy_wh_gpu is not None:
            below = f"{found.energy_verdict}, by the 95% interval"
            figures.insert(3, card("Your GPU energy", format_wh(found.energy_wh_gpu), below))
    said = f"Predicted by {found.profile}."
    return f'{cards(*figures)}<p class="runs">{said} {"" if found.same_stack else WIDENED}</p>'


def _ends(found: Expected, quantity: str = "energy_wh_gpu") -> str:
    show = format_seconds if quantity == "latency_s" else format_wh
    low, high = found.intervals[quantity]["95"]
    return f"95%: {show(low)} to {show(high)}"


def _chart(found: Expected, causes: Sequence[RankedCause]) -> Any:
    low, high = found.intervals["latency_s"]["95"]
    yours = found.latency_s if isinstance(found, Explanation) else None
    told = [(each.words, each.predicted_s) for each in causes]
    return charts.expected(low, high, found.predicted_s, told, yours)


def _range(found: Expected) -> str:
    rows = [
        _row("Time (s)", found, "latency_s", found.predicted_s),
        _row("GPU energy (Wh)", found, "energy_wh_gpu", found.predicted_wh_gpu),
    ]
    if isinstance(found, Explanation):
        rows[0] |= {"stated": found.latency_s, "verdict": found.verdict}
        rows[1] |= {"stated": found.energy_wh_gpu, "verdict": found.energy_verdict}
    columns = (
        Column(key="quantity", label="Quantity", left=True),
        Column(key="stated", label="Yours", show=format_number),
        Column(key="predicted", label="Predicted", show=format_number),
        *(
            Column(key=f"{end}_{level}", label=f"{level}% {end}", show=format_number)
            for level in ("80", "95")
            for end in ("low", "high")
        ),
        Column(key="verdict", label="Yours is"),
    )
    return table("expected", "The expected range (predicted)", columns, rows)


def _row(label: str, found: Expected, quantity: str, predicted: float) -> dict[str, Any]:
    ends = {
        f"{end}_{level}": value
        for level, pair in found.intervals[quantity].items()
        for end, value in zip(("low", "high"), pair, strict=True)
    }
    return {"quantity": label, "predicted": predicted, **ends}


def _causes(causes: Sequence[RankedCause]) -> str:
    columns = (
        Column(key="words", label="Cause", left=True),
        Column(key="predicted_s", label="Would take", show=format_seconds),
        Column(key="effect_s", label="Effect", show=lambda seconds: f"{seconds:+.3g} s"),
        Column(key="stated_s", label="Your time then", show=format_seconds),
        Column(key="predicted_wh", label="GPU energy then", show=format_wh),
        Column(key="log_odds", label="Log odds", show=lambda odds: f"{odds:.1f}"),
        Column(key="profile", label="Predicted by", left=True),
    )
    rows = [{column.key: getattr(each, column.key) for column in columns} for each in causes]
    return table("causes", "What would explain it, likeliest first (predicted)", columns, rows)
