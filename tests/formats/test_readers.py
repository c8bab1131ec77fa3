"""Every format: what is read from it, with which column and line, and what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest

from codecarbon_files import CODECARBON_33, RELEASES, emissions_csv
from kinowatt.errors import InputError
from kinowatt.formats.claims import EVERYTHING, UNSTATED, Claim, Reading, assume, known_gpu
from kinowatt.formats.mapping import parse_map
from kinowatt.formats.registry import formats, read_claims, register


def read(tmp_path: Path, text: str, *mapping: str, name: str = "file.csv") -> Reading:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_claims(path, parse_map(mapping))


def only(found: Reading) -> Claim:
    (claim,) = found.claims
    return claim


@pytest.mark.parametrize("release", RELEASES)
def test_codecarbon_of_every_release(release: str, tmp_path: Path) -> None:
    found = read(tmp_path, emissions_csv(release))
    claim = only(found)
    assert found.format == f"codecarbon {release}"
    assert claim.line == 2
    assert claim.latency_s == 100.0
    assert claim.energy_wh == pytest.approx(
        {"gpu": 19.1667, "cpu": 1.18, "ram": 1.0556, EVERYTHING: 21.4023}
    )
    assert claim.power_w == {"gpu": 690.0, "cpu": 42.5, "ram": 38.0}
    assert (claim.gpu, claim.model, claim.gpu_count) == ("h100-sxm", None, 1.0)
    assert claim.columns["energy_wh_gpu"] == "gpu_energy"
    assert found.mapping["energy_wh_gpu"] == "gpu_energy (kWh)"
    assert claim.rest["codecarbon_version"] == "3.3.2"


def test_the_columns_of_codecarbon_are_those_of_the_package() -> None:
    data = pytest.importorskip("codecarbon.output_methods.emissions_data")
    assert [field.name for field in dataclasses.fields(data.EmissionsData)] == CODECARBON_33


def test_rows_of_our_own(root: Path) -> None:
    path = root / "data" / "measurements" / "h100-sxm.jsonl"
    found = read_claims(path)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert found.format == "kinowatt"
    assert [claim.line for claim in found.claims] == list(range(1, len(rows) + 1))
    for claim, row in zip(found.claims, rows, strict=True):
        assert (claim.model, claim.gpu) == (row["model"], "h100-sxm")
        assert claim.latency_s == row["latency_s"]
        assert claim.energy_wh.get("gpu") == row["energy_wh"]["gpu"]
        assert claim.workload["steps"] == row["workload"]["steps"]
        assert claim.stages["denoiser"].latency_s == row["stages"]["denoiser"]["latency_s"]
        assert claim.options["tiling"] is row["conditions"]["tiling"]
    assert "ram" in found.claims[0].modelled


def test_the_papers_rows(root: Path) -> None:
    found = read_claims(root / "data" / "paper" / "cross_model.csv")
    assert (found.format, len(found.claims)) == ("paper", 335)
    last = found.claims[-1]
    assert last.line == 336
    assert last.model == "wan2.1-t2v-14b"
    assert [last.workload[n] for n in ("height_px", "width_px", "steps")] == [480, 832, 60]
    assert last.ran == {"height_px": 720, "width_px": 1280, "frames": 81, "steps": 50}
    ltx = next(claim for claim in found.claims if claim.model == "ltx-video-0.9.7-dev")
    assert sum(s.latency_s or 0.0 for s in ltx.stages.values()) == pytest.approx(ltx.latency_s)
    assert list(ltx.other_latency_s.values()) == [ltx.stages["generate"].latency_s]
    for name, count in (("resolution", 14), ("frames", 100), ("steps", 200)):
        sweep = read_claims(root / "data" / "paper" / f"wan_{name}.csv")
        assert (sweep.format, len(sweep.claims)) == ("paper", count)


def test_any_table_by_a_mapping_with_units(tmp_path: Path) -> None:
    text = "what;took;drew;res\nwan-1.3b;95400;0.01796;832x480\n"
    given = ("model=what,latency_s=took:ms", "energy_wh_gpu=drew:kWh,size=res")
    found = read(tmp_path, text, *given)
    claim = only(found)
    assert (found.format, found.guessed) == ("table", ())
    assert claim.model == "wan2.1-t2v-1.3b"
    assert claim.latency_s == pytest.approx(95.4)
    assert claim.energy_wh == pytest.approx({"gpu": 17.96})
    assert claim.workload == {"width_px": 832, "height_px": 480}
    assert claim.columns == {
        "model": "what", "latency_s": "took", "energy_wh_gpu": "drew", "size": "res"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "quantity", "base"),
    [
        ("latency_s", "latency_s", 1.0),
        ("Time (ms)", "latency_s", 1e-3),
        ("duration [min]", "latency_s", 60.0),
        ("totalTime", "latency_s", 1.0),
        ("gpu_energy_kwh", "energy_wh_gpu", 1e3),
        ("energy_per_video_joules", "energy_wh", 1 / 3600),
        ("gpu energy (MWh)", "energy_wh_gpu", 1e6),
        ("gpu energy (mWh)", "energy_wh_gpu", 1e-3),
        ("cpu_wh", "energy_wh_cpu", 1.0),
        ("avg_power_watts", "power_w", 1.0),
        ("idle_power_w", "idle_power_w", 1.0),
        ("num_inference_steps", "steps", 1.0),
        ("video_height", "height_px", 1.0),
        ("latency_std_s", None, None),
        ("gpu_temperature", None, None),
        ("decode_time_ms", "stage.vae_decoder.latency_s", 1e-3),
    ],
)
def test_plain_names_are_guessed_and_the_guess_is_shown(
    column: str, quantity: str | None, base: float | None, tmp_path: Path
) -> None:
    other = "power_w_gpu" if quantity != "power_w" else "seconds"
    found = read(tmp_path, f"{column},{other}\n2,600\n")
    if quantity is None:
        assert only(found).rest == {column: "2"}
        return
    assert quantity in found.guessed
    assert found.mapping[quantity].startswith(column)
    assert _value(only(found), quantity) == pytest.approx(2 * (base or 1.0))


def _value(claim: Claim, quantity: str) -> float | None:
    if quantity.startswith("stage."):
        return claim.stages["vae_decoder"].latency_s
    if quantity.startswith("energy_wh"):
        return claim.energy_wh[quantity.removeprefix("energy_wh_").replace("energy_wh", UNSTATED)]
    if quantity == "power_w":
        return claim.power_w[UNSTATED]
    return claim.workload.get(quantity, getattr(claim, quantity, None))


def test_a_mapping_overrides_what_a_format_knows(root: Path) -> None:
    given = parse_map(["latency_s=latency_as_in_paper_table4_s"])
    found = read_claims(root / "data" / "paper" / "cross_model.csv", given)
    ltx = next(claim for claim in found.claims if claim.model == "ltx-video-0.9.7-dev")
    assert ltx.latency_s == pytest.approx(9.66, abs=0.05)


def test_values_are_kept_as_they_stand(tmp_path: Path) -> None:
    text = '# a comment\nlatency_s,gpu_wh,steps\n-1,nan,50\n\n0,OOM,\n"12",1.5,20\n'
    found = read(tmp_path, text)
    first, second, third = found.claims
    assert first.latency_s == -1
    assert first.energy_wh["gpu"] != first.energy_wh["gpu"]
    assert (second.latency_s, second.energy_wh) == (0, {})
    assert second.unread == {"energy_wh_gpu": "OOM"}
    assert "steps" not in second.workload
    assert [claim.line for claim in found.claims] == [3, 5, 6]
    assert third.latency_s == 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("just words", "not a format that is read; those are: rows of"),
        ("a,b\n1,2\n", "no column of seconds, energy or power is recognised among a, b"),
        ("latency_s,latency_s\n1,2\n", "column 'latency_s' stands there twice"),
        ("latency_s,gpu_wh\n", "has a header but no rows"),
        ("latency_s,gpu_wh\n1,2,3\n", "file.csv:2: 3 fields, the header names 2"),
        ("1,2\n3,4\n", "must name the columns"),
        ('{"model": "x"}\n', "file.csv:1: no row of kinowatt"),
        ('{"model"\n{}', "file.csv:1: not a row of JSON"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_binary_file_and_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1\x00\xff\xfe")
    with pytest.raises(InputError, match="not a text in UTF-8"):
        read_claims(path)
    with pytest.raises(InputError, match="No such file"):
        read_claims(tmp_path / "none.csv")


def test_a_line_cut_off_is_left_out_with_a_note(root: Path, tmp_path: Path) -> None:
    whole = (root / "data" / "measurements" / "h100-sxm.jsonl").read_text("utf-8")
    line = whole.split("\n")[0]
    found = read(tmp_path, f"{line}\n{line[:50]}", name="rows.jsonl")
    assert len(found.claims) == 1
    assert found.notes == ("line 2 was cut off while it was written; it is left out",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("latency=time", "unknown quantity 'latency' .did you mean 'latency_s'"),
        ("latency_s", "QUANTITY=COLUMN"),
        (
            "latency_s=time:kWh",
            "unknown unit of latency_s 'kWh' .did you mean 'h'.*one of: s, us, ms, min, h",
        ),
        ("energy_wh_gpu=e:mwh", "unknown unit of energy_wh_gpu 'mwh'"),
        ("steps=n:s", "steps takes no unit"),
        ("latency_s=a,latency_s=b", "names latency_s twice: a and b"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_map([given])


def test_a_column_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown column 'tim' .did you mean 'time'"):
        read(tmp_path, "time,gpu_wh\n1,2\n", "latency_s=tim")


def test_a_format_is_registered_once() -> None:
    names = [found.name for found in formats()]
    assert names == ["kinowatt", "codecarbon", "paper", "table"]
    with pytest.raises(ValueError, match="registered twice"):
        register("paper", "again", lambda text: False)(lambda *_: None)  # type: ignore[arg-type]


def test_what_the_user_names_fills_only_what_the_file_leaves_open(tmp_path: Path) -> None:
    claim = only(read(tmp_path, emissions_csv("3.3")))
    assert assume(claim, "mochi-1-preview", "h200-sxm").model == "mochi-1-preview"
    assert assume(claim, "mochi-1-preview", "h200-sxm").gpu == "h100-sxm"
    assert known_gpu("8 x NVIDIA H200") == "h200-sxm"
    assert known_gpu("GTX 970") is None
