"""Keeps README and docs true: runs their console blocks and writes their generated tables.

A block marked `console` holds commands after `$ ` and what they print; a line of `…` stands for
any lines. Between `<!-- generated: NAME -->` and `<!-- end -->` stands a table made here.
`make refresh` rewrites what no longer holds; the tests only look.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click

import kinowatt
from faulty_tables import FAULTS
from kinowatt.analysis.audit.registry import detectors as audit_detectors
from kinowatt.app.cli import cli
from kinowatt.formats.registry import formats as known_formats
from measured_tables import measured_cost, measured_models
from worked_number import lines as worked_number

ROOT = Path(__file__).parents[1]
ELLIPSIS = "…"
CONSOLE = re.compile(r"^(```console\n)(.*?)^(```)$", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(
    r"^(<!-- generated: \w+ -->\n)(.*?)^(<!-- end -->)$", re.DOTALL | re.MULTILINE
)
COLUMNS = "100"


def run(command: str, folder: Path) -> str:
    """What a command prints, errors included, as on a terminal of 100 columns without colour."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = os.environ | {"PATH": path, "COLUMNS": COLUMNS, "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return "".join(line.rstrip() + "\n" for line in done.stdout.splitlines())


def steps(block: str) -> Iterator[tuple[str, str]]:
    """The (command, expected output) pairs of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command += "\n" + more
        yield command, output


def holds(expected: str, printed: str) -> bool:
    """Whether `printed` is what was expected, a line `…` standing for any lines."""
    parts = re.split(rf"^{ELLIPSIS}\n", expected, flags=re.MULTILINE)
    pattern = ".*".join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def refreshed(block: str, folder: Path) -> str:
    """The block with what its commands print now, where that is not what it says."""
    found = []
    for command, expected in steps(block):
        printed = run(command, folder)
        found.append(f"$ {command}\n{expected if holds(expected, printed) else printed}")
    return "".join(found)


def models() -> Iterator[tuple[str, ...]]:
    yield ("Model", "Video of the default preset", "Steps", "Recipes", "Licence", "Also known as")
    for spec in kinowatt.models().values():
        preset = spec.preset("default")
        size = f"{preset.height_px}×{preset.width_px}, {preset.frames} frames, {preset.fps} fps"
        names = ", ".join(alias for alias in spec.aliases if "/" not in alias)
        yield (
            f"`{spec.name}`",
            size,
            str(preset.steps),
            ", ".join(spec.recipes),
            spec.licence,
            names,
        )


def gpus() -> Iterator[tuple[str, ...]]:
    yield ("GPU", "Dense BF16, TFLOP/s", "Memory, GiB", "Bandwidth, TB/s", "Limit, W", "Source")
    for spec in kinowatt.gpus().values():
        peak = spec.peak_flops["bfloat16"] / 1e12
        bandwidth = spec.bandwidth_bytes_per_s / 1e12
        power = f"{spec.power_limit_w:.0f}" + (" (estimated)" if spec.power_estimated else "")
        numbers = (f"{peak:.0f}", f"{spec.memory_gib:.1f}", f"{bandwidth:.2f}", power)
        yield (f"`{spec.name}`", *numbers, spec.source)


def commands() -> Iterator[tuple[str, ...]]:
    yield ("Command", "Does", "Options")
    for name, command in cli.commands.items():
        options = [o for o in command.params if isinstance(o, click.Option)]
        flags = " ".join(f"`{option.opts[0]}`" for option in options)
        yield (f"`kinowatt {name}`", command.get_short_help_str(120), flags)


def detectors() -> Iterator[tuple[str, ...]]:
    yield ("Flag", "What it finds", "By which rule")
    for kind, found in sorted(audit_detectors().items()):
        yield (f"`{kind}`", found.finds, found.rule)


def formats() -> Iterator[tuple[str, ...]]:
    yield ("Format", "What it is")
    for found in known_formats():
        yield (f"`{found.name}`", found.what)


def faults() -> Iterator[tuple[str, ...]]:
    yield ("Fault", "What is done to clean rows", "Right answers")
    for name, fault in FAULTS.items():
        answers = ", ".join(f"`{kind}`" for kind in sorted(fault.answers))
        yield (name.replace("_", " "), " ".join(fault.size.split()), answers)


TABLES: dict[str, Callable[[], Iterator[tuple[str, ...]]]] = {
    "models": models,
    "gpus": gpus,
    "commands": commands,
    "detectors": detectors,
    "formats": formats,
    "faults": faults,
    "worked": worked_number,
    "measured_models": measured_models,
    "measured_cost": measured_cost,
}


def table(name: str) -> str:
    """A generated table as Markdown."""
    header, *rows = TABLES[name]()
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def refreshed_tables(text: str) -> str:
    """The text with every generated table as the registries have it now."""

    def write(match: re.Match[str]) -> str:
        name = match[1].split()[2]
        return f"{match[1]}\n{table(name)}\n{match[3]}"

    return GENERATED.sub(write, text)


def documents() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def main() -> None:
    """Rewrites console blocks and tables that no longer hold; says which files changed."""
    for path in documents():
        before = path.read_text("utf-8")
        with tempfile.TemporaryDirectory() as folder:
            after = CONSOLE.sub(lambda m: m[1] + refreshed(m[2], Path(folder)) + m[3], before)
        after = refreshed_tables(after)
        if after != before:
            path.write_text(after, "utf-8")
            click.echo(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
