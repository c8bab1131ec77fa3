"""Workers survive what a session may do to them; each fault is injected into a real child."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kinowatt.errors import InputError
from kinowatt.lab.rows import failures_path, load_measurements
from kinowatt.lab.worker import Outcome, Worker, Workers
from kinowatt.lab.worker_child import cause_of

FAULTS = "lab.faults:Faults"
LIMIT_S = 20.0
ROW = {"do": "row"}


def gone(pid: int, within_s: float = 10.0) -> bool:
    """Whether a process ends in time; one that nobody has waited for is gone too."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within_s)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(FAULTS, {}, grace_s=2.0) as found:
        yield found


def served(outcome: Outcome) -> int:
    """The process that measured a row."""
    assert outcome.failure is None
    assert outcome.row is not None
    pid = outcome.row["conditions"]["pid"]
    assert isinstance(pid, int)
    return pid


def test_one_process_serves_many_rows(worker: Worker) -> None:
    outcomes = [worker.run(ROW, LIMIT_S) for _ in range(5)]
    assert {served(outcome) for outcome in outcomes} == {worker.pid}
    assert worker.pid != os.getpid()
    assert [o.row["conditions"]["rows"] for o in outcomes if o.row] == [1, 2, 3, 4, 5]
    assert worker.restarts == 0


def test_a_row_records_the_command_of_the_user(worker: Worker) -> None:
    row = worker.run(ROW, LIMIT_S).row
    assert row is not None
    assert row["conditions"]["argv"] == sys.argv


def test_an_outcome_is_either_a_row_or_a_failure() -> None:
    with pytest.raises(ValueError, match="either a row or a failure"):
        Outcome()


@pytest.mark.parametrize("error", ["MemoryError", "OutOfMemoryError", "RuntimeError", "wrapped"])
def test_out_of_memory_ends_the_row_and_not_the_process(worker: Worker, error: str) -> None:
    first = served(worker.run(ROW, LIMIT_S))
    failure = worker.run({"do": "short_of_memory", "error": error}, LIMIT_S).failure
    assert failure is not None
    assert failure.cause == "out_of_memory"
    assert "Traceback" in failure.stderr_tail
    assert served(worker.run(ROW, LIMIT_S)) == first
    assert worker.restarts == 0


def test_pytorch_out_of_memory_on_the_host_is_recognised() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert cause_of(caught.value) == "out_of_memory"
    assert cause_of(torch.OutOfMemoryError("CUDA out of memory")) == "out_of_memory"
    assert cause_of(RuntimeError("shapes do not match")) == "error"
    assert cause_of(ValueError("out of memory is only a word here")) == "error"


@pytest.mark.parametrize("bad_input", [True, False])
def test_a_refusal_keeps_its_message_and_the_process(worker: Worker, bad_input: bool) -> None:
    first = served(worker.run(ROW, LIMIT_S))
    failure = worker.run({"do": "refuse", "bad_input": bad_input}, LIMIT_S).failure
    assert failure is not None
    assert (failure.cause, failure.bad_input) == ("refused", bad_input)
    assert failure.detail == r"frames: 82 won't do\nhere"
    assert served(worker.run(ROW, LIMIT_S)) == first


def replaced(worker: Worker, request: dict[str, Any], limit_s: float = LIMIT_S) -> Any:
    """The failure of a request after which another process serves; the first is gone."""
    first = served(worker.run(ROW, LIMIT_S))
    failure = worker.run(request, limit_s).failure
    assert gone(first)
    assert served(worker.run(ROW, LIMIT_S)) != first
    assert worker.restarts == 1
    return failure


def test_an_exception_is_kept_with_its_traceback(worker: Worker) -> None:
    failure = replaced(worker, {"do": "fail"})
    assert (failure.cause, failure.detail) == ("error", "ZeroDivisionError: of all things")
    assert "in fail" in failure.stderr_tail
    assert failure.stderr_tail.endswith("ZeroDivisionError: of\nall things\n")


@pytest.mark.parametrize("do", ["not_a_number", "not_json", "not_a_row"])
def test_a_result_that_is_no_json_object_is_an_error(worker: Worker, do: str) -> None:
    failure = replaced(worker, {"do": do})
    assert failure.cause == "error"
    assert failure.detail.startswith(("ValueError: Out of range", "TypeError: "))


@pytest.mark.parametrize(("do", "code"), [("exit", 3), ("leave", 4)])
def test_a_process_that_ends_is_a_crash_with_its_exit_code(
    worker: Worker, do: str, code: int
) -> None:
    failure = replaced(worker, {"do": do})
    assert (failure.cause, failure.exit_code, failure.signal) == ("crash", code, None)
    assert failure.detail == f"the worker's process ended with exit code {code}"


def test_a_segmentation_fault_is_a_crash_with_the_stack(worker: Worker) -> None:
    failure = replaced(worker, {"do": "signal", "name": "SIGSEGV"})
    assert (failure.cause, failure.exit_code, failure.signal) == ("crash", None, "SIGSEGV")
    assert "Fatal Python error: Segmentation fault" in failure.stderr_tail
    assert "in signal" in failure.stderr_tail


def test_a_kill_is_a_crash_and_its_likely_cause_is_named(worker: Worker) -> None:
    failure = replaced(worker, {"do": "signal", "name": "SIGKILL"})
    assert (failure.cause, failure.signal) == ("crash", "SIGKILL")
    assert "the kernel's out-of-memory killer is a likely cause" in failure.detail


def test_a_crash_ends_the_helpers_that_hold_the_line_open() -> None:
    told: list[dict[str, Any]] = []
    with Worker(FAULTS, {}, told.append, grace_s=2.0) as worker:
        failure = worker.run({"do": "exit_with_a_helper"}, LIMIT_S).failure
    assert failure is not None
    assert (failure.cause, failure.exit_code) == ("crash", 5)
    assert gone(next(event["pid"] for event in told if event["event"] == "helper"))


@pytest.mark.parametrize("do", ["hang", "hang_and_chat", "hang_in_c"])
def test_a_hang_is_ended_and_shows_where_it_hung(worker: Worker, do: str) -> None:
    failure = replaced(worker, {"do": do}, limit_s=0.3)
    assert (failure.cause, failure.signal) == ("hang", "SIGTERM")
    assert failure.detail == "no answer within the time limit of 0.3 s"
    assert f"in {do}" in failure.stderr_tail


def test_a_hang_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    with Worker(FAULTS, {}, grace_s=0.3) as worker:
        failure = replaced(worker, {"do": "hang_for_good"}, limit_s=0.3)
    assert (failure.cause, failure.signal) == ("hang", "SIGKILL")


@pytest.mark.parametrize(
    ("how", "detail"),
    [
        ("refuse", "unknown model"),
        ("fail", "OutOfMemoryError: no room"),
        ("exit", "the worker's process ended with exit code 7"),
        ("hang", "no answer within the time limit of 1 s"),
    ],
)
def test_a_session_that_cannot_be_made_is_a_failed_start(how: str, detail: str) -> None:
    with Worker("lab.faults:no_session", {"how": how}, start_limit_s=1.0) as worker:
        for _ in range(2):
            failure = worker.run(ROW, LIMIT_S).failure
            assert failure is not None
            assert (failure.cause, failure.detail) == ("start", detail)
            assert failure.bad_input is (how == "refuse")
            assert worker.pid is None


@pytest.mark.parametrize("factory", ["lab.none:x", "lab.faults:none", "lab.faults"])
def test_a_factory_that_is_not_there_is_a_failed_start(factory: str) -> None:
    with Worker(factory, {}) as worker:
        failure = worker.run(ROW, LIMIT_S).failure
    assert failure is not None
    assert failure.cause == "start"


def test_what_libraries_print_is_not_taken_for_answers(worker: Worker) -> None:
    assert served(worker.run({"do": "chatter"}, LIMIT_S)) == worker.pid
    failure = replaced(worker, {"do": "chatter_and_fail"})
    assert "and by a program\nTraceback" in failure.stderr_tail
    assert len(failure.stderr_tail) <= 4096


def test_the_tail_is_of_this_row_alone(worker: Worker) -> None:
    worker.run({"do": "chatter"}, LIMIT_S)
    failure = worker.run({"do": "fail"}, LIMIT_S).failure
    assert failure is not None
    assert failure.stderr_tail.startswith("Traceback")


def test_events_arrive_and_none_can_cost_a_row() -> None:
    told: list[dict[str, Any]] = []
    with Worker(FAULTS, {}, told.append) as worker:
        pid = served(worker.run({"do": "odd_events"}, LIMIT_S))
    assert told == [{"event": "begun", "pid": pid}, {"event": "told"}]


@pytest.mark.parametrize("error", [LookupError, TimeoutError, EOFError, KeyboardInterrupt])
def test_an_error_of_the_listener_ends_the_child_and_goes_on(error: type[BaseException]) -> None:
    pids = []

    def listen(event: dict[str, Any]) -> None:
        pids.append(event["pid"])
        raise error("a broken display")

    with Worker(FAULTS, {}, listen) as worker:
        with pytest.raises(error, match="a broken display"):
            worker.run({"do": "hang"}, LIMIT_S)
        assert worker.pid is None
        assert gone(pids[0])


@pytest.mark.parametrize("request_", [{"x": float("nan")}, {"x": object()}, {(1, 2): 3}])
def test_a_request_that_is_not_json_is_refused_before_it_is_sent(
    worker: Worker, request_: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="a request of a worker holds JSON values alone"):
        worker.run(request_)
    assert worker.restarts == 0


def test_a_child_that_dies_between_rows_is_replaced_and_reported() -> None:
    told: list[dict[str, Any]] = []
    with Worker(FAULTS, {}, told.append) as worker:
        first = served(worker.run({"do": "die_afterwards", "seconds": 0.05}, LIMIT_S))
        assert gone(first)
        assert served(worker.run(ROW, LIMIT_S)) != first
        assert worker.restarts == 1
    died = [event for event in told if event["event"] == "worker_died"]
    assert died == [{"event": "worker_died", "detail": "between two rows, ended with exit code 6"}]


def test_closing_lets_the_session_close_itself(tmp_path: Path) -> None:
    worker = Worker(FAULTS, {"closed": str(tmp_path)})
    pid = served(worker.run(ROW, LIMIT_S))
    worker.close()
    assert gone(pid)
    assert [path.name for path in tmp_path.iterdir()] == [str(pid)]
    worker.close()


def test_the_terminals_ctrl_c_does_not_reach_the_child(worker: Worker) -> None:
    first = served(worker.run(ROW, LIMIT_S))
    assert os.getsid(first) == first
    timer = threading.Timer(0.1, os.kill, (first, signal.SIGINT))
    timer.start()
    assert served(worker.run({"do": "slow_row", "seconds": 0.3}, LIMIT_S)) == first


def test_a_child_outlives_the_thread_that_started_it(worker: Worker) -> None:
    """The kernel's signal for the end of a parent is sent at the end of a thread already."""
    served_by: list[int] = []
    thread = threading.Thread(target=lambda: served_by.append(served(worker.run(ROW, LIMIT_S))))
    thread.start()
    thread.join()
    assert served(worker.run({"do": "slow_row", "seconds": 0.2}, LIMIT_S)) == served_by[0]


# Workers


def test_a_gpu_holds_one_pipeline_at_a_time() -> None:
    with Workers(FAULTS) as workers:
        first = served(workers.run({"model": "a", "dtype": "b"}, ROW, LIMIT_S))
        assert served(workers.run({"dtype": "b", "model": "a"}, ROW, LIMIT_S)) == first
        second = served(workers.run({"model": "a", "dtype": "c"}, ROW, LIMIT_S))
        assert second != first
        assert gone(first, within_s=0)
    assert gone(second, within_s=0)


def test_workers_that_share_keep_their_pipelines() -> None:
    with Workers(FAULTS, exclusive=False) as workers:
        first = served(workers.run({"device": 0}, ROW, LIMIT_S))
        second = served(workers.run({"device": 1}, ROW, LIMIT_S))
        assert served(workers.run({"device": 0}, ROW, LIMIT_S)) == first != second
        assert workers.restarts == 0
        workers.close()
        assert gone(first, within_s=0)
        assert gone(second, within_s=0)
        assert served(workers.run({"device": 0}, ROW, LIMIT_S)) not in (first, second)


def failures(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in failures_path(path).read_text().splitlines()]


def test_rows_and_failures_are_kept_the_moment_they_arrive(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with Workers(FAULTS, rows_to=path) as workers:
        workers.run({"model": "a"}, ROW, LIMIT_S)
        assert len(load_measurements(path)) == 1
        workers.run({"model": "a"}, {"do": "exit"}, LIMIT_S)
        (failure,) = failures(path)
        workers.run({"model": "a"}, ROW, LIMIT_S)
        assert len(load_measurements(path)) == 2
        assert workers.restarts == 1
    assert (failure["key"], failure["request"]) == ({"model": "a"}, {"do": "exit"})
    assert (failure["cause"], failure["exit_code"]) == ("crash", 3)


def test_a_row_that_breaks_the_contract_is_kept_among_the_failures(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with Workers(FAULTS, rows_to=path) as workers:
        outcome = workers.run({}, {"do": "no_measurement"}, LIMIT_S)
    assert outcome.failure is not None
    assert outcome.failure.cause == "error"
    assert outcome.failure.detail == (
        "the row breaks its contract: latency_s must be above 0, not 0"
    )
    assert not path.exists()
    assert failures(path)[0]["row"]["latency_s"] == 0


# Parents that end


@contextmanager
def parent(
    path: Path, requests: list[dict[str, Any]], *, times: int = 1, in_thread: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs `faults.campaign` in a process group of its own, as a shell would."""
    given = f"{str(path)!r}, {times} * {requests!r}, in_thread={in_thread}"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from lab.faults import campaign; campaign({given})"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: "subprocess.Popen[str]", wanted: Callable[[dict[str, Any]], bool]) -> list[Any]:
    """Events of a campaign up to the wanted one."""
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if wanted(events[-1]):
            return events
    raise AssertionError(f"the campaign ended early: {events}")


def in_second_row() -> Callable[[dict[str, Any]], bool]:
    begun = []

    def wanted(event: dict[str, Any]) -> bool:
        begun.extend([event] if event["event"] == "begun" else [])
        return len(begun) == 2

    return wanted


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("do", ["hang", "hang_in_c"])
def test_no_orphan_is_left_by_a_parent_that_is_killed(
    tmp_path: Path, do: str, in_thread: bool
) -> None:
    path = tmp_path / "rows.jsonl"
    with parent(path, [ROW, {"do": do}], in_thread=in_thread) as process:
        child = heard(process, in_second_row())[-1]["pid"]
        process.kill()
        assert gone(child)
    assert len(load_measurements(path)) == 1


def test_a_child_ends_with_its_socket_where_the_kernel_does_not_help() -> None:
    ours, theirs = socket.socketpair()
    lifeline, held = os.pipe()
    given = [theirs.fileno(), lifeline]
    command = [sys.executable, "-m", "kinowatt.lab.worker_child", *map(str, given)]
    with subprocess.Popen(command, pass_fds=given, start_new_session=True) as process:
        theirs.close()
        os.close(lifeline)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)
            ours.close()
            assert process.wait(10) == -signal.SIGKILL
        finally:
            process.kill()
    os.close(held)


def test_ctrl_c_ends_parent_and_child_and_keeps_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with parent(path, [ROW, {"do": "hang"}, ROW]) as process:
        child = heard(process, in_second_row())[-1]["pid"]
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        assert gone(child, within_s=0)
    assert time.monotonic() - began < 5
    assert process.returncode == -signal.SIGINT
    assert stderr.endswith("KeyboardInterrupt\n")
    assert len(load_measurements(path)) == 1
    (failure,) = failures(path)
    assert (failure["cause"], failure["request"]) == ("interrupted", {"do": "hang"})


def kill_campaigns(path: Path, delays_s: list[float]) -> None:
    """Campaigns of one file are killed at random moments: what they told of is there, whole."""
    told = 0
    for delay_s in delays_s:
        with parent(path, [ROW], times=10_000) as process:
            child = heard(process, in_second_row())[0]["pid"]
            told += 1  # the row before the second
            time.sleep(delay_s)
            process.kill()
            told += process.stdout.read().count('{"event": "row"}')  # type: ignore[union-attr]
            assert gone(child)
    found = load_measurements(path)
    assert told <= len(found) <= told + len(delays_s)


def test_nothing_that_was_reported_is_lost_by_kills(tmp_path: Path) -> None:
    kill_campaigns(tmp_path / "rows.jsonl", [0.01 * number for number in range(10)])


@pytest.mark.torture
def test_nothing_that_was_reported_is_lost_by_200_kills(tmp_path: Path) -> None:
    kill_campaigns(tmp_path / "rows.jsonl", [0.0005 * number for number in range(200)])
