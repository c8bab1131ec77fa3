"""What a prompt's length does: forwards by number of tokens, and the paper's times by prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.own.lines import Forward, Line, change_pct, forwards
from kinowatt.analysis.own.models import by_model
from kinowatt.analysis.predict import predict
from kinowatt.analysis.rows import cross_model_rows
from kinowatt.analysis.tables import Table
from kinowatt.units import MS_PER_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompted:
    """One model with a prompt of so many tokens: a forward of its denoiser and one of its text
    encoder; `encoded` tokens leave the encoder, `valid` of the prompt's reach the attention (None
    where the denoiser has no mask); `flops` of one forward of the denoiser, counted."""

    model: str
    tokens: int
    denoiser: Forward
    text: Forward
    encoded: int
    valid: int | None
    flops: float


def prompted(lines: Iterable[Line]) -> list[Prompted]:
    """Of each model and length, fewest tokens first."""
    found = [_prompted(line) for line in lines if "forward_s" in line]
    return sorted(found, key=lambda each: (each.model, each.tokens))


def _prompted(line: Line) -> Prompted:
    (denoiser,) = forwards([line])
    (text,) = forwards([{**line, **line["text_encoder"]}])
    valid = line["seen"]["denoiser_valid_tokens"]
    asked = {"prompt_tokens": line["prompt_tokens"], **line["size"]}
    denoising: Any = predict(line["model"], recipe="single", **asked).stages["denoiser"]
    return Prompted(
        model=line["model"],
        tokens=line["prompt_tokens"],
        denoiser=denoiser,
        text=text,
        encoded=line["seen"]["encoded_tokens"],
        valid=valid[-1] if valid else None,
        flops=denoising["flops"] / denoising["calls"],
    )


def lengths_table(found: Sequence[Prompted]) -> Table:
    """Against the shortest prompt of the same model."""
    rows = [_row(each, mine[0]) for _, mine in by_model(found) for each in mine]
    return Table(
        name="prompts_lengths",
        title="One forward by the prompt's length",
        columns=tuple(rows[0]),
        rows=tuple(rows),
        notes=(
            "Against 5 tokens. sd: of single forwards in the window. Counted work: FLOPs of the"
            " denoiser's operators.",
            "Encoded: tokens that the encoder runs and gives on, padding included. Seen by attention:"
            " of them, those that the denoiser's attention looks at; – where it has no mask and"
            " looks at all.",
        ),
    )


def _row(each: Prompted, shortest: Prompted) -> dict[str, Any]:
    first = each is shortest
    return {
        "model": each.model,
        "prompt_tokens": each.tokens,
        "encoded": each.encoded,
        "seen_by_attention": each.valid,
        "forwards": each.denoiser.forwards,
        "forward_ms": MS_PER_S * each.denoiser.seconds,
        "sd_ms": MS_PER_S * each.denoiser.sd_s,
        "time_pct": None if first else longer_pct(each, shortest),
        "counted_work_pct": None if first else change_pct(each.flops, shortest.flops),
        "power_w": each.denoiser.power_w,
        "text_encoder_ms": MS_PER_S * each.text.seconds,
        "its_sd_ms": MS_PER_S * each.text.sd_s,
    }


def longer_pct(each: Prompted, shortest: Prompted) -> float:
    return change_pct(each.denoiser.seconds, shortest.denoiser.seconds)


def farthest_pct(found: Sequence[Prompted]) -> dict[str, float]:
    """By model: the largest difference in time from its shortest prompt, with its sign."""
    return {
        model: max((longer_pct(each, mine[0]) for each in mine[1:]), key=abs)
        for model, mine in by_model(found)
        if len(mine) > 1
    }


def papers_table() -> Table:
    """How the paper's own times and energies scatter between its prompts."""
    rows = [
        {
            "model": row.published_name,
            "prompts": row.prompts,
            "time_s": row.latency_s,
            "sd_of_time_pct": 100.0 * row.latency_std_s / row.latency_s,
            "gpu_energy_wh": row.energy_wh["gpu"],
            "sd_of_gpu_energy_pct": 100.0 * row.energy_std_wh["gpu"] / row.energy_wh["gpu"],
        }
        for row in cross_model_rows()
    ]
    return Table(
        name="prompts_paper",
        title="The paper's own prompts",
        columns=tuple(rows[0]),
        rows=tuple(rows),
        notes=(
            "Published: whole videos, mean of five runs a prompt; sd between prompts, of differing"
            " lengths and real weights (`data/paper/cross_model.csv`).",
        ),
    )
