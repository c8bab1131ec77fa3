"""Running watches, each in a small file of the user's runtime folder, for `kinowatt top`.

A file holds no prompt and no path: which process, which pipeline, which GPU, since when, how many
calls. It is the user's alone (0600 in a folder of 0700), replaced whole, and removed when the block
is left; one that a killed process left behind is told by its process being gone.
"""

import contextlib
import itertools
import json
import os
import stat
import tempfile
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
_NUMBERS = itertools.count()


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchState:
    """A watch as it publishes itself; instants are seconds of the Unix clock.

    `source`: what meters its GPU (`nvml:UUID`), None where nothing does. `counter_mj`: that GPU's
    energy counter when the block began. `process`: start of the process in the kernel's own ticks,
    so that another process with the same id is not taken for it.
    """

    pid: int
    process: int | None
    pipeline: str
    device: str
    source: str | None
    counter_mj: float | None
    started_at: float
    updated_at: float
    calls: int = 0
    calls_s: float = 0.0
    last_call_s: float | None = None
    calling_since: float | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def running(self) -> bool:
        """Whether its process is still there."""
        return exists(self.pid) and (self.process is None or started(self.pid) == self.process)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class Published:
    """One watch's file, if `wanted`. A folder that cannot be used costs it, never the watch."""

    def __init__(self, state: WatchState, wanted: bool = True) -> None:
        self.state = state
        folder = runtime_folder() if wanted else None
        number = next(_NUMBERS)
        self.path = None if folder is None else folder / f"watch-{state.pid}-{number}.json"
        self._write()

    def calling(self) -> None:
        """A call begins now."""
        self._now(calling_since=time.time())

    def called(self, seconds: float) -> None:
        """A call of that length is over."""
        self._now(
            calls=self.state.calls + 1,
            calls_s=self.state.calls_s + seconds,
            last_call_s=seconds,
            calling_since=None,
        )

    def failed(self) -> None:
        """The call raised: it does not count."""
        self._now(calling_since=None)

    def remove(self) -> None:
        """The block is left; a forked child leaves its parent's file alone."""
        if self.path is not None and os.getpid() == self.state.pid:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        self.path = None

    def _now(self, **changes: Any) -> None:
        self.state = replace(self.state, updated_at=time.time(), **changes)
        self._write()

    def _write(self) -> None:
        if self.path is None or os.getpid() != self.state.pid:
            return
        part = self.path.with_suffix(".part")
        try:
            part.write_text(json.dumps(self.state.to_dict()), encoding="utf-8")
            part.chmod(0o600)
            part.replace(self.path)
        except OSError:  # full or gone: the watch goes on without being seen
            self.path = None


def runtime_folder() -> Path | None:
    """The user's own folder for what lives as long as a session, made if need be.

    None where there is none that only this user can write to.
    """
    base, name = os.environ.get("XDG_RUNTIME_DIR"), "kinowatt"
    if not base:
        base, name = tempfile.gettempdir(), f"kinowatt-{os.getuid()}"
    folder = Path(base) / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    return folder if private and found.st_uid == os.getuid() else None


def running_watches() -> tuple[WatchState, ...]:
    """This user's watches that are running, oldest first; files of dead processes are removed."""
    folder = runtime_folder()
    found = []
    for path in sorted(folder.glob("watch-*.json")) if folder else ():
        state = _read(path)
        if state is None:
            continue
        if state.running:
            found.append(state)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    return tuple(sorted(found, key=lambda state: state.started_at))


def _read(path: Path) -> WatchState | None:
    """A file of this version; None for one that is being removed, or of another version."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if data.get("schema_version") != SCHEMA_VERSION:
            return None
        return WatchState(**{field.name: data[field.name] for field in fields(WatchState)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def exists(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def started(pid: int) -> int | None:
    """Start of a process in ticks since boot; None where the kernel does not tell (not Linux).

    A zombie has ended: it counts as gone.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return None
    after_name = text.rpartition(")")[2].split()
    return None if after_name[0] == "Z" else int(after_name[19])
