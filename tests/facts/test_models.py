"""Models as files: names and presets against the published rows, and files that are wrong."""

import csv
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kinowatt import predict
from kinowatt.errors import FactsError, InputError
from kinowatt.facts import models as loader
from kinowatt.facts.components import component, component_files
from kinowatt.facts.data import data_path
from kinowatt.facts.loading import SHIPPED
from kinowatt.facts.models import model, models

LTX = (SHIPPED / "models/ltx-video-0.9.7-dev.toml").read_text("utf-8")


def published() -> dict[str, dict[str, str]]:
    """One row of the paper's runs per model, by its name there."""
    with data_path("paper/cross_model.csv").open(encoding="utf-8") as file:
        return {row["model"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", sorted(published()))
def test_the_paper_preset_is_what_ran(name: str) -> None:
    row, spec = published()[name], model(name)
    preset = spec.preset("paper")
    assert preset.fps == float(row["fps_paper"])
    assert preset.frames == int(row["num_frames_paper"])
    assert (preset.height_px, preset.width_px) == (
        int(float(row["height_run"] or row["height_paper"])),
        int(float(row["width_run"] or row["width_paper"])),
    )
    refining = 4 if spec.family == "ltx" else 0
    assert preset.steps + refining == int(row["steps_run"])
    if row["guidance_scale"]:
        assert preset.guidance_scale == float(row["guidance_scale"])


def test_seven_models_and_the_published_one() -> None:
    assert len(models()) == 8
    assert {model(name).name for name in published()} == {
        name for name, spec in models().items() if spec.form == "traced"
    }


def test_every_component_is_used_and_every_role_has_one() -> None:
    used = {
        spec.components[role].rpartition(".")[0]
        for spec in models().values()
        for role in spec.components
    }
    assert used == set(component_files())
    assert len({model(n).table("text_encoder") for n in ("ltx", "mochi", "cogvideox-5b")}) == 1


def test_the_cascade_is_written_once() -> None:
    card, paper = model("ltx").recipe("card"), model("ltx").recipe("paper")
    assert card.passes == paper.passes
    assert card.label != paper.label


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max_sequence_length = 256", 'max_sequence_length = "x"', "not a whole number above 0"),
        ("size_multiple = 32", "size_multiple = 0", "'size_multiple' is 0, not a whole number"),
        ("fps = 24", "fps = nan", "'fps' is nan, not a number above 0"),
        ("steps = 30", 'steps = "ten"', "'steps' is 'ten', not a whole number"),
        ("tiling = true", 'tiling = "on"', "'tiling' is 'on', not true or false"),
        ("guidance_scale = 3.0", "guidance = 3.0", "'guidance_scale' is missing"),
        ("frames = 121", "frames = 121\nframe = 1", r"'frame' is unknown \(did you mean 'frames'"),
        ('calls = "S2"', "calls = 0", "'calls' is 0, not an expression or a number above 0"),
        ('recipe = "paper"', 'recipe = "papr"', "'papr' is not in: card, paper, single"),
        ('same_as = "card"', 'same_as = "cart"', "'cart' is not in: card, single"),
        ('default_recipe = "card"', 'default_recipe = "no"', "'no' is not in"),
        ('stage = "latent_upsampler"', 'stage = "upsampler"', "'upsampler' is not in"),
        ('{ f = "f", h = "H2 / 32"', '{ f = "f"', "'symbols': 'h' is not in"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(
    user_facts: Path, old: str, new: str, message: str
) -> None:
    assert old in LTX
    text = LTX.replace(old, new, 1)
    changed = next(
        i
        for i, (before, after) in enumerate(
            zip(LTX.splitlines(), text.splitlines(), strict=False), 1
        )
        if before != after
    )
    (user_facts / "models").mkdir()
    (user_facts / "models" / "mine.toml").write_text(text, "utf-8")
    with pytest.raises(FactsError, match=message) as caught:
        model("mine")
    assert "\n" not in str(caught.value)
    place = str(caught.value).partition(": ")[0]
    assert place.startswith("mine.toml:")
    if "missing" not in message:  # a field that is missing has its table's line
        assert -2 <= int(place.partition(":")[2]) - changed <= 1


def _paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node)
    return [path] * bool(path) + [
        found
        for key, value in items
        for found in (
            _paths(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]
        )
    ]


WRONG = (None, "", -1, float("nan"), [], {}, True, 10**30, [1, {}])


@pytest.mark.parametrize("wrong", WRONG)
def test_no_field_of_a_wrong_type_gets_through(
    wrong: Any, user_facts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every field in turn is refused in the file's name, or harmless: the model still predicts."""
    (user_facts / "models").mkdir()
    (user_facts / "models" / "mine.toml").write_text(LTX, "utf-8")
    refused: list[str] = []
    left_over: list[tuple[Any, ...]] = []
    for path in _paths(tomllib.loads(LTX)):
        raw = tomllib.loads(LTX)
        node = raw
        for key in path[:-1]:
            node = node[key]
        if wrong is None:
            del node[path[-1]]
        else:
            node[path[-1]] = wrong
        monkeypatch.setattr(loader, "_raw", lambda _, raw=raw: raw)
        loader._read.cache_clear()
        loader.model.cache_clear()
        try:
            assert predict("mine").latency_s > 0
        except FactsError as error:
            refused.append(str(error).partition(":")[0])
        except InputError as error:  # an expression that lacks a name which was taken away
            taken_away = wrong is None or wrong == {}
            unexpected = [] if taken_away and "is not defined" in str(error) else [path]
            left_over += unexpected
    assert left_over == []
    assert refused.count("mine.toml") > 80
    if wrong is not None:  # a symbol that was taken away is missed by the operator table
        assert set(refused) == {"mine.toml"}


def test_components_are_checked(user_facts: Path) -> None:
    text = (SHIPPED / "components/wan2.1-vae.toml").read_text("utf-8")
    (user_facts / "components").mkdir()
    mine = user_facts / "components" / "mine.toml"
    for old, new, message in (
        ("tile = [32, 32]", "tile = [32]", "'tile' is .*, not two whole numbers"),
        ("parameters = 126892531", "parameters = 1.5", "'parameters' is 1.5, not a whole"),
        ("scale = 8", 'scale = "8"', "'scale' is '8', not a whole number"),
    ):
        assert old in text
        mine.write_text(text.replace(old, new, 1), "utf-8")
        component.cache_clear()
        component_files.cache_clear()
        with pytest.raises(FactsError, match=r"mine.toml:\d+: .*" + message):
            component("mine")
