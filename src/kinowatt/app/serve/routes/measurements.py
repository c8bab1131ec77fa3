"""`GET /v1/measurements`: the rows of a store, page by page."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from kinowatt.app.serve.browse import NAMES, Asked, page_data
from kinowatt.app.serve.heavy import apart
from kinowatt.app.serve.http import answer
from kinowatt.app.serve.problems import documented
from kinowatt.app.serve.row_schemas import PARAMETERS, MeasurementsAnswer
from kinowatt.errors import InputError, unknown_name

router = APIRouter(tags=["measurements"])
KNOWN = tuple(each["name"] for each in PARAMETERS)
SEVERAL = "where"
FLAGS = {"true": True, "false": False}


@router.get(
    "/measurements",
    response_model=MeasurementsAnswer,
    responses=documented(401, 422, 503),
    openapi_extra={"parameters": PARAMETERS},
)
async def measurements(request: Request) -> Response:
    """Rows in the order in which they were stored; `after` asks for the next page.

    With `predicted` each has its prediction beside it, with `audit` what an audit of the whole
    store says of it. A cursor stays good whatever rows are added.
    """
    state = request.app.state
    given = _given(request)
    predicted, audit = (_flag(given, name) for name in ("predicted", "audit"))
    asked = Asked(
        chosen={name: given[name] for name in NAMES if name in given},
        where=request.query_params.getlist(SEVERAL),
        after=given.get("after"),
        limit=_limit(given.get("limit", "50"), state.settings.max_rows),
    )
    found = await apart(lambda: page_data(state.rows, asked, predicted, audit))
    if predicted:
        state.metrics.predictions.inc(len(found["rows"]))
    return answer(found)


def _given(request: Request) -> dict[str, str]:
    given = request.query_params
    for name in given:
        if name not in KNOWN:
            raise unknown_name("parameter", name, KNOWN)
        if name != SEVERAL and len(given.getlist(name)) > 1:
            raise InputError(f"{name} is given twice; several conditions are `{SEVERAL}`")
    return dict(given)


def _flag(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in FLAGS:
        raise InputError(f"{name} must be true or false, not {text!r:.60}")
    return FLAGS[text]


def _limit(text: str, most: int) -> int:
    if text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most:
        return int(text)
    raise InputError(f"limit must be a whole number from 1 to {most}, not {text!r:.60}")
