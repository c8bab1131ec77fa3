"""Requests in, responses out."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from kinowatt.app.serve.bodies import RefusedError, dumps, read
from kinowatt.errors import InputError, KinowattError

JSON = "application/json"


class Direct(APIRoute):
    """Documented as any, but its endpoint is called with the request alone, which it reads itself:
    to find out each time that nothing else is asked of it takes as long as half a prediction."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def answer(value: Any) -> Response:
    return Response(dumps(value), media_type=JSON)


async def content(request: Request) -> bytes:
    """A request's body, which says that it is JSON or nothing of its kind."""
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind != JSON and not kind.endswith("+json"):
        raise RefusedError(415, f"the body must be {JSON}, not {kind[:60]!r}")
    return await request.body()


async def body(request: Request) -> dict[str, Any]:
    """The object in a request's body."""
    return read(await content(request))


def known(look_up: Any, name: str) -> Any:
    """A fact by its name in the address: an unknown one is a 404 with the nearest."""
    try:
        return look_up(name)
    except InputError as error:
        raise RefusedError(404, str(error)) from None


def status_of(error: KinowattError) -> int:
    """422 for what the client gave, 500 for what this machine lacks."""
    from kinowatt.errors import FactsError

    return 422 if isinstance(error, InputError) and not isinstance(error, FactsError) else 500
