"""Every experiment runs on twins, with a made GPU's counter; parts of other versions give the same."""

import json
from functools import partial
from pathlib import Path
from statistics import median

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("codecarbon")

from kinowatt.analysis.own.lines import committed_lines  # noqa: E402
from kinowatt.lab.meters.sampler import shared  # noqa: E402
from kinowatt.lab.request import BuildOptions  # noqa: E402
from take_experiments import EXPERIMENTS, TWIN_PACE, run  # noqa: E402
from taking import operators, prompts, traces, weights  # noqa: E402
from taking import stack_parts as parts  # noqa: E402
from taking.desk import Desk  # noqa: E402
from taking.stack import MODEL  # noqa: E402

# Kernels that a CPU does not have, and compilation, for which no time is left here
NOT_HERE = {"cudnn attention", "efficient attention", "compiled blocks"}
QUICK = {"clip-l.float16", "ltx-0.9.7-upsampler.bfloat16"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    options = BuildOptions(device="cpu", twin=True, dtype="float32")
    made = Desk(tmp_path_factory.mktemp("experiments"), options, TWIN_PACE, 1000)
    made.sampler = shared('fake:{"step_s": 0.01}')
    yield made
    made.close()


def lines_of(folder: Path) -> dict[str, list[dict]]:
    return {
        path.stem: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in folder.glob("*.jsonl")
    }


def test_every_experiment_writes_lines_with_energy_and_conditions(desk, monkeypatch) -> None:
    monkeypatch.setattr("taking.stack.COMPILE_NEEDS_S", 1e6)
    quick = [job for job in traces.jobs(small=True) if job[1] in QUICK]
    monkeypatch.setattr("taking.traces.jobs", lambda small: quick)
    for part in (operators, weights):
        monkeypatch.setattr(part, "MODELS", part.MODELS[:1])
    judged = ("animatediff-lightning", "mochi-1-preview")  # encoders that cut, attention that skips
    few = [each for each in prompts.MODELS if each[0] in judged]
    monkeypatch.setattr(prompts, "MODELS", few)
    run(desk, list(EXPERIMENTS))
    found = lines_of(desk.out)
    assert set(found) == {"weights", "prompts", "codecarbon", "traces", "stack", "operators"}
    for name, lines in found.items():
        for line in lines:
            wrong = {"error", "skipped"} & set(line)
            assert not wrong or line["variant"] in NOT_HERE, (name, line)
            assert line["conditions"]["torch"] == torch.__version__
    windows = [line for lines in found.values() for line in lines if "forward_s" in line]
    metered = [line["gpu_w"] for line in windows if line["gpu_w"] is not None]
    assert len(metered) >= 0.8 * len(windows)  # a sampler on a busy machine misses some
    assert median(metered) == pytest.approx(300, rel=0.1)
    assert {str(line["differences"]) for line in found["traces"]} == {"[]"}
    assert len(windows) == 10 + 2 * 3 + 10 + 2
    assert {line["bare"]["kernels"] for line in found["operators"]} == {0}  # those of a GPU alone
    by_variant = {line["variant"]: line["activations"]["middle"] for line in found["weights"][:10]}
    assert by_variant["zero weights"]["zero"] == 1
    assert by_variant["outlier channels"]["kurtosis"] > by_variant["default"]["kurtosis"]
    assert [len(line["trackers"]) for line in found["codecarbon"][1:4]] == [0, 4, 4]
    seen = {
        (line["model"], line.get("prompt_tokens")): line.get("seen") for line in found["prompts"]
    }
    assert seen["animatediff-lightning", 200]["words_and_end"] == 77
    assert seen["mochi-1-preview", 50]["denoiser_valid_tokens"] == [1, 50]


def test_parts_of_other_versions_compute_the_same(desk) -> None:
    built = desk.built(MODEL)
    denoiser = built.pipe.transformer
    args, kwargs = desk.inputs(built, desk.request(MODEL)).denoiser
    with torch.no_grad():
        expected = denoiser(*args, **kwargs)[0]
        for context in (
            partial(parts.complex_rotation, denoiser),
            partial(parts.separate_norms, denoiser),
            partial(parts.strided_stream, denoiser),
            partial(parts.norms_as_stored, denoiser),
            partial(parts.rotation_in, denoiser, torch.float64),
            partial(parts.as_in_2025, denoiser, None),
        ):
            with context():
                torch.testing.assert_close(denoiser(*args, **kwargs)[0], expected)
        with parts.rotation_in(denoiser, torch.bfloat16):
            assert not torch.equal(denoiser(*args, **kwargs)[0], expected)
        assert torch.equal(denoiser(*args, **kwargs)[0], expected)


def test_mochis_decoder_splits_by_size_whatever_the_version() -> None:
    """What `docs/experiments/traces.md` says: the same pieces here as on the measuring machine."""
    lines = committed_lines("traces")
    (taken,) = (line for line in lines if line["variant"] == "mochi-vae.bfloat16")
    job = (taken["model"], taken["variant"], taken["role"])
    assert traces.compared((*job, taken["point"]))["differences"] == taken["differences"]
    small = taken["point"] | {"h": 16, "w": 16}
    assert traces.compared((*job, small))["differences"] == []
