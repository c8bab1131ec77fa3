"""Imports run one way. The contract itself is in pyproject.toml; here it is shown to bite."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Where a library may be imported at all; inside a function, unless the whole package is its home.
HOMES = {
    "alembic": {"campaign"},
    "click": {"app"},
    "diffusers": {"lab"},
    "fastapi": {"app"},
    "filelock": {"campaign"},
    "gradio": {"app"},
    "jinja2": {"report"},
    "matplotlib": {"report"},
    "numpy": {"analysis", "lab", "report", "theory"},
    "pyarrow": {"campaign", "formats"},
    "pydantic": {"app"},
    "ray": {"campaign"},
    "rich": {"app"},
    "scipy": {"analysis", "lab"},
    "sklearn": {"analysis"},
    "sqlalchemy": {"campaign"},
    "torch": {"lab"},
    "transformers": {"lab"},
    "uvicorn": {"app"},
    "yaml": {"campaign"},
}
AT_THE_TOP = {
    *(("click", "app"), ("rich", "app"), ("torch", "lab"), ("numpy", "lab")),
    *(("alembic", "campaign"), ("sqlalchemy", "campaign")),
    *(("fastapi", "app"), ("gradio", "app"), ("pydantic", "app")),  # all in app/serve
}


def lint(folder: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """Import-linter's verdict on the package in `folder`, under the repo's contract."""
    tool = Path(sys.executable).with_name("lint-imports")
    command = [tool, "--config", root / "pyproject.toml", "--no-cache", "--no-logo"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


FORBIDDEN = [
    ("theory", "kinowatt.analysis"),
    ("facts", "kinowatt.theory"),
    ("analysis", "kinowatt.report"),
    ("report", "kinowatt.app"),
    ("lab", "kinowatt.theory"),
    ("theory", "kinowatt.lab"),
    ("campaign", "kinowatt.analysis"),
    ("lab", "kinowatt.campaign"),
    ("formats", "kinowatt.theory"),
    ("formats", "kinowatt.lab"),
    ("lab", "kinowatt.formats"),
]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory, root: Path) -> str:
    """On packages with the forbidden imports added; the last apart, which others would hide."""
    found = []
    for added in (FORBIDDEN[:-1], FORBIDDEN[-1:]):
        folder = tmp_path_factory.mktemp("layers")
        shutil.copytree(
            root / "src" / "kinowatt", folder / "kinowatt", ignore=shutil.ignore_patterns("*.json")
        )
        for package, forbidden in added:
            with (folder / "kinowatt" / package / "__init__.py").open(
                "a", encoding="utf-8"
            ) as file:
                file.write(f"import {forbidden}\n")
        verdict = lint(folder, root)
        assert verdict.returncode == 1
        assert "BROKEN" in verdict.stdout
        found.append(verdict.stdout)
    return "".join(found)


@pytest.mark.parametrize(("package", "forbidden"), FORBIDDEN)
def test_a_forbidden_import_is_detected(package: str, forbidden: str, verdicts: str) -> None:
    assert f"- kinowatt.{package} -> {forbidden} (l." in verdicts.replace("-   ", "- ")


def test_the_code_as_it_is_keeps_the_contract(root: Path) -> None:
    verdict = lint(root / "src", root)
    assert verdict.returncode == 0, verdict.stdout


def imports(tree: ast.Module) -> list[tuple[str, bool]]:
    """Every (library, whether at the top of the module) that a module imports."""
    found = []
    top = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name.partition(".")[0], id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node.module.partition(".")[0], id(node) in top))
    return found


def strays(package: str, source: str) -> list[str]:
    """Imports of heavy libraries that `source`, a module of `package`, may not make."""
    found = []
    for library, at_top in imports(ast.parse(source)):
        if library in HOMES and package not in HOMES[library]:
            found.append(f"{library} has no business in {package}")
        elif library in HOMES and at_top and (library, package) not in AT_THE_TOP:
            found.append(f"{library} is imported at the top of a module")
    return found


def test_heavy_libraries_stay_in_their_homes(root: Path) -> None:
    package = root / "src" / "kinowatt"
    found = {
        str(path.relative_to(package)): wrong
        for path in sorted(package.rglob("*.py"))
        if (wrong := strays(path.relative_to(package).parts[0], path.read_text("utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("theory", "def f():\n    import torch"),
        ("theory", "import numpy"),
        ("report", "from rich.table import Table"),
        ("analysis", "from scipy.optimize import least_squares"),
    ],
)
def test_a_stray_import_is_detected(package: str, source: str) -> None:
    assert len(strays(package, source)) == 1
