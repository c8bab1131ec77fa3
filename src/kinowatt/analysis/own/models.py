"""The seven models, measured by us, beside the paper's Table 4."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from kinowatt.analysis.own.rows import Group, as_it_comes, nearness, work_of
from kinowatt.analysis.predict import predict
from kinowatt.analysis.prediction import Prediction
from kinowatt.analysis.rows import ModelRow, cross_model_rows
from kinowatt.analysis.tables import Table

PAPER_GPU = "h100-sxm"
NOTHING = "not measured yet"
# Said in words by `measured_2026`
PLAIN = ("measured_2026_n", "measured_2026_composed", "measured_2026_repeats")
CARD = "model card"
SETTINGS = {"paper": "as the paper ran", "default": CARD}
AGAIN = "again"  # the same workload by another protocol, or with other tiling or offload


class OfModel(Protocol):
    @property
    def model(self) -> str: ...


Each = TypeVar("Each", bound=OfModel)


def by_model(videos: Sequence[Each]) -> list[tuple[str, list[Each]]]:
    """Each model's name with its videos, by name."""
    names = sorted({video.model for video in videos})
    return [(name, [video for video in videos if video.model == name]) for name in names]


def model_rows(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """Each model as the paper ran it and, where those are other rows, at its card's settings.

    Rows of the same workload that are not averaged with these (another protocol, tiling, offload)
    follow each: what one machine or one way of timing is worth.
    """
    found = []
    for row in reversed(cross_model_rows()):
        plans = {preset: predict(row.model, preset=preset) for preset in SETTINGS}
        found += _of_model(row, plans["paper"], plans["default"], groups)
    return found


def _of_model(
    paper: ModelRow, ran: Prediction, card: Prediction, groups: Sequence[Group]
) -> list[dict[str, Any]]:
    beside, of_card = matching(groups, ran), matching(groups, card)
    alike = work_of(ran.workload) == work_of(card.workload)
    same = alike and beside is of_card
    found = [_row(paper, ran, beside, SETTINGS["paper"] + " = card" * same)]
    found += [_row(paper, ran, each, AGAIN) for each in _others(groups, ran, beside, of_card)]
    if same:
        return found
    # Beside the paper where the workload is the paper's too, with what differs from how it ran
    found.append(_row(paper if alike else None, ran if alike else card, of_card, CARD))
    if not alike:
        found += [_row(None, card, each, AGAIN) for each in _others(groups, card, of_card)]
    return found


def _others(groups: Sequence[Group], plan: Prediction, *shown: Group | None) -> list[Group]:
    """Of the groups of a plan's workload those on the paper's GPU that have no row yet; of another
    GPU those that moved and tiled as the plan does, where no group that has a row did."""
    there = {id(group) for group in shown}
    alike = any(group is not None and not _otherwise(group, plan) for group in shown)
    return [
        group
        for group in _ran(groups, plan)
        if id(group) not in there
        and (group.first.row["gpu"] == PAPER_GPU or not (alike or _otherwise(group, plan)))
    ]


def matching(groups: Sequence[Group], plan: Prediction) -> Group | None:
    """Of the groups that ran a plan's workload, the one under conditions nearest to the plan's.

    Never a what-if: other kernels and compiled blocks are not what either column is of.
    """
    asked = {**plan.options, "prompt_tokens": plan.workload["prompt_tokens"]}
    ran = _ran(groups, plan)
    return max(ran, key=lambda group: nearness(group, asked, PAPER_GPU), default=None)


def _ran(groups: Sequence[Group], plan: Prediction) -> list[Group]:
    return [
        group
        for group in filter(as_it_comes, groups)
        if group.first.row["model"] == plan.model and group.first.work == work_of(plan.workload)
    ]


def _row(
    paper: ModelRow | None, plan: Prediction, group: Group | None, setting: str
) -> dict[str, Any]:
    found = {
        "model": plan.model,
        "setting": setting,
        "workload": described(plan.workload),
        "paper_latency_s": paper.latency_s if paper else None,
        "paper_gpu_wh": paper.energy_wh["gpu"] if paper else None,
    }
    found |= measured_values(group, paper)
    return found | {"differs_from_the_paper": unlike(group, plan) if group and paper else ""}


def measured_values(group: Group | None, paper: ModelRow | None) -> dict[str, Any]:
    """What we measured; ratios are to the whole video of the paper (its `latency_s`)."""
    if group is None:
        return dict.fromkeys(_values(None, None, None)) | {"measured_2026": NOTHING}
    latency, energy = group.latency_s, group.gpu_wh
    ratios = None
    if paper:
        wh = energy.mean / paper.energy_wh["gpu"] if energy else None
        ratios = (latency.mean / paper.latency_s, wh)
    return _values(group, ratios, energy.mean if energy else None)


def _values(
    group: Group | None, ratios: tuple[float, float | None] | None, wh: float | None
) -> dict[str, Any]:
    latency, energy = (group.latency_s, group.gpu_wh) if group else (None, None)
    video_s = group.first.row["workload"]["video_s"] if group else 1.0
    return {
        "measured_2026_latency_s": latency.mean if latency else None,
        "measured_2026_latency_sd_s": latency.sd if latency else None,
        "latency_over_paper": ratios[0] if ratios else None,
        "latency_deviation_pct": deviation_pct(ratios[0] if ratios else None),
        "measured_2026_gpu_wh": wh,
        "measured_2026_gpu_sd_wh": energy.sd if energy else None,
        "gpu_wh_over_paper": ratios[1] if ratios else None,
        "gpu_wh_deviation_pct": deviation_pct(ratios[1] if ratios else None),
        "measured_2026_s_per_video_s": latency.mean / video_s if latency else None,
        "measured_2026_gpu_wh_per_video_s": wh / video_s if wh is not None else None,
        "measured_2026_n": latency.n if latency else None,
        "measured_2026_composed": group.first.composed if group else None,
        "measured_2026_repeats": latency.over if latency else None,
        "measured_2026": how(group) if group else NOTHING,
    }


def deviation_pct(ratio: float | None) -> float | None:
    """Ours less the paper's, percent of the paper's."""
    return None if ratio is None else 100.0 * (ratio - 1.0)


def how(group: Group) -> str:
    """Protocol, meter and repeats in one line."""
    first = group.first
    protocol = first.row["protocol"] + (", composed" if first.composed else "")
    meter = f"GPU by {first.meter}" if first.meter else "no GPU meter"
    shaky = f"; {group.unstable} unstable" if group.unstable else ""
    return f"{protocol}; {meter}; {group.latency_s.over}; {first.row['gpu']}{shaky}"


def unlike(group: Group, plan: Prediction) -> str:
    """In which GPU and settings the measured row is not what the paper ran."""
    gpu = group.first.row["gpu"]
    elsewhere = [] if gpu == PAPER_GPU else [f"GPU {gpu} (paper {PAPER_GPU})"]
    return ", ".join([*elsewhere, *_otherwise(group, plan)])


def _otherwise(group: Group, plan: Prediction) -> list[str]:
    """Where offload and tiling are not the plan's."""
    conditions = group.first.conditions
    return [
        f"{name} {_word(conditions.get(name))} (paper {_word(plan.options[name])})"
        for name in ("offload", "tiling")
        if conditions.get(name) != plan.options[name]
    ]


def _word(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def described(workload: Mapping[str, Any]) -> str:
    """Size, frames and steps as asked for."""
    size = f"{workload['height_px']:g}×{workload['width_px']:g}×{workload['frames']:g}"
    return f"{size}, {workload['steps']:g} step{'' if workload['steps'] == 1 else 's'}"


def stack_note(groups: Sequence[Group]) -> str:
    """That the software differs from the paper's, and where what it does is taken apart."""
    versions = sorted({str(group.first.conditions.get("torch")) for group in groups})
    return (
        f"The software differs: ours is torch {', '.join(versions) or '(no rows)'}, the paper's of"
        " 2025. What of the difference is the software's is measured in docs/experiments/stack.md."
    )


def models_table(rows: Sequence[Mapping[str, Any]], groups: Sequence[Group]) -> Table:
    ran = [row for row in rows if row["setting"].startswith(SETTINGS["paper"])]
    there = sum(row["measured_2026"] != NOTHING for row in ran)
    return Table(
        name="measured_models",
        title="Seven models, measured by us in 2026, beside the paper (Table 4)",
        columns=tuple(name for name in rows[0] if name not in PLAIN),
        rows=tuple(rows),
        notes=(
            f"As the paper ran them: {there} of {len(ran)} models measured,"
            f" {len(ran) - there} not measured yet.",
            "Paper: means over prompts, its H100 and software of 2025, measured through CodeCarbon;"
            " LTX-Video's latency here is the whole video. Ours: one prompt. Energy is the"
            " GPU's alone.",
            "sd: between rows (machines) of the same workload under the same conditions, or between"
            " the runs of one row; one run has none. Composed: some of the steps were timed, the"
            " others are counted as equal to them.",
            "No what-if stands here: own kernels, nothing compiled. “Again”: the same workload by"
            " another protocol, or with other tiling or offload, never averaged with the row above.",
            stack_note(groups),
        ),
    )
