"""`kinowatt trace`: a known model again, or a checkpoint folder in diffusers format as a new one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinowatt.errors import InputError, require_extra, unknown_name
from kinowatt.facts.components import component, with_nulls
from kinowatt.facts.loading import SHIPPED, user_folder
from kinowatt.facts.models import ModelSpec, model, models

# Where a checkpoint in diffusers format keeps each role's config
_FOLDERS = {
    "denoiser": ("transformer", "unet"),
    "text_encoder": ("text_encoder",),
    "vae_decoder": ("vae",),
    "latent_upsampler": ("latent_upsampler",),
}


def trace_target(target: str, name: str | None) -> list[dict[str, Any]]:
    """Traces every component of a model or folder; returns a row per table written."""
    require_extra("measure", "torch")
    require_extra("measure", "diffusers")
    if Path(target).is_dir():
        return _trace_folder(Path(target), name)
    spec = model(target)
    if spec.form != "traced":
        raise InputError(f"{spec.name} has no module to trace: its operators are the paper's")
    folder = user_folder() or SHIPPED
    return [_trace(spec.table(role), role, folder) for role in spec.components]


def _trace(table: str, role: str, folder: Path, config: Mapping[str, Any] | None = None) -> Any:
    from kinowatt.lab.trace import Source, trace

    component_id, _, dtype = table.rpartition(".")
    found = component(component_id)
    source = Source(
        table=table,
        cls=found.cls,
        library=found.library,
        config=found.config if config is None else config,
        dtype=dtype,
        role=role,
    )
    path = folder / "operators" / f"{table}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    trace(source, path)
    return {"table": table, "role": role, "class": found.cls, "file": str(path)}


def _trace_folder(source: Path, name: str | None) -> list[dict[str, Any]]:
    """Adds a checkpoint folder (configs only) to the user's facts as a variant of a known family."""
    facts = user_folder()
    if facts is None:
        raise InputError("a folder is added to your facts: set KINOWATT_FACTS to a folder first")
    chosen = (name or source.resolve().name).lower()
    configs = {role: _config(source, role) for role in _FOLDERS}
    base = _base(configs, source)
    components = dict(base.components)
    for role, table in base.components.items():
        config = configs.get(role)
        if config is None or role not in configs:
            continue
        own = base.component(role)
        values = {key: config.get(key, default) for key, default in own.config.items()}
        if values != dict(own.config):
            components[role] = f"{chosen}-{role.replace('_', '-')}.{table.rpartition('.')[2]}"
            _write_component(facts, components[role], own.cls, own.library, values)
    _forget()
    rows = [
        _trace(table, role, facts)
        for role, table in components.items()
        if table != base.components[role]
    ]
    _write_model(facts, chosen, base, components, source)
    _forget()
    return rows or [
        {"table": "-", "role": "all", "class": base.pipeline, "file": "as in " + base.name}
    ]


def _config(source: Path, role: str) -> dict[str, Any] | None:
    for folder in _FOLDERS[role]:
        path = source / folder / "config.json"
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except json.JSONDecodeError as error:
                raise InputError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
            if not isinstance(found, dict):
                raise InputError(f"{path}: a config is an object, not {type(found).__name__}")
            return found
    return None


def _base(configs: Mapping[str, Any], source: Path) -> ModelSpec:
    """The known model with the same denoiser class: its recipe and rules serve the variant."""
    denoiser = configs["denoiser"]
    if denoiser is None:
        raise InputError(f"{source}: no transformer/config.json or unet/config.json in it")
    cls = denoiser.get("_class_name", "")
    known = {
        spec.component("denoiser").cls: spec
        for spec in reversed(list(models().values()))
        if spec.form == "traced"
    }
    if cls not in known:
        raise unknown_name("denoiser class", cls, known)
    found: ModelSpec = known[cls]
    return found


def _write_component(facts: Path, table: str, cls: str, library: str, config: Any) -> None:
    from kinowatt.lab.modules import on_meta, parameter_count

    dtype = table.rpartition(".")[2]
    module = on_meta(cls, library, config, dtype)
    path = facts / "components" / f"{table.rpartition('.')[0]}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f'cls = "{cls}"',
        f'library = "{library}"',
        f"parameters = {parameter_count(module)}",
        'source = "config.json of a checkpoint folder"',
        "",
        "[config]",
        *_toml(config),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(config: Mapping[str, Any]) -> list[str]:
    """Scalars and lists as TOML, nulls under `_null`; JSON's spelling is TOML's for these."""
    nulls = [key for key, value in config.items() if value is None]
    lines = [f"{k} = {json.dumps(v)}" for k, v in config.items() if v is not None]
    assert with_nulls({"_null": nulls}) == dict.fromkeys(nulls)
    return [*lines, f"_null = {json.dumps(nulls)}"]


def _write_model(
    facts: Path, name: str, base: ModelSpec, components: Mapping[str, str], source: Path
) -> None:
    path = facts / "models" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f'base = "{base.name}"',
        f"label = {json.dumps(name)}",
        "aliases = []",
        f"sources = {json.dumps([f'configs of {source.name}'])}",
        "",
        "[components]",
        *(f'{role} = "{table}"' for role, table in components.items()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _forget() -> None:
    """What was read of the facts before has changed."""
    from kinowatt.facts import components, models, operator_tables

    for cache in (
        components.component,
        components.component_files,
        models.models,
        models.model,
        models.model_files,
        models._read,
        operator_tables.operator_table,
    ):
        cache.cache_clear()
