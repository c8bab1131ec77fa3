"""The page `how-good.md` with its plots and tables: predicted against measured, for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kinowatt.analysis.tables import Table
from kinowatt.analysis.validation.cases import LEAVE_CONFIGURATION, LEAVE_MODEL, Case
from kinowatt.analysis.validation.compose import Validation
from kinowatt.report.style import COLOURS, INK, plotting

PAGE = "how-good.md"
IMAGE = "how-good.png"
TEXT = {
    "targets": "",
    "baselines": "",
    "schemes": (
        "With *nothing* left out the form is seen to fit; with *all rows* left out the microbench"
        " alone predicts; everything else predicts rows that the fit did not see."
    ),
    "other_gpus": "",
    "what_if": "",
    "worst": "",
    "memory": "",
    "other_laboratories": "",
    "paper_elsewhere": "",
    "by_model": "",
}


def write(found: Validation, folder: Path) -> None:
    """`how-good.md`, its picture under `images/`, and each table under `tables/`."""
    for name in ("images", "tables"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    figure = draw(found.cases)
    figure.savefig(folder / "images" / IMAGE, dpi=110, metadata={"Software": None})
    plotting().close(figure)
    for table in found.tables:
        (folder / "tables" / f"{table.name}.csv").write_text(table.to_csv(), encoding="utf-8")
        (folder / "tables" / f"{table.name}.json").write_text(table.to_json(), encoding="utf-8")
    (folder / PAGE).write_text(page(found), encoding="utf-8")


def page(found: Validation) -> str:
    """The whole page as Markdown."""
    parts = [
        "# How good is it?",
        "*Made by `kinowatt validate -o FOLDER` from the committed rows; do not edit.*",
        f"{found.used} measured rows of two GPUs and one software stack; the H200's are judged in a"
        " table of their own, everything else is the H100. Errors are predicted over"
        " measured, less one, in percent. Who paced a stage, GPU or host, is told by the row's own"
        " record before any fit: the host was done before 80% of a call, or had to wait.",
        f"![Predicted over measured against measured seconds; left with the configuration left out,"
        f" right with the whole model left out](images/{IMAGE})",
        _promises(found.table("targets")),
    ]
    parts += [f"## {found.table(name).title}\n\n{_section(found, name)}" for name in TEXT]
    parts += [_next(found)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _promises(table: Table) -> str:
    kept, broken, unknown = (
        sum(row["kept"] is value for row in table.rows) for value in (True, False, None)
    )
    return (
        f"Of {len(table.rows)} promises {kept} are kept, {broken} are not, {unknown} wait for rows."
    )


def _section(found: Validation, name: str) -> str:
    table = found.table(name)
    lines = table.to_markdown().splitlines()[2:]  # the heading has the title
    text = TEXT[name]
    return (f"{text}\n\n" if text else "") + "\n".join(lines)


def _next(found: Validation) -> str:
    factors = "\n".join(
        f"| {f.name} | {f.value:.3f} | {f.low:.3f} to {f.high:.3f} |"
        f" {'rows' if f.determined else 'not determined by rows'} |"
        for f in found.factors
    )
    return (
        "## What rows say on top of the microbench\n\n"
        "Seconds (joules for power) over those that the microbench alone gives.\n\n"
        "| group | factor | 95% | by |\n| --- | --- | --- | --- |\n"
        f"{factors}\n\n"
        "## What one would have to measure\n\n"
        "- **Call-bound forwards** (small videos) follow the host, and hosts scatter: the same"
        " code took 20 µs a call in one row and 38 µs in another of the same machine, and the same"
        " forward 49 to 77 ms in one session. A row of your own host says more than any profile.\n"
        "- **Microbench only** misses what lies between kernels inside a forward: see the factors of"
        " `gap` and `norm` above. Kernels queued behind unlike ones cost no more than behind their own"
        " kind, so that it is not the order; the factor of `norm` seems to be of clocks, which dip"
        " under hot kernels while the mean stays below the limit.\n"
        "- **A GPU of another chip or power limit**: the H200 has the H100's chip and limit, and"
        " clocks under another limit were not measured by anybody here."
    )


def draw(cases: Sequence[Case]) -> Any:
    """Predicted over measured against measured seconds, a colour for each model."""
    plt = plotting()
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 4.2), sharey=True)
    schemes = ((LEAVE_CONFIGURATION, "configuration left out"), (LEAVE_MODEL, "model left out"))
    models = sorted({case.model for case in cases})
    palette = [*(c for name, c in COLOURS.items() if name != "other denoiser work"), INK]
    colours = dict(zip(models, palette, strict=False))
    for ax, (scheme, title) in zip(axes, schemes, strict=True):
        mine = [c for c in cases if c.scheme == scheme and c.quantity == "denoiser"]
        _residuals(ax, mine, colours)
        ax.set_title(f"Denoiser, {title}", loc="left")
        ax.set_xlabel("measured seconds")
    axes[0].set_ylabel("predicted over measured")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _residuals(ax: Any, cases: Sequence[Case], colours: Mapping[str, str]) -> None:
    ax.axhspan(0.95, 1.05, color="#eeeeee", zorder=0)
    ax.axhline(1.0, color=INK, linewidth=0.8)
    for model, colour in colours.items():
        for regime, marker in (("gpu", "o"), ("call", "x")):
            mine = [c for c in cases if (c.model, c.regime) == (model, regime)]
            shown = [min(max(c.predicted / c.measured, LOWEST), HIGHEST) for c in mine]
            ax.scatter(
                [c.measured for c in mine],
                shown,
                s=20,
                color=colour,
                marker=marker,
                linewidth=1.0,
                label=model if regime == "gpu" else None,
            )
    ax.plot([], [], "x", color=INK, label="paced by the host")
    ax.set_xscale("log")
    ax.set_ylim(LOWEST, HIGHEST)


LOWEST, HIGHEST = 0.6, 1.7
