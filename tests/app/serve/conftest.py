"""A client that talks to the application in this process, without a socket."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kinowatt.app.serve.api import create_app
from kinowatt.app.serve.guard import Guard
from kinowatt.app.serve.settings import Settings


class Client:
    """`ask` sends one request; what the application raises is its own affair."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.guard, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(once())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.ask("POST", path, json=body, **options)


@pytest.fixture
def serving() -> Callable[..., Client]:
    """A client of an application with these settings, REST alone."""
    return lambda **settings: Client(create_app(Settings(dashboard=False, **settings)))


@pytest.fixture
def client(serving: Callable[..., Client]) -> Client:
    return serving()
