"""What is asked for: how a pipeline is made, what one video is to be, how it is measured.

Values alone, without torch: the process that asks need not be the one that measures.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.models import DEFAULT_PROMPT_TOKENS, ModelSpec

OFFLOADS = ("none", "model")
COMPILES = ("none", "blocks")
# What `--attention` may name, and what PyTorch calls it
BACKENDS = {
    "default": None,
    "cudnn": "CUDNN_ATTENTION",
    "flash": "FLASH_ATTENTION",
    "efficient": "EFFICIENT_ATTENTION",
    "math": "MATH",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildOptions:
    """How a pipeline is made; two rows are alike only where these are equal.

    `weights`: "random", a folder in diffusers format, or "hub" (then `revision` names a commit).
    `dtype` None: each component in its own. `tiling` None: as the pipeline has it. `twin`: the
    same classes with tiny widths, for tests and dry runs on a CPU.
    """

    weights: str = "random"
    revision: str | None = None
    dtype: str | None = None
    device: str = "cuda"
    attention: str = "default"
    offload: str = "none"
    tiling: bool | None = None
    compile: str = "none"
    twin: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, value, known in (
            ("attention backend", self.attention, BACKENDS),
            ("offload", self.offload, OFFLOADS),
            ("compile", self.compile, COMPILES),
        ):
            if value not in known:
                raise unknown_name(kind, value, known)
        if self.dtype not in (None, "float32", "bfloat16", "float16"):
            raise unknown_name("dtype", self.dtype, ("float32", "bfloat16", "float16"))


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoRequest:
    """One call of a pipeline; `prompt` None stands for `prompt_tokens` stand-in words."""

    height_px: int
    width_px: int
    frames: int
    steps: int
    guidance_scale: float
    fps: float
    batch_size: int = 1
    prompt_tokens: int = DEFAULT_PROMPT_TOKENS
    recipe: str = "single"
    prompt: str | None = None
    seed: int = 0

    @classmethod
    def of(cls, spec: ModelSpec, preset: str = "default", **asked: Any) -> Self:
        """A preset's settings overridden by what is given and not None."""
        known = [field.name for field in fields(cls)]
        for name in asked:
            if name not in known:
                raise unknown_name("setting", name, known)
        chosen = spec.preset(preset)
        values: dict[str, Any] = {
            name: getattr(chosen, name) for name in known if hasattr(chosen, name)
        }
        values["prompt_tokens"] = spec.default_prompt_tokens
        values.update({name: value for name, value in asked.items() if value is not None})
        values["recipe"] = spec.recipe(asked.get("recipe"), chosen).name
        return cls(**values)

    def to_dict(self) -> Mapping[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class FullOptions:
    """The paper's protocol is two warm-ups and five timed runs.

    `warmup_steps`: denoising steps of a warm-up; None: as many as the video has. `idle_s`: length
    of the idle baseline. `isolate`: whether short stages are metered alone.
    """

    warmup: int = 2
    warmup_steps: int | None = None
    runs: int = 5
    idle_s: float = 6.0
    isolate: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.warmup <= 1000:
            raise InputError(f"warmup must be from 1 to 1000, not {self.warmup}")
        if not 1 <= self.runs <= 1000:
            raise InputError(f"runs must be from 1 to 1000, not {self.runs}")
