"""The command line through click's runner: answers, JSON, help and one-line errors."""

import json

import pytest

from kinowatt.app.cli import SECTIONS, cli, main


def run(capsys, *args: str) -> tuple[int, str, str]:
    code = 0
    try:
        main(list(args))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


JSON = [
    ("predict", "wan-1.3b"),
    ("predict", "ltx", "--preset", "paper", "--grid", "FR", "--price", "2"),
    ("compare", "wan-1.3b", "ltx", "--why"),
    ("scaling", "wan-1.3b", "--axis", "steps"),
    ("levers", "wan-1.3b"),
    ("models",),
    ("gpus",),
    ("grids",),
    ("profiles",),
    ("roofline",),
    ("roofline", "--model", "mochi"),
]


@pytest.mark.parametrize("args", JSON)
def test_json_and_table(capsys, args: tuple[str, ...]) -> None:
    code, out, _ = run(capsys, *args, "--json")
    assert code == 0
    assert json.loads(out)
    code, out, err = run(capsys, *args)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) > 4
    assert "nan" not in out.lower().split()


def test_options_reach_the_prediction(capsys) -> None:
    _, out, _ = run(
        capsys,
        *("predict", "wan-14b", "--gpu", "h200", "--height", "720", "--width", "1280"),
        *("--frames", "33", "--steps", "20", "--guidance", "1", "--batch", "2", "--fps", "24"),
        *("--prompt-tokens", "10", "--tiling", "on", "--offload", "model"),
        *("--what-if", "linear=fp8", "--json"),
    )
    found = json.loads(out)
    assert found["gpu"] == "h200-sxm"
    workload = found["workload"]
    assert (workload["height_px"], workload["frames"], workload["steps"]) == (720, 33, 20)
    assert workload["effective"]["forward_passes"] == 20
    assert workload["effective"]["sequences_per_pass"] == 2
    assert found["options"]["what_if"] == {"linear": "fp8"}
    assert found["options"]["tiling"] is True


def test_what_people_read(capsys) -> None:
    _, out, _ = run(capsys, "predict", "mochi", "--preset", "paper", "--explain")
    for words in ("79 frames", "asked: frames 84", "phone charges", "Not included", "bound by"):
        assert words in out


def test_help_lists_every_command(capsys) -> None:
    _, out, _ = run(capsys, "--help")
    assert {name for names in SECTIONS.values() for name in names} == set(cli.commands)
    for name in cli.commands:
        assert name in out
        assert run(capsys, name, "--help")[0] == 0


def test_version(capsys) -> None:
    from kinowatt import __version__

    assert __version__ in run(capsys, "--version")[1]
