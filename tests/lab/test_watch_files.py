"""Watches that publish themselves: real processes, real files, and what is left after a kill."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kinowatt.lab.live import View
from kinowatt.lab.watch import watch
from kinowatt.lab.watch_files import (
    Published,
    WatchState,
    running_watches,
    runtime_folder,
    started,
)
from twins import request_of, twin

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
import kinowatt
from twins import request_of, twin
built = twin("wan2.1-t2v-1.3b")
with kinowatt.watch(built.pipe, meters=["fake"]):
    built.generate(request_of(built))
    built.generate(request_of(built))
    print("called", flush=True)
    sys.stdin.readline()
print("left", flush=True)
sys.stdin.readline()
"""


# One that publishes itself without a pipeline, which takes long to import
DYING = """
import os, sys, time
from kinowatt.lab.watch_files import Published, WatchState, started
now = time.time()
published = Published(WatchState(
    pid=os.getpid(), process=started(os.getpid()), pipeline="WanPipeline", device="cpu",
    source=None, counter_mj=None, started_at=now, updated_at=now,
))
print("published", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's runtime folder with nothing in it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "kinowatt"


@pytest.fixture
def child(root: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that watches a tiny pipeline; it has made two calls."""
    command = [sys.executable, "-c", CHILD, str(root / "tests")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "called\n"
    yield process
    process.kill()
    process.communicate()


def a_state(**changes: object) -> WatchState:
    now = time.time()
    state = WatchState(
        pid=os.getpid(), process=started(os.getpid()), pipeline="WanPipeline", device="cpu",
        source=None, counter_mj=None, started_at=now, updated_at=now,
    )  # fmt: skip
    return replace(state, **changes)


def test_another_process_is_seen_with_its_energy_then_gone(
    child: subprocess.Popen[str], folder: Path
) -> None:
    (state,) = running_watches()
    assert state.pid == child.pid
    assert (state.pipeline, state.calls, state.calling_since) == ("WanPipeline", 2, None)
    assert state.last_call_s is not None
    assert 0 < state.last_call_s < state.calls_s < time.time() - state.started_at
    assert stat.S_IMODE(next(folder.iterdir()).stat().st_mode) == 0o600
    with View() as view:
        now = view.now()
    (seen,) = now.watches
    assert now.problem is None  # its meter is read, though there is no GPU of NVML
    assert seen.energy_wh == pytest.approx(300 * seen.elapsed_s / 3600, rel=0.2)  # the fake's watts
    assert [(gpu.name, round(gpu.power_w or 0, -1)) for gpu in now.gpus] == [("fake", 300)]
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "left\n"
    assert running_watches() == ()
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    command = [sys.executable, "-c", DYING]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert child.stdout is not None
    assert child.stdout.readline() == "published\n"
    (state,) = running_watches()
    assert state.pid == child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    deadline = time.monotonic() + 10
    while running_watches() and time.monotonic() < deadline:  # a zombie counts as gone
        time.sleep(0.05)
    assert running_watches() == ()
    assert list(folder.iterdir()) == []


def test_another_process_of_the_same_id_is_not_taken_for_it(folder: Path) -> None:
    Published(a_state(process=1))
    assert len(list(folder.iterdir())) == 1
    assert running_watches() == ()
    assert list(folder.iterdir()) == []


def test_calls_are_told_as_they_happen(folder: Path) -> None:
    built = twin("wan2.1-t2v-1.3b")
    during: list[WatchState] = []
    built.pipe.transformer.register_forward_pre_hook(lambda *_: during.extend(running_watches()))
    with watch(built.pipe):
        built.generate(request_of(built))
        (after,) = running_watches()
    assert during[0].calls == 0
    assert during[0].calling_since is not None
    assert (after.calls, after.calling_since, after.source) == (1, None, None)
    assert running_watches() == ()


def test_a_call_that_fails_is_not_counted(folder: Path) -> None:
    built = twin("wan2.1-t2v-1.3b")
    with watch(built.pipe):
        with pytest.raises(TypeError):
            built.pipe(nonsense=1)
        (state,) = running_watches()
    assert (state.calls, state.calling_since) == (0, None)


def test_it_can_be_left_out(folder: Path) -> None:
    with watch(twin("wan2.1-t2v-1.3b").pipe, publish=False):
        assert running_watches() == ()
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_can_write_to_is_not_used(folder: Path, mode: int) -> None:
    folder.mkdir()
    folder.chmod(mode)
    assert runtime_folder() is None
    published = Published(a_state())
    published.called(1.0)
    published.remove()
    assert list(folder.iterdir()) == []
    assert running_watches() == ()


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    assert runtime_folder() is None


def test_a_folder_that_vanishes_costs_the_file_alone(folder: Path) -> None:
    published = Published(a_state())
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    published.calling()
    published.called(2.0)
    assert published.state.calls == 1
    published.remove()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema_version": 1}', "null"])
def test_files_of_others_are_passed_over(folder: Path, text: str) -> None:
    Published(a_state())
    (folder / "watch-1-0.json").write_text(text)
    (folder / "watch-2-0.json").write_text(json.dumps(a_state().to_dict() | {"schema_version": 2}))
    assert len(running_watches()) == 1


def test_an_energy_counter_that_began_again_is_said(folder: Path) -> None:
    Published(a_state(source="fake:{}", counter_mj=1e18))
    Published(a_state(source=None, started_at=time.time() + 1))
    with View() as view:
        first, second = view.now().watches
    assert (first.energy_wh, first.reason) == (None, "the energy counter began again")
    assert (second.energy_wh, second.reason) == (None, "no meter of its GPU is open")


def test_the_view_counts_from_its_own_beginning(folder: Path) -> None:
    Published(a_state(source='fake:{"power_w": 720, "step_s": 0.05}', counter_mj=0.0))
    with View() as view:
        view.now()
        time.sleep(0.5)
        now = view.now()
    (gpu,) = now.gpus
    assert gpu.energy_wh == pytest.approx(720 * 0.5 / 3600, abs=720 * 0.1 / 3600)
    assert json.loads(json.dumps(now.to_dict(), allow_nan=False))["provenance"] == {
        "kind": "measured"
    }


def test_a_source_that_cannot_be_opened_has_its_reason(folder: Path) -> None:
    Published(a_state(source="nvml:GPU-0000", counter_mj=5.0))
    with View() as view:
        now = view.now()
    assert now.problem is not None
    assert now.gpus[0].problem == now.watches[0].reason
    assert "NVML" in str(now.gpus[0].problem)
