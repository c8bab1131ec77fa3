"""The application: REST under `/v1`, the dashboard at `/`, and one way to say what went wrong."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from kinowatt.app.serve.bodies import RefusedError
from kinowatt.app.serve.browse import UNREADABLE, Rows
from kinowatt.app.serve.guard import App, Guard, log
from kinowatt.app.serve.http import status_of
from kinowatt.app.serve.metrics import METHODS, PREFIX, Metrics
from kinowatt.app.serve.problems import Problem, problem
from kinowatt.app.serve.routes import (
    budgeting,
    comparing,
    facts,
    judging,
    measurements,
    predicting,
    status,
)
from kinowatt.app.serve.settings import Settings
from kinowatt.app.serve.straight import Straight
from kinowatt.app.serve.workers import Workers
from kinowatt.errors import KinowattError, StoreError, unknown_name
from kinowatt.version import __version__

ROUTERS = (
    predicting.router,
    comparing.router,
    budgeting.router,
    judging.router,
    measurements.router,
    facts.router,
    status.router,
)
DESCRIPTION = (
    "What a generated video costs: seconds, Wh, gCO2e, money, GPU memory. Every number is "
    "predicted by the profile that the answer names; intervals are of rows held out."
)


def create_app(
    settings: Settings, rows: Rows | None = None, workers: Workers | None = None
) -> Guard:
    """Everything that is served, behind its guard; `rows`: of the settings' store if not given.

    Whoever gives `rows` and `workers` closes them.
    """
    app = FastAPI(
        title="Kinowatt",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its pages come from a CDN
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # else asked about each time
    )
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    _otherwise(app)
    _problems(app)
    app.openapi = lambda: _openapi(app, settings)  # type: ignore[method-assign]
    app.state.settings, app.state.metrics = settings, Metrics()
    app.state.rows, app.state.workers = rows or Rows(settings.store), workers or Workers()
    served: App = app
    if settings.dashboard:
        from kinowatt.app.serve.dashboard.mount import with_dashboard

        served = with_dashboard(app, app.state.rows)
    straight = Straight(app, served, [route for router in ROUTERS for route in router.routes])
    app.state.guard = Guard(straight, settings, app.state.metrics)
    return app.state.guard  # type: ignore[no-any-return]


def _otherwise(app: FastAPI) -> None:
    """What no endpoint answers: a known path with another method, or the nearest path."""

    @app.api_route(PREFIX + "/{rest:path}", methods=sorted(METHODS), include_in_schema=False)
    async def nowhere(request: Request) -> Response:
        paths = app.openapi()["paths"]
        path = request.url.path
        if path in paths:
            allowed = ", ".join(sorted(method.upper() for method in paths[path]))
            detail = f"{request.method:.20} is not answered here; allowed: {allowed}"
            raise RefusedError(405, detail, {"allow": allowed})
        raise RefusedError(404, str(unknown_name("path", path, [p for p in paths if "{" not in p])))


def _problems(app: FastAPI) -> None:
    """Handlers that turn whatever was raised into a problem of one line."""

    @app.exception_handler(KinowattError)
    async def refused(_: Request, error: KinowattError) -> Response:
        return problem(status_of(error), str(error))

    @app.exception_handler(StoreError)
    async def unreadable(_: Request, error: StoreError) -> Response:
        log.error("%s", error)
        return problem(503, UNREADABLE)

    @app.exception_handler(RefusedError)
    async def by_http(_: Request, error: RefusedError) -> Response:
        return problem(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def by_starlette(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> Response:
        return problem(500, "this is a fault of the server; its log says why")


def _openapi(app: FastAPI, settings: Settings) -> dict[str, Any]:
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        parts = found.setdefault("components", {})
        parts.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        parts["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        if settings.api_key is not None:
            found["security"] = [{"bearer": []}, {"key": []}]
        app.openapi_schema = found
    return app.openapi_schema
