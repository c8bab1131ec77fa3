"""What `import kinowatt` loads, and what it offers."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import kinowatt

HEAVY = {
    *("accelerate", "codecarbon", "diffusers", "fastapi", "gradio", "jinja2", "matplotlib"),
    *("numpy", "pandas", "plotly", "psycopg", "pyarrow", "pydantic", "ray", "rich", "scipy"),
    *("sqlalchemy", "torch", "transformers", "uvicorn"),
}
PREDICT = "kinowatt.predict('wan2.1-t2v-1.3b', height_px=480, width_px=832).to_dict()"

# The process that measures loads what it needs; the one that asks it waits for none of that
MEASURE = """
from kinowatt.lab import measure
class Asked(Exception): pass
class Workers:
    def __init__(self, *_, **__): raise Asked
measure.Workers = Workers
try: kinowatt.measure("wan2.1-t2v-1.3b", device="cpu", twin=True)
except Asked: pass
else: 1 / 0
"""


def heavy_after(code: str, fresh_python: Callable[..., str]) -> set[str]:
    """The heavy libraries that a fresh interpreter has loaded once `code` ran."""
    loaded = fresh_python(f"import sys, kinowatt\n{code}\nprint(*sys.modules)")
    return HEAVY & {name.partition(".")[0] for name in loaded.split()}


@pytest.mark.parametrize("code", ["", PREDICT, "import kinowatt.app.cli", MEASURE])
def test_nothing_heavy_is_loaded(code: str, fresh_python: Callable[..., str]) -> None:
    assert heavy_after(code, fresh_python) == set()


def test_the_check_above_can_fail(fresh_python: Callable[..., str]) -> None:
    many = "import numpy; kinowatt.predict_many('wan2.1-t2v-1.3b', steps=numpy.array([4, 8]))"
    assert "numpy" in heavy_after(many, fresh_python)
    assert "rich" in heavy_after("import rich.table", fresh_python)


def test_every_public_name_resolves() -> None:
    for name in kinowatt.__all__:
        assert getattr(kinowatt, name) is not None, name
    assert set(kinowatt.__all__) <= set(dir(kinowatt))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="prediction"):
        _ = kinowatt.prediction


def test_type_checkers_see_the_names_that_exist_at_run_time() -> None:
    tree = ast.parse(Path(kinowatt.__file__).read_text("utf-8"))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    declared = {
        alias.asname or alias.name: f"{node.module}"
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert declared == kinowatt._WHERE
