"""What a release is made with: container file, workflow and their paths, without either engine."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture(scope="module")
def containerfile(root: Path) -> list[str]:
    """Its instructions, lines joined and comments gone."""
    text = (root / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def workflow(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / ".github/workflows/test.yml").read_text("utf-8"))
    return found


def copied(containerfile: list[str]) -> set[str]:
    """What it takes from the checkout."""
    lines = [line.split()[1:-1] for line in containerfile if re.match(r"COPY (?!--from)", line)]
    return {name for names in lines for name in names}


def test_everything_that_it_copies_is_there_and_not_ignored(
    containerfile: list[str], root: Path
) -> None:
    wanted = copied(containerfile)
    allowed = (root / ".dockerignore").read_text("utf-8").splitlines()
    assert {f"!{name}" for name in wanted} <= set(allowed)
    assert all((root / name).exists() for name in wanted)
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    hatch = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    needed = {path.partition("/")[0] for path in hatch}
    needed |= {project["project"]["readme"], *project["project"]["license-files"]}
    assert needed <= wanted


def test_it_runs_as_nobody_in_particular_with_extras_that_exist(
    containerfile: list[str], root: Path
) -> None:
    last_stage = containerfile[
        max(i for i, x in enumerate(containerfile) if x.startswith("FROM")) :
    ]
    assert "USER kinowatt" in last_stage
    assert 'ENTRYPOINT ["kinowatt"]' in last_stage
    assert not [line for line in last_stage if line.startswith("ADD")]
    extras = re.search(r"kinowatt\[([\w,]+)\]", "\n".join(containerfile))
    assert extras is not None
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])


def test_the_workflow_runs_the_gate_with_as_few_rights_as_it_needs(
    workflow: dict[str, Any], root: Path
) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    runs = [s.get("run", "") for job in workflow["jobs"].values() for s in job["steps"]]
    assert "make test" in runs
    makefile = (root / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make ([\w-]+)", "\n".join(runs), re.MULTILINE):
        assert f"\n{target}:" in makefile
    for script in re.findall(r"scripts/[\w.]+", "\n".join(runs)):
        assert (root / script).is_file()
    secrets = (root / ".github/workflows/test.yml").read_text("utf-8")
    assert "secrets." not in secrets
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())


def test_the_python_of_workflow_and_container_is_the_oldest_that_is_promised(
    containerfile: list[str], workflow: dict[str, Any], root: Path
) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    oldest = project["requires-python"].removeprefix(">=")
    images = [line.split()[1] for line in containerfile if line.startswith("FROM")]
    images += [job["container"] for job in workflow["jobs"].values() if "container" in job]
    assert all(f"python:{oldest}-" in image for image in images)
