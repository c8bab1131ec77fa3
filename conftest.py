"""Code blocks of README and docs are tests: Python is executed, console output compared."""

import doctest
import gc
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from doc_blocks import holds, run, steps

# Beside torch and the rest there are millions of objects that live on: the collector need not walk
# them every few thousand new ones (a tenth of the time)
gc.set_threshold(50_000, 20, 100)


def check_console(example: Example) -> str | None:
    """What a console block gets wrong, or None."""
    folder: Path = example.namespace["folder"]
    for command, expected in steps(example.parsed):
        printed = run(command, folder)
        if not holds(expected, printed):
            return f"$ {command}\nexpected:\n{expected}\nprinted:\n{printed}"
    return None


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of a document run."""
    return tmp_path_factory.mktemp("documentation")


documentation = Sybil(
    parsers=[
        CodeBlockParser(language="console", evaluator=check_console),
        PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS),
        SkipParser(),
    ],
    patterns=["README.md", "CONTRIBUTING.md", "docs/*.md"],
    fixtures=["folder"],
)
pytest_collect_file = documentation.pytest()


@pytest.fixture(scope="session")
def sybil() -> Sybil:
    """The reader of the documentation, for the tests that show what it catches."""
    return documentation
