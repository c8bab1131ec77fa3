"""`POST /v1/budget`: the best settings under limits."""

from typing import Any

from fastapi import APIRouter, Request, Response

from kinowatt.analysis.budget import budget
from kinowatt.analysis.predict import DEFAULT_GPU
from kinowatt.app.serve.bodies import listed
from kinowatt.app.serve.heavy import apart
from kinowatt.app.serve.http import answer, body
from kinowatt.app.serve.schemas import BudgetAnswer, BudgetRequest, operation

router = APIRouter(tags=["budget"])
MOST = 32  # models, and GPUs: every pair is searched


@router.post("/budget", **operation(BudgetRequest, BudgetAnswer))
async def best_settings(request: Request) -> Response:
    """The best settings under limits, for each model on each GPU, and what one gives up."""
    given = await body(request)
    models, gpus = listed(given, "models", MOST), listed(given, "gpus", MOST)
    if "scores" in given:  # rows; never a file of this machine
        given["scores"] = _rows(given)
    found = await apart(lambda: budget(models or None, gpus or (DEFAULT_GPU,), **given))
    return answer(found.to_dict())


def _rows(given: dict[str, Any]) -> Any:
    from kinowatt.errors import InputError

    rows = listed(given, "scores", 10_000)
    for row in rows:
        if not isinstance(row, dict):
            raise InputError(f"scores must be a list of objects, not of {row!r:.60}")
    return rows
