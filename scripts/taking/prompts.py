"""What the length of a prompt does to the time and power of text encoder and denoiser."""

from typing import Any

import torch

from kinowatt.lab.pipelines import Built, denoiser_of
from taking.desk import Desk, Inputs, Pace, Values

SECONDS = 150.0
NEEDS_S = 5.0
BUILD_S = 8.0
TOKENS = (5, 200, 50)
# Short sizes, so that text weighs as much as it can
MODELS: tuple[tuple[str, Values], ...] = (
    ("wan2.1-t2v-1.3b", {"height_px": 480, "width_px": 832, "frames": 17}),
    ("mochi-1-preview", {"height_px": 480, "width_px": 848, "frames": 19}),
    ("cogvideox-2b", {"height_px": 480, "width_px": 720, "frames": 13}),
    ("ltx-video-0.9.7-dev", {"height_px": 320, "width_px": 448, "frames": 121}),
    ("animatediff-lightning", {}),
)


def take(desk: Desk) -> None:
    for name, size in desk.wanted(MODELS):
        if desk.left_s() < BUILD_S:
            break
        desk.attempt(("prompts", name), {"variant": "built"}, lambda n=name: _built(desk, n))
        for tokens in TOKENS:
            about = {"variant": f"{tokens} tokens", "prompt_tokens": tokens, "size": size}
            desk.attempt(
                ("prompts", name),
                about,
                lambda n=name, s=size, t=tokens: _one(desk, n, s | {"prompt_tokens": t}),
                NEEDS_S,
            )
        if name != MODELS[0][0]:  # the experiments after this one take it again
            desk.drop(name)


def _built(desk: Desk, name: str) -> Values:
    built = desk.built(name)
    return {"max_sequence_length": built.spec.max_sequence_length}


def _one(desk: Desk, name: str, asked: Values) -> Values:
    built = desk.built(name)
    inputs = desk.inputs(built, desk.request(name, **asked))
    args, kwargs = inputs.denoiser
    denoiser = denoiser_of(built.pipe)
    short = Pace(window_s=desk.pace.window_s / 3, warm_s=desk.pace.warm_s / 4)
    found = desk.window(
        lambda: denoiser(*args, **kwargs),
        Pace(window_s=0.85 * desk.pace.window_s, warm_s=desk.pace.warm_s / 2),
    )
    module, text_args, text_kwargs = inputs.text[0]
    text = desk.window(lambda: module(*text_args, **text_kwargs), short)
    return found | {
        "text_encoder": text,
        "seen": seen(built, inputs),
        "denoiser_shape": inputs.shape,
    }


def seen(built: Built, inputs: Inputs) -> Values:
    """How many tokens reach text encoder and denoiser, and how many of them are words."""
    _, args, kwargs = inputs.text[0]
    ids = args[0] if args else kwargs["input_ids"]
    pad = built.pipe.tokenizer.pad_token_id
    denoiser = inputs.denoiser[1]
    mask = denoiser.get("encoder_attention_mask")
    return {
        "encoded_tokens": int(ids.shape[1]),
        "words_and_end": int((ids[0] != pad).sum()),
        "text_calls": len(inputs.text),
        "denoiser_text_shape": _shape(denoiser.get("encoder_hidden_states")),
        "denoiser_valid_tokens": None if mask is None else mask.sum(dim=-1).tolist(),
    }


def _shape(value: Any) -> list[int] | None:
    return list(value.shape) if isinstance(value, torch.Tensor) else None
