"""Two GPUs of one host, faster and undisturbed? The page and its picture."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from kinowatt.analysis.own.two_gpus import (
    Pair,
    SpeedUp,
    Taken,
    finish_table,
    pairs_table,
    slow_share,
    speed_up,
    spells_table,
)
from kinowatt.report.experiments.pages import (
    MADE,
    SHADES,
    Experiment,
    good_for,
    page,
    prose,
    section,
)
from kinowatt.report.style import INK, plotting

TARGET = 1.9  # of two GPUs over one
DISTURBED_PCT = 1.0
BYTECODE = """**A start of 25 s was bytecode.** On 27 November, on two H200, it was 1.82 times: Python
was told not to keep bytecode (`PYTHONDONTWRITEBYTECODE=1`, as in many containers), so that each process
compiled diffusers anew and imported for 18 s; with bytecode it is 8 to 11 s on such hosts.
`kinowatt doctor` says where it is not kept."""


def two_gpus(taken: Taken, forecast: Mapping[str, Any]) -> Experiment:
    """`forecast`: what `sweep --dry-run --json` said before the run."""
    return Experiment(
        name="two-gpus", text=text(taken, forecast), draw=lambda: draw(taken, speed_up(taken))
    )


def text(taken: Taken, forecast: Mapping[str, Any]) -> str:
    found = speed_up(taken)
    return page(
        "# Two GPUs of one host: twice as much, and undisturbed?",
        MADE,
        prose(
            f"A campaign runs a process for each GPU of a host. The same {len(taken.pairs)} short"
            " videos of Wan-1.3B were measured on two GPUs at once, and then on one. How much"
            " sooner are two done, and does a neighbour change what is measured?"
        ),
        prose(_faster(found)),
        prose(BYTECODE),
        prose(_disturbed(taken)),
        "![Left: steps of rows paced by the host. Right: change of denoiser time with a"
        " neighbour](../images/experiment-two-gpus.png)",
        section(pairs_table(taken), _pairs(taken)),
        section(spells_table(taken), _spells(taken)),
        section(finish_table(taken, forecast), _forecast()),
        _good_for(),
    )


def _faster(found: SpeedUp) -> str:
    start = found.start_s[1]
    # (start + w) / (start + w / 2) reaches the target
    needed = start * (TARGET - 1) / (1 - TARGET / 2)
    return f"""**Faster.** From the first line of the campaign to its last row two GPUs are
{found.whole:.2f} times as fast as one (target {TARGET}), though each process first takes
{start:.0f} s to import PyTorch and diffusers and to build its pipeline ({found.start_s[2]:.0f} s in the
run on two, which came first and read libraries from a cold disk). Whole commands, with their own start
and end, are {found.commands:.2f} times as fast. Once they measure, both GPUs have a row
{100 * found.busy:.1f}% of the time; rows that the GPU paces are then measured
{found.paced_by_gpu:.2f} times as fast, all rows {found.measuring:.2f} times. Had every row taken
alone what it took with a neighbour, it would be {found.equal_rows:.2f}. With such a start, {TARGET} is
reached from about {needed / 60:.1f} GPU-minutes of rows on (modelled, from the same start on both)."""


def _disturbed(taken: Taken) -> str:
    same = taken.chosen(host_paced=False, same_gpu=True)
    changes = [pair.change_pct("denoiser") for pair in same]
    energies = [pair.energy_pct() or 0.0 for pair in same]
    return f"""**Undisturbed, where it can be told.** Of {len(same)} rows that the GPU paces and
that ran on the same GPU both times, the denoiser's time changes by {min(changes):+.1f} to
{max(changes):+.1f}% and GPU energy by {min(energies):+.1f} to {max(energies):+.1f}%: within the target
of {DISTURBED_PCT:.0f}%. Whole calls change by up to {_most(same, None):.1f}%: by the text encoder and
the work between stages, which the host paces. **Rows that the host paces tell nothing at that
level**: identical steps differ by half and more within one row, alone as well. No row needs
other scheduling on this evidence."""


def _most(pairs: Sequence[Pair], stage: str | None) -> float:
    return max(abs(pair.change_pct(stage)) for pair in pairs)


def _pairs(taken: Taken) -> str:
    moved = taken.chosen(host_paced=False, same_gpu=False)
    changes = [pair.change_pct("denoiser") for pair in moved]
    return f"""Rows that moved to the second GPU change by {min(changes):+.1f} to
{max(changes):+.1f}% in the denoiser. That GPU was not measured alone, so chip and neighbour cannot be
told apart there."""


def _spells(taken: Taken) -> str:
    host = [pair for pair in taken.pairs if pair.host_paced]
    alone = 100 * fmean(slow_share(pair.alone) for pair in host)
    beside = 100 * fmean(slow_share(pair.beside) for pair in host)
    return f"""The whole scatter is the denoiser's. Its GPU waits for the host in these rows (no queue
builds up), and the host launches quick steps and slow ones, in spells. Rows differ by the share of slow
steps: {alone:.0f}% alone, {beside:.0f}% with a neighbour. On two hosts with H200 it was 42% and 24%,
then 27% and 80%, so that a neighbour is not needed for them. The GPU's clock stays at its maximum of
1980 MHz throughout: it is the host and not the GPU. *Why* the host changes its pace the rows do not
tell: they do not record on which core a process ran, nor what else the hypervisor did."""


def _forecast() -> str:
    return """Committed with the plan, before the run. Both totals are within 10% of what the rows
took."""


def _good_for() -> str:
    return good_for(
        """Thirty-one rows of at most 12.2 s on a virtual machine with two H100 SXM, bytecode kept;
        each row once.""",
        """One GPU was measured alone, not both, and always after the two: order, temperature and
        neighbour change together. Repeats of both, in turns, with processes pinned to cores, would
        tell more about rows that the host paces.""",
        """More than two GPUs, more processes than cores, and pipelines that are offloaded (whose
        weights pass through the host's memory) may well disturb each other; nothing here says so
        or not.""",
        """Rows and logs: `data/campaigns/two-gpus/`. Done times are the log's, to a tenth of a
        second.""",
    )


def draw(taken: Taken, found: SpeedUp) -> Any:
    """Step after step of rows paced by the host; change of every row that the GPU paces."""
    plt = plotting()
    figure, axes = plt.subplots(1, 2, figsize=(10.8, 3.9), width_ratios=(1.2, 1.0))
    host = [pair for pair in taken.pairs if pair.host_paced]
    for index, pair in enumerate(host):
        for row, style in ((pair.alone, "-"), (pair.beside, ":")):
            steps = row["stages"]["denoiser"]["steps_s"]
            axes[0].plot(range(1, len(steps) + 1), steps, style, color=SHADES[index], linewidth=1)
    axes[0].set(xlabel="step", ylabel="seconds", ylim=(0, None))
    axes[0].set_title("Paced by the host: alone (—), with a neighbour (···)", loc="left")
    names = {True: "same GPU", False: "another GPU"}
    paced = [pair for pair in taken.pairs if not pair.host_paced]
    for same, colour in ((True, INK), (False, "#999999")):
        chosen = [(n, p) for n, p in enumerate(paced) if p.same_gpu is same]
        axes[1].barh(
            [n for n, _ in chosen],
            [p.change_pct("denoiser") for _, p in chosen],
            color=colour,
            label=names[same],
        )
    axes[1].axvspan(-DISTURBED_PCT, DISTURBED_PCT, color="#dddddd", zorder=0)
    labels = [f"{p.work[0]}p, {p.work[2]} steps" for p in paced]
    axes[1].set_yticks(range(len(paced)), labels, fontsize=7)
    axes[1].set_xlabel("denoiser time with a neighbour, against alone (%)")
    axes[1].set_title(f"Paced by the GPU; two are {found.paced_by_gpu:.2f}x", loc="left")
    axes[1].grid(False, axis="y")
    axes[1].set_xlim(-1.5, 2.0)
    axes[1].legend(fontsize=8, loc="lower right")
    return figure
