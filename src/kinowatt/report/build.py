"""`kinowatt reproduce`: computes, draws and writes the whole reproduction into a folder."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from kinowatt.analysis.own.compose import Own
from kinowatt.analysis.own.cost import NO_OTHERS, Others
from kinowatt.analysis.own.rows import OwnRow
from kinowatt.analysis.own.sweeps import Fit, OwnSeries, own_fit, x_of
from kinowatt.analysis.reproduction.compose import compose
from kinowatt.analysis.reproduction.model import Claim, Finding, Reproduction, Sweep
from kinowatt.analysis.shipped_profiles import CORRECTED
from kinowatt.analysis.tables import cell
from kinowatt.errors import InputError, require_extra
from kinowatt.report.figures import FORMATS, draw
from kinowatt.report.own_page import WORDS, views
from kinowatt.report.own_ratios import BARS
from kinowatt.units import PETA
from kinowatt.version import __version__

WORDY = ("measured_2026", "differs_from_the_paper")  # columns of sentences
CAPTIONS = {
    "measured_steps": (
        "Measured by us in 2026: denoising steps.",
        "Whole videos of the same workload under the same conditions, alike in all but steps;"
        " never composed ones. Bars: standard deviation between repeats, none for one run.",
        "Lines of latency and GPU energy against denoising steps, one for each model",
    ),
    "figure1": (
        "Figure 1. What runs for one video of WAN2.1-T2V-1.3B.",
        "Sizes are the checkpoint's.",
        "Diagram: prompt, text encoder, diffusion transformer in a loop over steps, VAE decoder",
    ),
    "figure2": (
        "Figure 2. Resolution, 81 frames, 50 steps.",
        "Areas: predicted by operator; points: the paper's measurements. "
        "Left the model as published, right corrected.",
        "Stacked areas of latency and energy against megapixels with measured points",
    ),
    "figure3": (
        "Figure 3. Frames, 720x1280, 50 steps.",
        "Frames run in steps of four; every published prediction is too low.",
        "Stacked areas of latency and energy against frames with measured points",
    ),
    "figure4": (
        "Figure 4. Denoising steps, 720x1280, 49 frames (not 81).",
        "A straight line that does not pass through zero.",
        "Stacked areas of latency and energy against steps with measured points",
    ),
    "figure5": (
        "Figure 5. Seven models at their settings.",
        "LTX-Video's printed latency (black dash) is its first stage only. "
        "Standard deviations across prompts are below 1.2% and not visible.",
        "Bars of GPU energy and latency of seven models, and shares of GPU, CPU and RAM energy",
    ),
}


def build(
    out: str,
    rows: Sequence[OwnRow] = (),
    others: Others = NO_OTHERS,
    *,
    formats: Sequence[str] = FORMATS,
    progress: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Writes report.html, tables/, figures/ and data/ under `out`; returns a summary.

    `rows`: our own measurements, to stand beside the paper's; without them the report says so.
    `others`: what else was measured, for what it cost. `formats`: of the figures; "svg" is among
    them, since the report shows it.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{out} is a file, reproduce needs a folder")
    progress("recomputing tables, claims and findings …")
    found = compose(rows, others)
    progress("drawing figures …")
    names = draw(found, folder / "figures", formats)
    _write_tables(found, folder / "tables")
    _write_data(found, folder / "data")
    (folder / "report.html").write_text(_html(found, folder, names), encoding="utf-8")
    return {
        "report": str(folder / "report.html"),
        **{name: found.headline[name] for name in ("table3", "table4", "cost", "notes")},
        "floor_pct": found.headline["floor_pct"],
        "claims": len(found.claims),
        "verdicts": _counts(found),
        "findings": len(found.findings),
        "figures": names,
    }


def _counts(found: Reproduction) -> str:
    verdicts = found.headline["verdicts"]
    words = (("holds", "hold"), ("with correction", "hold with a correction"), ("no", "do not"))
    return ", ".join(f"{verdicts.get(key, 0)} {word}" for key, word in words)


def _write_tables(found: Reproduction, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for table in (*found.tables, *found.own.tables):
        (folder / f"{table.name}.csv").write_text(table.to_csv(), encoding="utf-8")
        (folder / f"{table.name}.md").write_text(table.to_markdown(), encoding="utf-8")
        (folder / f"{table.name}.json").write_text(table.to_json(), encoding="utf-8")


def _write_data(found: Reproduction, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind, items in (
        ("claims", Claim, found.claims),
        ("findings", Finding, found.findings),
    ):
        columns = [field.name for field in fields(kind)]
        rows = ([asdict(item)[column] for column in columns] for item in items)
        (folder / f"{name}.csv").write_text(_csv(columns, rows), encoding="utf-8")
    for number, sweep in enumerate(found.sweeps, 2):
        (folder / f"figure{number}.csv").write_text(
            _sweep_csv(sweep, found.own.series[sweep.name]), encoding="utf-8"
        )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _sweep_csv(sweep: Sweep, series: OwnSeries) -> str:
    """Long form: what, quantity, operator, axis value, value."""
    rows: list[Sequence[Any]] = []
    for version, quantities in sweep.stacks.items():
        for quantity, stack in quantities.items():
            for operator, values in stack.items():
                pairs = zip(sweep.x, values, strict=True)
                rows += [(version, quantity, operator, x, value) for x, value in pairs]
    for quantity, points in (
        ("latency_s", sweep.measured_latency_s),
        ("energy_wh", sweep.measured_energy_wh),
    ):
        pairs = zip(sweep.measured_x, points, strict=True)
        rows += [("measured", quantity, "total", x, value) for x, value in pairs]
    rows += _own_points(series)
    return _csv(("source", "quantity", "operator", sweep.axis, "value"), rows)


def _own_points(series: OwnSeries) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    for point in series.points:
        source = "measured_2026_composed" if point.composed else "measured_2026"
        x = x_of(series.sweep, point.setting)
        for quantity, value in (("latency_s", point.latency), ("energy_wh", point.energy)):
            if value is not None:
                rows.append((source, quantity, "total", x, value.mean))
            if value is not None and value.sd is not None:
                rows.append((source, f"{quantity}_sd", "total", x, value.sd))
    return rows


def _html(found: Reproduction, folder: Path, names: Sequence[str]) -> str:
    jinja2 = require_extra("report", "jinja2")
    template = Path(__file__).parent / "templates" / "report.html"
    environment = jinja2.Environment(autoescape=True, trim_blocks=True)
    page: str = environment.from_string(template.read_text(encoding="utf-8")).render(
        cards=_cards(found),
        gain=_gain(found),
        claims=found.claims,
        counts=f"Of {len(found.claims)} claims {_counts(found)}.",
        findings=found.findings,
        figures=[
            _figure(folder, name, jinja2.utils.markupsafe.Markup, found.own) for name in names
        ],
        own=views(found.own.tables),
        words=WORDS,
        statuses=[(name, item.status) for name, item in found.own.series.items()],
        measured=bool(found.own.groups),
        tables=found.tables,
        cell=cell,
        wordy=WORDY,
        floor=found.headline["floor_pct"],
        version=__version__,
        profile=CORRECTED,
    )
    return page


def _gain(found: Reproduction) -> str:
    rows = [row for row in found.headline["table3"] if row["quantity"] == "latency"]
    gains = [row["recomputed_pct"] / row["corrected_pct"] for row in rows]
    return f"{min(gains):.0f} to {max(gains):.0f}"


def _card(title: str, before: str, after: str, text: str) -> dict[str, str]:
    return {"title": title, "before": before, "after": after, "text": text}


def _cards(found: Reproduction) -> list[dict[str, str]]:
    """The answer in one screen: what was, and what is."""
    cards = [
        _card(
            f"Latency error along {row['sweep']}",
            f"{row['recomputed_pct']:.2f}%",
            f"{row['corrected_pct']:.2f}%",
            f"printed {row['paper_pct']:g}%; held out {row['heldout_pct']:.2f}%",
        )
        for row in found.headline["table3"]
        if row["quantity"] == "latency"
    ]
    total = found.tables[0].rows[-1]
    doubled = next(claim for claim in found.claims if claim.text.startswith("Doubling height"))
    verdicts = found.headline["verdicts"]
    return [
        *cards,
        _card(
            "FLOPs of the reference video",
            f"{total['published_flops'] / PETA:.1f}",
            f"{total['corrected_flops'] / PETA:.1f} PFLOP",
            "the paper's 32 layers of 2048 are not this checkpoint",
        ),
        _card(
            "Doubling height and width",
            "x16",
            doubled.number.split()[0],
            "attention is quadratic in tokens, the rest is not",
        ),
        _card(
            "Claims",
            str(len(found.claims)),
            f"{verdicts.get('holds', 0)} hold as stated",
            _counts(found),
        ),
    ]


DATA_OF = {
    "figure1": "",
    "figure5": "tables/table4.csv",
    "measured_steps": "tables/measured_steps.csv",
}
_SWEEP_FIGURES = {"figure2": "resolution", "figure3": "frames", "figure4": "steps"}


def _fit_words(found: Fit) -> str:
    of = f"R² {found.r2:.4f} over {found.n} points"
    if found.sweep == "steps":
        return f"Our fit of the latency: {found.value:.3g} s per step, {of}."
    return f"Our fit of the latency: tokens to the power {found.value:.2f}, {of}."


def _measured_caption(name: str, own: Own) -> str:
    """What of a figure we have measured ourselves."""
    if name in _SWEEP_FIGURES:
        series = own.series[_SWEEP_FIGURES[name]]
        text = f"Diamonds: measured by us in 2026 (hollow: composed): {series.status}. {BARS}"
        fitted = own_fit(series, "latency")
        return text + (f" {_fit_words(fitted)}" if fitted else "")
    if name == "figure5":
        beside = "Several of one model: rows of the same workload that are not averaged."
        text = f"Diamonds: measured by us in 2026 (hollow: composed). {BARS} {beside}"
        return f"{text} {own.tables[0].notes[0]}"
    return ""


def _figure(folder: Path, name: str, safe: Callable[[str], Any], own: Own) -> dict[str, Any]:
    title, caption, alt = CAPTIONS[name]
    svg = (folder / "figures" / f"{name}.svg").read_text(encoding="utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    # ids repeat from figure to figure: make them unique within the page
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    data = DATA_OF.get(name, f"data/{name}.csv")
    return {
        "name": name,
        "title": title,
        "caption": f"{caption} {_measured_caption(name, own)}".strip(),
        "alt": alt,
        "svg": safe(svg),
        "data": data,
    }
