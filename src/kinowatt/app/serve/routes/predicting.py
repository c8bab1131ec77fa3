"""`POST /v1/predict`: one video. `POST /v1/predict/batch`: many, as columns."""

from fastapi import APIRouter, Request, Response

from kinowatt.analysis.predict import predict
from kinowatt.app.serve.batches import batch
from kinowatt.app.serve.bodies import needed
from kinowatt.app.serve.http import JSON, Direct, answer, body, content
from kinowatt.app.serve.schemas import (
    BatchAnswer,
    BatchRequest,
    PredictionAnswer,
    PredictRequest,
    operation,
)

router = APIRouter(tags=["predict"], route_class=Direct)


@router.post("/predict", **operation(PredictRequest, PredictionAnswer))
async def predict_one(request: Request) -> Response:
    """What one video costs, before it is generated."""
    given = await body(request)
    found = predict(needed(given, "model"), **given)
    request.app.state.metrics.predictions.inc()
    return answer(found)


@router.post("/predict/batch", **operation(BatchRequest, BatchAnswer, 503))
async def predict_batch(request: Request) -> Response:
    """Many videos of one model on one GPU: settings are numbers or columns of equal length.

    The answer has one column per quantity; `columns` chooses which.
    """
    asked = await content(request)
    rows, found = await request.app.state.workers.run(
        batch, asked, request.app.state.settings.max_elements
    )
    request.app.state.metrics.predictions.inc(rows)
    return Response(found, media_type=JSON)
