"""How a studio is served: one record, filled by the command line."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.errors import InvalidInput, unknown_name
from brandsmith.core.optional import need_package

MIB = 1 << 20
EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class StudioSettings:
    host: str = "127.0.0.1"
    port: int = 8700
    users: Path | None = None
    """File of users with argon2 hashes; None: whoever reaches the server is its admin."""
    user_header: str | None = None
    """Header in which a reverse proxy names the user who has logged in there."""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Whose header is believed."""
    names: tuple[str, ...] = ()
    """Names by which browsers may reach it, beside the machine's own."""
    executor: str = "local"
    most_upload_bytes: int = 512 * MIB
    most_body_bytes: int = 1 * MIB
    """Of a request that uploads nothing."""
    slowest_bytes_per_sec: int = 16_384
    patience_sec: float = 10.0
    """What a body may take beyond its size at the slowest pace."""
    requests_per_sec: float = 100.0
    requests_at_once: int = 400

    @property
    def open_to_others(self) -> bool:
        return not is_loopback(self.host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_settings(settings: StudioSettings) -> None:
    """Raises InvalidInput when others could reach the server and nothing tells who they are, InvalidConfig for an
    unknown executor, MissingResource when Ray is not installed.
    """
    if settings.executor not in EXECUTORS:
        raise unknown_name("executor", settings.executor, EXECUTORS)
    if settings.executor == "ray":
        need_package("ray", "ray", "--executor ray")
    if settings.open_to_others and settings.users is None and settings.user_header is None:
        raise InvalidInput(
            f"--host {settings.host} lets others in, and nothing says who may",
            hint="give --users FILE (see 'brandsmith studio-user'), or --user-header NAME behind a reverse proxy",
        )
