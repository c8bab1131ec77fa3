"""Shapes of requests and answers for the OpenAPI document.

They describe and give examples. What is given is checked by the verbs themselves, so that REST
says the same one line as the command.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from kinowatt.analysis.budget_ask import BOUNDS, MINIMUMS
from kinowatt.app.serve.problems import documented
from kinowatt.theory.workload import LIMITS, WHOLE

Text = str
Number = int | float
MEANING = {
    "height_px": "Pixels.",
    "width_px": "Pixels.",
    "frames": "Frames asked for; the pipeline may round them.",
    "steps": "Denoising steps.",
    "guidance_scale": "1 or less is none.",
    "batch_size": "Videos in one call.",
    "prompt_tokens": "Length of the prompt.",
    "fps": "Frames per second of the video.",
}
EXAMPLE = {
    "model": "wan2.1-t2v-1.3b",
    "gpu": "h100-sxm",
    "height_px": 480,
    "width_px": 832,
    "frames": 81,
    "steps": 50,
    "grid": "FRA",
    "price": 2.5,
}


def workload(column: bool) -> dict[str, Any]:
    """The settings of a workload, each a number, or in a batch a number or a column of them."""
    fields: dict[str, Any] = {}
    for name, (low, high) in LIMITS.items():
        one: Any = Annotated[int if name in WHOLE else float, Field(ge=low, le=high)]
        kind = one | list[one] if column else one
        fields[name] = (kind | None, Field(None, description=MEANING[name]))
    return fields


HOW: dict[str, Any] = {
    "profile": (Text | None, Field(None, description="GPU/STACK, see /v1/profiles.")),
    "preset": (Text | None, Field(None, description="default or paper.")),
    "recipe": (Text | None, Field(None, description="Where a model has several.")),
    "tiling": (bool | None, Field(None, description="Tiled VAE decoding.")),
    "offload": (Text | None, Field(None, description="none or model.")),
    "what_if": (
        dict[Text, Text | float] | None,
        Field(None, description="Changes by name, e.g. linear: fp8."),
    ),
}
_MONEY: dict[str, Any] = {
    "grid": (Text | None, Field(None, description="Country code, EU or WORLD; asks for gCO2e.")),
    "intensity": (
        Annotated[float, Field(ge=0, le=3000)] | None,
        Field(None, description="g CO2e per kWh, instead of a grid."),
    ),
    "price": (
        Annotated[float, Field(ge=0, le=10_000)] | None,
        Field(None, description="USD per GPU-hour; asks for money."),
    ),
    "pue": (
        Annotated[float, Field(ge=1, le=5)] | None,
        Field(None, description="Power usage effectiveness."),
    ),
    "embodied": (bool | None, Field(None, description="Add the GPU's embodied share.")),
}
_MODEL: dict[str, Any] = {"model": (Text, Field(description="A name or alias, see /v1/models."))}
GPU: dict[str, Any] = {"gpu": (Text | None, Field(None, description="h100-sxm if not given."))}


def request_of(name: str, example: dict[str, Any], **fields: Any) -> type[BaseModel]:
    """A body with an example; fields that it does not have are refused."""
    config = ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})
    made: type[BaseModel] = create_model(name, __config__=config, **fields)
    return made


PredictRequest = request_of(
    "PredictRequest", EXAMPLE, **_MODEL, **GPU, **workload(False), **HOW, **_MONEY
)
BatchRequest = request_of(
    "BatchRequest",
    {"model": "wan2.1-t2v-1.3b", "height_px": 480, "width_px": [640, 832], "steps": [25, 50]},
    **_MODEL,
    **GPU,
    **workload(True),
    **HOW,
    columns=(list[Text] | None, Field(None, description="Which quantities; all if not given.")),
)
CompareRequest = request_of(
    "CompareRequest",
    {"models": ["wan2.1-t2v-1.3b", "mochi-1-preview"], "gpus": ["h100-sxm", "l4"], "why": True},
    models=(list[Text] | None, Field(None, description="All models if not given.")),
    gpus=(list[Text] | None, Field(None, description="h100-sxm if not given.")),
    why=(bool | None, Field(None, description="Split each ratio to the first row.")),
    **workload(False),
    **HOW,
    **_MONEY,
)
ScalingRequest = request_of(
    "ScalingRequest",
    {"model": "wan2.1-t2v-1.3b", "axis": "frames", "values": [17, 33, 49, 81]},
    **_MODEL,
    **GPU,
    axis=(Text | None, Field(None, description="height, width, size, frames or steps.")),
    values=(list[float] | None, Field(None, description="Points; half to twice if not given.")),
    **workload(False),
    **HOW,
)


_NUMBER = float | None
_LIMITS: dict[str, Any] = {
    name: (_NUMBER, Field(None, description="A limit or minimum; see the page on budgets."))
    for name in (*BOUNDS, *MINIMUMS)
    if name != "min_height_px"
}
BudgetRequest = request_of(
    "BudgetRequest",
    {"models": ["wan2.1-t2v-1.3b"], "gpus": ["l40s"], "max_latency_s": 60, "min_height_px": "480p"},
    models=(list[Text] | None, Field(None, description="All models if not given.")),
    gpus=(list[Text] | None, Field(None, description="h100-sxm if not given.")),
    **_LIMITS,
    min_height_px=(float | Text | None, Field(None, description="The shorter side: 480 or 480p.")),
    aspect=(Text | None, Field(None, description="16:9, 9:16, 4:3 or 1:1.")),
    confidence=(int | None, Field(None, description="50, 80 or 95: what keeps the limits.")),
    scores=(
        list[dict[str, Any]] | None,
        Field(None, description="Your own: model, height, width, frames, steps, score."),
    ),
    **{name: HOW[name] for name in ("profile", "recipe", "tiling", "offload")},
    **_MONEY,
)


class Answer(BaseModel):
    """Readers accept fields that are not listed."""

    model_config = ConfigDict(extra="allow")


class PredictionAnswer(Answer):
    """What `kinowatt predict --json` prints."""

    model: str
    gpu: str
    profile: str
    recipe: str
    workload: dict[str, Any] = Field(description="As asked; `effective` is what really runs.")
    flops: dict[str, float]
    stages: dict[str, dict[str, float | None]]
    operators: dict[str, dict[str, Any]]
    passes: list[dict[str, Any]]
    latency_s: float = Field(description="From prompt to frames in memory.")
    energy_wh: dict[str, float | None] = Field(description="By scope: gpu, cpu, ram.")
    power_w: float
    peak_memory_gib: float | None
    memory: dict[str, Any]
    intervals: dict[str, dict[str, list[float]]] = Field(description="Low and high, by level.")
    co2e_g: float | None
    cost_usd: float | None
    options: dict[str, Any]
    provenance: dict[str, Any]
    warnings: list[dict[str, str]]


class BatchAnswer(Answer):
    """Columns of equal length, in the order of the request."""

    model: str
    columns: dict[str, list[float | None]]


class BudgetAnswer(Answer):
    """What `kinowatt budget --json` prints."""

    asked: dict[str, Any]
    answers: list[dict[str, Any]]
    front: list[dict[str, Any]]
    front_size: int
    quality: str
    provenance: dict[str, str]


class FactorAnswer(Answer):
    """One factor of a ratio of latencies."""

    name: str
    factor: float
    meaning: str


class CompareAnswer(Answer):
    """Predictions, GPU by GPU; `why` holds the factors of each row but the first."""

    rows: list[PredictionAnswer]
    why: list[list[FactorAnswer]] | None = None


class PointAnswer(Answer):
    """One point along an axis."""

    value: float
    latency_s: float
    energy_wh: float
    exponent_latency: float | None
    exponent_energy: float | None
    shares: dict[str, float]


class ScalingAnswer(Answer):
    """Points along an axis."""

    model: str
    axis: str
    points: list[PointAnswer]


class LeverAnswer(Answer):
    """What one change would save; `factor` is latency after over before."""

    name: str
    change: str
    latency_s: float
    energy_wh: float | None
    factor: float
    basis: str


class LeversAnswer(Answer):
    """Levers, most saving first."""

    model: str
    levers: list[LeverAnswer]


class Rows(Answer):
    """A listing."""

    rows: list[dict[str, Any]]


class Health(Answer):
    """The server answers."""

    status: str
    version: str


def operation(request: type[BaseModel], response: type[BaseModel], *more: int) -> dict[str, Any]:
    """What FastAPI documents of an endpoint that reads its body itself; `more`: statuses."""
    body = {
        "required": True,
        "content": {"application/json": {"schema": request.model_json_schema()}},
    }
    return {
        "response_model": response,
        "openapi_extra": {"requestBody": body},
        "responses": documented(400, 401, 413, 415, 422, *more),
    }
