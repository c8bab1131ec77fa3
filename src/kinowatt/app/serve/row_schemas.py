"""Shapes of requests and answers about rows: explain, audit, measurements.

As in `schemas`, they describe; what is given is checked by the verbs.
"""

from typing import Any

from pydantic import Field

from kinowatt.app.serve.schemas import GPU, HOW, Answer, Text, request_of, workload

_ROWS = (
    "height,width,frames,steps,latency_s,gpu_energy_wh\n"
    "480,832,81,50,68.9,13.1\n480,832,81,25,34.6,6.6\n480,832,81,25,138.2,6.5\n"
)
ExplainRequest = request_of(
    "ExplainRequest",
    {
        "model": "wan2.1-t2v-1.3b",
        "gpu": "h100-sxm",
        "latency_s": 214,
        "energy_wh": 34,
        "software": {"torch": "2.11.0", "diffusers": "0.42.1"},
    },
    model=(Text | None, Field(None, description="A name or alias; needed unless `row` is given.")),
    **GPU,
    latency_s=(float | None, Field(None, gt=0, description="Seconds that one call took.")),
    energy_wh=(float | None, Field(None, gt=0, description="Wh of the GPU for it.")),
    software=(
        dict[Text, Any] | None,
        Field(None, description="Versions of torch and diffusers; unknown ones widen the range."),
    ),
    row=(
        dict[Text, Any] | None,
        Field(None, description="A row of `kinowatt measure` instead of all the others."),
    ),
    **workload(False),
    **HOW,
)
AuditRequest = request_of(
    "AuditRequest",
    {"text": _ROWS, "file": "rows.csv", "model": "wan2.1-t2v-1.3b", "gpu": "h100-sxm"},
    text=(Text, Field(description="CSV with a header, or JSON Lines of `kinowatt measure`.")),
    file=(Text | None, Field(None, description="What the text is called in messages.")),
    map=(
        list[Text] | None,
        Field(None, description="QUANTITY=COLUMN:UNIT, e.g. latency_s=time:ms."),
    ),
    model=(Text | None, Field(None, description="Of rows that name none.")),
    gpu=(Text | None, Field(None, description="Of rows that name none.")),
    profile=(Text | None, Field(None, description="GPU/STACK; else the one that fits the rows.")),
)


class CauseAnswer(Answer):
    """What would have produced the time; `log_odds`: against the settings as stated."""

    kind: str
    words: str
    predicted_s: float
    predicted_wh: float | None
    effect_s: float
    effect_wh: float | None
    log_odds: float
    profile: str


class ExplainAnswer(Answer):
    """What `kinowatt explain --json` prints."""

    model: str
    gpu: str
    profile: str
    latency_s: float
    energy_wh_gpu: float | None
    predicted_s: float
    predicted_wh_gpu: float
    intervals: dict[str, dict[str, list[float]]] = Field(description="By quantity and level.")
    same_stack: bool | None
    verdict: str = Field(description="normal, fast or slow, by the 95% interval.")
    energy_verdict: str | None
    ratio: float = Field(description="Stated over predicted time.")
    causes: list[CauseAnswer]


class FlagAnswer(Answer):
    """One finding; `lines` of the text."""

    kind: str
    severity: str
    what: str
    lines: list[int]
    evidence: dict[str, Any]
    suggestion: str
    causes: list[dict[str, Any]]


class AuditAnswer(Answer):
    """What `kinowatt audit --json` prints."""

    file: str
    format: str
    rows: int
    gpus: list[str]
    profiles: dict[str, str]
    mapping: dict[str, str]
    guessed: list[str]
    flags: list[FlagAnswer]
    notes: list[str]


class StoredAnswer(Answer):
    """A row and where it is; `predicted` and `flags` where asked, null with a reason."""

    id: int
    digest: str
    order_id: int | None
    row: dict[str, Any]
    kinds: dict[str, str | None] = Field(description="measured, composed, modelled, claimed …")
    predicted: dict[str, Any] | None = None
    predicted_null: str | None = None
    flags: list[dict[str, Any]] | None = None
    flags_null: str | None = None


class MeasurementsAnswer(Answer):
    """A page; `count`: rows that the filters leave; `after`: the cursor of the next page."""

    rows: list[StoredAnswer]
    count: int
    after: str | None


def _parameter(name: str, says: str, example: Any, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": says,
        "schema": {"type": "string", **schema},
        "example": example,
    }


PARAMETERS: list[dict[str, Any]] = [
    _parameter("model", "A name or alias.", "wan2.1-t2v-1.3b"),
    _parameter("gpu", "A name or alias.", "h100-sxm"),
    _parameter("protocol", "full or sampled.", "sampled"),
    _parameter(
        "where",
        "A condition as of `kinowatt store list`; may be given again.",
        ["steps>=20"],
        type="array",
        items={"type": "string"},
    ),
    _parameter("predicted", "Predictions beside the rows.", True, type="boolean"),
    _parameter("audit", "What an audit says of each row.", True, type="boolean"),
    _parameter("limit", "Rows of a page.", 50, type="integer", minimum=1, maximum=200),
    _parameter("after", "The cursor of the page before.", "0"),
]
