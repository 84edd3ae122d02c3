"""How a studio is served: one record, filled by the command line."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.errors import InvalidInput, unknown_name
from brandsmith.core.optional import need_package
from brandsmith.core.text import shortened

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


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,252})")


def _check_names(settings: StudioSettings) -> None:
    """Raises InvalidInput for what can never match a request."""
    header = settings.user_header
    if header is not None and not _HEADER.fullmatch(header):
        raise InvalidInput(f"--user-header is {shortened(header)}", hint="give a header's name, such as X-User")
    for proxy in settings.proxies:
        try:
            ipaddress.ip_address(proxy)
        except ValueError:
            raise InvalidInput(f"--proxy is {shortened(proxy)}", hint="give an address such as 10.0.0.5") from None
    for name in settings.names:
        if not _HOST.fullmatch(name):
            raise InvalidInput(f"--name is {shortened(name)}", hint="give a name such as studio.acme.example")


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
    _check_names(settings)
    if settings.open_to_others and settings.users is None and settings.user_header is None:
        raise InvalidInput(
            f"--host {settings.host} lets others in, and nothing says who may",
            hint="give --users FILE (see 'brandsmith studio-user'), or --user-header NAME behind a reverse proxy",
        )
