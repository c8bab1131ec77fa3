"""The audit of dependencies fails on what it did not see, which pip-audit itself does not."""

from pathlib import Path
from typing import Any

import pytest

import audit

WANTED = {"click": "8.5.1", "rich": "15.0.0"}


def entry(name: str, version: str, *vulns: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": version, "vulns": list(vulns)}


CLEAN = [entry("click", "8.5.1"), entry("rich", "15.0.0")]
SKIPPED = {"name": "rich", "skip_reason": "Dependency not found and could not be audited"}
KNOWN = {"id": "PYSEC-2026-1", "fix_versions": ["15.0.1"]}


def test_all_seen_and_nothing_known() -> None:
    assert list(audit.complaints(WANTED, {"dependencies": CLEAN})) == []


@pytest.mark.parametrize(
    ("dependencies", "complaint"),
    [
        ([CLEAN[0], SKIPPED], "rich 15.0.0: not audited: Dependency not found"),
        ([CLEAN[0]], "rich 15.0.0: not in the report"),
        ([CLEAN[0], entry("rich", "14.0.0")], "rich: 14.0.0 was audited, 15.0.0 is locked"),
        ([CLEAN[0], entry("rich", "15.0.0", KNOWN)], "rich 15.0.0: PYSEC-2026-1, fixed in 15.0.1"),
    ],
)
def test_what_fails(dependencies: list[dict[str, Any]], complaint: str) -> None:
    (found,) = audit.complaints(WANTED, {"dependencies": dependencies})
    assert found.startswith(complaint)


def test_an_empty_report_is_no_clean_one() -> None:
    assert len(list(audit.complaints(WANTED, {}))) == 2


def test_the_whole_lock_is_read(root: Path) -> None:
    text = (root / "requirements.lock").read_text("utf-8")
    assert len(audit.locked(text)) == len(text.splitlines())


def test_the_command_fails_where_a_package_was_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    wanted = audit.locked((root / "requirements.lock").read_text("utf-8"))
    clean = [entry(name, version) for name, version in wanted.items()]
    monkeypatch.setattr(audit, "ask", lambda _: {"dependencies": clean})
    audit.main()
    assert f"{len(wanted)} locked packages audited" in capsys.readouterr().out
    monkeypatch.setattr(audit, "ask", lambda _: {"dependencies": clean[1:]})
    with pytest.raises(SystemExit, match=f"1 complaints about {len(wanted)}"):
        audit.main()
