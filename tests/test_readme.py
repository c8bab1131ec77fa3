"""README and docs say what is so. Their code blocks are tests by themselves (conftest.py)."""

import re
from pathlib import Path

import pytest
from sybil import Document, Sybil

import doc_blocks
import kinowatt

LINK = re.compile(r"!?\[[^\]]*\]\((?!https?://|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("path", doc_blocks.documents(), ids=lambda path: path.name)
def test_generated_tables_are_as_the_registries_have_them(path: Path) -> None:
    text = path.read_text("utf-8")
    assert doc_blocks.refreshed_tables(text) == text, "run `make refresh`"


def test_every_table_is_shown_somewhere() -> None:
    text = "".join(path.read_text("utf-8") for path in doc_blocks.documents())
    for name in doc_blocks.TABLES:
        assert f"<!-- generated: {name} -->" in text


def test_the_readme_counts_right(root: Path) -> None:
    opening = " ".join((root / "README.md").read_text("utf-8").split()[:60])
    checkpoints = [spec for spec in kinowatt.models().values() if spec.form != "paper"]
    assert (len(checkpoints), len(kinowatt.gpus())) == (7, 16)
    assert "Seven open text-to-video models, sixteen GPUs" in opening


@pytest.mark.parametrize("path", doc_blocks.documents(), ids=lambda path: path.name)
def test_links_and_pictures_exist(path: Path) -> None:
    dead = [to for to in LINK.findall(path.read_text("utf-8")) if not (path.parent / to).exists()]
    assert dead == []


def evaluate(document: Document) -> None:
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize(
    "block",
    [
        "```console\n$ kinowatt --version\nkinowatt, version 0\n```\n",
        "```console\n$ kinowatt --version\n```\n",
        "```python\n>>> import kinowatt\n>>> len(kinowatt.models()) > 1000\nTrue\n```\n",
        "```python\nimport kinowatt\nkinowatt.model('no such model')\n```\n",
    ],
)
def test_a_false_block_is_caught(block: str, sybil: Sybil, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(block, "utf-8")
    document = sybil.parse(page)
    document.namespace["folder"] = tmp_path
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever kind, it must not pass)
        evaluate(document)


def test_an_ellipsis_stands_for_whole_lines_only() -> None:
    assert doc_blocks.holds("a\n…\nd\n", "a\nb\nc\nd\n")
    assert not doc_blocks.holds("a\n…\nd\n", "a\nb\nc\n")
    assert not doc_blocks.holds("a …\n", "a b\n")


def test_refreshing_writes_what_is_printed_now(tmp_path: Path) -> None:
    assert doc_blocks.refreshed("$ echo new\nold\n", tmp_path) == "$ echo new\nnew\n"
    assert doc_blocks.refreshed("$ seq 9\n1\n…\n", tmp_path) == "$ seq 9\n1\n…\n"
