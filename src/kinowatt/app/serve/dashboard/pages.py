"""The pages: controls above, answers below; state in the address."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import gradio as gr

from kinowatt.app.serve.browse import Rows
from kinowatt.app.serve.dashboard import (
    budgets,
    charts,
    compare,
    measurements,
    normal,
    paper,
    plan,
)
from kinowatt.app.serve.dashboard.wiring import EVENT, LAST, wire
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpus
from kinowatt.facts.grids import grids
from kinowatt.facts.models import model, models
from kinowatt.theory.transforms import transforms

FIRST = "wan2.1-t2v-1.3b"
GPU = "h100-sxm"
DRAW = "const show = () => drawLater(element, props.value); watch('value', show); show();"


def build(rows: Rows) -> Any:
    """Every page; the first is Plan. `rows`: what Measurements shows."""
    with gr.Blocks(title="Kinowatt", analytics_enabled=False) as pages:
        _plan(pages)
    others = (*OTHERS, ("Measurements", "/measurements", partial(_measurements, rows)))
    for name, path, fill in (*others, ("Paper", "/paper", _paper)):
        with pages.route(name, path) as page:
            fill(page)
    return pages


def _title(title: str, text: str) -> None:
    gr.Navbar(main_page_name="Plan")
    gr.HTML(f"<h1>{title}</h1><p>{text}</p>")


def _plan(page: Any) -> None:
    _title("Plan", "What one video costs, before it is generated.")
    chosen = _plan_controls()
    warnings, headline = gr.HTML(), gr.HTML()
    stages = _plot("stages-plot")
    stage_table = gr.HTML()
    chosen["axis"] = gr.Radio(list(plan.AXES), value="frames", label="Scaling along")
    curve = _plot("scaling-plot")
    point_table, lever_table, words = gr.HTML(), gr.HTML(), gr.HTML()
    query = gr.Textbox(visible="hidden")
    outputs = [warnings, headline, stages, stage_table, curve, point_table, lever_table, words]
    wire(page, chosen, [*outputs, query], plan.answer, {"model": _defaults})


def _where_controls() -> dict[str, Any]:
    with gr.Row():
        return {
            "model": gr.Dropdown(list(models()), value=FIRST, label="Model"),
            "gpu": gr.Dropdown(list(gpus()), value=GPU, label="GPU"),
            "kernel": gr.Dropdown(
                list(transforms()["attention"].values), value="fused", label="Attention kernel"
            ),
        }


def _sizes() -> dict[str, Any]:
    return {
        "height_px": _number("Height (px)"),
        "width_px": _number("Width (px)"),
        "frames": _number("Frames"),
        "steps": _number("Denoising steps"),
    }


def _plan_controls() -> dict[str, Any]:
    chosen = _where_controls()
    with gr.Row():
        chosen |= _sizes()
    with gr.Accordion("Guidance, tiling, grid, price", open=False), gr.Row():
        codes = [("none", "")] + [
            (f"{row.name} ({row.code})", row.code) for row in grids().values()
        ]
        chosen |= {
            "guidance_scale": gr.Number(label="Guidance scale"),
            "tiling": gr.Dropdown(["preset", "on", "off"], value="preset", label="Tiled decoding"),
            "grid": gr.Dropdown(codes, value="WORLD", label="Grid"),
            "price": gr.Number(label="Price (USD per GPU-hour)"),
        }
    return chosen


def _plot(name: str) -> Any:
    """A figure that `head.html` draws; Gradio's own are drawn anew before any answer shows."""
    return gr.HTML(
        charts.nothing(),
        elem_id=name,
        elem_classes="plot",
        html_template="<div></div>",
        js_on_load=DRAW,
        apply_default_css=False,
    )


def _number(label: str) -> gr.Number:
    return gr.Number(label=label, precision=0)


def _defaults(state: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the model card, for a model that was just chosen or an address without."""
    try:
        preset = model(str(state.get("model") or FIRST)).preset("default")
    except InputError:
        return {}
    names = ("height_px", "width_px", "frames", "steps", "guidance_scale")
    return {name: getattr(preset, name) for name in names}


def _compare(page: Any) -> None:
    _title("Compare", "Models and GPUs side by side, each at its model card's settings.")
    traced = [name for name, spec in models().items() if spec.form != "paper"]
    with gr.Row():
        chosen: dict[str, Any] = {
            "models": gr.Dropdown(list(models()), value=traced, multiselect=True, label="Models"),
            "gpus": gr.Dropdown(list(gpus()), value=[GPU], multiselect=True, label="GPUs"),
        }
    with gr.Accordion("The same settings for all of them", open=False), gr.Row():
        chosen |= _sizes()
    chosen["unit"] = gr.Radio(list(compare.UNITS), value="Seconds", label="Chart")
    warnings, rows = gr.HTML(), gr.HTML()
    chart, words = _plot("compare-plot"), gr.HTML()
    query = gr.Textbox(visible="hidden")
    wire(page, chosen, [warnings, chart, rows, words, query], compare.answer)


def _budget(page: Any) -> None:
    _title("Budget", "The best settings under limits, what one gives up, what would have to give.")
    with gr.Row():
        chosen: dict[str, Any] = {
            "gpus": gr.Dropdown(list(gpus()), value=["l40s"], multiselect=True, label="GPUs"),
            "models": gr.Dropdown(
                list(models()), value=[], multiselect=True, label="Models (none: all)"
            ),
        }
    with gr.Row():
        chosen |= {
            "max_latency_s": gr.Number(60, label="At most seconds"),
            "max_energy_wh": gr.Number(10, label="At most Wh of the GPU"),
            "max_memory_gib": gr.Number(label="At most GiB"),
        }
    with gr.Row():
        chosen |= {
            "min_height_px": gr.Dropdown(list(budgets.SIZES), value="480p", label="At least size"),
            "min_video_s": gr.Number(5, label="At least seconds of video"),
            "aspect": gr.Dropdown(list(budgets.ASPECTS), value="card", label="Aspect ratio"),
        }
    said, picks, chart, front = gr.HTML(), gr.HTML(), _plot("front-plot"), gr.HTML()
    missing, words, query = gr.HTML(), gr.HTML(), gr.Textbox(visible="hidden")
    wire(page, chosen, [said, picks, chart, front, missing, words, query], budgets.answer)


def _normal(page: Any) -> None:
    _title("Is my time normal?", "What a video should take, and what would explain another time.")
    chosen = _where_controls()
    with gr.Row():
        chosen |= {
            "latency_s": gr.Number(label="Seconds that it took"),
            "energy_wh": gr.Number(label="Wh of the GPU (if known)"),
        }
    with gr.Accordion("Settings of the run (the model card's)", open=False), gr.Row():
        chosen |= _sizes() | {"guidance_scale": gr.Number(label="Guidance scale")}
    said, figures, chart = gr.HTML(), gr.HTML(), _plot("normal-plot")
    expected, causes, words = gr.HTML(), gr.HTML(), gr.HTML()
    outputs = [said, figures, chart, expected, causes, words, gr.Textbox(visible="hidden")]
    wire(page, chosen, outputs, normal.answer, {"model": _defaults})


def _measurements(rows: Rows, page: Any) -> None:
    _title("Measurements", "Rows of a store: predicted beside measured, what an audit says.")
    chosen = _row_controls()
    said, table = gr.HTML(), gr.HTML()
    with gr.Row():
        turns = [gr.Button(f"{word} page", interactive=False) for word in ("Previous", "Next")]
    flags, chart, words = gr.HTML(), _plot("measurements-plot"), gr.HTML()
    pending, cursor, query = (gr.Textbox(visible="hidden") for _ in range(3))
    outputs = [said, chart, table, flags, words, pending, cursor, query]
    answer = partial(measurements.answer, rows)
    renewals = dict.fromkeys(("model", "gpu", "protocol", "limit"), measurements.first_page)
    events = wire(page, chosen, outputs, answer, renewals, partial(measurements.choices, rows))
    names, inputs = list(chosen), list(chosen.values())

    def turned(forward: bool, following_cursor: str, *values: Any) -> tuple[Any, ...]:
        state = dict(zip(names, values, strict=True))
        after = state["after"] or ""
        state["after"] = (
            measurements.forward(after, following_cursor) if forward else measurements.back(after)
        )
        return (state["after"], *answer(state))

    def anew(told: str, *values: Any) -> Any:
        """Where an audit was waited for, or where an older question overtook the answer."""
        state = dict(zip(names, values, strict=True))
        if told in ("", measurements.address_of(state)):
            return [gr.skip() for _ in outputs]
        return answer(state)

    for forward, place in enumerate((chosen["after"], cursor)):
        turn, given = partial(turned, bool(forward)), [cursor, *inputs]
        events.append(turns[forward].click(turn, given, [chosen["after"], *outputs], **LAST))
        place.change(_usable, place, turns[forward], **EVENT)
    for event in events:
        told = event.then(partial(measurements.wait, rows), pending, None, **EVENT)
        for known in (pending, query):
            told = told.then(anew, [known, *inputs], outputs, **EVENT)


def _usable(cursor: str) -> Any:
    """A button for a page that there is."""
    return gr.update(interactive=bool(cursor))


def _row_controls() -> dict[str, Any]:
    def choice(label: str) -> Any:
        return gr.Dropdown([measurements.ANY], value="any", label=label, allow_custom_value=True)

    with gr.Row():
        chosen: dict[str, Any] = {
            "model": choice("Model"),
            "gpu": choice("GPU"),
            "protocol": choice("Protocol"),
            "limit": gr.Dropdown(
                [str(size) for size in measurements.SIZES],
                value=str(measurements.FEW),
                label="Rows of a page",
            ),
        }
    chosen["after"] = gr.Textbox("", visible="hidden")
    return chosen


def _paper(page: Any) -> None:
    _title("Paper", "The reproduction; it is computed when this page is first opened.")
    shown = gr.HTML("<p role='status'>Computing tables, claims and figures …</p>")
    page.load(paper.page, None, shown, **EVENT)


OTHERS = (
    ("Compare", "/compare", _compare),
    ("Budget", "/budget", _budget),
    ("Is my time normal?", "/normal", _normal),
)
