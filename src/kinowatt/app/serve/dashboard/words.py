"""The command and the Python that give what a page shows, and the page's state as an address."""

import shlex
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

OPTIONS = {
    "height_px": "height",
    "width_px": "width",
    "guidance_scale": "guidance",
    "batch_size": "batch",
}


def number(value: Any) -> Any:
    """Whole numbers without their `.0`."""
    return int(value) if isinstance(value, float) and value == int(value) else value


def command(verb: str, positional: list[str], settings: Mapping[str, Any]) -> str:
    """The command line of a verb."""
    words = ["kinowatt", verb, *positional]
    for name, value in settings.items():
        option = f"--{OPTIONS.get(name, name).replace('_', '-')}"
        if isinstance(value, list | tuple):
            for item in value:
                words += [option, item]
        elif isinstance(value, Mapping):
            for key, item in value.items():
                words += [option, f"{key}={item}"]
        elif isinstance(value, bool) and name == "tiling":
            words += [option, "on" if value else "off"]
        else:
            words += [option, str(number(value))]
    return shlex.join(words)


def python(verb: str, positional: list[Any], settings: Mapping[str, Any]) -> str:
    """The same in Python."""
    given = [repr(item) for item in positional]
    given += [f"{name}={number(value)!r}" for name, value in settings.items()]
    return f"import kinowatt\n\nkinowatt.{verb}({', '.join(given)})"


def code(title: str, text: str) -> str:
    """A block of code that can be reached and scrolled by keyboard."""
    label = escape(title)
    return (
        f'<p class="label">{label}</p>'
        f'<pre tabindex="0" role="region" aria-label="{label}"><code>{escape(text)}</code></pre>'
    )


def card(title: str, value: str, below: str) -> str:
    """One figure, large, with what it rests on below."""
    return (
        f'<div class="card"><p class="label">{escape(title)}</p>'
        f'<p class="value">{escape(value)}</p><p class="below">{escape(below)}</p></div>'
    )


def cards(*found: str) -> str:
    return f'<div class="cards">{"".join(found)}</div>'


def both(by_command: str, by_python: str) -> str:
    """Command and Python, one under the other."""
    return code("The same on the command line", by_command) + code("The same in Python", by_python)


def address(state: Mapping[str, Any]) -> str:
    """The query of a page in this state; what is not set is left out."""
    return urlencode(
        {k: number(v) for k, v in state.items() if v not in (None, "", [])}, doseq=True
    )


def notice(messages: list[str], kind: str) -> str:
    """Messages that a screen reader hears when they change."""
    if not messages:
        return ""
    lines = "".join(f"<p>{escape(message)}</p>" for message in messages)
    return f'<div class="notice {kind}" role="status">{lines}</div>'
