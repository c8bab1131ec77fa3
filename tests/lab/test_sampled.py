"""Which steps `sampled` counts, on a clock that is made here."""

from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock, patch

import pytest

from kinowatt.lab import sampled
from kinowatt.lab.bench import Metered
from kinowatt.lab.meters.registry import Windows
from kinowatt.lab.pipelines import build
from kinowatt.lab.protocol import Alone
from kinowatt.lab.replay import Finish, finished
from kinowatt.lab.request import BuildOptions
from kinowatt.lab.sampled import slope_over, steady
from kinowatt.lab.stages import CallRecord, Span
from twins import request_of

WINDOW_S = 5.0


class Made:
    """Bench and device in one, whose time passes only in steps."""

    listener = None

    def __init__(self, steps: Sequence[float]) -> None:
        self.steps = list(steps)
        self.now_s = 100.0
        self.line = self
        self.stopped: list[Metered] = []

    def mark(self) -> float:
        return self.now_s

    def seconds(self, first: float, second: float) -> float:
        return second - first

    def wait(self) -> None:
        pass

    def min_window_s(self) -> float:
        return WINDOW_S

    def start(self, *, nested: bool = False) -> Metered:
        return Metered(start_s=self.now_s, windows=Windows({}, {}))

    def stop(self, metered: Metered) -> None:
        metered.stop_s = self.now_s
        self.stopped.append(metered)

    def run(self) -> Any:
        """The clock after the loop was left; its steps are those it counted."""
        clock = sampled._StepClock(self, len(self.steps))  # type: ignore[arg-type]
        with pytest.raises(sampled._Enough):
            self.loop(clock)
        return clock

    def loop(self, clock: Any) -> None:
        clock.listen("stage", {"stage": "denoiser"})
        for seconds in self.steps:
            self.now_s += seconds
            clock.listen("step", {"step": 1})


@pytest.fixture(autouse=True)
def made_time(monkeypatch: pytest.MonkeyPatch) -> dict[str, Made]:
    current: dict[str, Made] = {}
    monkeypatch.setattr(sampled.time, "perf_counter", lambda: current["made"].now_s)
    return current


def counted(current: dict[str, Made], steps: Sequence[float]) -> tuple[Any, int]:
    """The clock and how many steps ran before the counted ones."""
    made = current["made"] = Made(steps)
    clock = made.run()
    assert made.stopped == [clock.metered]
    assert clock.metered.seconds == pytest.approx(sum(clock.seconds))
    return clock, len(clock._marks) - len(clock.seconds)


def test_steady_steps_fill_one_window_after_the_first(made_time: dict[str, Made]) -> None:
    clock, before = counted(made_time, [2.0] + [1.0] * 49)
    assert before == 1
    assert list(clock.seconds) == pytest.approx([1.0] * 5)


def test_steps_that_get_slower_are_dropped(made_time: dict[str, Made]) -> None:
    """Without a whole second window: it slides on until it is flat."""
    rising = [0.94, 0.96, 0.98, 0.995]
    clock, before = counted(made_time, [2.0, *rising, *[1.0] * 45])
    assert list(clock.seconds) == pytest.approx([1.0] * len(clock.seconds), abs=0.006)
    assert 3 <= before <= 5
    assert len(clock._marks) <= 11


def test_scattered_steps_make_the_window_longer(made_time: dict[str, Made]) -> None:
    clock, before = counted(made_time, [2.0] + [2.17, 2.28, 2.23] * 6)
    assert before == 1
    assert len(clock.seconds) > 3
    assert sum(clock.seconds) / len(clock.seconds) == pytest.approx(2.227, rel=0.01)


def test_never_more_than_three_windows(made_time: dict[str, Made]) -> None:
    clock, _ = counted(made_time, [2.0] + [1.0 + 0.05 * n for n in range(49)])
    lasted_s = sum(clock._marks[-1:]) - clock._marks[0]
    assert 3 * WINDOW_S <= lasted_s <= 3 * WINDOW_S + 3
    assert WINDOW_S <= clock.metered.seconds <= 2 * WINDOW_S  # the last, not the longest


def test_a_short_loop_counts_what_it_has(made_time: dict[str, Made]) -> None:
    clock, before = counted(made_time, [0.5] * 6)
    assert before == 2
    assert len(clock.seconds) == 4


def test_quick_steps_are_looked_at_a_few_times(made_time: dict[str, Made]) -> None:
    clock, before = counted(made_time, [0.01] * 5000)
    assert before == 100
    assert len(clock.seconds) == pytest.approx(500, abs=130)
    assert len(clock._opened) <= 6


def test_slope_over_a_window() -> None:
    assert slope_over([1.0, 1.0, 1.0, 1.0]) == pytest.approx(0.0)
    assert slope_over([0.98, 1.0, 1.02]) == pytest.approx(0.04)
    assert slope_over([1.0, 2.0]) == 0.0


def test_steady_is_flat_and_sure() -> None:
    assert steady([1.0, 1.001, 0.999])
    assert not steady([0.98, 1.0, 1.02])
    assert not steady([1.0, 1.05, 1.0])  # flat, but its mean could be anything
    assert steady([1.0, 1.02] * 20)


def test_post_processing_counts_by_its_repetitions() -> None:
    """A call of a decoder that ends at 3 s; then 0.1 s of rest around 2 s of post-processing."""
    span = Mock(spec=Span, stop_s=3.0)
    record = CallRecord(start_s=0.0, stop_s=5.1, spans=(span,), steps=1)
    assert sampled._after_s(record, []) == pytest.approx(2.1)
    with patch.object(Finish, "again_s", side_effect=[1.0, 1.2, 1.1]):
        assert sampled._after_s(record, [Finish(2.0, lambda: None)]) == pytest.approx(1.2)


def test_post_processing_is_caught_and_let_go(made_time: dict[str, Made]) -> None:
    made_time["made"] = Made([])
    built = build("wan2.1-t2v-1.3b", BuildOptions(device="cpu", twin=True, dtype="float32"))
    with finished(built) as found:
        built.generate(request_of(built))
    (finish,) = found
    assert finish.again().shape[-1] == 3
    assert "postprocess_video" not in vars(built.pipe.video_processor)


def span(stage: str, start_s: float, stop_s: float) -> Span:
    return Span(
        stage=stage,
        start_s=start_s,
        stop_s=stop_s,
        forwards_s=(),
        host_s=0.0,
        lag_s=(),
        steps_s=(),
        shape=(),
        peak_bytes=None,
    )


def metered(seconds: float) -> Metered:
    return Metered(start_s=0.0, stop_s=seconds, windows=Windows({}, {}))


def parts_of(offloaded: bool) -> sampled.Parts:
    """Five steps of a second in a loop of eight seconds, a decode of two in a short call with three."""
    loop = CallRecord(start_s=0.0, stop_s=10.0, spans=(span("denoiser", 1.0, 9.0),), steps=5)
    short = CallRecord(start_s=0.0, stop_s=9.0, spans=(span("vae_decoder", 5.0, 8.0),), steps=1)
    steps = sampled.Steps(seconds=(1.0, 1.0), metered=metered(2.0), record=loop)
    warm = Mock(record=short)
    decoded = [(Mock(calls=1), Alone(metered=metered(4.0), times=2))]
    return sampled.Parts(metered(1.0), warm, steps, decoded, 0.5, offloaded)


def test_weights_on_their_way_count_where_they_are_offloaded() -> None:
    assert parts_of(offloaded=True).moves_s() == {"denoiser": 3.0, "vae_decoder": 1.0}
    stays, moves = (parts_of(offloaded=each).stages_s(50) for each in (False, True))
    assert parts_of(offloaded=False).moves_s() == {}
    assert (stays["denoiser"], stays["vae_decoder"]) == (50.0, 2.0)
    assert (moves["denoiser"], moves["vae_decoder"]) == (53.0, 3.0)
    assert stays["other"] == moves["other"]
