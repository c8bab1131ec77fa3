"""Code blocks of README and docs are tests: Python is executed, console output compared."""

import doctest
import gc
import os
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from doc_blocks import holds, run, steps

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Tiny tensors gain nothing from more threads, which wait for one another by spinning
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Beside torch and the rest there are millions of objects that live on: the collector need not walk
# them every few thousand new ones (a tenth of the time)
gc.set_threshold(50_000, 20, 100)

# For one worker, since each would start a server and a browser, or draw every figure, of its own
TOGETHER = (
    ("tests/app/serve/browser/",),
    ("tests/report/test_build.py", "tests/app/test_reproducing.py"),
)
# What takes longest, longest first, so that no worker is left with it at the end.
LONGEST = (
    *("tests/app/serve/browser/", "tests/analysis/validation/"),
    *("tests/lab/test_trace.py", "tests/analysis/test_budget.py", "tests/scripts/"),
    *("tests/analysis/test_explain.py", "tests/analysis/audit/", *TOGETHER[1]),
    *("tests/theory/", "tests/lab/test_tiled_decode.py", "tests/lab/meters/test_contract.py"),
    *(
        "tests/campaign/",
        "tests/app/test_tracing.py",
        "tests/lab/test_worker.py",
        "tests/lab/test_watch",
    ),
    *("tests/app/", "tests/lab/", "tests/analysis/"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        starts = map(item.nodeid.startswith, LONGEST)
        return next((n for n, begins in enumerate(starts) if begins), len(LONGEST))

    items.sort(key=place)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is dear even to collect, where no test of it would run."""
    at_length = collection_path.name.endswith("_at_length.py")
    return True if at_length and "not torture" in config.option.markexpr else None


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            found = (files[0] for files in TOGETHER if nodeid.startswith(files))
            return next(found, super()._split_scope(nodeid))

    return ByFile(config, log)


def pytest_collection_finish() -> None:
    """What every test module has imported is garbage never: `gc.collect` need not look at it."""
    gc.collect()
    gc.freeze()


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
