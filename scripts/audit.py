"""Known vulnerabilities of every locked package; needs the network, so it is no part of the gate.

pip-audit passes over a package that its index does not tell about and then says that nothing was
found. Here a package that was not looked up is a failure: exit 0 only where all were.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

LOCK = Path(__file__).parents[1] / "requirements.lock"


def locked(text: str) -> dict[str, str]:
    """Versions by name, as the lock has them."""
    lines = (line.strip() for line in text.splitlines())
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def complaints(wanted: Mapping[str, str], report: Mapping[str, Any]) -> Iterator[str]:
    """A line for each package with a known vulnerability, and for each that was not looked up."""
    seen = {entry["name"]: entry for entry in report.get("dependencies", ())}
    for name, version in wanted.items():
        entry = seen.get(name)
        if entry is None:
            yield f"{name} {version}: not in the report"
        elif "vulns" not in entry:
            yield f"{name} {version}: not audited: {entry.get('skip_reason', 'no reason given')}"
        elif entry.get("version") != version:
            yield f"{name}: {entry.get('version')} was audited, {version} is locked"
        else:
            yield from _known(name, version, entry["vulns"])


def _known(name: str, version: str, found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in found:
        fixed = ", ".join(one.get("fix_versions", ())) or "no version yet"
        yield f"{name} {version}: {one['id']}, fixed in {fixed}"


def ask(lock: Path) -> Mapping[str, Any]:
    """pip-audit's report on the lock, whatever it thinks of it."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--progress-spinner", "off"),
        *("--requirement", str(lock), "--no-deps", "--disable-pip", "--format", "json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report: Mapping[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"pip-audit gave no report: {done.stderr.strip()[-500:]}") from None
    return report


def main() -> None:
    """Prints the complaints; exits with 1 where there is one."""
    wanted = locked(LOCK.read_text("utf-8"))
    found = list(complaints(wanted, ask(LOCK)))
    for line in found:
        click.echo(line, err=True)
    if found:
        raise SystemExit(f"{len(found)} complaints about {len(wanted)} locked packages")
    click.echo(f"{len(wanted)} locked packages audited, no known vulnerability")


if __name__ == "__main__":
    main()
