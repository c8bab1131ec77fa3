"""Whether the prompt's length matters: one forward of text encoder and of denoiser, by tokens.

Text encoders are given the prompt padded to a fixed length; of the denoisers only Mochi's leaves
the padding out.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import torch

from experiments.equipment import (
    Asked,
    Call,
    Key,
    Log,
    Part,
    asked,
    first_calls,
    open_lab,
    request_of,
    timed,
)
from kinowatt.lab.session import Session

TOKENS = (5, 50, 200)
ENCODER_WINDOW_S = 2.0  # its joules by sampled power; the counter would need five
VIDEOS: Mapping[str, Mapping[str, Any]] = {
    "wan2.1-t2v-1.3b": {"height_px": 480, "width_px": 832, "frames": 17},
    "cogvideox-2b": {"height_px": 480, "width_px": 720, "frames": 9},
    "mochi-1-preview": {"height_px": 480, "width_px": 848, "frames": 7},
    "ltx-video-0.9.7-dev": {"height_px": 512, "width_px": 704, "frames": 33, "recipe": "single"},
}
COST_S = dict.fromkeys(VIDEOS, 12 + 3 * 9.0)


def shapes(call: Call) -> dict[str, list[int]]:
    """Shapes of the inputs of a call."""
    named = {f"input {index}": value for index, value in enumerate(call.args)} | call.kwargs
    tensors = {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}
    return {name: list(value.shape) for name, value in tensors.items()}


def valid_tokens(call: Call) -> list[int] | None:
    """Tokens of each prompt that its mask lets through; None where the call has no mask."""
    masks = [value for name, value in call.kwargs.items() if name.endswith("attention_mask")]
    masks = [mask for mask in masks if isinstance(mask, torch.Tensor)]
    return masks[0].sum(dim=-1).int().tolist() if masks else None


def measured(session: Session, wanted: Asked, part: Key) -> dict[str, Any]:
    spec = session.built.spec
    video = VIDEOS[spec.name]
    tokens = part["prompt_tokens"]
    request = request_of(spec, wanted, **video, prompt_tokens=tokens, steps=2)
    encoder, denoiser = first_calls(session.built, request)
    found: dict[str, Any] = {"video": video}
    encoder_s = 0.0 if wanted.twin else ENCODER_WINDOW_S
    for stage, call, seconds in (
        ("text_encoder", encoder, encoder_s),
        ("denoiser", denoiser, None),
    ):
        window = timed(session.bench, call, seconds, settle_s=0.5)
        found[stage] = {**window, "shapes": shapes(call), "valid_tokens": valid_tokens(call)}
    return {"told": f"denoiser {found['denoiser']['told']}", **found}


def parts(wanted: Asked, left: Sequence[Key]) -> Iterator[Part]:
    for model, group in groupby(left, lambda part: str(part["model"])):
        session = open_lab(model, wanted)
        try:
            for part in group:
                yield part, partial(measured, session, wanted, part)
        finally:
            session.close()
            del session


def main(argv: Sequence[str] | None = None) -> None:
    wanted = asked(__doc__, COST_S, argv)
    log = Log("prompts", wanted)
    planned = [{"model": model, "prompt_tokens": n} for model in VIDEOS for n in TOKENS]
    log.carry_out(parts(wanted, log.left(planned)))


if __name__ == "__main__":
    main()
