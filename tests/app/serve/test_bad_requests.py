"""More than ten thousand bad requests: none is a fault of the server, each gets its one line."""

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.test_bad_input import KINDS, cases
from kinowatt.app.serve.api import create_app
from kinowatt.app.serve.settings import Settings

COUNT = 10_500
SOME = 1_000  # in the gate
POSTS = ("predict", "predict/batch", "compare", "scaling", "levers", "budget", "explain", "audit")
GETS = ("measurements", "models", "gpus", "grids", "profiles", "health", "metrics")
GOOD = {"model": "wan2.1-t2v-1.3b", "steps": 20, "frames": 33}
ODD = ("", "x", -1, 0, 2.5, 1e300, 10**18, True, [], [None], [[1]], {}, {"": ""}, "\u202e", "\x00")

QUERIES = (
    *("model=x", "gpu=%00", "protocol=\u202e", "where=", "where=steps", "where=stps>1", "odd=1"),
    *("where=steps>=x", "limit=0", "limit=1e3", "limit=201", "after=-1", "after=" + "9" * 40),
    *("predicted=1", "audit=maybe", "model=a&model=b", "where=size<1x1", "where=taken_at>x"),
)

Request = tuple[str, str, bytes]


def as_json(value: Any) -> bytes:
    """JSON, or what Python writes where JSON has no word for it; objects as their names."""
    return json.dumps(value, default=lambda item: type(item).__name__, skipkeys=True).encode(
        "utf-8", "surrogatepass"
    )


def known_bad() -> Iterator[Request]:
    """What the command line's own bad inputs are as bodies."""
    for kind in KINDS:
        for model, asked in cases(kind):
            yield "POST", "/v1/predict", as_json({"model": model, **asked})


def mangled(rng: random.Random) -> Iterator[Request]:
    """Bodies of which one field is odd, bytes are cut, doubled or noise; paths that are none."""
    while True:
        path = f"/v1/{rng.choice(POSTS)}"
        fields = [*GOOD, "gpu", "what_if", "models", "gpus", "why", "axis", "values", "columns"]
        fields += ["max_latency_s", "min_height_px", "scores", "confidence", "aspect"]
        fields += ["latency_s", "energy_wh", "software", "row", "text", "map", "file"]
        body = {**GOOD, rng.choice(fields): rng.choice(ODD), f"odd{rng.random()}": 1}
        raw = as_json(body)
        at = rng.randrange(len(raw))
        yield "POST", path, as_json(body)
        yield "POST", path, raw[:at]
        yield "POST", path, raw[:at] + rng.randbytes(3) + raw[at:]
        yield "POST", path, rng.randbytes(rng.randrange(60))
        yield rng.choice(("GET", "PUT", "DELETE", "TRACE", "X")), path, b""
        yield (
            "GET",
            f"/v1/{rng.choice(GETS)}/{rng.choice(('', '%00', '../..', 'x' * 300, '?'))}",
            b"",
        )
        yield "POST", f"/v1/{rng.choice(GETS)}", raw
        yield "GET", f"/v1/measurements?{rng.choice(QUERIES)}", b""
        yield "GET", "/" + "".join(rng.choice("v1/.%\\~é") for _ in range(9)), b""


async def status_of(app: Any, request: Request) -> tuple[int, bytes]:
    """Status and body by the plain protocol: faster than any client."""
    method, path, body = request
    path, _, query = path.partition("?")
    raw = path.encode()
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": raw, "query_string": query.encode(), "root_path": "",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


def wrong(status: int, body: bytes) -> str | None:
    """What is wrong with how a bad request is refused, or None."""
    if not 400 <= status < 500:
        return f"{status}: {body[:80]!r}"
    line = json.loads(body)["detail"]
    if not 8 < len(line) < 700 or not line.isprintable():
        return f"not one clear line: {line[:80]!r}"
    leaks = ("Traceback", ".py", "site-packages", "object at 0x")
    return next((f"leaks {leak}: {line}" for leak in leaks if leak in line), None)


def requests(count: int) -> Iterator[Request]:
    yield from known_bad()
    noise = mangled(random.Random(9457))
    for _ in range(count):
        yield next(noise)


@pytest.mark.parametrize(
    "count", [SOME, pytest.param(COUNT, marks=pytest.mark.torture, id="ten-thousand")]
)
def test_bad_requests_are_refused_in_one_line(count: int) -> None:
    app = create_app(Settings(dashboard=False))

    async def all_of_them() -> tuple[int, dict[str, Any]]:
        asked, found = 0, {}
        for request in requests(count):
            status, body = await status_of(app, request)
            asked += 1
            if bad := wrong(status, body):
                found.setdefault(bad[:60], (request[0], request[1], request[2][:200]))
        return asked, found

    asked, found = asyncio.run(all_of_them())
    assert found == {}
    assert asked >= count


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"{}"),
        (500, b"{}"),
        (422, b'{"detail": "two\\nlines"}'),
        (422, b'{"detail": "File app/x.py"}'),
    ],
)
def test_the_check_above_can_fail(status: int, body: bytes) -> None:
    assert wrong(status, body) is not None
