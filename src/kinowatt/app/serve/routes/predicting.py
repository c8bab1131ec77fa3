"""`POST /v1/predict`: one video. `POST /v1/predict/batch`: many, as columns."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from kinowatt.analysis.many import COLUMNS, predict_many
from kinowatt.analysis.predict import predict
from kinowatt.app.serve.heavy import apart
from kinowatt.app.serve.http import answer, body, listed, needed
from kinowatt.app.serve.schemas import (
    BatchAnswer,
    BatchRequest,
    PredictionAnswer,
    PredictRequest,
    operation,
)
from kinowatt.errors import InputError, unknown_name
from kinowatt.theory.workload import FIELDS

router = APIRouter(tags=["predict"])


@router.post("/predict", **operation(PredictRequest, PredictionAnswer))
async def predict_one(request: Request) -> Response:
    """What one video costs, before it is generated."""
    given = await body(request)
    found = predict(needed(given, "model"), **given)
    request.app.state.metrics.predictions.inc()
    return answer(found)


@router.post("/predict/batch", **operation(BatchRequest, BatchAnswer))
async def predict_batch(request: Request) -> Response:
    """Many videos of one model on one GPU: settings are numbers or columns of equal length.

    The answer has one column per quantity; `columns` chooses which.
    """
    given = await body(request)
    columns = _columns(given)
    rows = _length(given, request.app.state.settings.max_elements)
    model = needed(given, "model")
    found = await apart(lambda: _many(model, given, columns))
    request.app.state.metrics.predictions.inc(rows)
    return Response(found, media_type="application/json")


def _many(model: str, given: Mapping[str, Any], columns: tuple[str, ...]) -> bytes:
    from kinowatt.app.serve.http import dumps

    found = predict_many(model, **given)
    return dumps({"model": model, "columns": {name: found[name] for name in columns}})


def _columns(given: dict[str, Any]) -> tuple[str, ...]:
    wanted = listed(given, "columns", len(COLUMNS)) or COLUMNS
    for name in wanted:
        if name not in COLUMNS:
            raise unknown_name("column", name, COLUMNS)
    return tuple(dict.fromkeys(wanted))


def _length(given: Mapping[str, Any], most: int) -> int:
    """Rows of a batch; columns that do not have as many, or more than are answered, are refused."""
    found = {name: given[name] for name in FIELDS if isinstance(given.get(name), list)}
    if not found:
        raise InputError(f"a batch needs at least one column, a list, among: {', '.join(FIELDS)}")
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        words = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"columns must be of equal length: {words}")
    rows = next(iter(lengths.values()))
    if not 1 <= rows <= most:
        raise InputError(f"a batch has from 1 to {most} rows, not {rows}; send several")
    for name, column in found.items():
        _numbers(name, column)
    return rows


def _numbers(name: str, column: list[Any]) -> None:
    kinds = set(map(type, column))
    if kinds <= {int, float}:
        return
    at = next(i for i, value in enumerate(column) if type(value) not in (int, float))
    raise InputError(f"{name}[{at}] must be a number, not {column[at]!r:.60}")
