"""Keeps README and docs true: runs their console blocks and writes their generated tables.

A block marked `console` holds commands after `$ ` and what they print; a line of `…` stands for
any lines. Between `<!-- generated: NAME -->` and `<!-- end -->` stands a table made here.
`python scripts/doc_blocks.py` rewrites what no longer holds; the tests only look.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import click

import kinowatt
from kinowatt.app.cli import main
from kinowatt.units import format_number

ROOT = Path(__file__).parents[1]
COLUMNS = 100
ELLIPSIS = "…"
CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(
    r"(?<=^<!-- generated: (?P<name>PLACE) -->\n).*?(?=^<!-- end -->$)".replace("(?P<name>PLACE)", ""),
    re.DOTALL | re.MULTILINE,
)
