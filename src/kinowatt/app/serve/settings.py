"""What `kinowatt serve` was asked for, checked before anything heavy is imported."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from kinowatt.errors import InputError

KEY_VARIABLE = "KINOWATT_API_KEY"
MIN_KEY = 16  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where to listen, who may ask, and how much one request may bring.

    `max_elements`: predictions of one batch; `max_rows`: of one comparison or scaling curve.
    `store`: whose rows are shown, the committed ones without; `max_audit_bytes`: of a text that is
    audited; `drain_s`: seconds that a stopping server goes on answering, so that clients move away.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    api_key: str | None = None
    dashboard: bool = True
    max_body_bytes: int = 16 * 2**20
    max_elements: int = 200_000
    max_rows: int = 200
    max_audit_bytes: int = 2**20
    store: str | None = None
    drain_s: float = 0.5

    def __post_init__(self) -> None:
        if self.api_key is not None and len(self.api_key) < MIN_KEY:
            raise InputError(f"an API key has at least {MIN_KEY} characters, this one fewer")
        if self.api_key is None and not is_loopback(self.host):
            raise InputError(
                f"{self.host} can be reached from other machines and then needs an API key: "
                f"set {KEY_VARIABLE} or give --api-key-file; or listen on 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host; of a name only `localhost` is known to."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_key(path: str | None) -> str | None:
    """The key of a file, else of the environment; never of the command line, which others see."""
    if path is None:
        return os.environ.get(KEY_VARIABLE) or None
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise InputError(f"--api-key-file {path}: {reason}") from None
