"""Texts of rows → entries of a store, in order, on every core where there are many.

A row of ours is some kilobytes of JSON, so reading it costs more than storing it.
"""

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from kinowatt.campaign.entry import Entry, entry
from kinowatt.errors import InputError
from kinowatt.lab.rows import Problem, read_row

CHUNK = 200
FEW = 10  # chunks; fewer are read sooner than a process starts
AHEAD = 3  # chunks per process that wait for their turn

Line = tuple[int, bytes]  # its number in the file, and the text
Lines = tuple[Line, ...]
Chunk = list[Entry | Problem]


def entries_of(
    file: Path, lines: Iterable[Line], warn: Callable[[Problem], None]
) -> Iterator[Entry]:
    """Every row of a file; a last line that was cut off is told to `warn` and left out.

    Raises `InputError`, starting with `FILE:LINE:`, for the first line that is no row.
    """
    for chunk in _chunks(file, lines):
        for found in chunk:
            if isinstance(found, Entry):
                yield found
            elif found.torn:
                warn(found)
            else:
                raise InputError(str(found))


def _chunks(file: Path, lines: Iterable[Line]) -> Iterator[Chunk]:
    rest = iter(lines)
    start = [chunk for _ in range(FEW) if (chunk := tuple(islice(rest, CHUNK)))]
    processes = os.cpu_count() or 1
    if len(start) < FEW or processes == 1:
        yield from (_parsed(file, chunk) for chunk in start)
        yield from (_parsed(file, chunk) for chunk in iter(lambda: tuple(islice(rest, CHUNK)), ()))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, gc.disable) as pool:  # rows have no cycles
        waiting = deque(pool.submit(_parsed, file, chunk) for chunk in start)
        while waiting:
            yield waiting.popleft().result()
            while len(waiting) < AHEAD * processes and (chunk := tuple(islice(rest, CHUNK))):
                waiting.append(pool.submit(_parsed, file, chunk))


def _parsed(file: Path, lines: Lines) -> Chunk:
    found: Chunk = []
    for number, line in lines:
        if line.strip():
            row = read_row(file, number, line, last=not line.endswith(b"\n"))
            text = line.decode("utf-8", "replace").strip()
            found.append(row if isinstance(row, Problem) else entry(row, text))
    return found
