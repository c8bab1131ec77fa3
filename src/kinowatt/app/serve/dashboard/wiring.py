"""Controls, what they answer, and the address of a page, which holds its state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

Renewal = Callable[[Mapping[str, Any]], dict[str, Any]]
NO_RENEWALS: Mapping[str, Renewal] = MappingProxyType({})
# An event answers at once: no queue, no progress bar over figures that are still right, and values
# as they are, which Gradio would hand to a thread each. What cannot be used the answers refuse.
EVENT: dict[str, Any] = {
    "queue": False,
    "show_progress": "hidden",
    "api_visibility": "private",
    "preprocess": False,
    "postprocess": False,
}
# Of changes in quick succession the last counts; of one event for all controls, since two of them
# could be answered in either order.
LAST: dict[str, Any] = {"trigger_mode": "always_last", **EVENT}
# with its path: by itself a query would be of the document's base, which is the first page
KEEP_ADDRESS = "(q) => { history.replaceState(null, '', location.pathname + (q ? '?' + q : '')); }"
READ_ADDRESS = "() => [location.search]"


def wire(
    page: Any,
    controls: Mapping[str, Any],
    outputs: Sequence[Any],
    answer: Callable[[Mapping[str, Any]], tuple[Any, ...]],
    renewals: Mapping[str, Renewal] = NO_RENEWALS,
    choices: Callable[[], Mapping[str, list[str]]] = dict,
) -> list[Any]:
    """A change answers; the address keeps what was chosen, and opens with it.

    renewals: what a change of a control sets others to, and an address that says nothing of them;
    choices: of controls whose choices are known only when the page opens. Returns the events.
    """
    names, inputs = list(controls), list(controls.values())
    query = outputs[-1]

    def changed(*values: Any) -> tuple[Any, ...]:
        return answer(dict(zip(names, values, strict=True)))

    def renewed(renewal: Renewal, *values: Any) -> tuple[Any, ...]:
        state = dict(zip(names, values, strict=True))
        state |= renewal(state)
        return (*state.values(), *answer(state))

    def opened(search: str) -> tuple[Any, ...]:
        state = _opening(search, controls, renewals)
        return (*_offered(state, choices()), *answer(state))

    every = [*inputs, *outputs]
    events = [page.load(opened, query, every, js=READ_ADDRESS, **EVENT)]
    rest = [_by_user(control) for name, control in controls.items() if name not in renewals]
    if rest:
        events.append(gr.on(rest, changed, inputs, outputs, **LAST))
    for renewal, triggers in _grouped(controls, renewals):
        events.append(gr.on(triggers, partial(renewed, renewal), inputs, every, **LAST))
    query.change(None, query, None, js=KEEP_ADDRESS)
    return events


def _by_user(control: Any) -> Any:
    """When a user changes a control; of several choices those removed by keyboard are no `input`."""
    return control.change if getattr(control, "multiselect", False) else control.input


def _grouped(
    controls: Mapping[str, Any], renewals: Mapping[str, Renewal]
) -> Iterator[tuple[Renewal, list[Any]]]:
    for renewal in dict.fromkeys(renewals.values()):
        yield renewal, [controls[name].input for name in renewals if renewals[name] is renewal]


def _opening(
    search: str, controls: Mapping[str, Any], renewals: Mapping[str, Renewal]
) -> dict[str, Any]:
    """The state that an address asks for; what it does not say is as at first."""
    asked = _asked(search, controls)
    for renewal in renewals.values():
        asked = {**renewal(asked), **asked}
    return {name: asked.get(name, control.value) for name, control in controls.items()}


def _offered(state: Mapping[str, Any], choices: Mapping[str, list[str]]) -> list[Any]:
    """The values of a state, with the choices of controls where they are known only now."""
    return [
        gr.update(choices=choices[name], value=value) if name in choices else value
        for name, value in state.items()
    ]


def _asked(search: str, controls: Mapping[str, Any]) -> dict[str, Any]:
    """What an address asks for; what no control can hold is left to the answer to refuse."""
    found: dict[str, Any] = {}
    for name, values in parse_qs(search.removeprefix("?")).items():
        control = controls.get(name)
        if isinstance(control, gr.Number):
            found |= _as_number(name, values[-1])
        elif isinstance(control, gr.Textbox) or getattr(control, "allow_custom_value", False):
            found[name] = values[-1]
        elif control is not None and getattr(control, "multiselect", False):
            found[name] = [value for value in values if value in _values(control)]
        elif control is not None and values[-1] in _values(control):
            found[name] = values[-1]
    return found


def _values(control: Any) -> list[Any]:
    return [value for _, value in control.choices]


def _as_number(name: str, text: str) -> dict[str, float]:
    try:
        return {name: float(text)}
    except ValueError:
        return {}
