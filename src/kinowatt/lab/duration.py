"""How long a row occupies a GPU: what a protocol adds to the seconds of the video itself.

Pure arithmetic on the parts of one video, whoever tells them: a prediction before a campaign
starts, or a row that was measured. The constants of the protocols that decide it stand here too,
so that a plan can be counted where torch is not installed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# Of protocol `sampled` (see `kinowatt.lab.sampled`)
DROPPED_S = 1.0
MIN_TIMED = 3
MAX_WINDOWS = 3
WHOLE_WINDOWS = 3  # videos of up to so many windows are measured whole
MIN_WHOLE_CALLS = 3
SETTLE_S = 2.5
FINISHES = 3

# Of the machine, as 71 rows of an H100 took them (data/measurements/, November 2026)
WINDOW_S = 5.1  # what the energy counter of an H100 needs
AGAIN = 1.2  # windows that were not steady slide on
AGAIN_SHORT = 2.8  # twelve of thirteen videos shorter than SETTLE_S were repeated to the end
ROW_S = 1.0  # the slower first call of a shape, readings that wait for the counter
BUILD_S = 3.0  # a pipeline with random weights in a process that has torch loaded
START_S = 9.0  # of a process that finds torch and diffusers compiled; 19 where each compiles them
COMPILE_S = 60.0  # blocks, once for each shape


@dataclass(frozen=True, kw_only=True, slots=True)
class Video:
    """Seconds of the parts of one video; `whole`: a cascade, which is never composed."""

    before_s: float
    step_s: float
    steps: int
    decoder_s: float
    after_s: float
    whole: bool = False
    min_steps: int = 1

    @property
    def seconds(self) -> float:
        return self.of(self.steps)

    def of(self, steps: int) -> float:
        """A call with so many steps."""
        return self.before_s + steps * self.step_s + self.decoder_s + self.after_s

    def times(self, factor: float) -> "Video":
        """The same video on a machine that takes `factor` times as long."""
        parts = ("before_s", "step_s", "decoder_s", "after_s")
        return replace(self, **{name: factor * getattr(self, name) for name in parts})


def row_seconds(build: Mapping[str, Any], request: Mapping[str, Any], video: Video) -> float:
    """GPU-seconds of one row, without the start of its process and its idle baseline.

    build, request: fields of `BuildOptions`, and of `VideoRequest` and `FullOptions` with
    `protocol`, as a worker gets them.
    """
    compiling_s = COMPILE_S if build.get("compile", "none") != "none" else 0.0
    spent = _full if request.get("protocol", "full") == "full" else _sampled
    return ROW_S + compiling_s + spent(request, video)


def start_seconds(request: Mapping[str, Any]) -> float:
    """What comes before the first row of a pipeline: process, weights, idle baseline."""
    return START_S + BUILD_S + float(request.get("idle_s", 6.0))


def _full(request: Mapping[str, Any], video: Video) -> float:
    warm_steps = min(video.steps, request.get("warmup_steps") or video.steps)
    warm_s = request.get("warmup", 2) * video.of(warm_steps)
    runs_s = request.get("runs", 5) * _filled(video.seconds)
    parts = (video.before_s, video.step_s, video.decoder_s)
    short = [part for part in parts if part < WINDOW_S] if request.get("isolate", True) else []
    return float(warm_s + runs_s + len(short) * WINDOW_S)


def _filled(seconds: float, at_least: int = 1) -> float:
    """A window of as many calls as the meters need."""
    return seconds * max(at_least, math.ceil(WINDOW_S / seconds))


def _sampled(request: Mapping[str, Any], video: Video) -> float:
    short_s = video.of(video.steps if video.whole else video.min_steps)
    if video.whole or video.seconds <= WHOLE_WINDOWS * WINDOW_S or video.steps <= MIN_TIMED + 1:
        calls = min(MIN_WHOLE_CALLS, math.ceil(WHOLE_WINDOWS * WINDOW_S / video.seconds))
        window_s = _filled(video.seconds, calls)
        if video.seconds < SETTLE_S:
            return short_s + SETTLE_S + AGAIN_SHORT * window_s
        return short_s + AGAIN * window_s
    steps_s = max(DROPPED_S, video.step_s) + AGAIN * max(WINDOW_S, MIN_TIMED * video.step_s)
    decoder_s = _filled(video.decoder_s)
    return short_s + FINISHES * video.after_s + decoder_s + video.before_s + steps_s
