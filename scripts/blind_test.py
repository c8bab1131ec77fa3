"""blind_test.py COMMIT ROWS.jsonl … [-o FILE.json]: a profile as it was committed, against rows.

Rows that were taken after COMMIT are predicted by the profile in it, which nothing in them can have
changed: the one test that no choice of ours can flatter. The laws are read by today's code.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from kinowatt.analysis.features import STAGES, features
from kinowatt.analysis.held_out import AfterWork, by_factors
from kinowatt.analysis.learning import like_bench
from kinowatt.analysis.validation.compose import setting
from kinowatt.analysis.validation.what_if import change_of
from kinowatt.theory.physics import physics_of

PROFILE = "src/kinowatt/facts/profiles/h100-sxm/torch-2.11.json"
FIGURES = ("denoiser_pct", "latency_pct", "energy_gpu_pct")


def profile_of(commit: str) -> dict[str, Any]:
    """The learned profile of the H100 as a commit has it."""
    text = subprocess.run(
        ["git", "show", f"{commit}:{PROFILE}"], check=True, capture_output=True, text=True
    ).stdout
    return dict(json.loads(text))


def judged(profile: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Predicted over measured, less one, in percent, row by row; other kernels are left out."""
    physics = physics_of(profile["physics"])
    taken, _ = like_bench({"conditions": profile["fingerprint"]}, rows)
    seen = features([rows[i] for i in taken], physics)
    host = profile["host"]
    after = AfterWork(base_s=host["seconds_per_video"], megapixel_s=host["seconds_per_megapixel"])
    found = by_factors(seen, physics, physics.factors, after)
    for i, row in enumerate(seen.rows):
        denoiser_s = row["stages"]["denoiser"]["latency_s"]
        wh = row["energy_wh"]["gpu"]
        yield {
            "model": row["model"],
            "setting": setting(row),
            "change": change_of(row),
            "taken_at": row["taken_at"],
            "denoiser_pct": _pct(found.stages.seconds[i, STAGES.index("denoiser")], denoiser_s),
            "latency_pct": _pct(found.latency_s[i], row["latency_s"]),
            "energy_gpu_pct": _pct(found.energy_wh[i], wh) if wh else None,
        }


def _pct(predicted: float, measured: float) -> float:
    return round(100 * (float(predicted) / measured - 1), 2)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and greatest amount of each figure."""
    found: dict[str, Any] = {"rows": len(rows)}
    for name in FIGURES:
        sizes = [abs(row[name]) for row in rows if row[name] is not None]
        found[name] = {"mean": round(fmean(sizes), 2), "worst": max(sizes)}
    return found


def main(argv: Sequence[str]) -> None:
    output = argv[argv.index("-o") + 1] if "-o" in argv else None
    commit, *files = [each for each in argv if each not in ("-o", output)]
    profile = profile_of(commit)
    found: dict[str, Any] = {"profile": f"{PROFILE} at {commit}", "files": {}}
    for name in files:
        rows = [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]
        lines = list(judged(profile, rows))
        found["files"][name] = {"summary": summary(lines), "rows": lines}
        sys.stdout.write(f"{name}: {json.dumps(summary(lines))}\n")
    if output:
        Path(output).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
