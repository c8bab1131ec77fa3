"""Endpoints at a fixed path, answered without a router.

They take the request whole and answer with bytes, so FastAPI documents them and has nothing else to
do for them: finding, preparing and unwrapping them took it as long as a prediction.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute

from kinowatt.app.serve.guard import App, Receive, Scope, Send
from kinowatt.app.serve.metrics import PREFIX


class Direct:
    """Wraps an application; `served` answers whatever is not at one of these paths."""

    def __init__(self, app: FastAPI, served: App, routers: Iterable[APIRouter]) -> None:
        self.app = app
        self.served = served
        kinds = [kind for kind in app.exception_handlers if isinstance(kind, type)]
        # What only the last handler takes is a fault, which the guard logs and answers
        self._refused = tuple(kind for kind in kinds if kind is not Exception)
        self._routes: dict[tuple[str, str], APIRoute] = {}
        for router in routers:
            for route in router.routes:
                if isinstance(route, APIRoute) and _takes_the_request(route):
                    for method in route.methods or ():
                        self._routes[method, PREFIX + route.path] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = None
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            await self.served(scope, receive, send)
            return
        scope["app"], scope["route"] = self.app, route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except self._refused as error:
            response = await self._refusal(request, error)
        await response(scope, receive, send)

    async def _refusal(self, request: Request, error: Exception) -> Response:
        handlers: Mapping[Any, Any] = self.app.exception_handlers
        handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        found: Response = await handler(request, error)
        return found


def _takes_the_request(route: APIRoute) -> bool:
    alone = list(inspect.signature(route.endpoint).parameters) == ["request"]
    return alone and "{" not in route.path
