"""Hooks: every stage is seen, nothing is left behind, and errors pass through."""

import copy
import inspect
from typing import Any

import pytest
import torch

from kinowatt.errors import InputError
from kinowatt.lab.stages import StageRecorder, points_of
from twins import TRACED, request_of, traces_of, twin


@pytest.mark.parametrize("name", TRACED)
def test_stages_of_the_seven(name: str) -> None:
    built = twin(name)
    request = request_of(built, steps=3)
    built.generate(request)  # the scheduler gains its timesteps
    before = traces_of(built.pipe)
    with StageRecorder(built.pipes, built.device) as recorder, recorder.call() as got:
        built.generate(request)
    assert traces_of(built.pipe) == before
    record = got[0]
    seconds = record.stages_s()
    assert {"text_encoder", "denoiser", "vae_decoder", "other"} <= set(seconds)
    assert sum(seconds.values()) == pytest.approx(record.seconds, rel=1e-6)
    assert all(value >= 0 for value in seconds.values())
    cascade = 4 if "ltx" in name else 0
    assert record.steps == 3 + cascade
    forwards = sum(len(span.forwards_s) for span in record.of("denoiser"))
    assert forwards == (3 * 2 if "wan" in name else 3 + cascade)
    order = [span.start_s for span in record.spans]
    assert order == sorted(order)


def test_an_error_inside_passes_and_nothing_is_left() -> None:
    built = twin("wan2.1-t2v-1.3b")
    built.generate(request_of(built))
    before = traces_of(built.pipe)
    inner = built.pipe.vae.decode

    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of luck")

    recorder = StageRecorder(built.pipes, built.device)
    built.pipe.vae.decode = failing
    with recorder, pytest.raises(RuntimeError, match="out of luck"), recorder.call() as got:
        built.generate(request_of(built))
    assert [span.stage for span in got[0].spans].count("denoiser") == 1
    del built.pipe.vae.decode
    assert built.pipe.vae.decode.__func__ is inner.__func__
    assert traces_of(built.pipe)[:2] == before[:2]


def test_the_listener_hears_stages_and_steps() -> None:
    built = twin("cogvideox-2b")
    heard: list[tuple[str, dict[str, Any]]] = []
    recorder = StageRecorder(built.pipes, built.device, lambda *event: heard.append(event))
    with recorder, recorder.call():
        built.generate(request_of(built, steps=4))
    assert [values["step"] for event, values in heard if event == "step"] == [1, 2, 3, 4]
    stages = [values["stage"] for event, values in heard if event == "stage"]
    assert stages == ["text_encoder", "text_encoder", "denoiser", "vae_decoder"]


class Strange:
    """A pipeline whose denoiser has a name of its own."""

    def __init__(self) -> None:
        self.components = {"dreamer": torch.nn.Linear(2, 2), "scheduler": None}


def test_a_pipeline_of_an_unknown_kind_is_one_line() -> None:
    with pytest.raises(InputError, match="no component named transformer") as caught:
        points_of(Strange())
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="it has: dreamer"):
        points_of(Strange(), {"denoiser": "drummer"})
    assert points_of(Strange(), {"denoiser": "dreamer"})[0][0] == "denoiser"


def test_a_scheduler_is_asked_for_its_signature_as_before() -> None:
    """diffusers gives `step` a generator or an eta only where its signature has one."""
    built = twin("animatediff-lightning")
    scheduler = built.pipe.scheduler
    before = inspect.signature(scheduler.step), inspect.signature(built.pipe.vae.decode)
    with StageRecorder(built.pipes, built.device):
        after = inspect.signature(scheduler.step), inspect.signature(built.pipe.vae.decode)
    assert after == before


def test_a_copy_of_a_scheduler_steps_for_itself() -> None:
    """As pipelines of video with sound make one for the sound."""
    built = twin("wan2.1-t2v-1.3b")
    scheduler = built.pipe.scheduler
    scheduler.set_timesteps(4)
    with StageRecorder(built.pipes, built.device):
        copied = copy.deepcopy(scheduler)
        state = copy.deepcopy(vars(scheduler))
        sample = torch.zeros(1, 2)
        copied.step(sample, copied.timesteps[0], sample)
        assert (copied.step_index, scheduler.step_index) == (1, None)
        assert copied.step.__self__ is copied
        assert state["step"] is scheduler.step


def test_a_module_compiled_in_place_is_not_broken_by_hooks() -> None:
    """`fullgraph=True` forbids what a hook does inside the graph."""
    built = twin("wan2.1-t2v-1.3b")
    built.pipe.transformer.compile(backend="eager", fullgraph=True)
    compiled = built.pipe.transformer._compiled_call_impl
    with StageRecorder(built.pipes, built.device) as recorder, recorder.call() as got:
        built.generate(request_of(built))
    assert sum(len(span.forwards_s) for span in got[0].of("denoiser")) == 4
    assert built.pipe.transformer._compiled_call_impl is compiled


def test_outside_of_a_call_nothing_is_recorded() -> None:
    """Another pipeline may run with the same parts."""
    built = twin("cogvideox-2b")
    heard: list[str] = []
    recorder = StageRecorder(built.pipes, built.device, lambda event, _: heard.append(event))
    with recorder:
        built.generate(request_of(built))
        assert (heard, recorder.steps, recorder._spans) == ([], 0, [])
        with recorder.call() as got:
            built.generate(request_of(built))
        assert got[0].steps == 2
        built.generate(request_of(built))
        assert len(recorder._spans) == len(got[0].spans)
