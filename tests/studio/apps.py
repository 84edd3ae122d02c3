"""A studio in this process, over a workspace of a test."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.testclient import TestClient

from brandsmith.studio.server import create_app
from brandsmith.studio.settings import StudioSettings
from brandsmith.studio.workspace import Workspace


def client_of(folder: Path, settings: StudioSettings | None = None, **options: object) -> TestClient:
    app = create_app(Workspace.open(folder), settings, work=False)
    return TestClient(app, base_url="http://localhost:8700", follow_redirects=False, **options)


def csrf_of(client: TestClient, path: str = "/") -> str:
    """The token on a page, as a browser's form would send it."""
    return re.search(r'<meta name="csrf" content="([0-9a-f]+)">', client.get(path).text)[1]
