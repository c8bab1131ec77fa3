"""Plans as files: what they mean, and one clear line with the place for what they cannot mean."""

from pathlib import Path
from typing import Any

import pytest

from kinowatt.campaign.plan import Plan, Span, Values
from kinowatt.campaign.plan_file import find_plan, load_plan, plan_of, shipped
from kinowatt.campaign.plan_text import parse
from kinowatt.errors import InputError

HEAD = "plan: mine\nblocks:\n  - models: [wan-1.3b]\n"


def read(text: str, folder: Path = Path()) -> Plan:
    return plan_of(parse("p.yaml", text), folder)


def test_a_block_of_everything() -> None:
    plan = read(
        """
plan: mine
set: {tiling: on, device: cpu}
protocol: [{name: full, runs: 2}, sampled]
time_limit_s: 90
blocks:
  - models: [wan-1.3b, Mochi]
    grid:
      size: [480x832, 720×1280]
      frames: [1, {from: 5, to: 13, step: 4}]
      guidance_scale: {from: 1, to: 2, step: 0.5}
    zip: {steps: [10, 20], seed: [1, 2]}
    exclude: {frames: {from: 9}, model: mochi-1-preview}
    overrides:
      mochi: {frames: 25}
"""
    )
    (block,) = plan.blocks
    assert block.models == ("wan2.1-t2v-1.3b", "mochi-1-preview")
    assert list(block.grid["size"]) == [(480, 832), (720, 1280)]
    assert list(block.grid["frames"]) == [1, 5, 9, 13]
    assert list(block.grid["guidance_scale"]) == [1.0, 1.5, 2.0]
    assert list(block.overrides["mochi-1-preview"]["frames"]) == [25]
    assert [protocol.name for protocol in block.protocol] == ["full", "sampled"]
    assert plan.set == {"tiling": True, "device": "cpu"}
    assert plan.time_limit_s == 90


@pytest.mark.parametrize(
    ("start", "stop", "step", "values"),
    [(1, 9, 4, [1, 5, 9]), (1, 8, 4, [1, 5]), (5, 4, 1, []), (0.1, 0.3, 0.1, [0.1, 0.2, 0.3])],
)
def test_spans_have_their_length_without_being_made(
    start: float, stop: float, step: float, values: list[float]
) -> None:
    span = Span(start=start, stop=stop, step=step)
    assert len(span) == len(values)
    assert list(span) == pytest.approx(values)
    assert len(Values(parts=(7, span))) == len(values) + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plan: mine\n", "p.yaml:1: the plan lacks 'blocks'"),
        ("- 1\n", "p.yaml:1: the plan must be a mapping, not [1]"),
        ("plan: [mine\n", "p.yaml:2: not YAML: expected ',' or ']'"),
        (HEAD + "    gird: {steps: 1}\n", "p.yaml:4: blocks[0].gird: unknown key 'gird' (did you"),
        (HEAD + "    steps: 4\n", "settings stand in set, grid or zip"),
        (
            HEAD + "    grid:\n      frmes: 9\n",
            "p.yaml:4: blocks[0].grid: unknown setting 'frmes' (did you mean 'frames'?)",
        ),
        (HEAD + "    grid: {height: 9}\n", "unknown setting 'height' (did you mean 'height_px'?)"),
        (HEAD + "    grid: {steps: []}\n", "p.yaml:4: blocks[0].grid.steps has no values"),
        (
            HEAD + "    grid: {steps: {from: 9, to: 2}}\n",
            "blocks[0].grid.steps runs from 9 down to 2: no values",
        ),
        (HEAD + "    grid: {steps: 2.5}\n", "must be a whole number, not 2.5; nearest: 2"),
        (HEAD + "    grid: {steps: .inf}\n", "must be a finite number, not inf"),
        (HEAD + "    grid: {steps: ten}\n", "must be a finite number, not 'ten'"),
        (HEAD + "    grid: {size: 480*832}\n", "must be HEIGHTxWIDTH, as in 480x832"),
        (HEAD + "    set: {tiling: maybe}\n", "must be on or off, not 'maybe'"),
        (HEAD + "    set: {attention: flush}\n", "unknown attention 'flush' (did you mean 'flash'"),
        (HEAD + "    set: {device: 'cuda:1'}\n", "unknown device 'cuda:1' (did you mean 'cuda'?)"),
        (HEAD + "    grid: {steps: 1, steps: 2}\n", "p.yaml:4: blocks[0].grid.steps stands there"),
        (HEAD + "    grid: {steps: 1}\n    set: {steps: 2}\n", "gives 'steps' twice"),
        (HEAD + "    grid: {size: 8x8, height_px: 8}\n", "gives both size and height_px"),
        (HEAD + "    zip: {steps: [1, 2], frames: [1]}\n", "steps has 2, frames has 1"),
        (HEAD + "    exclude: [{}]\n", "has no condition: it would leave nothing"),
        (HEAD + "    overrides: {mochi: {steps: 2}}\n", "is not among the models of this block"),
        (HEAD + "    protocol: {name: fill}\n", "unknown protocol 'fill' (did you mean 'full'?)"),
        (HEAD + "    protocol: {name: sampled, runs: 2}\n", "protocol sampled takes no runs"),
        (HEAD + "    protocol: {run: 2}\n", "unknown key 'run' (did you mean 'runs'?)"),
        (HEAD + "    grid: {prompt: {lines_of: no.txt}}\n", "no.txt cannot be read"),
        (HEAD + "    grid: {on: 1}\n", "the key True must be a text"),
        ("plan: mine\nblocks: []\n", "p.yaml:2: blocks must be a list with something in it"),
        ("plan: mine\nblocks:\n  - models: [wann]\n", "p.yaml:3: blocks[0].models[0]: unknown mod"),
        (
            "plan: mine\nblocks:\n  - models: [wan-as-published]\n",
            "is the paper's formulas: nothing to measure",
        ),
        ("plan: mine\nversion: 2\nblocks: []\n", "p.yaml:2: version must be 1, not 2"),
        ("plan: &a [*a]\n", "p.yaml:1: nested too deeply, or an anchor that holds itself"),
        ("plan: !!python/object:os.system x\n", "could not determine a constructor for the tag"),
    ],
)
def test_one_clear_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shipped_plans_are_found_by_bare_name(tmp_path: Path) -> None:
    assert set(shipped()) == {
        *("paper-as-claimed", "paper-as-run", "paper-sampled", "quick", "smoke")
    }
    for name in shipped():
        assert load_plan(name).plan == name
    with pytest.raises(InputError, match=r"unknown plan 'smok' \(did you mean 'smoke'\?\)"):
        find_plan("smok")
    with pytest.raises(InputError, match=r"mine\.yaml: No such file"):
        load_plan(str(tmp_path / "mine.yaml"))


def test_prompts_are_the_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("# ours\na cat\n\na dog\n", "utf-8")
    plan = read(HEAD + "    grid: {prompt: {lines_of: p.txt, first: 1}}\n", tmp_path)
    assert list(plan.blocks[0].grid["prompt"]) == ["a cat"]
    with pytest.raises(InputError, match="first must be from 1 to 2, not 3"):
        read(HEAD + "    grid: {prompt: {lines_of: p.txt, first: 3}}\n", tmp_path)


def test_fifty_prompts_of_our_own() -> None:
    (block, *_) = load_plan("paper-as-claimed").blocks
    prompts: list[Any] = list(block.grid["prompt"])
    assert len(set(prompts)) == 50
