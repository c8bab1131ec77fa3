"""`kinowatt top` as a user calls it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kinowatt.app.cli import main
from kinowatt.lab.watch_files import Published, WatchState, started


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A watch of this process, on a GPU of 360 W for 100 s."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    source = '{"power_w": 360}'
    now = time.time()
    counter = 1000 * 360 * (time.perf_counter() - 100)
    return Published(
        WatchState(
            pid=os.getpid(), process=started(os.getpid()), pipeline="WanPipeline",
            device="cuda:0", source=f"fake:{source}", counter_mj=counter,
            started_at=now - 100, updated_at=now, calls=3, calls_s=90.0, last_call_s=30.0,
            calling_since=now - 10,
        )
    )  # fmt: skip


def test_one_look(running: Published, capsys: pytest.CaptureFixture[str]) -> None:
    main(["top", "--once", "--price", "3.6", "--grid", "FRA"])
    shown = capsys.readouterr().out
    assert "360 W" in shown
    assert "WanPipeline" in shown
    row = re.search(r"calling (\d+\.\d) s +(\d+\.\d+) Wh +(0\.\d+)", shown)
    assert row, shown
    calling_s, energy_wh, cost_usd = map(float, row.groups())
    assert energy_wh == pytest.approx(0.1 * (90 + calling_s), abs=0.3)  # 360 W since 90 s before it
    assert cost_usd == pytest.approx(0.01 * energy_wh, abs=0.003)  # 3.60 USD an hour
    assert "of the whole GPU since the block began (measured)" in shown


def test_json(running: Published, capsys: pytest.CaptureFixture[str]) -> None:
    main(["top", "--json", "--price", "3.6", "--intensity", "100"])
    data = json.loads(capsys.readouterr().out)
    (watch,) = data["watches"]
    assert watch["energy_wh"]["gpu"] == pytest.approx(10, rel=0.2)
    assert watch["cost_usd"] == pytest.approx(watch["elapsed_s"] / 1000)
    assert watch["co2e_g"] == pytest.approx(watch["energy_wh"]["gpu"] / 10)
    assert data["gpus"][0]["power_w"] == pytest.approx(360, rel=0.01)
    assert data["provenance"] == {"kind": "measured"}


def test_without_a_gpu_it_shows_watches_says_why_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    now = time.time()
    state = WatchState(
        pid=os.getpid(), process=started(os.getpid()), pipeline="MochiPipeline", device="cpu",
        source=None, counter_mj=None, started_at=now, updated_at=now,
    )  # fmt: skip
    Published(state)
    with pytest.raises(SystemExit) as ended:
        main(["top"])
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert "MochiPipeline" in printed.out
    assert "no meter of its GPU is open" in printed.out
    assert printed.err.startswith("kinowatt: no GPU can be read: ")
    assert printed.err.count("\n") == 1


def test_on_a_terminal_it_goes_on_until_ctrl_c(running: Published) -> None:
    parent, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kinowatt", "top", "--interval", "0.1"],
        stdout=terminal, stderr=subprocess.PIPE, env=os.environ | {"COLUMNS": "160"},
    )  # fmt: skip
    os.close(terminal)
    seen = b""
    deadline = time.monotonic() + 60
    while seen.count(b"WanPipeline") < 3 and time.monotonic() < deadline:
        seen += os.read(parent, 65536)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    os.close(parent)
    assert seen.count(b"WanPipeline") >= 3
    assert process.returncode == 0, told
