"""The pages: controls above, answers below; state in the address."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from kinowatt.app.serve.dashboard import budgets, charts, compare, paper, plan
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpus
from kinowatt.facts.grids import grids
from kinowatt.facts.models import model, models
from kinowatt.theory.transforms import transforms

FIRST = "wan2.1-t2v-1.3b"
GPU = "h100-sxm"
# An event answers at once: no queue, no progress bar over figures that are still right.
EVENT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# with its path: by itself a query would be of the document's base, which is the first page
KEEP_ADDRESS = "(q) => { history.replaceState(null, '', location.pathname + (q ? '?' + q : '')); }"
READ_ADDRESS = "() => [location.search]"


def build() -> Any:
    """Every page; the first is Plan."""
    with gr.Blocks(title="Kinowatt", analytics_enabled=False) as pages:
        _plan(pages)
    for name, path, fill in OTHERS:
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
    _wire(page, chosen, [*outputs, query], plan.answer, _defaults)


def _plan_controls() -> dict[str, Any]:
    with gr.Row():
        chosen: dict[str, Any] = {
            "model": gr.Dropdown(list(models()), value=FIRST, label="Model"),
            "gpu": gr.Dropdown(list(gpus()), value=GPU, label="GPU"),
            "kernel": gr.Dropdown(
                list(transforms()["attention"].values), value="fused", label="Attention kernel"
            ),
        }
    with gr.Row():
        chosen |= {
            "height_px": _number("Height (px)"),
            "width_px": _number("Width (px)"),
            "frames": _number("Frames"),
            "steps": _number("Denoising steps"),
        }
    with gr.Accordion("Guidance, tiling, grid, price", open=False), gr.Row():
        codes = [("none", "")] + [
            (f"{row.name} ({row.code})", row.code) for row in grids().values()
        ]
        chosen |= {
            "guidance_scale": gr.Number(label="Guidance scale", minimum=0),
            "tiling": gr.Dropdown(["preset", "on", "off"], value="preset", label="Tiled decoding"),
            "grid": gr.Dropdown(codes, value="WORLD", label="Grid"),
            "price": gr.Number(label="Price (USD per GPU-hour)", minimum=0),
        }
    return chosen


def _plot(name: str) -> Any:
    return gr.Plot(charts.nothing(), show_label=False, elem_id=name)


def _number(label: str) -> gr.Number:
    return gr.Number(label=label, precision=0, minimum=1)


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
        chosen |= {
            "height_px": _number("Height (px)"),
            "width_px": _number("Width (px)"),
            "frames": _number("Frames"),
            "steps": _number("Denoising steps"),
        }
    chosen["unit"] = gr.Radio(list(compare.UNITS), value="Seconds", label="Chart")
    warnings, rows = gr.HTML(), gr.HTML()
    chart, words = _plot("compare-plot"), gr.HTML()
    query = gr.Textbox(visible="hidden")
    _wire(page, chosen, [warnings, chart, rows, words, query], compare.answer)


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
            "max_latency_s": gr.Number(60, label="At most seconds", minimum=0),
            "max_energy_wh": gr.Number(10, label="At most Wh of the GPU", minimum=0),
            "max_memory_gib": gr.Number(label="At most GiB", minimum=0),
        }
    with gr.Row():
        chosen |= {
            "min_height_px": gr.Dropdown(list(budgets.SIZES), value="480p", label="At least size"),
            "min_video_s": gr.Number(5, label="At least seconds of video", minimum=0),
            "aspect": gr.Dropdown(list(budgets.ASPECTS), value="card", label="Aspect ratio"),
        }
    said, picks, chart, front = gr.HTML(), gr.HTML(), _plot("front-plot"), gr.HTML()
    missing, words, query = gr.HTML(), gr.HTML(), gr.Textbox(visible="hidden")
    _wire(page, chosen, [said, picks, chart, front, missing, words, query], budgets.answer)


def _paper(page: Any) -> None:
    _title("Paper", "The reproduction; it is computed when this page is first opened.")
    shown = gr.HTML("<p role='status'>Computing tables, claims and figures …</p>")
    page.load(paper.page, None, shown, **EVENT)


def _wire(
    page: Any,
    controls: Mapping[str, Any],
    outputs: Sequence[Any],
    answer: Callable[[Mapping[str, Any]], tuple[Any, ...]],
    defaults: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda state: {},
) -> None:
    """A change answers; the address keeps what was chosen, and opens with it."""
    names, inputs = list(controls), list(controls.values())
    query = outputs[-1]
    first = {name: control.value for name, control in controls.items()}

    def changed(*values: Any) -> tuple[Any, ...]:
        return answer(dict(zip(names, values, strict=True)))

    def renewed(*values: Any) -> tuple[Any, ...]:
        state = dict(zip(names, values, strict=True))
        state |= defaults(state)
        return (*state.values(), *answer(state))

    def opened(search: str) -> tuple[Any, ...]:
        asked = _asked(search, controls)
        state = {**first, **defaults(asked), **asked}
        return (*state.values(), *answer(state))

    page.load(opened, query, [*inputs, *outputs], js=READ_ADDRESS, **EVENT)
    for name, control in controls.items():
        event = {"trigger_mode": "always_last", **EVENT}
        if name == "model":
            control.input(renewed, inputs, [*inputs, *outputs], **event)
        else:
            control.input(changed, inputs, outputs, **event)
    query.change(None, query, None, js=KEEP_ADDRESS)


def _asked(search: str, controls: Mapping[str, Any]) -> dict[str, Any]:
    """What an address asks for; what no control can hold is left to the answer to refuse."""
    found: dict[str, Any] = {}
    for name, values in parse_qs(search.removeprefix("?")).items():
        control = controls.get(name)
        if isinstance(control, gr.Number):
            found |= _as_number(name, values[-1])
        elif control is not None and getattr(control, "multiselect", False):
            found[name] = [value for value in values if value in _values(control)]
        elif control is not None and values[-1] in _values(control):
            found[name] = values[-1]
    return found


def _values(control: Any) -> list[Any]:
    return [value for _, value in control.choices]


def _as_number(name: str, text: str) -> dict[str, float]:
    try:
        return {name: float(text)}
    except ValueError:
        return {}


OTHERS = (
    ("Compare", "/compare", _compare),
    ("Budget", "/budget", _budget),
    ("Paper", "/paper", _paper),
)
