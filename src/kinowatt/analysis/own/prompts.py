"""What a prompt's length does: forwards by number of tokens, and the paper's times by prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kinowatt.analysis.own.lines import Forward, Line, change_pct, comparable, forwards
from kinowatt.analysis.predict import predict
from kinowatt.analysis.rows import cross_model_rows
from kinowatt.analysis.tables import Table
from kinowatt.units import MS_PER_S

# Seconds of a window below which it is too short to tell: how many forwards it has is planned from
# one of the warm-up, and where that one chose kernels it took seconds itself
TELLING_S = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompted:
    """One model with a prompt of so many tokens: a forward of its denoiser and one of its text
    encoder; `encoded` tokens leave the encoder, `valid` of the prompt's reach the attention (None
    where the denoiser has no mask); `flops` of one forward of the denoiser, counted."""

    gpu: str
    model: str
    tokens: int
    denoiser: Forward
    text: Forward
    encoded: int
    valid: int | None
    flops: float

    @property
    def telling(self) -> bool:
        """Whether its window is long enough to be compared."""
        return self.denoiser.window_s >= TELLING_S


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """One model on one GPU, fewest tokens first."""

    gpu: str
    model: str
    all: tuple[Prompted, ...]

    @property
    def base(self) -> Prompted:
        """The shortest prompt whose window tells: what the others are compared with."""
        return next(each for each in self.all if each.telling)

    @property
    def compared(self) -> list[Prompted]:
        return [each for each in self.all if each.telling and each is not self.base]

    def longer_pct(self, each: Prompted) -> float:
        return change_pct(each.denoiser.seconds, self.base.denoiser.seconds)

    def work_pct(self, each: Prompted) -> float:
        return change_pct(each.flops, self.base.flops)

    def scatter_pct(self, each: Prompted) -> float:
        """sd of single forwards."""
        return 100.0 * each.denoiser.sd_s / self.base.denoiser.seconds

    @property
    def farthest_pct(self) -> float:
        """The largest difference in time from the shortest prompt that tells, with its sign."""
        return max((self.longer_pct(each) for each in self.compared), key=abs)

    @property
    def most_work_pct(self) -> float:
        return max(self.work_pct(each) for each in self.compared)


def prompted(lines: Iterable[Line]) -> list[Lengths]:
    """Of each GPU and model."""
    found = [_prompted(line) for line in lines if "forward_s" in line]
    return [
        Lengths(gpu=on, model=model, all=tuple(sorted(mine, key=lambda each: each.tokens)))
        for (on, model), mine in comparable(found)
    ]


def _prompted(line: Line) -> Prompted:
    (denoiser,) = forwards([line])
    (text,) = forwards([{**line, **line["text_encoder"]}])
    valid = line["seen"]["denoiser_valid_tokens"]
    asked = {"prompt_tokens": line["prompt_tokens"], **line["size"]}
    denoising: Any = predict(line["model"], recipe="single", **asked).stages["denoiser"]
    return Prompted(
        gpu=line["gpu"],
        model=line["model"],
        tokens=line["prompt_tokens"],
        denoiser=denoiser,
        text=text,
        encoded=line["seen"]["encoded_tokens"],
        valid=valid[-1] if valid else None,
        flops=denoising["flops"] / denoising["calls"],
    )


def lengths_table(found: Sequence[Lengths]) -> Table:
    """Against the shortest prompt of the same model on the same GPU whose window tells."""
    rows = [_row(mine, each) for mine in found for each in mine.all]
    return Table(
        name="prompts_lengths",
        title="One forward by the prompt's length",
        rows=tuple(rows),
        notes=(
            "Against the shortest prompt of the same GPU and model whose window lasts"
            f" {TELLING_S:.0f} s; – in time: that prompt itself, or a window that is shorter. sd: of"
            " single forwards in the window. Counted work: FLOPs of the denoiser's operators.",
            "Encoded: tokens that the encoder runs and gives on, padding included. Seen by attention:"
            " of them, those that the denoiser's attention looks at; – where it has no mask and"
            " looks at all.",
            "Power by NVML's counter, which moves every tenth of a second: rough where the window"
            " lasts two of them.",
        ),
    )


def _row(mine: Lengths, each: Prompted) -> dict[str, Any]:
    told = each in mine.compared
    return {
        "gpu": each.gpu,
        "model": each.model,
        "prompt_tokens": each.tokens,
        "encoded": each.encoded,
        "seen_by_attention": each.valid,
        "forwards": each.denoiser.forwards,
        "window_s": each.denoiser.window_s,
        "forward_ms": MS_PER_S * each.denoiser.seconds,
        "sd_ms": MS_PER_S * each.denoiser.sd_s,
        "time_pct": mine.longer_pct(each) if told else None,
        "counted_work_pct": None if each is mine.base else mine.work_pct(each),
        "power_w": each.denoiser.power_w,
        "clock_mhz": each.denoiser.clock_mhz,
        "text_encoder_ms": MS_PER_S * each.text.seconds,
        "its_sd_ms": MS_PER_S * each.text.sd_s,
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
        rows=tuple(rows),
        notes=(
            "Published: whole videos, mean of five runs a prompt; sd between prompts, of differing"
            " lengths and real weights (`data/paper/cross_model.csv`).",
        ),
    )
