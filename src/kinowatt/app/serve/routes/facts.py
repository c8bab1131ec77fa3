"""`GET /v1/models`, `/v1/gpus`, `/v1/grids`, `/v1/profiles`: what is known, with its sources."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Response

from kinowatt.app import listings
from kinowatt.app.serve.http import answer, known
from kinowatt.app.serve.problems import documented
from kinowatt.app.serve.schemas import Rows
from kinowatt.errors import unknown_name
from kinowatt.facts.gpus import gpu
from kinowatt.facts.grids import grid
from kinowatt.facts.models import model

router = APIRouter(tags=["facts"])
SECURED = documented(401)
NAMED: dict[str, Any] = {"responses": documented(401, 404), "response_model": dict[str, Any]}


@router.get("/models", response_model=Rows, responses=SECURED)
async def models() -> Response:
    """The models known: components, recipes, presets, sources."""
    return answer({"rows": listings.model_rows()})


@router.get("/gpus", response_model=Rows, responses=SECURED)
async def gpus() -> Response:
    """The accelerators known: dense peaks, bandwidth, memory, power, sources."""
    return answer({"rows": listings.gpu_rows()})


@router.get("/grids", response_model=Rows, responses=SECURED)
async def grids() -> Response:
    """Carbon intensity by country."""
    return answer({"rows": listings.grid_rows()})


@router.get("/profiles", response_model=Rows, responses=SECURED)
async def profiles() -> Response:
    """The GPU profiles known, and what they were obtained from."""
    return answer({"rows": listings.profile_rows()})


@router.get("/models/{name:path}", **NAMED)
async def one_model(name: str) -> Response:
    """One model by its name or an alias."""
    found = known(model, name).name
    return answer(_row(listings.model_rows, "model", found))


@router.get("/gpus/{name:path}", **NAMED)
async def one_gpu(name: str) -> Response:
    """One GPU by its name or an alias."""
    found = known(gpu, name).name
    return answer(_row(listings.gpu_rows, "gpu", found))


@router.get("/grids/{name:path}", **NAMED)
async def one_grid(name: str) -> Response:
    """One grid by its code or name."""
    found = known(grid, name).code
    return answer(_row(listings.grid_rows, "code", found))


@router.get("/profiles/{name:path}", **NAMED)
async def one_profile(name: str) -> Response:
    """One profile by its name, GPU/STACK."""
    return answer(known(lambda wanted: _row(listings.profile_rows, "profile", wanted), name))


def _row(rows: Callable[[], list[dict[str, Any]]], key: str, name: str) -> dict[str, Any]:
    by_name = {row[key]: row for row in rows()}
    if name not in by_name:
        raise unknown_name(key, name, by_name)
    return by_name[name]
