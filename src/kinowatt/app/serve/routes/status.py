"""`GET /v1/health` and `/v1/metrics`."""

from fastapi import APIRouter, Request, Response

from kinowatt.app.serve.http import answer
from kinowatt.app.serve.metrics import MEDIA_TYPE
from kinowatt.app.serve.problems import documented, problem
from kinowatt.app.serve.schemas import Health
from kinowatt.version import __version__

router = APIRouter(tags=["status"])


@router.get("/health", response_model=Health, responses=documented(503))
async def health(request: Request) -> Response:
    """Whether requests are answered; 503 once the server is stopping. Needs no key."""
    if request.app.state.guard.draining:
        return problem(503, "the server is stopping")
    return answer({"status": "ok", "version": __version__})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **documented(401)},
)
async def metrics(request: Request) -> Response:
    """Prometheus metrics: requests, seconds, predictions."""
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)
