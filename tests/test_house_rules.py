"""Sizes of files and functions, and nothing in the repo that only one machine has."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 6
CALLBACKS = {"command", "group", "argument", "option"}
# Folders that stand for one machine, not for any.
MACHINE = "|".join(("work", "home", "root", "opt", "mnt", "srv", "Users"))
ABSOLUTE = re.compile(rf"(?<![\w.~$}}-])/+(?:{MACHINE})/[\w.-]+")
INDEX = re.compile(r"--(?:extra-)?index-url|--find-links|https?://[^\s/]+(?:/[^\s/]+)*/simple\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def is_callback(function: Function) -> bool:
    """Whether a decorator makes it a command, whose parameters are the options of the user."""
    names = (ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in function.decorator_list)
    return any(name.rpartition(".")[2] in CALLBACKS for name in names)


def parameters(function: Function) -> int:
    given = function.args
    named = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")])


def oversized(source: str) -> list[str]:
    """What in a module is too large, in words."""
    lines = source.count("\n")
    found = [f"{lines} lines"] if lines >= MAX_FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Function):
            continue
        assert node.end_lineno is not None
        length = node.end_lineno - node.lineno + 1
        if length >= MAX_FUNCTION_LINES:
            found.append(f"{node.name} has {length} lines")
        if parameters(node) > MAX_PARAMETERS and not is_callback(node):
            found.append(f"{node.name} has {parameters(node)} parameters")
    return found


def test_files_and_functions_are_small(root: Path) -> None:
    found = {
        str(path.relative_to(root)): wrong
        for folder in ("src", "scripts", "benchmarks")
        for path in sorted((root / folder).rglob("*.py"))
        if (wrong := oversized(path.read_text("utf-8")))
    }
    assert found == {}


def test_what_is_too_large_is_found() -> None:
    assert oversized("def f(a, b, c, d, e, f):\n    pass\n" + "x = 1\n" * 397) == []
    assert oversized("x = 1\n" * 400) == ["400 lines"]
    assert oversized("def f():\n" + "    x = 1\n" * 39) == ["f has 40 lines"]
    assert oversized("def f(a, b, c, d, e, f, *, g): pass") == ["f has 7 parameters"]
    assert oversized("@cli.command()\ndef f(a, b, c, d, e, f, g): pass") == []


def machine_bound(text: str) -> list[str]:
    """Paths of one machine and addresses of package indexes in a text."""
    return ABSOLUTE.findall(text) + INDEX.findall(text)


def tracked_files(root: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (root / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_nothing_names_a_path_of_one_machine(root: Path) -> None:
    found = {}
    for path in tracked_files(root):
        if path.suffix in {".db", ".png", ".parquet"} or path == Path(__file__):
            continue
        if wrong := machine_bound(path.read_text("utf-8")):
            found[str(path.relative_to(root))] = wrong
    assert found == {}


@pytest.mark.parametrize("text", ["see /{}/main", "'/{}/wheels'", "torch @ file:///{}/x.whl"])
def test_a_path_of_one_machine_is_found(text: str) -> None:
    assert machine_bound(text.format("opt")) != []
    assert machine_bound(text.format("opt").replace("/opt", "out")) == []


def test_an_index_is_found() -> None:
    assert machine_bound("pip install --index-url=x y") != []
    assert machine_bound("at https://example.org/pypi/simple") != []
    assert machine_bound("see https://example.org/simply/put") == []


def test_tests_of_the_gpu_are_where_make_test_gpu_looks(root: Path) -> None:
    tests = root / "tests"
    texts = {path: path.read_text("utf-8") for path in tests.rglob("*.py")}
    marked = {path for path, text in texts.items() if "pytest.mark.gpu" in text}
    folders = {path.relative_to(tests).parts[0] for path in marked - {Path(__file__)}}
    assert folders == {"lab"}
