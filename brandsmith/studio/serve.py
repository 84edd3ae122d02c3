"""Serve a workspace until somebody ends it."""

from __future__ import annotations

import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.server import create_app
from brandsmith.studio.settings import StudioSettings, check_settings
from brandsmith.studio.timed_headers import TimedHeaders
from brandsmith.studio.users import read_accounts
from brandsmith.studio.workspace import Workspace

MOST_CONNECTIONS = 500


def serve(folder: Path, settings: StudioSettings, *, open_browser: bool, say: Callable[[str], None]) -> None:
    """Raises InvalidInput before anything is written when the settings are wrong or the port is taken."""
    check_settings(settings)
    if settings.users is not None:
        read_accounts(settings.users)
    opened = listening(settings)
    app = create_app(Workspace.open(folder), settings)
    address = f"http://{'localhost' if not settings.open_to_others else settings.host}:{settings.port}/"
    say(f"the studio is at {address}  (Ctrl-C ends it; work in progress goes on)")
    if open_browser:
        threading.Thread(target=_open_soon, args=(address,), daemon=True).start()
    config = uvicorn.Config(
        app,
        http=TimedHeaders,
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run([opened])


def listening(settings: StudioSettings) -> socket.socket:
    """Raises InvalidInput for an address that cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((settings.host, settings.port))
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that no host can have
        opened.close()
        raise InvalidInput(
            f"--host {settings.host} --port {settings.port} cannot be listened on "
            f"({getattr(error, 'strerror', None) or error})",
            hint="another program may use the port: give another --port",
        ) from None
    return opened


def _open_soon(address: str) -> None:
    time.sleep(0.5)
    webbrowser.open(address)
