"""Every endpoint answers what its verb answers."""

import dataclasses
import math
from typing import Any

import pytest

import kinowatt
from kinowatt.analysis.budget import budget
from kinowatt.analysis.compare import why
from kinowatt.app import listings

ASKED = {"height_px": 480, "width_px": 832, "frames": 49, "steps": 20}
MODEL = "wan2.1-t2v-1.3b"


def test_predict(client: Any) -> None:
    asked = {**ASKED, "gpu": "l4", "grid": "FRA", "price": 0.8, "what_if": {"attention": "math"}}
    found = client.post("/v1/predict", {"model": "wan-1.3b", **asked})
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert found.json() == kinowatt.predict("wan-1.3b", **asked).to_dict()


def test_what_is_null_is_not_given(client: Any) -> None:
    found = client.post("/v1/predict", {"model": MODEL, "gpu": None, "frames": None})
    assert found.json() == kinowatt.predict(MODEL).to_dict()


def test_batches_as_columns(client: Any) -> None:
    columns = {"height_px": [480, 720, 480], "frames": [81, 33, 17], "steps": [50, 30, 20]}
    found = client.post("/v1/predict/batch", {"model": MODEL, "width_px": 832, **columns})
    wanted = kinowatt.predict_many(MODEL, width_px=832, **columns)
    assert found.status_code == 200
    assert found.json()["columns"] == {name: list(column) for name, column in wanted.items()}
    one = kinowatt.predict(MODEL, height_px=720, width_px=832, frames=33, steps=30)
    assert math.isclose(found.json()["columns"]["latency_s"][1], one.latency_s, rel_tol=1e-12)


def test_a_batch_answers_the_columns_asked_for(client: Any) -> None:
    body = {"model": f"{MODEL}-as-published", "steps": [10, 20]}
    chosen = client.post("/v1/predict/batch", {**body, "columns": ["flops", "peak_memory_gib"]})
    assert list(chosen.json()["columns"]) == ["flops", "peak_memory_gib"]
    assert chosen.json()["columns"]["peak_memory_gib"] == [None, None]  # not stated: never zero


def test_compare(client: Any) -> None:
    body = {"models": [MODEL, "mochi-1-preview"], "gpus": ["h100-sxm", "l4"], "why": True}
    found = client.post("/v1/compare", {**body, "steps": 20}).json()
    wanted = kinowatt.compare(body["models"], body["gpus"], steps=20)
    assert found["rows"] == [row.to_dict() for row in wanted]
    factors = [[dataclasses.asdict(f) for f in why(wanted[0], row)] for row in wanted[1:]]
    assert found["why"] == factors


def test_compare_without_names_is_of_all_models(client: Any) -> None:
    found = client.post("/v1/compare", {}).json()
    assert [row["model"] for row in found["rows"]] == [
        r.model for r in kinowatt.compare((), ("h100",))
    ]
    assert "why" not in found


def test_scaling(client: Any) -> None:
    body = {"model": MODEL, "axis": "steps", "values": [10, 20, 40], **ASKED}
    found = client.post("/v1/scaling", body).json()
    wanted = kinowatt.scaling(MODEL, "steps", [10, 20, 40], **ASKED)
    assert found["points"] == [dataclasses.asdict(point) for point in wanted]
    assert client.post("/v1/scaling", {"model": MODEL}).json()["axis"] == "frames"


def test_levers(client: Any) -> None:
    found = client.post("/v1/levers", {"model": MODEL, **ASKED}).json()
    assert found["levers"] == [dataclasses.asdict(each) for each in kinowatt.levers(MODEL, **ASKED)]


def test_budget(client: Any) -> None:
    body = {"models": [MODEL], "gpus": ["l40s"], "max_latency_s": 60, "min_height_px": "480p"}
    found = client.post("/v1/budget", body)
    wanted = budget([MODEL], ["l40s"], max_latency_s=60, min_height_px="480p")
    assert found.json() == wanted.to_dict()
    score = {"model": MODEL, "height": 480, "width": 832, "frames": 17, "steps": 20, "score": 1}
    assert client.post("/v1/budget", {**body, "scores": [score]}).status_code == 200


def test_a_budget_reads_no_file_of_the_server(client: Any) -> None:
    for scores in ("/etc/passwd", ["/etc/passwd"], {"path": "/etc/passwd"}):
        found = client.post("/v1/budget", {"models": [MODEL], "scores": scores})
        assert found.status_code == 422
        assert "scores must be a list" in found.json()["detail"]


@pytest.mark.parametrize(
    ("path", "rows", "name"),
    [
        ("/v1/models", listings.model_rows, "models/wan-1.3b"),
        ("/v1/gpus", listings.gpu_rows, "gpus/h100"),
        ("/v1/grids", listings.grid_rows, "grids/France"),
        ("/v1/profiles", listings.profile_rows, "profiles/h100-sxm/paper"),
    ],
)
def test_listings_and_one_of_each(client: Any, path: str, rows: Any, name: str) -> None:
    found = client.get(path).json()["rows"]
    assert found == rows()
    assert client.get(f"/v1/{name}").json() in found
    assert all(row.get("source") or row.get("sources") or row.get("data") for row in found)


def test_health_and_metrics(client: Any) -> None:
    health = client.get("/v1/health").json()
    assert health == {"status": "ok", "version": kinowatt.__version__}
    for steps in (10, 20):
        client.post("/v1/predict", {"model": MODEL, "steps": steps})
    client.post("/v1/predict/batch", {"model": MODEL, "steps": [10, 20, 30]})
    for path in ("/v1/nowhere", "/v1/elsewhere", "/v1/models/mochi"):
        client.get(path)
    text = client.get("/v1/metrics").text
    assert "kinowatt_predictions_total 5.0" in text
    counted = 'kinowatt_http_requests_total{method="%s",route="%s",status="%d"} %s'
    assert counted % ("POST", "/v1/predict", 200, "2.0") in text
    assert counted % ("GET", "/v1/{rest:path}", 404, "2.0") in text
    assert counted % ("GET", "/v1/models/{name:path}", 200, "1.0") in text
    assert 'duration_seconds_count{route="/v1/predict"} 2.0' in text
    assert "kinowatt_http_requests_in_flight 1.0" in text


def test_every_example_of_the_document_is_answered(client: Any) -> None:
    document = client.get("/v1/openapi.json").json()
    posts = {path: item["post"] for path, item in document["paths"].items() if "post" in item}
    assert set(posts) >= {"/v1/predict", "/v1/predict/batch", "/v1/compare", "/v1/scaling"}
    for path, operation in posts.items():
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        for example in schema["examples"]:
            assert client.post(path, example).status_code == 200, path
    for path, item in document["paths"].items():
        if "get" in item and "{" not in path:
            assert client.get(path).status_code == 200, path


def test_the_document_needs_nothing_from_elsewhere(client: Any) -> None:
    assert "://" not in client.get("/v1/openapi.json").text
