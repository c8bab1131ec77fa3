"""What is built holds everything that is needed, and works far from the repo."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import kinowatt

DATA = {".toml", ".csv", ".json", ".jsonl"}
PROOF = """
import kinowatt
from kinowatt.facts.data import data_path
print(kinowatt.__file__)
print(data_path("paper/wan_steps.csv"))
print(kinowatt.predict("mochi-1-preview").latency_s > 0)
"""
# What each extra brings: a module that only it needs.
BRINGS = {
    "": "rich",
    "learn": "scipy.optimize",
    "report": "matplotlib.figure",
    "measure": "diffusers",
    "campaign": "sqlalchemy",
    "serve": "fastapi",
}


def build(kind: str, root: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (built,) = folder.glob("kinowatt-*")
    return built


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", root, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_code_facts_and_data_and_nothing_else(wheel: Path, root: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = root / "src" / "kinowatt"
    wanted = {
        f"kinowatt/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.suffix in DATA | {".py", ".typed", ".html", ".css", ".yaml", ".txt"}
    }
    wanted |= {
        f"kinowatt/_data/{path.relative_to(root / 'data')}"
        for path in (root / "data").rglob("*")
        if path.is_file()
    }
    assert names == wanted


def test_the_wheel_says_who_and_under_what_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = {name.partition(".dist-info/")[2] for name in archive.namelist()}
        metadata = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    assert {"licenses/LICENSE", "licenses/NOTICE", "entry_points.txt"} <= info
    assert "License-Expression: Apache-2.0" in text


def test_the_wheel_predicts_without_the_checkout(
    wheel: Path, tmp_path: Path, fresh_python: Callable[..., str]
) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    package, data, predicted = fresh_python(PROOF, cwd=tmp_path, env=env).split()
    assert Path(package).is_relative_to(tmp_path)
    assert Path(data).is_relative_to(tmp_path)
    assert predicted == "True"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_build_is_the_same_bytes_everywhere(kind: str, root: Path, tmp_path: Path) -> None:
    """Neither the times of files nor their permissions, nor where the checkout is, get in."""
    checkouts = [tmp_path / "one", tmp_path / "another" / "place"]
    ignored = shutil.ignore_patterns(".*", "site", "dist", "out", "__pycache__")
    for checkout in checkouts:
        shutil.copytree(root, checkout, ignore=ignored)
    for path in checkouts[1].rglob("*"):
        path.chmod(path.stat().st_mode | 0o020)
        os.utime(path, (1_600_000_000, 1_600_000_000))
    built = [build(kind, checkout, tmp_path / checkout.name) for checkout in checkouts]
    assert built[0].name == built[1].name
    assert built[0].read_bytes() == built[1].read_bytes()


def test_one_place_says_the_version(root: Path) -> None:
    """So a release changes one line; the changelog names versions that were released."""
    said = re.compile(rf"(?<![\d.]){re.escape(kinowatt.__version__)}(?![\d.])")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = root / name
        other = name.startswith(("data/", "docs/evidence/"))
        # The last shows outputs, which say who made them; `make refresh` rewrites them
        other = other or name in ("CHANGELOG.md", "requirements.lock", "docs/publishing.md")
        if other or path.suffix not in {".py", ".toml", ".md", ".cff", ".yml", ".lock", ""}:
            continue
        if path.is_file() and said.search(path.read_text("utf-8")):
            found.append(name)
    assert found == ["src/kinowatt/version.py"]


def test_the_lock_holds_every_requirement_and_no_address(root: Path) -> None:
    lines = (root / "requirements.lock").read_text("utf-8").splitlines()
    locked = dict(line.split("==") for line in lines)
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(need for extra in extras for need in extra)]
    names = {need.partition(">=")[0].partition("[")[0] for need in asked} - {"kinowatt"}
    assert names <= set(locked)
    assert not [version for version in locked.values() if "+" in version or "/" in version]


def empty_environment(folder: Path) -> Path:
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


def install(python: Path, what: str, *more: str | Path) -> None:
    """Installs as a user would; `more` are options of the installer."""
    uv = Path(sys.executable).with_name("uv")
    env = os.environ | {"UV_FIND_LINKS": os.environ.get("PIP_FIND_LINKS", "").replace(" ", ",")}
    command = [uv, "pip", "install", "-q", "--python", python, *more, what]
    subprocess.run(command, env=env, check=True)


@pytest.mark.torture
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_build_installs_into_an_empty_environment(kind: str, root: Path, tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "venv")
    lock = root / "requirements.lock"
    install(python, str(build(kind, root, tmp_path / "dist")), "-c", lock)
    done = subprocess.run([python, "-c", PROOF], cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout.decode().splitlines()[-1] == "True"
    command = [python.with_name("kinowatt"), "predict", "wan-1.3b", "--json"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.torture
@pytest.mark.parametrize("extra", BRINGS)
def test_each_extra_alone_works(extra: str, wheel: Path, root: Path, tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "venv")
    what = f"kinowatt[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    install(python, what, "-c", root / "requirements.lock")
    code = f"import {BRINGS[extra]}\n{PROOF}"
    subprocess.run([python, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.torture
def test_the_lowest_versions_named_work(wheel: Path, tmp_path: Path) -> None:
    python = empty_environment(tmp_path / "venv")
    what = f"kinowatt[report] @ {wheel.as_uri()}"
    install(python, what, "--resolution", "lowest-direct")
    for command in (["predict", "wan-1.3b"], ["reproduce", "-o", "out"]):
        tool = [python.with_name("kinowatt"), *command]
        subprocess.run(tool, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
