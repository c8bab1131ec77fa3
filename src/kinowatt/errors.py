"""One root error and few leaves. Every message is one line: what was wrong, what is allowed."""

import difflib
import importlib
from collections.abc import Iterable
from importlib.util import find_spec
from types import ModuleType

LISTED = 24  # names that a message spells out; longer registries have a listing command


class KinowattError(Exception):
    """Root of every error that Kinowatt raises on purpose; the command exits with 1."""

    def __init__(self, message: str = "") -> None:
        """Keeps the message on one line, whatever a name or a file put into it."""
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))


class InputError(KinowattError, ValueError):
    """What the user gave cannot be used; the command exits with 2."""


class UnknownNameError(InputError):
    """A name that no registry holds; the message offers the nearest."""


class FactsError(InputError):
    """A fact file is malformed; the message starts with `FILE:LINE:`, or `FILE:` without a line."""


class MissingExtraError(KinowattError):
    """A heavy part is not installed; the message says what to install."""


class StoreError(KinowattError):
    """The store cannot be reached or written just now; the same call may succeed later."""


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The option most like `name` (case ignored), or None where none is alike."""
    by_lower = {option.lower(): option for option in options}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    if found:
        return by_lower[found[0]]
    inside = [option for lower, option in by_lower.items() if name and name.lower() in lower]
    return min(inside, key=len, default=None)


def unknown_name(
    kind: str, name: object, options: Iterable[str], also: Iterable[str] = ()
) -> UnknownNameError:
    """`unknown model 'wan' (did you mean 'wan2.1-t2v-1.3b'?); one of: …`.

    `also`: other names that work; they may be the nearest but are not listed.
    """
    known = list(options)
    guess = nearest(str(name), [*also, *known])
    hint = f" (did you mean {guess!r}?)" if guess else ""
    shown = str(name) if len(str(name)) <= 60 else str(name)[:57] + "…"
    more = f", … ({len(known)} in all)" if len(known) > LISTED else ""
    return UnknownNameError(
        f"unknown {kind} {shown!r}{hint}; one of: {', '.join(known[:LISTED])}{more}"
    )


def require_extra(extra: str, module: str) -> ModuleType:
    """Imports a heavy module, or says which extra brings it (`MissingExtraError`)."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{_missing(extra, module)} ({error})") from None


def expect_extra(extra: str, *modules: str) -> None:
    """As `require_extra`, for what another process will import: looks, but loads nothing."""
    for module in modules:
        if find_spec(module) is None:
            raise MissingExtraError(_missing(extra, module))


def _missing(extra: str, module: str) -> str:
    return f"{module} is not installed: pip install 'kinowatt[{extra}]'"
