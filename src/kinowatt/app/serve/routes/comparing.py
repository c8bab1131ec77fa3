"""`POST /v1/compare`, `/v1/scaling`, `/v1/levers`: many predictions side by side."""

from typing import Any

from fastapi import APIRouter, Request, Response

from kinowatt.analysis.compare import compare, levers, scaling, why
from kinowatt.analysis.predict import DEFAULT_GPU, SETTINGS
from kinowatt.app.options import plain
from kinowatt.app.serve.bodies import flag, listed, needed
from kinowatt.app.serve.heavy import apart
from kinowatt.app.serve.http import answer, body
from kinowatt.app.serve.schemas import (
    CompareAnswer,
    CompareRequest,
    LeversAnswer,
    PredictRequest,
    ScalingAnswer,
    ScalingRequest,
    operation,
)
from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.models import models

router = APIRouter(tags=["compare"])


@router.post("/compare", **operation(CompareRequest, CompareAnswer))
async def compare_models(request: Request) -> Response:
    """Several models and/or GPUs; with `why` each ratio to the first row, split into factors."""
    given = await body(request)
    most = request.app.state.settings.max_rows
    names = listed(given, "models", most)
    gpus = listed(given, "gpus", most) or [DEFAULT_GPU]
    reasons = flag(given, "why")
    for name in given:
        if name not in SETTINGS:
            raise unknown_name("setting", name, SETTINGS)
    rows = (len(names) or len(models())) * len(gpus)
    if rows > most:
        raise InputError(f"{rows} rows were asked for, at most {most} are answered at once")
    found = await apart(lambda: _compared(names, gpus, reasons, given))
    request.app.state.metrics.predictions.inc(len(found["rows"]))
    return answer(found)


def _compared(names: Any, gpus: Any, reasons: bool, given: dict[str, Any]) -> dict[str, Any]:
    found = compare(names, gpus, **given)
    data: dict[str, Any] = {"rows": [row.to_dict() for row in found]}
    if reasons:
        data["why"] = [[plain(factor) for factor in why(found[0], row)] for row in found[1:]]
    return data


@router.post("/scaling", **operation(ScalingRequest, ScalingAnswer))
async def scale(request: Request) -> Response:
    """Along one axis, with local exponents and shares of operators."""
    given = await body(request)
    model = needed(given, "model")
    axis = given.pop("axis", "frames")
    if not isinstance(axis, str):
        raise InputError(f"axis must be a name, not {axis!r:.60}")
    values = listed(given, "values", request.app.state.settings.max_rows) or None
    found = await apart(lambda: scaling(model, axis, values, **given))
    request.app.state.metrics.predictions.inc(len(found))
    return answer({"model": model, "axis": axis, "points": [plain(point) for point in found]})


@router.post("/levers", **operation(PredictRequest, LeversAnswer))
async def pull(request: Request) -> Response:
    """What each knob would save at this point, most first."""
    given = await body(request)
    model = needed(given, "model")
    found = await apart(lambda: levers(model, **given))
    request.app.state.metrics.predictions.inc(len(found))
    return answer({"model": model, "levers": [plain(lever) for lever in found]})
