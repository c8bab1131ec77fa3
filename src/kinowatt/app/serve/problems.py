"""RFC 9457 problems: the command line's one-line messages, as `application/problem+json`."""

from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic import BaseModel, Field

from kinowatt.app.serve.bodies import dumps

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was not answered."""

    type: str = Field("about:blank", description="About what kind of problem to read more.")
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(
        description="One line: what was wrong, what is allowed, the nearest that works.",
        examples=["frames must be a whole number, not 2.5; nearest: 2"],
    )


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The response of a problem."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return Response(dumps(body), status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint for the problems it may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }
