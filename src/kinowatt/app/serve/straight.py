"""The way of a prediction: from the guard straight to its endpoint.

FastAPI documents these endpoints as any, but its middlewares and router, none of which does anything
for them, would take an eighth of a prediction.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response

from kinowatt.app.serve.guard import App, Receive, Scope, Send
from kinowatt.app.serve.http import Direct
from kinowatt.app.serve.metrics import PREFIX


class Straight:
    """Wraps an application: requests for these routes go to their endpoint, all others to it."""

    def __init__(self, app: FastAPI, served: App, routes: list[Any]) -> None:
        self.app = app
        self.served = served
        # A fault is not among them: the guard logs it and answers
        self._handlers: Mapping[Any, Any] = {
            kind: handler
            for kind, handler in app.exception_handlers.items()
            if isinstance(kind, type) and kind is not Exception
        }
        self._refused = tuple(self._handlers)
        self._routes = {
            (method, PREFIX + route.path): route
            for route in routes
            if isinstance(route, Direct)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
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
        kind = next(kind for kind in type(error).__mro__ if kind in self._handlers)
        found: Response = await self._handlers[kind](request, error)
        return found
