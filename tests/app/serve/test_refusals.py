"""What is refused, with which status, and that the line is the command's own."""

import base64
import json
from typing import Any

import pytest

import kinowatt
from kinowatt.app.cli import main
from kinowatt.app.serve import guard
from kinowatt.app.serve.routes import predicting
from kinowatt.app.serve.settings import Settings, is_loopback, read_key

KEY = "a key of sixteen or more"
MODEL = "wan2.1-t2v-1.3b"


def detail(response: Any, status: int) -> str:
    """The line of a problem, which must be one of RFC 9457 with this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["detail"].isprintable()
    return str(body["detail"])


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        ({"frames": 2.5}, ["--frames", "2.5"]),
        ({"height_px": 481}, ["--height", "481"]),
        ({"gpu": "h100-smx"}, ["--gpu", "h100-smx"]),
        ({"what_if": {"lienar": "fp8"}}, ["--what-if", "lienar=fp8"]),
        ({"grid": "Frence"}, ["--grid", "Frence"]),
    ],
)
def test_the_line_is_the_commands(
    client: Any, asked: dict[str, Any], option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["predict", MODEL, *option])
    line = capsys.readouterr().err.strip().removeprefix("kinowatt: ")
    assert detail(client.post("/v1/predict", {"model": MODEL, **asked}), 422) == line


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        ("predict", {}, "model is missing"),
        ("predict", {"model": 3}, "model must be a name, not 3"),
        ("predict", {"model": MODEL, "hieght_px": 480}, "did you mean 'height_px'"),
        ("predict", {"model": MODEL, "height_px": "480"}, "height_px must be a number"),
        ("predict", [], "the body must be a JSON object"),
        ("predict/batch", {"model": MODEL}, "a batch needs at least one column"),
        ("predict/batch", {"model": MODEL, "steps": []}, "from 1 to 200000 rows, not 0"),
        ("predict/batch", {"model": MODEL, "steps": [1, True]}, r"steps[1] must be a number"),
        ("predict/batch", {"model": MODEL, "steps": [[1]]}, r"steps[0] must be a number"),
        ("predict/batch", {"model": MODEL, "steps": [4, 2.5]}, "steps[1] must be a whole number"),
        ("predict/batch", {"model": MODEL, "steps": [1, 2], "frames": [5]}, "of equal length"),
        ("predict/batch", {"model": MODEL, "steps": [1], "columns": ["wh"]}, "unknown column 'wh'"),
        ("compare", {"models": "wan"}, "models must be a list"),
        ("compare", {"models": [3]}, "model must be a name, not 3"),
        ("compare", {"why": "yes"}, "why must be true or false"),
        ("compare", {"gpus": ["l4"] * 201}, "gpus has 201 items, at most 200"),
        ("compare", {"gpus": ["l4"] * 100}, "rows were asked for, at most 200"),
        ("scaling", {"model": MODEL, "axis": "depth"}, "unknown axis 'depth'"),
        ("scaling", {"model": MODEL, "axis": ["frames"]}, "axis must be a name"),
        ("scaling", {"model": MODEL, "values": [1, "2"]}, "frames must be a number"),
        ("levers", {"model": "nope"}, "unknown model 'nope'"),
    ],
)
def test_what_a_body_must_be(client: Any, path: str, body: Any, line: str) -> None:
    assert line in detail(client.post(f"/v1/{path}", body), 422)


def test_what_http_refuses(client: Any) -> None:
    post = {"headers": {"content-type": "application/json"}}
    assert "not JSON" in detail(client.ask("POST", "/v1/predict", content=b"{", **post), 400)
    assert "not JSON" in detail(client.ask("POST", "/v1/predict", content=b"", **post), 400)
    assert "not JSON" in detail(
        client.ask("POST", "/v1/predict", content=b'{"a": NaN}', **post), 400
    )
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert "must be application/json" in detail(
        client.ask("POST", "/v1/predict", content=b"{}", headers=form), 415
    )
    assert "allowed: POST" in detail(client.get("/v1/predict"), 405)
    assert "did you mean '/v1/predict'" in detail(client.get("/v1/predct"), 404)
    assert "did you mean 'mochi-1-preview'" in detail(client.get("/v1/models/mochi-1-preveiw"), 404)
    assert detail(client.get("/v1/profiles/h100-sxm/papr"), 404).startswith("unknown profile")
    assert client.get("/docs").status_code == 404


def test_bodies_have_a_limit_whatever_their_header_says(serving: Any) -> None:
    client = serving(max_body_bytes=1000)
    large = json.dumps({"model": "x" * 2000}).encode()
    kind = {"content-type": "application/json"}
    told = client.ask("POST", "/v1/predict", content=large, headers=kind)
    assert detail(told, 413).startswith("the body is larger than 1000 bytes")
    assert told.headers["connection"] == "close"

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 100

    untold = client.ask("POST", "/v1/predict", content=pieces(), headers=kind)
    assert "larger than 1000" in detail(untold, 413)
    assert client.post("/v1/predict", {"model": MODEL}).status_code == 200
    lying = client.ask("GET", "/v1/health", headers={"content-length": "ten"})
    assert "whole number" in detail(lying, 400)


def test_batches_have_a_limit(serving: Any) -> None:
    client = serving(max_elements=10)
    steps = list(range(10, 21))
    line = detail(client.post("/v1/predict/batch", {"model": MODEL, "steps": steps}), 422)
    assert line == "a batch has from 1 to 10 rows, not 11; send several"
    assert client.post("/v1/predict/batch", {"model": MODEL, "steps": steps[1:]}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY}"},
        {"x-api-key": KEY},
        {"authorization": "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode()},
    ],
)
def test_the_key_opens(serving: Any, headers: dict[str, str]) -> None:
    assert serving(api_key=KEY).get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Digest {KEY}"},
        {"authorization": "Basic !"},
        {"authorization": "Basic " + base64.b64encode(KEY.encode()).decode()},
        {"x-api-key": KEY[:-1]},
    ],
)
def test_nothing_else_does(serving: Any, headers: dict[str, str]) -> None:
    client = serving(api_key=KEY)
    for path in ("/v1/models", "/v1/metrics", "/v1/openapi.json", "/", "/v1/nowhere"):
        refused = client.get(path, headers=headers)
        assert "Authorization: Bearer KEY" in detail(refused, 401)
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert client.get("/v1/health", headers=headers).status_code == 200


def test_keys_are_compared_in_constant_time(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = guard.hmac.compare_digest
    monkeypatch.setattr(
        guard.hmac, "compare_digest", lambda a, b: seen.append((a, b)) or real(a, b)
    )
    serving(api_key=KEY).get("/v1/models", headers={"x-api-key": "k"})
    ((given, kept),) = seen
    assert len(given) == len(kept) == 32  # digests: not even the length of the key shows


def test_a_fault_of_the_server_says_nothing_of_it(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret at /etc/secret.toml")

    monkeypatch.setattr(predicting, "predict", broken)
    line = detail(client.post("/v1/predict", {"model": MODEL}), 500)
    assert line == "this is a fault of the server; its log says why"
    assert "secret at" in caplog.text


def test_answers_carry_headers_that_keep_browsers_careful(client: Any) -> None:
    found = client.get("/v1/health").headers
    assert found["x-content-type-options"] == "nosniff"
    assert "server" not in found


def test_a_stopping_server_says_so(client: Any) -> None:
    client.guard.draining = True
    refused = client.get("/v1/health")
    assert detail(refused, 503) == "the server is stopping"
    assert refused.headers["connection"] == "close"
    assert client.post("/v1/predict", {"model": MODEL}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.8.8.8"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).api_key is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_anything_else_does(host: str) -> None:
    with pytest.raises(kinowatt.InputError, match="needs an API key"):
        Settings(host=host)
    assert Settings(host=host, api_key=KEY).host == host


def test_where_the_key_comes_from(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KINOWATT_API_KEY", raising=False)
    assert read_key(None) is None
    monkeypatch.setenv("KINOWATT_API_KEY", KEY)
    assert read_key(None) == KEY
    (tmp_path / "key").write_text("of the file, long enough\n")
    assert read_key(str(tmp_path / "key")) == "of the file, long enough"
    with pytest.raises(kinowatt.InputError, match="No such file"):
        read_key(str(tmp_path / "none"))
    with pytest.raises(kinowatt.InputError, match="at least 16 characters"):
        Settings(api_key="short")
