"""Endpoints about rows: explain, audit, and the pages of a store."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kinowatt
from kinowatt.analysis.audit.run import audit_text
from kinowatt.analysis.explain import explain_row, judge_row
from kinowatt.app.cli import main
from kinowatt.app.serve import browse
from kinowatt.app.serve.browse import Asked, Rows
from kinowatt.campaign.store import open_store
from kinowatt.lab.measurement import Measurement
from store_rows import row, workload

WAN = "wan2.1-t2v-1.3b"
HEADER = "height,width,frames,steps,latency_s,gpu_energy_wh"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Seven rows of three models, one of which nobody knows."""
    path = tmp_path / "rows.db"
    stranger = row(7, model="a-model-of-theirs", protocol="sampled", runs=[])
    others = [row(n, model="mochi-1-preview") for n in (5, 6)]
    with open_store(str(path)) as opened:
        rows = [*(row(n) for n in range(1, 5)), *others, stranger]
        opened.add(Measurement.from_dict(each) for each in rows)
    return str(path)


def pages(client: Any, query: str) -> Iterator[dict[str, Any]]:
    after = ""
    while after is not None:
        found = client.get(f"/v1/measurements?{query}{after and f'&after={after}'}")
        assert found.status_code == 200, found.text
        yield found.json()
        after = found.json()["after"]


def test_explain_answers_as_the_verb(client: Any) -> None:
    asked = {"latency_s": 214, "energy_wh": 34, "steps": 40, "software": {"torch": "2.11.0"}}
    found = client.post("/v1/explain", {"model": "wan-1.3b", "gpu": "h100", **asked})
    wanted = kinowatt.explain(WAN, "h100-sxm", **asked).to_dict()
    assert found.json() == json.loads(json.dumps(wanted))
    measured = kinowatt.load_measurements("committed")[0].to_dict()
    found = client.post("/v1/explain", {"row": measured})
    assert found.json() == json.loads(json.dumps(explain_row(measured).to_dict()))


def test_audit_answers_as_the_verb(client: Any) -> None:
    text = f"{HEADER}\n480,832,81,50,69,13.1\n480,832,81,25,34.6,6.6\n480,832,81,25,0.0346,6.6\n"
    named = {"model": WAN, "gpu": "h100-sxm", "file": "mine.csv"}
    found = client.post("/v1/audit", {"text": text, "map": ["latency_s=latency_s:s"], **named})
    wanted = audit_text(text, ["latency_s=latency_s:s"], **named).to_dict()
    assert found.json() == json.loads(json.dumps(wanted))
    assert {4} <= {line for flag in found.json()["flags"] for line in flag["lines"]}
    assert "kinowatt_audited_rows_total 3.0" in client.get("/v1/metrics").text


@pytest.mark.parametrize(
    ("path", "body", "line"),
    [
        ("explain", {"latency_s": 3}, "model is missing"),
        ("explain", {"model": WAN}, "latency_s is missing"),
        ("explain", {"model": WAN, "latency_s": 0}, "latency_s must be a finite number above 0"),
        ("explain", {"model": WAN, "latency_s": 3, "software": [1]}, "software must be a mapping"),
        ("explain", {"row": {}}, "missing field schema_version"),
        ("explain", {"row": {}, "gpu": "l4"}, "give it alone"),
        ("audit", {}, "text is missing"),
        ("audit", {"text": 3}, "text must be the text of a file"),
        ("audit", {"text": " \n"}, "text: is empty"),
        ("audit", {"text": "a\0b"}, "is not a text in UTF-8"),
        ("audit", {"text": "a,b\n1,2", "file": "x.csv"}, "x.csv: no column of seconds"),
        ("audit", {"text": f"{HEADER}\n1", "gpu": "h100-smx"}, "did you mean 'h100-sxm'"),
        ("audit", {"text": f"{HEADER}\n1", "map": [3]}, "map must be a list of QUANTITY=COLUMN"),
        ("audit", {"text": f"{HEADER}\n1", "file": "a\nb"}, "file must be a text of one line"),
        ("audit", {"text": HEADER, "txet": ""}, "did you mean 'text'"),
    ],
)
def test_what_cannot_be_judged_is_one_line(client: Any, path: str, body: Any, line: str) -> None:
    found = client.post(f"/v1/{path}", body)
    assert (found.status_code, found.headers["content-type"]) == (422, "application/problem+json")
    assert line in found.json()["detail"]


def test_the_line_of_an_audit_is_the_commands(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("1,2\n3,4\n")
    with pytest.raises(SystemExit):
        main(["audit", str(file)])
    line = capsys.readouterr().err.strip().removeprefix("kinowatt: ")
    found = client.post("/v1/audit", {"text": file.read_text(), "file": "rows.csv"})
    assert found.json()["detail"] == line


def test_texts_to_audit_have_a_limit(serving: Callable[..., Any]) -> None:
    client = serving(max_audit_bytes=100)
    found = client.post("/v1/audit", {"text": f"{HEADER}\n" + "1,2,3,4,5,6\n" * 9})
    assert found.status_code == 422
    assert "at most 100 are audited at once" in found.json()["detail"]


def test_pages_of_a_store_give_every_row_once(serving: Callable[..., Any], store: str) -> None:
    client = serving(store=store)
    found = list(pages(client, "limit=3"))
    assert [[each["id"] for each in page["rows"]] for page in found] == [[1, 2, 3], [4, 5, 6], [7]]
    assert {page["count"] for page in found} == {7}
    rows = [each["row"] for page in found for each in page["rows"]]
    with open_store(store) as opened:
        assert rows == [each.row.to_dict() for each in opened.rows()]  # odd texts and all
    assert found[0]["rows"][0]["kinds"] == {"latency_s": "measured", "energy_wh_gpu": "measured"}


def test_a_cursor_stays_good_while_rows_are_added(serving: Callable[..., Any], store: str) -> None:
    client = serving(store=store)
    after = client.get("/v1/measurements?limit=5").json()["after"]
    with open_store(store) as opened:
        opened.add([Measurement.from_dict(row(20))])
    found = client.get(f"/v1/measurements?limit=5&after={after}").json()
    assert ([each["id"] for each in found["rows"]], found["after"]) == ([6, 7, 8], None)


def test_filters_of_a_store(serving: Callable[..., Any], store: str) -> None:
    client = serving(store=store)
    for query, ids in (
        ("model=mochi", [5, 6]),
        ("model=a-model-of-theirs", [7]),
        ("gpu=h100&protocol=sampled", [7]),
        ("where=latency_s>3&where=latency_s<6", [3, 4, 5]),
        ("gpu=l4", []),
    ):
        found = client.get(f"/v1/measurements?{query}").json()
        assert [each["id"] for each in found["rows"]] == ids
        assert found["count"] == len(ids)


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("model=a-model-of-ours", "did you mean 'a-model-of-theirs'"),
        ("protocol=fulll", "did you mean 'full'"),
        ("where=stps>1", "did you mean 'steps'"),
        ("where=model=%00", "has characters that no name has"),
        ("modle=x", "did you mean 'model'"),
        ("model=a&model=b", "model is given twice"),
        ("limit=0", "limit must be a whole number from 1 to 200, not '0'"),
        ("limit=ten", "from 1 to 200"),
        ("predicted=yes", "predicted must be true or false"),
        ("after=-1", "is no cursor"),
    ],
)
def test_pages_that_cannot_be(serving: Any, store: str, query: str, line: str) -> None:
    found = serving(store=store).get(f"/v1/measurements?{query}")
    assert found.status_code == 422
    assert line in found.json()["detail"]


def test_predictions_and_flags_beside_rows(serving: Callable[..., Any], store: str) -> None:
    with open_store(store) as opened:
        impossible = row(9, workload=workload(steps=25), latency_s=1e-3)
        opened.add([Measurement.from_dict(impossible)])
    found = serving(store=store).get("/v1/measurements?predicted=true&audit=true").json()["rows"]
    wanted = judge_row(row(1)).to_dict()
    assert found[0]["predicted"] == json.loads(json.dumps(wanted))
    assert found[0]["predicted_null"] is None
    assert found[6]["predicted"] is None
    assert "unknown model 'a-model-of-theirs'" in found[6]["predicted_null"]
    assert {"error"} <= {flag["severity"] for flag in found[7]["flags"]}
    assert found[7]["flags_null"] is None


def test_a_store_is_audited_once_until_rows_come(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    audits = []
    real = browse.audit_text
    monkeypatch.setattr(browse, "audit_text", lambda *a, **k: audits.append(1) or real(*a, **k))
    rows = Rows(store)
    first = rows.audited().result()
    assert rows.audited().result() is first
    late = Measurement.from_dict(row(30))
    with open_store(store) as opened:
        opened.add([late])
    found, _ = rows.page(Asked(chosen={}, limit=50))
    assert first.of(found.rows[-1].digest) is None  # not "nothing found"
    assert rows.audited().result().of(found.rows[-1].digest) is not None
    assert len(audits) == 2
    rows.close()


def test_a_store_too_large_to_audit_says_so(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "MOST_AUDITED", 6)
    data = browse.page_data(Rows(store), Asked(chosen={}, limit=1), False, True)
    assert data["rows"][0]["flags"] is None
    assert "7 rows: only up to 6 are audited" in data["rows"][0]["flags_null"]


def test_a_store_that_fails_says_nothing_of_the_machine(
    serving: Callable[..., Any], store: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = serving(store=store)
    assert client.get("/v1/measurements").status_code == 200
    with sqlite3.connect(store) as database:
        database.execute("DROP TABLE documents")
    found = client.get("/v1/measurements")
    assert found.status_code == 503
    assert found.json()["detail"] == "the store cannot be read now; the server's log says why"
    assert "no such table" in caplog.text


def test_the_committed_rows_are_shown_without_a_store(client: Any) -> None:
    found = client.get("/v1/measurements?limit=200").json()
    wanted = [each.to_dict() for each in kinowatt.load_measurements("committed")]
    assert found["count"] == len(wanted) > 200
    rest = client.get(f"/v1/measurements?limit=200&after={found['after']}").json()
    assert [each["row"] for each in (*found["rows"], *rest["rows"])] == wanted


def test_a_store_that_is_none_is_one_line_before_anybody_asks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, line in (("none.db", "no such store"), ("no.jsonl", "no such")):
        with pytest.raises(SystemExit) as caught:
            main(["serve", "--port", "0", "--no-dashboard", "--store", str(tmp_path / name)])
        assert caught.value.code == 2
        said = capsys.readouterr().err
        assert line in said
        assert said.count("\n") == 1
