"""The JSON Schema of plans, for editors: made of the same dataclasses that read them."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from kinowatt.campaign.plan import PLAN_VERSION, Block, Plan, Protocol
from kinowatt.campaign.settings import Setting, protocol_options, settings
from kinowatt.facts.models import models
from kinowatt.lab.measurement_checks import PROTOCOLS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
TYPES: Mapping[str, Mapping[str, Any]] = {
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "text": {"type": "string"},
    "flag": {"type": "boolean"},
    "size": {"type": "string", "pattern": "^[0-9]+ *[xX×] *[0-9]+$"},
}
DOCS: Mapping[str, str] = {
    "plan": "name of the plan",
    "about": "what it is for, in a sentence",
    "set": "settings with one value",
    "protocol": "how rows are measured; several are run through",
    "meters": "names of meters; auto: what works",
    "time_limit_s": "a row that takes longer is a hang; default: ten times its prediction",
    "blocks": "the rows",
    "models": "names or aliases of `kinowatt models`",
    "label": "what the block is called in tables",
    "grid": "settings with several values, each with each",
    "zip": "settings with equally many values, taken together",
    "exclude": "rows that are left out, where all conditions of an entry hold",
    "overrides": "by model, values that replace those of set and grid",
}


def schema() -> dict[str, Any]:
    """Of a whole plan; every key, setting and choice is listed, nothing else is allowed."""
    plan = _object(Plan)
    plan["properties"] = {"version": {"const": PLAN_VERSION}, **plan["properties"]}
    return {
        "$schema": DRAFT,
        "title": "A plan of `kinowatt sweep`",
        **plan,
        "$defs": {
            "block": _object(Block),
            "protocol": _protocol(),
            "values": {name: _values(found) for name, found in settings().items()},
            "single": {name: _single(found) for name, found in settings().items()},
        },
    }


def _object(cls: type) -> dict[str, Any]:
    """A mapping with the fields of a dataclass."""
    found, holds = fields(cls), _of_fields()
    return _closed(
        {f.name: {"description": DOCS[f.name], **holds[f.name]} for f in found},
        [
            f.name
            for f in found
            if f.default is f.default_factory is MISSING and f.name != "protocol"
        ],
    )


def _closed(properties: Mapping[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    more = {"required": required} if required else {}
    return {
        "type": "object",
        "properties": dict(properties),
        **more,
        "additionalProperties": False,
    }


def _group(kind: str) -> dict[str, Any]:
    return _closed({name: {"$ref": f"#/$defs/{kind}/{name}"} for name in settings()})


def _one_or_many(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _single(found: Setting) -> dict[str, Any]:
    choices = {"enum": list(found.choices)} if found.choices else {}
    return {"description": found.doc, **TYPES[found.kind], **choices}


def _values(found: Setting) -> dict[str, Any]:
    """One value, a list, a span of numbers, or the lines of a file."""
    one = _single(found)
    item: dict[str, Any] = {k: v for k, v in one.items() if k != "description"}
    if found.kind in ("whole", "number"):
        span = _closed({"from": item, "to": item, "step": item}, ["from", "to"])
        item = {"anyOf": [item, span]}
    elif found.kind == "text":
        count = {"type": "integer", "minimum": 1}
        item = {
            "anyOf": [item, _closed({"lines_of": {"type": "string"}, "first": count}, ["lines_of"])]
        }
    return {"description": found.doc, **_one_or_many(item)}


def _condition() -> dict[str, Any]:
    bounds = _closed({"from": {"type": "number"}, "to": {"type": "number"}})
    found: dict[str, Any] = {"model": _one_or_many({"type": "string"})}
    for name, what in settings().items():
        values = _values(what)
        if what.kind in ("whole", "number"):
            values = {"description": what.doc, "anyOf": [*values["anyOf"], bounds]}
        found[name] = values
    return _closed(found)


def _protocol() -> dict[str, Any]:
    options = {name: TYPES[found.kind] for name, found in protocol_options().items()}
    name: dict[str, Any] = {"enum": list(PROTOCOLS)}
    assert {field.name for field in fields(Protocol)} == {"name", "options"}
    return {"anyOf": [name, _closed({"name": name, **options})]}


def _models() -> dict[str, Any]:
    known = [name for name, spec in models().items() if spec.scheduler is not None]
    aliases = [a for name in known for a in models()[name].aliases]
    return _one_or_many({"type": "string", "examples": [*known, *aliases]})


def _of_fields() -> Mapping[str, dict[str, Any]]:
    """What each field of `Plan` and `Block` may hold."""
    return {
        "plan": {"type": "string"},
        "about": {"type": "string"},
        "label": {"type": "string"},
        "set": _group("single"),
        "protocol": _one_or_many({"$ref": "#/$defs/protocol"}),
        "meters": _one_or_many({"type": "string"}),
        "time_limit_s": {"type": "number", "exclusiveMinimum": 0},
        "blocks": {"type": "array", "items": {"$ref": "#/$defs/block"}, "minItems": 1},
        "models": _models(),
        "grid": _group("values"),
        "zip": _group("values"),
        "exclude": _one_or_many(_condition()),
        "overrides": {"type": "object", "additionalProperties": _group("values")},
    }
