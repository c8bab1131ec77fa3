"""`POST /v1/explain`: is one time normal? `POST /v1/audit`: which rows of a text cannot be?"""

from typing import Any

from fastapi import APIRouter, Request, Response

from kinowatt.analysis.audit.run import audit_text
from kinowatt.analysis.explain import Explanation, explain, explain_row
from kinowatt.app.serve.bodies import listed, needed, text
from kinowatt.app.serve.heavy import apart
from kinowatt.app.serve.http import answer, body
from kinowatt.app.serve.row_schemas import (
    AuditAnswer,
    AuditRequest,
    ExplainAnswer,
    ExplainRequest,
)
from kinowatt.app.serve.schemas import operation
from kinowatt.errors import InputError, unknown_name
from kinowatt.lab.measurement import Measurement

router = APIRouter(tags=["judge"])
AUDIT = ("text", "file", "map", "model", "gpu", "profile")
MOST_COLUMNS = 100  # that `map` may name


@router.post("/explain", **operation(ExplainRequest, ExplainAnswer))
async def explain_time(request: Request) -> Response:
    """The expected range of a time (and energy), a verdict, and causes, likeliest first.

    Either `model`, `latency_s` and settings, or `row`, a measurement with its own.
    """
    given = await body(request)
    found = await apart(lambda: _explained(given))
    request.app.state.metrics.predictions.inc()
    return answer(found.to_dict())


def _explained(given: dict[str, Any]) -> Explanation:
    if "row" not in given:
        return explain(needed(given, "model"), latency_s=needed(given, "latency_s"), **given)
    if len(given) > 1:
        raise InputError("row brings its own model, time and energy: give it alone")
    return explain_row(Measurement.from_dict(given["row"]).to_dict())


@router.post("/audit", **operation(AuditRequest, AuditAnswer))
async def audit_rows(request: Request) -> Response:
    """Rows of a CSV or JSON Lines text that physics, predictions or their neighbours contradict."""
    given = await body(request)
    mapping = listed(given, "map", MOST_COLUMNS)
    for name in given:
        if name not in AUDIT:
            raise unknown_name("field", name, AUDIT)
    words = {name: text(given, name) for name in AUDIT[1:] if name in given}
    rows = _rows(given, request.app.state.settings.max_audit_bytes)
    for item in mapping:
        if not isinstance(item, str):
            raise InputError(f"map must be a list of QUANTITY=COLUMN:UNIT, not of {item!r:.60}")
    found = await apart(lambda: audit_text(rows, mapping, **words))
    request.app.state.metrics.audited.inc(found.rows)
    return answer(found.to_dict())


def _rows(given: dict[str, Any], most: int) -> str:
    rows = needed(given, "text")
    if not isinstance(rows, str):
        raise InputError(f"text must be the text of a file, not {rows!r:.60}")
    if (size := len(rows.encode("utf-8", "surrogatepass"))) > most:
        raise InputError(
            f"text has {size:,} bytes, at most {most:,} are audited at once; "
            "`kinowatt audit FILE` takes any number"
        )
    return rows
