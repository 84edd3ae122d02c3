"""Who changed what: a line of JSON for each request that may change something, and for each login."""

from __future__ import annotations

import time
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brandsmith.core.files import append_jsonl
from brandsmith.studio.users import User


class Audit:
    def __init__(self, app: ASGIApp, file: Path) -> None:
        self.app, self.file = app, file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return await self.app(scope, receive, send)
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            self._note(scope, status)

    def _note(self, scope: Scope, status: int) -> None:
        user = scope.get("state", {}).get("user")
        append_jsonl(
            self.file,
            {
                "time": round(time.time(), 3),
                "user": user.name if isinstance(user, User) else None,
                "from": (scope.get("client") or ("",))[0],
                "method": scope["method"],
                "path": scope["path"][:500],
                "status": status,
            },
        )
