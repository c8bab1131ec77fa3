"""Accelerators: data sheets row by row, names as drivers report them, a user's own rows."""

import re
import tomllib
from pathlib import Path

import pytest

from kinowatt.errors import FactsError, UnknownNameError
from kinowatt.facts.gpus import DTYPES, gpu, gpus
from kinowatt.facts.loading import SHIPPED

# TFLOP/s dense BF16, TB/s, W
SHEETS = {
    "h100-sxm": (989.4, 3.35, 700),
    "h100-pcie": (756.5, 2.0, 350),
    "h100-nvl": (835.5, 3.9, 400),
    "h200-sxm": (989.4, 4.8, 700),
    "b200-sxm": (2250, 7.7, 1000),
    "a100-sxm-80gb": (312, 2.039, 400),
    "l40s": (362.05, 0.864, 350),
    "l4": (121, 0.3, 72),
    "a10g": (70, 0.6, 300),
    "rtx-5090": (209.5, 1.792, 575),
    "rtx-4090": (165.2, 1.008, 450),
    "rtx-3090": (71, 0.936, 350),
    "mi300x": (1307.4, 5.3, 750),
    "mi325x": (1307.4, 6.0, 1000),
    "gaudi3": (1678, 3.7, 900),
    "tpu-v6e": (918, 1.638, 300),
}
OWN = """
[mine]
label = "Mine"
source = "me"
bandwidth_tb_s = 1
memory_gib = 16
power_limit_w = 100
[mine.peak_tflops]
bfloat16 = 100
"""


@pytest.mark.parametrize(("name", "sheet"), SHEETS.items())
def test_data_sheets(name: str, sheet: tuple[float, float, float]) -> None:
    spec = gpus()[name]
    found = (spec.peak_flops["bfloat16"] / 1e12, spec.bandwidth_bytes_per_s / 1e12)
    assert (*found, spec.power_limit_w) == pytest.approx(sheet)


def test_every_row_is_tested_and_every_source_survives_loading() -> None:
    raw = tomllib.loads((SHIPPED / "gpus.toml").read_text("utf-8"))
    assert set(raw) == set(gpus()) == set(SHEETS)
    for name, row in raw.items():
        assert gpus()[name].source == row["source"]
        assert re.search(r"\b20[12]\d\b", row["source"]), name


def test_narrower_numbers_are_never_slower() -> None:
    for spec in gpus().values():
        assert set(spec.peak_flops) <= set(DTYPES)
        known = [spec.peak_flops[dtype] for dtype in DTYPES if dtype in spec.peak_flops]
        assert known == sorted(known), spec.name


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("nvidia h100 pcie", "h100-pcie"),
        ("H100", "h100-sxm"),
        ("NVIDIA H200", "h200-sxm"),
        ("NVIDIA B200", "b200-sxm"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("RTX 4090", "rtx-4090"),
        ("rtx4090", "rtx-4090"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA A10G", "a10g"),
        ("AMD Instinct MI325X", "mi325x"),
        ("AMD M3250X", "mi325x"),
        ("Intel Gaudi3", "gaudi3"),
        ("TPU v6", "tpu-v6e"),
    ],
)
def test_names(alias: str, name: str) -> None:
    assert gpu(alias).name == name


@pytest.mark.parametrize("name", ["a10", "h100-80", "", 5, None, ["h100"]])
def test_no_gpu_passes_for_another(name: object) -> None:
    with pytest.raises(UnknownNameError, match="unknown GPU"):
        gpu(name)  # type: ignore[arg-type]


def test_suspects_are_explained() -> None:
    suspect = {name for name, spec in gpus().items() if spec.published and spec.published.suspect}
    assert suspect == {"a100-sxm-80gb", "l4", "rtx-4090", "mi325x"}


def test_an_overridden_figure_is_not_vouched_for_by_the_data_sheet(user_facts: Path) -> None:
    sheet = gpus()["l4"].source
    (user_facts / "gpus.toml").write_text(
        "[l4]\npower_limit_w = 60\npeak_tflops.int8 = 200\naliases = ['quiet']\n" + OWN
    )
    gpus.cache_clear()
    spec = gpus()["l4"]
    assert spec.source == f"{sheet}; by the user: power_limit_w, peak_tflops"
    assert (spec.power_limit_w, spec.bandwidth_bytes_per_s) == (60, 0.3e12)
    assert (spec.peak_flops["int8"], spec.peak_flops["bfloat16"]) == (200e12, 121e12)
    assert (gpu("QUIET").name, gpu("mine").source) == ("l4", "me")
    assert gpu("mine").published is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[l4]\n\npower_limit_w = 0\n", "gpus.toml:3: [l4]: field 'power_limit_w' must be above 0"),
        ("[l4]\nmemory_gib = 1e12\n", "gpus.toml:2: [l4]: field 'memory_gib' must be below 1e9"),
        ("[l4]\nlabel = 4\n", "gpus.toml:2: [l4]: field 'label' is 4, not a text"),
        ("[l4]\naliases = 'x'\n", "gpus.toml:2: [l4]: field 'aliases' is 'x', not a list of texts"),
        ("[l4]\npower_estimated = 1\n", "field 'power_estimated' is 1, neither true nor false"),
        ("[l4]\npeak_tflops = 121\n", "gpus.toml:2: [l4.peak_tflops] is not a table"),
        (
            "[l4.peak_tflops]\nbf16 = 121\n",
            "gpus.toml:2: [l4.peak_tflops]: field 'bf16' is unknown; did you mean 'bfloat16'?",
        ),
        ("[l4]\npower_limit = 60\n", "'power_limit' is unknown; did you mean 'power_limit_w'?"),
        (OWN.replace("memory_gib", "#"), "gpus.toml:2: [mine]: field 'memory_gib' is missing"),
        (OWN.replace("bfloat16", "#"), "gpus.toml:2: [mine]: field 'peak_tflops' is missing"),
        (
            OWN + "[mine.published]\nlabel = 'x'\n",
            "gpus.toml:2: [mine]: field 'published.peak_tflops' is missing",
        ),
    ],
)
def test_malformed_rows(user_facts: Path, text: str, message: str) -> None:
    (user_facts / "gpus.toml").write_text(text)
    with pytest.raises(FactsError) as caught:
        gpus()
    assert message in str(caught.value)
    assert re.match(r"gpus\.toml:\d+: ", str(caught.value))


def test_one_name_for_two_gpus_is_refused(user_facts: Path) -> None:
    (user_facts / "gpus.toml").write_text("[l4]\naliases = ['RTX_4090']\n")
    with pytest.raises(FactsError, match="'rtx-4090' names both l4 and rtx-4090"):
        gpu("h100")
