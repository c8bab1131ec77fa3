"""From a file (or the name of a shipped plan) to a Plan; every error names the line."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from kinowatt.campaign.plan import (
    PLAN_VERSION,
    Axes,
    Block,
    Bounds,
    Plan,
    Protocol,
    Span,
    Values,
)
from kinowatt.campaign.plan_text import Text, Trail, read_text
from kinowatt.campaign.settings import Setting, protocol_options, setting, settings, shown
from kinowatt.errors import InputError, unknown_name
from kinowatt.facts.models import model
from kinowatt.lab.measurement_checks import PROTOCOLS

SHIPPED = Path(__file__).parent / "plans"
SUFFIXES = (".yaml", ".yml", ".json")
PLAN_KEYS = ("version", "plan", "about", "set", "protocol", "meters", "time_limit_s", "blocks")
BLOCK_KEYS = ("label", "models", "set", "grid", "zip", "exclude", "overrides", "protocol")
SPAN_KEYS = ("from", "to", "step")
FILE_KEYS = ("lines_of", "first")


def shipped() -> dict[str, Path]:
    """The plans that come with Kinowatt, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def find_plan(name: str) -> Path:
    """A file, or a shipped plan by its bare name; `InputError` offers the nearest."""
    path = Path(name)
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        return path
    if name not in shipped():
        more = "; a plan of your own is a .yaml file" if not path.exists() else ""
        raise InputError(f"{unknown_name('plan', name, shipped())}{more}")
    return shipped()[name]


def load_plan(name: str) -> Plan:
    """Reads and checks a plan; `InputError` starts with `FILE:LINE:`."""
    path = find_plan(name)
    return plan_of(read_text(path), path.parent)


def plan_of(text: Text, folder: Path) -> Plan:
    """A plan of its text; files that it names are looked for in `folder`."""
    reader = _Reader(text, folder)
    data = reader.mapping((), text.data, PLAN_KEYS, required=("plan", "blocks"))
    version = data.get("version", PLAN_VERSION)
    if version != PLAN_VERSION:
        text.fail(("version",), f"must be {PLAN_VERSION}, not {shown(version)}")
    protocol = reader.protocols(("protocol",), data.get("protocol", {}))
    blocks = reader.sequence(("blocks",), data["blocks"])
    limit = data.get("time_limit_s")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
        text.fail(("time_limit_s",), f"must be seconds, not {shown(limit)}")
    if limit is not None and not limit > 0:
        text.fail(("time_limit_s",), f"must be above 0, not {shown(limit)}")
    return Plan(
        plan=reader.text_of(("plan",), data["plan"]),
        about=reader.text_of(("about",), data.get("about", "")),
        set=reader.single(("set",), data.get("set", {})),
        protocol=protocol,
        meters=tuple(
            reader.text_of(("meters", index), item)
            for index, item in enumerate(_listed(data.get("meters", "auto")))
        ),
        time_limit_s=limit,
        blocks=tuple(
            reader.block(("blocks", index), item, protocol) for index, item in enumerate(blocks)
        ),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Reader:
    """Takes plain data apart; knows the text for its lines."""

    def __init__(self, text: Text, folder: Path) -> None:
        self.text = text
        self.folder = folder

    def mapping(
        self, trail: Trail, data: Any, keys: Iterable[str] | None, required: Iterable[str] = ()
    ) -> dict[str, Any]:
        """A mapping with these keys alone; None stands for any keys."""
        if not isinstance(data, dict):
            self.text.fail(trail, f"must be a mapping, not {shown(data)}")
        for key in data:
            if keys is not None and key not in keys:
                raise InputError(f"{self.text.where((*trail, key))}: {_unknown(key, keys)}")
        for key in required:
            if key not in data:
                self.text.fail(trail, f"lacks {key!r}")
        return data

    def sequence(self, trail: Trail, data: Any) -> list[Any]:
        if not isinstance(data, list) or not data:
            self.text.fail(trail, f"must be a list with something in it, not {shown(data)}")
        return data

    def text_of(self, trail: Trail, data: Any) -> str:
        if not isinstance(data, str):
            self.text.fail(trail, f"must be a text, not {shown(data)}")
        return data

    def block(self, trail: Trail, data: Any, protocol: tuple[Protocol, ...]) -> Block:
        data = self.mapping(trail, data, BLOCK_KEYS, required=("models",))
        models = tuple(
            self.model((*trail, "models", index), item)
            for index, item in enumerate(_listed(data["models"]))
        )
        if len(set(models)) != len(models) or not models:
            self.text.fail((*trail, "models"), "must name each model once, and one at least")
        own = data.get("protocol")
        overrides = self.mapping((*trail, "overrides"), data.get("overrides", {}), None)
        grid = self.axes((*trail, "grid"), data.get("grid", {}))
        zipped = self.axes((*trail, "zip"), data.get("zip", {}))
        fixed = self.single((*trail, "set"), data.get("set", {}))
        self._once(trail, fixed, grid, zipped)
        self._equally_long((*trail, "zip"), zipped)
        return Block(
            models=models,
            label=self.text_of((*trail, "label"), data.get("label", "")),
            set=fixed,
            grid=grid,
            zip=zipped,
            exclude=tuple(
                self.condition((*trail, "exclude", index), item)
                for index, item in enumerate(_listed(data.get("exclude", [])))
            ),
            overrides={
                self._override((*trail, "overrides", name), name, models): self._instead(
                    (*trail, "overrides", name), values, {**grid, **fixed}, zipped
                )
                for name, values in overrides.items()
            },
            protocol=protocol if own is None else self.protocols((*trail, "protocol"), own),
        )

    def _override(self, trail: Trail, name: str, models: tuple[str, ...]) -> str:
        found = self.model(trail, name)
        if found not in models:
            self.text.fail(trail, f"is not among the models of this block: {', '.join(models)}")
        return found

    def _instead(
        self, trail: Trail, data: Any, given: Mapping[str, Any], zipped: Axes
    ) -> dict[str, Values]:
        """Values of one model; they may replace settings of `given`, none that are zipped."""
        axes = self.axes(trail, data)
        for name in axes:
            if name in zipped:
                self.text.fail((*trail, name), "is zipped with others and cannot be overridden")
            rivals = ("height_px", "width_px") if name == "size" else ("size",)
            if name in ("size", "height_px", "width_px") and set(rivals) & {*given, *zipped, *axes}:
                self.text.fail(
                    (*trail, name), f"stands against {' and '.join(rivals)}: use one way"
                )
        return axes

    def _once(self, trail: Trail, *groups: Mapping[str, Any]) -> None:
        """A setting in two places would leave open which of them holds."""
        seen: set[str] = set()
        for group in groups:
            for name in group:
                if name in seen:
                    self.text.fail(trail, f"gives {name!r} twice: in set, grid or zip")
                seen.add(name)
        if "size" in seen and seen & {"height_px", "width_px"}:
            self.text.fail(trail, "gives both size and height_px or width_px")

    def _equally_long(self, trail: Trail, axes: Axes) -> None:
        lengths = {name: len(values) for name, values in axes.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
            self.text.fail(trail, f"needs equally many values of each: {told}")

    def model(self, trail: Trail, name: Any) -> str:
        try:
            spec = model(self.text_of(trail, name))
        except InputError as error:
            raise InputError(f"{self.text.where(trail)}: {error}") from None
        if spec.scheduler is None:
            self.text.fail(trail, f"{spec.name} is the paper's formulas: nothing to measure")
        return spec.name

    def single(self, trail: Trail, data: Any) -> dict[str, Any]:
        """Settings with one value each."""
        data = self.mapping(trail, data, None)
        found = {}
        for name, value in data.items():
            place = (*trail, name)
            found[name] = setting(self.text.where(trail), name).value(self.text.where(place), value)
        return found

    def axes(self, trail: Trail, data: Any) -> dict[str, Values]:
        """Settings with their values; an empty list is refused."""
        data = self.mapping(trail, data, None)
        found = {}
        for name, value in data.items():
            place = (*trail, name)
            values = self.values(place, setting(self.text.where(trail), name), value)
            if not len(values):
                self.text.fail(place, "has no values: an empty grid measures nothing")
            found[name] = values
        return found

    def values(self, trail: Trail, what: Setting, data: Any) -> Values:
        """A value, a list, a span (from, to, step) or the lines of a file."""
        if isinstance(data, dict):
            return Values(parts=self._many(trail, what, data))
        parts: list[Any] = []
        for index, item in enumerate(_listed(data)):
            place = (*trail, index) if isinstance(data, list) else trail
            if isinstance(item, dict):
                parts += self._many(place, what, item)
            else:
                parts.append(what.value(self.text.where(place), item))
        return Values(parts=tuple(parts))

    def _many(self, trail: Trail, what: Setting, data: dict[str, Any]) -> tuple[Any, ...]:
        if what.kind == "text":
            return self._lines(trail, data)
        if what.kind not in ("whole", "number"):
            self.text.fail(trail, "is no number: list its values")
        return (self._span(trail, what, data),)

    def _span(self, trail: Trail, what: Setting, data: dict[str, Any]) -> Span:
        data = self.mapping(trail, data, SPAN_KEYS, required=("from", "to"))
        check = partial(self._number, trail, what)
        span = Span(start=check(data, "from"), stop=check(data, "to"), step=check(data, "step"))
        if span.step <= 0:
            self.text.fail((*trail, "step"), f"must be above 0, not {span.step:g}")
        if not len(span):
            self.text.fail(trail, f"runs from {span.start:g} down to {span.stop:g}: no values")
        return span

    def _number(self, trail: Trail, what: Setting, data: dict[str, Any], key: str) -> float:
        number: float = what.value(self.text.where((*trail, key)), data.get(key, 1))
        return number

    def _lines(self, trail: Trail, data: dict[str, Any]) -> tuple[str, ...]:
        data = self.mapping(trail, data, FILE_KEYS, required=("lines_of",))
        path = self.folder / self.text_of((*trail, "lines_of"), data["lines_of"])
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self.text.fail(trail, f"{path.name} cannot be read: {error}")
        found = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
        first = data.get("first", len(found))
        if isinstance(first, bool) or not isinstance(first, int) or not 1 <= first <= len(found):
            self.text.fail(trail, f"first must be from 1 to {len(found)}, not {shown(first)}")
        return found[:first]

    def condition(self, trail: Trail, data: Any) -> dict[str, Any]:
        """What rows an entry of `exclude` holds for: by name, a set of values or bounds."""
        data = self.mapping(trail, data, None)
        if not data:
            self.text.fail(trail, "has no condition: it would leave nothing")
        found: dict[str, Any] = {}
        for name, value in data.items():
            place = (*trail, name)
            if name == "model":
                found[name] = tuple(self.model(place, item) for item in _listed(value))
            elif isinstance(value, dict):
                found[name] = self._bounds(place, setting(self.text.where(trail), name), value)
            else:
                what = setting(self.text.where(trail), name)
                found[name] = tuple(self.values(place, what, value))
        return found

    def _bounds(self, trail: Trail, what: Setting, data: dict[str, Any]) -> Bounds:
        data = self.mapping(trail, data, ("from", "to"))
        if what.kind not in ("whole", "number") or not data:
            self.text.fail(trail, "bounds need a number, and from or to")
        ends = {key: what.value(self.text.where((*trail, key)), data[key]) for key in data}
        return Bounds(least=ends.get("from"), most=ends.get("to"))

    def protocols(self, trail: Trail, data: Any) -> tuple[Protocol, ...]:
        found = tuple(
            self.protocol((*trail, index) if isinstance(data, list) else trail, item)
            for index, item in enumerate(_listed(data))
        )
        if not found:
            self.text.fail(trail, "must name one at least")
        return found

    def protocol(self, trail: Trail, data: Any) -> Protocol:
        """A name, or a name with its options."""
        data = {"name": data} if isinstance(data, str) else data
        known = protocol_options()
        data = self.mapping(trail, data, ("name", *known))
        name = data.get("name", "full")
        if name not in PROTOCOLS:
            raise InputError(
                f"{self.text.where(trail)}: {unknown_name('protocol', name, PROTOCOLS)}"
            )
        options = {
            key: known[key].value(self.text.where((*trail, key)), value)
            for key, value in data.items()
            if key != "name"
        }
        if name == "sampled" and set(options) - {"idle_s"}:
            others = ", ".join(sorted(set(options) - {"idle_s"}))
            self.text.fail(trail, f"protocol sampled takes no {others}: they belong to full")
        return Protocol(name=name, options=options)


def _unknown(key: str, keys: Iterable[str]) -> str:
    kind = "setting" if key in settings() else "key"
    hint = " here: settings stand in set, grid or zip" if kind == "setting" else ""
    return f"{unknown_name(kind, key, keys)}{hint}"
