"""What goes into a paper: a LaTeX table, and a methods paragraph with its conditions and BibTeX."""

from collections.abc import Iterable, Iterator, Mapping

from kinowatt.formats.grouped import Group, Overview, counted, mean, overview
from kinowatt.formats.kinds import EXPLAINED
from kinowatt.formats.writers import Options, Row
from kinowatt.units import format_number
from kinowatt.version import __version__

_TEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "×": r"$\times$",
        "–": "--",
        "\n": " ",
    }
)
_HEAD = ("Model", "GPU", "Size", "Steps", "Batch", "$n$", "Time (s)", "GPU energy (Wh)", "Basis")
_BIBTEX = f"""@software{{kinowatt,
  title   = {{Kinowatt: what a generated video costs}},
  author  = {{{{The Kinowatt authors}}}},
  version = {{{__version__}}},
  note    = {{Apache-2.0}}
}}

@inproceedings{{delavande2025video,
  title     = {{Video Killed the Energy Budget: Characterizing the Latency and Power Regimes of
               Open Text-to-Video Models}},
  author    = {{Delavande, Julien and Pierrard, Regis and Luccioni, Sasha}},
  booktitle = {{NeurIPS 2025 workshop: What Makes a Good Video}},
  year      = {{2025}}
}}
"""


def latex_table(rows: Iterable[Row], options: Options) -> Iterator[str]:
    """A `booktabs` table, a line for each set of rows under like conditions."""
    found = overview(rows)
    caption = escaped(options.title or "Cost of one call of the pipeline, prompt to frames.")
    yield "% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n"
    yield f"\\caption{{{caption} {escaped(_caption(found))}}}\n"
    yield "\\begin{tabular}{lllrrrrrl}\n\\toprule\n"
    yield " & ".join(_HEAD) + " \\\\\n\\midrule\n"
    for group in found.groups:
        yield " & ".join(escaped(cell) for cell in _cells(group)) + " \\\\\n"
    yield "\\bottomrule\n\\end{tabular}\n\\end{table}\n"


def escaped(text: str) -> str:
    """A text in which nothing is a command of LaTeX."""
    return text.translate(_TEX)


def _caption(found: Overview) -> str:
    kinds = "; ".join(f"{kind}: {EXPLAINED[kind]}" for kind in sorted(_kinds(found)))
    return (
        "Energy is of the GPU alone; a dash: none was obtained. Means of n rows under like"
        f" conditions. Basis of time / of energy: {kinds}."
    )


def _kinds(found: Overview) -> set[str]:
    return {kind for group in found.groups for kind in (group.kinds | group.energy_kinds)}


def _cells(group: Group) -> tuple[str, ...]:
    work, energy = group.first["workload"], mean(group.energy_wh_gpu)
    seconds = mean(group.latency_s)
    return (
        group.first["model"],
        group.first["gpu"],
        group.size,
        str(work["steps"]),
        str(work["batch_size"]),
        str(len(group.latency_s)),
        "–" if seconds is None else format_number(seconds),
        "–" if energy is None else format_number(energy),
        "/".join(",".join(sorted(kinds)) for kinds in (group.kinds, group.energy_kinds) if kinds),
    )


def methods_text(rows: Iterable[Row], options: Options) -> Iterator[str]:
    """Markdown: a paragraph, a table of conditions, and what to cite."""
    yield from methods(overview(rows), options.title or "Methods")


def methods(found: Overview, title: str) -> Iterator[str]:
    """`methods_text` of rows that were looked over."""
    yield f"## {title}\n\n{_paragraph(found)}\n\n"
    yield "| condition | value (rows) |\n| --- | --- |\n"
    for name, counts in found.conditions.items():
        yield f"| {name} | {_cell(counted(counts, found.rows))} |\n"
    yield f"| meters | {_cell(counted(found.meters, found.rows) or 'not stated')} |\n"
    for scope in ("gpu", "cpu", "ram"):
        yield f"| {scope.upper()} energy | {counted(_of(found, scope), found.rows)} |\n"
    yield f"\n```bibtex\n{_BIBTEX}```\n"


def _of(found: Overview, scope: str) -> Mapping[str, int]:
    """Kinds of energy of a scope."""
    return {
        name.removeprefix(f"{scope} "): number
        for name, number in found.energy_kinds.items()
        if name.startswith(f"{scope} ")
    }


def _paragraph(found: Overview) -> str:
    if not found.rows:
        return "No rows."
    first, last = found.taken_at
    models = sorted({group.first["model"] for group in found.groups})
    gpus = sorted({group.first["gpu"] for group in found.groups})
    when = f"on {first}" if first == last else f"from {first} to {last}"
    kinds = "; ".join(
        f"{number} {kind} ({EXPLAINED[kind]})" for kind, number in sorted(found.kinds.items())
    )
    protocols = ", ".join(f"{number} by protocol {name}" for name, number in
                          sorted(found.protocols.items()))  # fmt: skip
    return (
        f"We report {found.rows} rows of {_list(models)} on {_list(gpus)}, taken {when} with"
        f" Kinowatt {__version__} [@kinowatt]: {protocols}. Time is that of one call of the"
        " pipeline, from prompt to frames in memory, without loading the model or encoding a"
        f" file. Times are {kinds}. Energy is given by scope and never summed over scopes:"
        f" {_energy(found)}. Rows are averaged only where all conditions of the table agree."
    )


def _energy(found: Overview) -> str:
    scopes = (f"{scope.upper()} {counted(_of(found, scope), found.rows)}" for scope in
              ("gpu", "cpu", "ram"))  # fmt: skip
    return "; ".join(scopes)


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
