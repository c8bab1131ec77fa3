"""The verb `audit`: read a file, hold it against physics, predictions and itself."""

from collections.abc import Sequence
from pathlib import Path

from kinowatt.analysis.audit.case import Case
from kinowatt.analysis.audit.flags import Audit, merged
from kinowatt.analysis.audit.forecasts import Forecaster
from kinowatt.analysis.audit.registry import detectors
from kinowatt.errors import InputError
from kinowatt.facts.gpus import gpu as find_gpu
from kinowatt.facts.models import model as find_model
from kinowatt.facts.profiles import profile as find_profile
from kinowatt.formats.claims import Claim, Reading, assume
from kinowatt.formats.mapping import parse_map
from kinowatt.formats.registry import read_claims, read_text


def audit(
    path: str | Path,
    mapping: Sequence[str] = (),
    *,
    model: str | None = None,
    gpu: str | None = None,
    profile: str | None = None,
    forecaster: Forecaster | None = None,
) -> Audit:
    """Flags with evidence for every row of a file that something contradicts.

    mapping: `QUANTITY=COLUMN[:UNIT]`; model, gpu: of rows that name none; profile: instead of the
    one of each GPU's that fits the rows best; forecaster: one that remembers, for many files.
    Raises `InputError` in one line.
    """
    named = _named(model, gpu)
    reading = read_claims(path, parse_map(mapping))
    return _audit(reading, named, profile, forecaster)


def audit_text(
    text: str,
    mapping: Sequence[str] = (),
    *,
    file: str = "text",
    model: str | None = None,
    gpu: str | None = None,
    profile: str | None = None,
) -> Audit:
    """As `audit`, of a text; `file`: what it is called in messages."""
    named = _named(model, gpu)
    reading = read_text(file, text, parse_map(mapping))
    return _audit(reading, named, profile)


def _named(model: str | None, gpu: str | None) -> tuple[str | None, str | None]:
    return find_model(model).name if model else None, find_gpu(gpu).name if gpu else None


def _audit(
    reading: Reading,
    named: tuple[str | None, str | None],
    profile: str | None,
    forecaster: Forecaster | None = None,
) -> Audit:
    claims = [assume(claim, *named) for claim in reading.claims]
    return judge(Case(reading, claims, _profile(profile, claims), forecaster))


def _profile(name: str | None, claims: Sequence[Claim]) -> str | None:
    if name is None:
        return None
    found = {claim.gpu for claim in claims if claim.gpu}
    if len(found) != 1:
        raise InputError(f"--profile needs rows of one GPU, these are of {len(found)}: give --gpu")
    return find_profile(name, find_gpu(found.pop())).name


def judge(case: Case) -> Audit:
    """Every detector over claims that were read."""
    reading, claims = case.reading, case.claims
    flags = merged(flag for found in detectors().values() for flag in found.detect(case))
    return Audit(
        file=reading.file,
        format=reading.format,
        rows=len(claims),
        gpus=tuple(sorted({claim.gpu for claim in claims if claim.gpu})),
        profiles={f"{level.model} on {level.gpu}": level.profile for level in case.levels},
        mapping=reading.mapping,
        guessed=reading.guessed,
        flags=flags,
        notes=(*reading.notes, *_unjudged(claims)),
    )


def _unjudged(claims: Sequence[Claim]) -> list[str]:
    """What kept predictions or limits from being used."""
    found = []
    models = [claim for claim in claims if not claim.model]
    if models:
        said = sorted({claim.said.get("model", "") for claim in models} - {""})
        names = f" ({', '.join(said[:3])})" if said else ""
        found.append(
            f"{len(models)} of {len(claims)} rows name no known model{names}: --model names one; "
            "without it settings are not held against predictions"
        )
    gpus = sum(not claim.gpu for claim in claims)
    if gpus:
        found.append(
            f"{gpus} of {len(claims)} rows name no known GPU: --gpu names one; "
            "without it there is no power limit and no prediction"
        )
    return found
