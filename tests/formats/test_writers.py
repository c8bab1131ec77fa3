"""Every format that is written: what it says, and that ours come back bit for bit."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinowatt.errors import InputError
from kinowatt.formats import flat, writers
from kinowatt.formats.emissions import COLUMNS
from kinowatt.formats.kinds import energy_kind, latency_kind
from kinowatt.formats.papers import escaped
from kinowatt.formats.registry import read_claims
from kinowatt.formats.writers import Options, Row, Target, Writer
from store_rows import row, workload

MODELLED = {
    "torch": "2.11.0",
    "energy_null": {"cpu": "no meter"},
    "readings": [{"scope": "gpu", "method": "measured"}, {"scope": "ram", "method": "modelled"}],
    "gpu_name": "NVIDIA H100 80GB HBM3",
    "host": {"os": "Linux", "logical_cores": 16, "memory": {"size_gib": 125.5}},
}


def rows(*found: dict[str, Any]) -> list[Row]:
    return [Row(document=json.dumps(one), alike=str(n)) for n, one in enumerate(found)]


def text(name: str, *found: dict[str, Any], **options: str) -> str:
    chosen = writers.writer(name)
    return "".join(writers.pieces(chosen, rows(*found), Options(**options)))


def write(name: str, path: Path, *found: dict[str, Any], **more: Any) -> None:
    writers.write(name, rows(*found), Target(path=path, **more))


@given(st.floats(1e-300, 1e300), st.text(st.characters(exclude_categories=["Cs"])))
def test_csv_comes_back_bit_for_bit(latency_s: float, note: str) -> None:
    found = row(latency_s=latency_s, stability={"note": note})
    (line,) = csv.DictReader(io.StringIO(text("csv", found)))
    assert float(line["latency_s"]) == latency_s
    assert json.loads(line["row_json"]) == found
    assert line["energy_wh_cpu"] == ""


def test_files_of_csv_and_parquet_hold_the_documents(tmp_path: Path) -> None:
    found = [row(n) for n in range(3)]
    write("csv", tmp_path / "a.csv", *found)
    write("parquet", tmp_path / "a.parquet", *found)
    for documents in (
        flat.documents_in_csv(tmp_path / "a.csv"),
        flat.documents_in_parquet(tmp_path / "a.parquet"),
    ):
        assert [one for _, one in documents] == [json.dumps(one) for one in found]


def test_parquet_columns_have_types(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    write("parquet", tmp_path / "a.parquet", row(1, workload=workload(fps=16, guidance_scale=5)))
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == list(flat.COLUMNS)
    (line,) = table.to_pylist()
    assert line["latency_s"] == row(1)["latency_s"]
    assert (line["fps"], line["frames"], line["energy_wh_cpu"]) == (16.0, 81, None)


def test_json_lines_are_the_rows() -> None:
    assert text("jsonl", row(1), row(2)) == f"{json.dumps(row(1))}\n{json.dumps(row(2))}\n"


def test_emissions_have_the_columns_and_units_of_codecarbon() -> None:
    found = row(0, latency_s=90.0, energy_wh={"gpu": 20.0, "cpu": None, "ram": 1.0},
                conditions=MODELLED)  # fmt: skip
    (line,) = csv.DictReader(io.StringIO(text("codecarbon", found, grid="FRA")))
    assert tuple(line) == COLUMNS
    assert len(COLUMNS) == 38
    assert line["project_name"] == (
        "kinowatt wan2.1-t2v-1.3b: gpu measured, ram modelled; one video"
    )
    assert (line["gpu_energy"], line["ram_energy"], line["cpu_energy"]) == ("0.02", "0.001", "")
    assert float(line["energy_consumed"]) == pytest.approx(0.021)
    assert float(line["gpu_power"]) == pytest.approx(800.0)
    assert float(line["emissions"]) == pytest.approx(0.021 * 56.0 / 1000)
    assert float(line["emissions_rate"]) == pytest.approx(0.021 * 56.0 / 1000 / 90)
    assert (line["timestamp"], line["gpu_model"]) == (
        "2026-11-24T16:56:01",
        "1 x NVIDIA H100 80GB HBM3",
    )
    (without,) = csv.DictReader(io.StringIO(text("codecarbon", found)))
    assert (without["emissions"], without["country_iso_code"]) == ("", "")


def test_the_reader_of_emissions_reads_what_is_written(tmp_path: Path) -> None:
    found = row(0, latency_s=90.0, conditions=MODELLED)
    write("codecarbon", tmp_path / "emissions.csv", found)
    reading = read_claims(tmp_path / "emissions.csv")
    (claim,) = reading.claims
    assert reading.format == "codecarbon 3.3"
    assert claim.latency_s == 90.0
    assert claim.energy_wh["gpu"] == pytest.approx(1 / 3)
    assert claim.gpu == "h100-sxm"


def test_a_table_for_latex_averages_like_rows_and_is_escaped() -> None:
    alike = [Row(document=json.dumps(row(n, model="a_b")), alike="x") for n in (1, 2)]
    found = "".join(writers.pieces(writers.writer("latex"), alike, Options(title="50% & more")))
    assert r"\caption{50\% \& more Energy is of the GPU alone" in found
    assert r"a\_b & h100-sxm & 480$\times$832$\times$81 & 50 & 1 & 2 & 1.80 & 1.83 &" in found
    assert found.count(r"\\") == 2
    assert escaped("\\x^{~}") == r"\textbackslash{}x\textasciicircum{}\{\textasciitilde{}\}"


def test_methods_name_conditions_kinds_and_what_to_cite() -> None:
    other = MODELLED | {"torch": "2.12.0", "composed": {"steps": 1}}
    found = text("methods", row(1, conditions=MODELLED), row(2, conditions=other))
    assert "1 composed" in found
    assert "1 measured" in found
    assert "| PyTorch | 2.11.0 (1), 2.12.0 (1) |" in found
    assert "| CPU energy | not available |" in found
    assert "| RAM energy | modelled |" in found
    assert "@inproceedings{delavande2025video," in found
    assert "| driver | not stated |" in found


def test_a_dataset_folder_has_a_card(tmp_path: Path) -> None:
    options = Options(title="Rows", licence="cc-by-4.0")
    write("hub", tmp_path / "set", row(1), options=options)
    card = (tmp_path / "set" / "README.md").read_text("utf-8")
    header = card.split("---\n")[1]
    assert 'license: "cc-by-4.0"' in header
    assert "size_categories: [n<1K]" in header
    path = re.search(r"path: (\S+)", header)
    assert path
    assert [n for n, _ in flat.documents_in_parquet(tmp_path / "set" / path[1])] == [1]
    assert "`energy_wh_gpu` | float64 | Wh of the GPU alone" in card


def test_kinds_of_figures() -> None:
    assert latency_kind(row(0)) == "measured"
    assert latency_kind(row(0, conditions={"composed": {"steps": 3}})) == "composed"
    assert latency_kind(row(0, conditions={"imported": {"source": "x"}})) == "published"
    claimed = row(0, conditions={"imported": {"source": None, "modelled": ["ram"]}})
    assert latency_kind(claimed) == "claimed"
    assert [energy_kind(claimed, s) for s in ("gpu", "cpu", "ram")] == ["claimed", None, "modelled"]
    metered = row(0, conditions=MODELLED)
    assert [energy_kind(metered, s) for s in ("gpu", "ram")] == ["measured", "modelled"]


def test_nothing_is_overwritten_or_left_half_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write("csv", path, row(1))
    before = path.read_text()
    with pytest.raises(InputError, match=r"is there already.*--force"):
        write("csv", path, row(2))
    with pytest.raises(KeyError):
        write("csv", path, row(2), {"no": "row"}, force=True)
    assert path.read_text() == before
    write("csv", path, row(2), force=True)
    assert path.read_text() != before
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


def test_names_are_unique_and_near_ones_offered() -> None:
    with pytest.raises(InputError, match="did you mean 'parquet'"):
        writers.writer("parket")
    with pytest.raises(ValueError, match="twice"):
        writers.register(Writer(name="csv", what=""))
    with pytest.raises(InputError, match="give -o PATH"):
        text("parquet", row(1))


def test_files_that_are_not_ours(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="not Kinowatt's"):
        list(flat.documents_in_parquet(tmp_path / "x.parquet"))
    (tmp_path / "y.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="no whole Parquet file"):
        list(flat.documents_in_parquet(tmp_path / "y.parquet"))
