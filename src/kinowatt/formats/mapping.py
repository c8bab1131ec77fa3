"""Which column holds which quantity in which unit: given with --map, or guessed from its name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kinowatt.errors import InputError, unknown_name
from kinowatt.formats.quantities import checked_unit, dimension


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column: the quantity read from it, its unit, and whether the name alone said so."""

    quantity: str
    name: str
    unit: str
    guessed: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


def parse_map(texts: Iterable[str]) -> tuple[Column, ...]:
    """`latency_s=time:ms,energy_wh_gpu=gpu_kwh:kWh`; several texts are one mapping."""
    found: dict[str, Column] = {}
    for text in ",".join(texts).split(","):
        if not text.strip():
            continue
        quantity, equals, rest = (part.strip() for part in text.partition("="))
        name, colon, unit = rest.rpartition(":")
        if not colon:
            name, unit = rest, ""
        if not equals or not name:
            raise InputError(f"--map takes QUANTITY=COLUMN or QUANTITY=COLUMN:UNIT, not {text!r}")
        dimension(quantity)
        if quantity in found:
            raise InputError(f"--map names {quantity} twice: {found[quantity].name} and {name}")
        unit = unit or _unit_in_name(name, dimension(quantity))
        found[quantity] = Column(quantity=quantity, name=name, unit=checked_unit(quantity, unit))
    return tuple(found.values())


def check_columns(columns: Iterable[Column], header: Sequence[str], where: str) -> None:
    """`InputError` for a column that the file does not have."""
    for column in columns:
        if column.name not in header:
            raise InputError(f"{where}: {unknown_name('column', column.name, header)}")


# Words of a column's name → what it is; the longest that fits wins
_NAMES: Mapping[str, tuple[str, ...]] = {
    "height_px": ("height", "video height", "height px", "h px"),
    "width_px": ("width", "video width", "width px", "w px"),
    "frames": ("frames", "num frames", "n frames", "frame count", "number of frames"),
    "steps": ("steps", "num steps", "num inference steps", "inference steps", "denoising steps"),
    "guidance_scale": ("guidance", "guidance scale", "cfg", "cfg scale"),
    "batch_size": ("batch", "batch size", "num videos"),
    "prompt_tokens": ("prompt tokens",),
    "fps": ("fps", "frame rate"),
    "size": ("size", "resolution", "video size"),
    "model": ("model", "model id", "model name"),
    "gpu": ("gpu", "gpu model", "gpu name", "device", "accelerator"),
    "label": ("label", "name", "run", "run id", "project name", "prompt id", "config", "id"),
    "taken_at": ("timestamp", "date", "taken at", "started at", "start time"),
    "gpu_count": ("gpu count", "num gpus", "gpus"),
    "runs": ("runs", "num runs", "iterations", "num iterations"),
    "warmup_runs": ("warmup", "warmup runs"),
}
_BY_WORDS = {words: quantity for quantity, names in _NAMES.items() for words in names}
_UNIT_WORDS = {
    "time": {
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
        **dict.fromkeys(("ms", "msec", "milliseconds"), "ms"),
        **dict.fromkeys(("min", "mins", "minutes"), "min"),
        **dict.fromkeys(("h", "hours"), "h"),
    },
    "energy": {
        "wh": "Wh",
        "kwh": "kWh",
        "mwh": "mWh",
        "j": "J",
        "kj": "kJ",
        "mj": "mJ",
        **dict.fromkeys(("joule", "joules"), "J"),
    },
    "power": {**dict.fromkeys(("w", "watt", "watts"), "W"), "kw": "kW", "mw": "mW"},
}
_TIME = {"latency", "time", "duration", "runtime", "elapsed", "walltime"}
_SCOPE_WORDS = {"gpu": "gpu", "cpu": "cpu", "ram": "ram", "dram": "ram"}
_FILLER = {"per", "video", "mean", "avg", "average", "total", "generation", "batch", "wall", "e2e"}
_STAGES = {
    "text encoder": "text_encoder", "text": "text_encoder", "encode": "text_encoder",
    "denoiser": "denoiser", "denoise": "denoiser", "denoising": "denoiser", "dit": "denoiser",
    "vae": "vae_decoder", "vae decoder": "vae_decoder", "decode": "vae_decoder",
    "vae decode": "vae_decoder",
    "generate": "generate", "upsample": "upsample", "refine": "refine",
}  # fmt: skip


def guess(header: Sequence[str], taken: Iterable[Column] = ()) -> tuple[Column, ...]:
    """What plain names of columns say, the first column of each quantity; what is `taken` stays.

    A name that says a spread or a limit of something (`_std`, `_max`, `_err`) says nothing here.
    """
    found = {column.quantity: column for column in taken}
    used = {column.name for column in found.values()}
    for name in header:
        quantity, unit = _meaning(name)
        if quantity and quantity not in found and name not in used:
            unit = checked_unit(quantity, unit)
            found[quantity] = Column(quantity=quantity, name=name, unit=unit, guessed=True)
    return tuple(found.values())


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z]{2})(?=[A-Z][a-z])", " ", name)
    return re.sub(r"[^A-Za-z0-9]+", " ", spaced).split()


def _unit_in_name(name: str, kind: str) -> str:
    """The unit that a word of a name after the first states, or ''."""
    return next((unit for word in _words(name)[1:] if (unit := _as_unit(word, kind))), "")


def _as_unit(word: str, kind: str) -> str:
    if kind == "energy" and word in ("MWh", "MJ"):
        return word
    return _UNIT_WORDS.get(kind, {}).get(word.lower(), "")


def _meaning(name: str) -> tuple[str, str]:
    """Quantity and unit of a column by its name; both '' where it says nothing known."""
    words = _words(name)
    text = " ".join(words).lower()
    if text in _BY_WORDS:
        return _BY_WORDS[text], ""
    for kind in _UNIT_WORDS:
        unit = _unit_in_name(name, kind)
        rest = [word.lower() for word in words if not (unit and _as_unit(word, kind))]
        if found := _measured(kind, rest, unit):
            return found, unit
    return "", ""


def _measured(kind: str, words: list[str], unit: str) -> str:
    """The quantity that words besides the unit name, for one dimension, or ''."""
    scopes = [_SCOPE_WORDS[word] for word in words if word in _SCOPE_WORDS]
    plain = [word for word in words if word not in _SCOPE_WORDS and word not in _FILLER]
    said = {"time": _TIME, "energy": {"energy", "consumption"}, "power": {"power"}}[kind]
    named = [word for word in plain if word in said]
    others = " ".join(word for word in plain if word not in said)
    if not named and not unit:
        return ""
    if others in _STAGES and kind in ("time", "energy") and scopes in ([], ["gpu"]):
        return f"stage.{_STAGES[others]}." + ("latency_s" if kind == "time" else "energy_wh_gpu")
    if kind == "power" and others in ("idle", "limit"):
        return {"idle": "idle_power_w", "limit": "power_limit_w"}[others]
    if others or len(scopes) > 1 or (kind == "time" and scopes):
        return ""
    base = {"time": "latency_s", "energy": "energy_wh", "power": "power_w"}[kind]
    return f"{base}_{scopes[0]}" if scopes else base
