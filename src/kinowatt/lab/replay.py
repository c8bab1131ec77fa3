"""The calls that a pipeline makes of its components, kept so that each can be repeated alone."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from kinowatt.lab.pipelines import Built
from kinowatt.lab.stages import distinct_points, replace_method, shape_of


@dataclass(slots=True)
class Replay:
    """One kind of call of a stage: `calls` of it in one video."""

    stage: str
    shape: tuple[int, ...]
    again: Callable[[], Any]
    calls: int = 1


Replays = dict[tuple[str, tuple[int, ...]], Replay]


@contextmanager
def captured(built: Built) -> Iterator[Replays]:
    """Fills a mapping with every kind of call made inside; the inputs are kept by reference."""
    found: Replays = {}
    undo: list[Callable[[], object]] = []

    def note(stage: str, again: Callable[..., Any], args: Any, kwargs: Any) -> None:
        key = (stage, shape_of(args, kwargs))
        if key in found:
            found[key].calls += 1
        else:
            found[key] = Replay(stage, key[1], lambda: again(*args, **kwargs))

    for stage, module, method in distinct_points(built.pipes):
        undo.append(_note_calls(module, method, lambda *a, s=stage: note(s, *a)))
    try:
        yield found
    finally:
        for action in reversed(undo):
            action()


@dataclass(frozen=True, slots=True)
class Finish:
    """The last thing that a pipeline does, from a decoded tensor to frames on the host."""

    seconds: float
    again: Callable[[], Any]

    def again_s(self) -> float:
        """Seconds of doing it once more."""
        return _timed(self.again)[1]


@contextmanager
def finished(built: Built) -> Iterator[list[Finish]]:
    """Fills a list with the post-processing of each call made inside, as diffusers' pipelines do it.

    Stays empty for a pipeline that has no `video_processor`.
    """
    found: list[Finish] = []

    def wrap(inner: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            frames, seconds = _timed(lambda: inner(*args, **kwargs))
            found.append(Finish(seconds, lambda: inner(*args, **kwargs)))
            return frames

        return wrapped

    with ExitStack() as stack:
        for pipe in built.pipes:
            if processor := getattr(pipe, "video_processor", None):
                stack.callback(replace_method(processor, "postprocess_video", wrap))
        yield found


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start_s = time.perf_counter()
    return call(), time.perf_counter() - start_s


def _note_calls(module: Any, method: str, note: Callable[..., None]) -> Callable[[], object]:
    if method == "forward":
        handle = module.register_forward_pre_hook(
            lambda _, args, kwargs: note(module, args, kwargs), with_kwargs=True
        )
        return handle.remove  # type: ignore[no-any-return]

    def wrap(inner: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            note(inner, args, kwargs)
            return inner(*args, **kwargs)

        return wrapped

    return replace_method(module, method, wrap)
