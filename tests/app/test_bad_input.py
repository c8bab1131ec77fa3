"""Thousands of bad inputs: one clear line each, never a traceback, a silent zero or a NaN."""

import json
import math
import random
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import kinowatt
from kinowatt.app.cli import main
from kinowatt.theory.workload import FIELDS

MODELS = tuple(kinowatt.models())
WHOLE = ("height_px", "width_px", "frames", "steps", "batch_size", "prompt_tokens")
NOT_NUMBERS = (True, False, "81", "", b"8", [81], {81}, {"a": 1}, 1 + 2j, object(), Decimal(3))
NOT_FINITE = (math.nan, math.inf, -math.inf)
HUGE = (1e18, 10**30, 10**400, 1.7e308, 123_456_789_012)
NOT_TEXT = (0, 1.5, True, b"wan", ["wan-1.3b"], {}, object())
MONEY = {"intensity": (-1, 1e9), "price": (-0.01, 1e12), "pue": (0, 0.99, -1, 1e6)}

Bad = tuple[str, dict[str, Any]]  # a model and what is asked of it, of which one thing is bad


def mangled(name: str, rng: random.Random) -> str:
    """A name with one letter dropped, doubled, swapped or replaced."""
    at = rng.randrange(len(name))
    letter = rng.choice(string.ascii_letters + string.digits + "äß ~/")
    kinds = (
        name[:at] + name[at + 1 :],
        name[:at] + name[at] + name[at:],
        name[:at] + letter + name[at + 1 :],
        name[at:] + name[:at],
    )
    return rng.choice(kinds)


def gibberish(rng: random.Random) -> str:
    """Anything that can be typed or pasted, and what can't."""
    letters = string.printable + "日本語\x00\x1b\u202e😀"
    return "".join(rng.choice(letters) for _ in range(rng.choice((1, 3, 12, 80, 5000))))


def known(name: str, look_up: Callable[[str], object]) -> bool:
    try:
        look_up(name)
    except kinowatt.InputError:
        return False
    return True


def names(rng: random.Random) -> Iterator[Bad]:
    for _ in range(100):
        for text in (mangled(rng.choice(MODELS), rng), gibberish(rng)):
            if not known(text, kinowatt.model):
                yield text, {}
        for text in (mangled(rng.choice(tuple(kinowatt.gpus())), rng), gibberish(rng)):
            if not known(text, kinowatt.gpu):
                yield rng.choice(MODELS), {"gpu": text}
    for option in ("profile", "preset", "recipe", "offload", "grid"):
        for _ in range(40):
            yield rng.choice(MODELS), {option: "?" + gibberish(rng)}
            yield rng.choice(MODELS), {mangled(option, rng) + "_": 1}


WRONG_TYPES = {
    **dict.fromkeys(FIELDS, NOT_NUMBERS),
    **dict.fromkeys(("gpu", "profile", "preset", "recipe", "offload"), (*NOT_TEXT, "")),
    **dict.fromkeys(MONEY, ("1", [1], b"1", True, 1j)),
    "tiling": ("on", 1, 0, "yes", [], 2.5),
    "what_if": ("linear=fp8", ["linear=fp8"], {"linear": 4}, {"": ""}, {None: None}, 5, 0, ""),
    "embodied": ("no", 1, 0, [], 0.5),
}


def types(rng: random.Random) -> Iterator[Bad]:
    for model in MODELS:
        for name, values in WRONG_TYPES.items():
            for value in rng.sample(values, len(values)):
                yield model, {name: value}
    for value in NOT_TEXT:
        yield value, {}


def numbers(rng: random.Random) -> Iterator[Bad]:
    for model in MODELS:
        for field in FIELDS:
            negative = (-1, -1e-9, -(10**9), -rng.random() * 100)
            for value in (*NOT_FINITE, *HUGE, *negative):
                yield model, {field: value}
        for field in (*WHOLE, "fps"):
            yield model, {field: 0}
            yield model, {field: 0.0}
        for field in WHOLE:
            for _ in range(5):
                yield model, {field: rng.randrange(1, 100) + rng.uniform(0.001, 0.999)}
    for name, values in MONEY.items():
        for value in (*NOT_FINITE, *values):
            yield rng.choice(MODELS), {name: value}


def sizes(rng: random.Random) -> Iterator[Bad]:
    """Sizes that the pipeline itself refuses, and frames that its motion module has not."""
    for model in MODELS:
        multiple = kinowatt.model(model).rules.size_multiple_checked
        for field in ("height_px", "width_px"):
            for _ in range(20):
                size = multiple * rng.randrange(8, 90) + rng.randrange(1, multiple)
                yield model, {field: size}
    for frames in range(33, 83):
        yield "animatediff-lightning", {"frames": frames}


KINDS = {kind.__name__: kind for kind in (names, types, numbers, sizes)}


def cases(kind: str) -> list[Bad]:
    """The bad inputs of a kind, the same in every run, each among good ones that vary."""
    rng = random.Random(kind)
    good = ({}, {"steps": 7}, {"preset": "paper"}, {"gpu": "l4"}, {"prompt_tokens": 12})
    return [(model, {**rng.choice(good), **bad}) for model, bad in KINDS[kind](rng)]


def refusal(model: Any, asked: dict[str, Any]) -> str | None:
    """What is wrong with how a bad input is refused, or None."""
    try:
        answer = kinowatt.predict(model, **asked)
    except kinowatt.InputError as error:
        return untidy(str(error))
    except Exception as error:  # noqa: BLE001 (this is what is looked for)
        return f"{type(error).__name__}: {error}"
    return f"answered: {answer.latency_s} s"


def untidy(message: str) -> str | None:
    """What keeps a message from being one clear line, or None."""
    if not 10 < len(message) < 600:
        return f"{len(message)} letters: {message[:80]}"
    return None if message.isprintable() else f"not one printable line: {message!r}"


@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_refused_in_one_line(kind: str) -> None:
    wrong = {}
    for model, asked in cases(kind):
        if found := refusal(model, asked):
            wrong.setdefault(found[:60], repr((model, asked))[:120])
    assert wrong == {}


def test_there_are_thousands_and_they_differ() -> None:
    every = {repr(case) for kind in KINDS for case in cases(kind)}
    assert len(every) >= 2000


def test_the_check_above_can_fail() -> None:
    assert refusal(MODELS[0], {"steps": 4}) is not None
    assert untidy("two\nlines of text") is not None
    assert untidy("") is not None


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"model": "wan2.1-t2v-1.3"}, "wan2.1-t2v-1.3b"),
        ({"model": "cogvideox2b"}, "cogvideox-2b"),
        ({"model": "mochi-1-preview", "gpu": "h100-smx"}, "h100-sxm"),
        ({"model": "wan2.1-t2v-1.3b", "height_px": 481}, "480"),
        ({"model": "animatediff-lightning", "frames": 64}, "32"),
        ({"model": "ltx-video-0.9.7-dev", "recipe": "cards"}, "card"),
        ({"model": "mochi-1-preview", "hieght_px": 480}, "height_px"),
        ({"model": "mochi-1-preview", "what_if": {"lienar": "fp8"}}, "linear"),
        ({"model": "mochi-1-preview", "grid": "Frence"}, "France"),
    ],
)
def test_the_nearest_that_works_is_offered(asked: dict[str, Any], offered: str) -> None:
    with pytest.raises(kinowatt.InputError) as caught:
        kinowatt.predict(**asked)
    assert offered in str(caught.value).partition("one of")[0]


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, int | float):
        yield value


def test_whatever_is_answered_is_finite_and_above_zero() -> None:
    """Settings at random: refused, or answered with numbers that can be used."""
    rng = random.Random(17)
    answered = 0
    for _ in range(150):
        asked = {
            "height_px": rng.choice((rng.randrange(1, 3000), 32 * rng.randrange(4, 60))),
            "width_px": 32 * rng.randrange(1, 80),
            "frames": rng.choice((1, 16, rng.randrange(1, 400))),
            "steps": rng.choice((1, 2, rng.randrange(1, 300))),
            "guidance_scale": rng.choice((0, 1, 1.0001, 7.5)),
            "batch_size": rng.choice((1, 1, 3)),
        }
        try:
            answer = kinowatt.predict(rng.choice(MODELS), gpu=rng.choice(("h100", "l4")), **asked)
        except kinowatt.InputError:
            continue
        answered += 1
        assert all(math.isfinite(number) for number in numbers_in(answer.to_dict()))
        assert answer.latency_s > 0
        assert answer.energy_wh["gpu"] > 0
        assert answer.flops["total"] > 0
    assert answered > 35


def test_more_memory_than_the_gpu_has_is_said() -> None:
    answer = kinowatt.predict("wan2.1-t2v-14b", gpu="l4", preset="paper")
    assert answer.memory["fits"] is False
    (warning,) = [w for w in answer.warnings if w["code"] == "out_of_memory"]
    assert "GiB" in warning["message"]


def command_lines() -> list[list[str]]:
    """Bad commands: every option in turn with what it can't take, and what is no command."""
    model = ["predict", "wan2.1-t2v-1.3b"]
    counts = ("--height", "--width", "--frames", "--steps", "--batch", "--prompt-tokens")
    lines = [
        [*model, name, value] for name in counts for value in ("0", "-4", "2.5", "nan", "1e30", "x")
    ]
    lines += [[*model, "--fps", value] for value in ("0", "-1", "inf", "")]
    lines += [[*model, "--guidance", value] for value in ("-1", "nan", "seven")]
    lines += [[*model, name, "?"] for name in ("--gpu", "--profile", "--preset", "--recipe")]
    lines += [[*model, "--what-if", value] for value in ("linear", "=", "linear=x", "x=fp8", "")]
    lines += [[*model, "--grid", "ZZZ"], [*model, "--price", "-1"], [*model, "--pue", "0.5"]]
    lines += [[*model, "--tiling", "maybe"], [*model, "--offload", "disk"], [*model, "--nonsense"]]
    lines += [["predict"], ["predict", ""], ["predict", "wan", "mochi"], ["pedict"], ["--nonsense"]]
    lines += [["compare", "wan-1.3b", "nope"], ["compare", "wan-1.3b", "--gpu", "?"]]
    lines += [["scaling", "wan-1.3b", "--axis", "depth"], ["levers", "nope"], ["roofline", "--x"]]
    return lines


@pytest.mark.parametrize("line", command_lines(), ids=" ".join)
def test_a_bad_command_ends_with_2_and_one_line(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line)
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert untidy(printed.err.rstrip("\n")) is None


@pytest.mark.parametrize("count", [16, pytest.param(50, marks=pytest.mark.torture)])
def test_the_same_through_the_shell(count: int) -> None:
    """Some of them as processes of their own: nothing on the way out says more."""
    rng = random.Random(50)
    kinowatt_command = Path(sys.executable).with_name("kinowatt")
    for line in rng.sample(command_lines(), count):
        done = subprocess.run(
            [kinowatt_command, *line, "--json"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (2, ""), line
        assert done.stderr.count("\n") == 1, (line, done.stderr)
        assert "Traceback" not in done.stderr


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    main(["predict", "mochi-1-preview", "--json"])

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} in JSON")

    json.loads(capsys.readouterr().out, parse_constant=refuse)
