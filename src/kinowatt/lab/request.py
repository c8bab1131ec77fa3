"""What one video is asked to be, as a pipeline is told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from kinowatt.errors import unknown_name
from kinowatt.facts.models import ModelSpec

DEFAULT_PROMPT_TOKENS = 40


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
        values["prompt_tokens"] = min(DEFAULT_PROMPT_TOKENS, spec.max_sequence_length)
        values.update({name: value for name, value in asked.items() if value is not None})
        values["recipe"] = spec.recipe(asked.get("recipe"), chosen).name
        return cls(**values)

    def to_dict(self) -> Mapping[str, Any]:
        return asdict(self)
