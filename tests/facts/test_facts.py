"""Facts load whole: every source survives, every name is found, every error is one line."""

import pytest

from kinowatt.errors import FactsError, InputError, UnknownNameError
from kinowatt.facts.components import component, component_files
from kinowatt.facts.gpus import gpu, gpus
from kinowatt.facts.grids import grid, grids
from kinowatt.facts.models import model, models
from kinowatt.facts.operator_tables import operator_table
from kinowatt.facts.profiles import profile, profile_names
from kinowatt.facts.tables import overheads, prices, tasks

PARAMETERS = {
    "wan2.1-t2v-1.3b-denoiser": 1_418_996_800,
    "wan2.1-t2v-14b-denoiser": 14_288_491_584,
    "cogvideox-2b-denoiser": 1_693_783_872,
    "cogvideox-5b-denoiser": 5_570_283_072,
    "ltx-0.9.7-13b-denoiser": 13_042_569_344,
    "mochi-denoiser": 10_027_677_744,
    "animatediff-denoiser": 1_312_730_244,
    "umt5-xxl": 5_680_910_336,
    "t5-xxl": 4_762_310_656,
}


def test_every_row_has_its_source() -> None:
    assert all(spec.source for spec in gpus().values())
    assert all(row.source and row.licence and row.year >= 2020 for row in grids().values())
    assert all(row.source and row.date for row in prices())
    assert all(row.source for row in overheads().values())
    assert all(row.source for row in tasks().values())
    assert all(spec.sources for spec in models().values())
    assert all(component(name).source for name in component_files())


def test_counts() -> None:
    assert len(models()) == 8
    assert len(gpus()) == 16
    assert sum(spec.published is not None for spec in gpus().values()) == 7
    assert len(grids()) >= 62
    assert {"USA", "EU", "WORLD", "FRA"} <= set(grids())


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_parameters(name: str, count: int) -> None:
    assert component(name).parameters == count


def test_peaks_are_dense() -> None:
    assert gpu("h100").peak_flops["bfloat16"] == pytest.approx(989.4e12)
    assert gpu("rtx-4090").peak_flops["bfloat16"] == pytest.approx(165.2e12)
    assert gpu("mi325x").peak_flops["bfloat16"] == pytest.approx(1307.4e12)
    for spec in gpus().values():
        if spec.vendor == "NVIDIA" and "float8" in spec.peak_flops:
            ratio = spec.peak_flops["float8"] / spec.peak_flops["bfloat16"]
            assert 1.95 < ratio < 2.05


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("WAN2.1-T2V-1.3B", "wan2.1-t2v-1.3b"),
        ("AnimateDiff", "animatediff-lightning"),
        ("CogVideoX-2b", "cogvideox-2b"),
        ("LTX-Video", "ltx-video-0.9.7-dev"),
        ("mochi-1-PREVIEW", "mochi-1-preview"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert model(alias).name == name


def test_aliases_are_unique() -> None:
    seen: dict[str, str] = {}
    for table in (models(), gpus()):
        for spec in table.values():
            for alias in {spec.name.lower(), *(a.lower() for a in spec.aliases)}:
                assert seen.setdefault(alias, spec.name) == spec.name


def test_grids_by_name() -> None:
    assert grid("FR").code == grid("france").code == grid("FRA").code == "FRA"
    assert grid("fra").g_per_kwh == pytest.approx(56.0, abs=0.1)


@pytest.mark.parametrize(
    ("find", "name", "nearest"),
    [
        (model, "wan2.1-t2v-1.3", "wan2.1-t2v-1.3b"),
        (gpu, "h100-sx", "h100-sxm"),
        (grid, "Germny", "Germany"),
        (component, "t5-xl", "t5-xxl"),
        (operator_table, "t5-xxl.bfloat1", "t5-xxl.bfloat16"),
    ],
)
def test_unknown_names_offer_the_nearest(find, name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean '{nearest}'"):
        find(name)


def test_profiles() -> None:
    assert profile(None, gpu("h100")).name == "h100-sxm/torch-2.11"
    assert profile(None, gpu("h100"), by_operator=False).name == "h100-sxm/paper-corrected"
    with pytest.raises(InputError, match=r"one by one.*nearest: h100-sxm/paper-corrected"):
        profile("torch-2.11", gpu("h100"), by_operator=False)
    assert profile(None, gpu("l4")).name == "l4/datasheet"
    assert profile("paper", gpu("h100")).efficiency["linear"] == 0.456
    for name in profile_names():
        found = profile(name, gpu(name.partition("/")[0]))
        assert all(0 < share < 1 for share in found.efficiency.values())
        assert found.kind in {"published", "fitted", "datasheet", "learned"}
        for scope in found.spread.values():
            for levels in scope.values():
                assert levels["95"][0] <= levels["80"][0] <= 1 <= levels["80"][1] <= levels["95"][1]
    with pytest.raises(InputError, match="is not of l4"):
        profile("h100-sxm/paper", gpu("l4"))
    with pytest.raises(UnknownNameError, match="unknown profile"):
        profile("h100-sxm/papper", gpu("h100"))


def test_a_users_facts_add_and_override(user_facts) -> None:
    (user_facts / "gpus.toml").write_text(
        '[h100-sxm]\npower_limit_w = 500\n[mine]\nlabel = "Mine"\nbandwidth_tb_s = 1\n'
        'memory_gib = 16\npower_limit_w = 100\nsource = "me"\n[mine.peak_tflops]\n'
        "bfloat16 = 100\ntf32 = 50\nfloat16 = 100\nfloat32 = 25\n"
    )
    (user_facts / "grids.csv").write_text(
        "code,name,g_per_kwh,year,kind,licence,source\nCAMPUS,Campus,12,2026,direct,own,roof\n"
    )
    from kinowatt import predict

    assert gpu("h100").power_limit_w == 500
    assert gpu("h100").peak_flops["bfloat16"] == pytest.approx(989.4e12)
    found = predict("wan-1.3b", gpu="mine", grid="campus")
    assert found.profile == "mine/datasheet"
    assert found.co2e_g == pytest.approx(found.energy_wh["gpu"] * 0.012)


def test_a_variant_says_only_what_differs(user_facts) -> None:
    (user_facts / "models").mkdir()
    (user_facts / "models" / "wan-few.toml").write_text(
        'base = "wan2.1-t2v-1.3b"\nlabel = "Few"\naliases = []\n'
    )
    assert model("wan-few").component("denoiser").parameters == 1_418_996_800
    (user_facts / "models" / "odd.toml").write_text('base = "nothing"\n')
    with pytest.raises(InputError):
        model("odd")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("gpus.toml", "[h100-sxm\n", "gpus.toml:1: not TOML"),
        ("gpus.toml", "x = 1\n", r"gpus.toml:1: \[x\] is not a table"),
        ("gpus.toml", '[x]\nlabel = "X"\n', r"\[x\]: field 'source' is missing"),
        ("gpus.toml", '[l4]\nbandwidth_tb_s = "fast"\n', "'bandwidth_tb_s' is 'fast', not a num"),
        ("gpus.toml", "[l4]\npower_limit_w = -1\n", "must be above 0, not -1"),
        ("gpus.toml", "[l4]\nmemory_gib = nan\n", "not a finite number"),
    ],
)
def test_malformed_gpus(user_facts, file: str, text: str, message: str) -> None:
    (user_facts / file).write_text(text)
    with pytest.raises(FactsError, match=message):
        gpus()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("code,name\nA,B\n", "'g_per_kwh' is missing"),
        ("code,name,g_per_kwh,year,kind,licence,source\nA,B,x,2020,direct,c,d\n", "not a number"),
        (
            "code,name,g_per_kwh,year,kind,licence,source\nA,B,1,2020,odd,c,d\n",
            "one of life-cycle, direct",
        ),
        ("code,name,g_per_kwh,year,kind,licence,source\nA,B,1,2020,direct,c,d,e\n", "more fields"),
    ],
)
def test_malformed_grids(user_facts, text: str, message: str) -> None:
    (user_facts / "grids.csv").write_text(text)
    with pytest.raises(FactsError, match=message):
        grids()


def test_malformed_tables(user_facts) -> None:
    folder = user_facts / "operators"
    folder.mkdir()
    for text, message in (
        ("{", "not JSON"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1, "id": "x"}', "missing or unknown field"),
    ):
        (folder / "t5-xxl.bfloat16.json").write_text(text)
        operator_table.cache_clear()
        with pytest.raises(FactsError, match=message):
            operator_table("t5-xxl.bfloat16")


def test_a_facts_folder_that_is_none(monkeypatch) -> None:
    monkeypatch.setenv("KINOWATT_FACTS", "/nowhere/at/all")
    gpus.cache_clear()
    try:
        with pytest.raises(FactsError, match="names no folder"):
            gpus()
    finally:
        monkeypatch.delenv("KINOWATT_FACTS")
        gpus.cache_clear()
