"""Whatever a file holds, the audit answers or says in one line what is wrong."""

import json
import time
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kinowatt.analysis.audit.forecasts import Forecaster
from kinowatt.analysis.audit.run import audit
from kinowatt.errors import InputError

FORECASTS = Forecaster()
NAMES = ("latency_s", "energy_wh_gpu", "energy_wh_cpu", "energy_wh_ram", "power_w_gpu", "frames")
MORE = ("steps", "height_px", "width_px", "batch_size", "guidance_scale", "taken_at", "runs")
HEADER = ("model", "gpu", *NAMES, *MORE)
number = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.sampled_from(["", "n/a", "1e308", "5e-324", "-1", "0", "0.5", "100", "2026-03-01"]),
)
setting = st.sampled_from(["", "-5", "0", "1", "nan", "16.5", "48", "480", "1e300", "x"])
row = st.tuples(
    st.sampled_from(["wan-1.3b", "no such model", ""]),
    st.sampled_from(["h100", "no such gpu", ""]),
    *(number for _ in NAMES[:-1]),
    *(setting for _ in (NAMES[-1], *MORE)),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(row, min_size=1, max_size=5))
def test_any_numbers_are_answered(rows: list[tuple[str, ...]], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    lines = [",".join(HEADER), *(",".join(cells) for cells in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = audit(path, forecaster=FORECASTS)
    assert found.rows == len(rows)
    assert found.flagged <= set(range(2, len(rows) + 2))
    json.dumps(found.to_dict(), allow_nan=False)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(data=b",\n,,\n")
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(data)
    refused = ""
    try:
        audit(path, forecaster=FORECASTS)
    except InputError as error:
        refused = str(error)
    assert "\n" not in refused


def test_a_large_file_takes_seconds(tmp_path: Path) -> None:
    rows = 3000
    path = tmp_path / "large.csv"
    lines = ["model,gpu,frames,steps,latency_s,energy_wh_gpu"]
    for index in range(rows):
        seconds = 100 + index % 7 + index * 1e-4
        lines.append(f"wan-1.3b,h100,{17 + 4 * (index % 20)},50,{seconds!r},{seconds * 0.19!r}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    begun = time.process_time()
    assert audit(path, forecaster=FORECASTS).rows == rows
    assert time.process_time() - begun < 20  # it takes 3; quadratic work would take minutes
