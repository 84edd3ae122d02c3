"""Signed cookies: who is logged in, and the token that tells a form of ours from a form of another site.

The key lies in the workspace, so a restart of the server logs nobody out. A cookie is `name.nonce.expiry.signature`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brandsmith.core.files import replacing

LASTS_SEC = 14 * 86_400
_DOT = "."


@dataclass(frozen=True)
class Session:
    nonce: str
    name: str = ""
    """Of the user who logged in; empty before."""
    expires: int = field(default_factory=lambda: int(time.time()) + LASTS_SEC)


def secret_key(own: Path) -> bytes:
    """The workspace's key, made when it is first asked for."""
    file = own / "key"
    if not file.exists():
        try:
            with replacing(file, exclusive=True) as partial:
                partial.touch(mode=0o600)
                partial.write_bytes(secrets.token_bytes(32))
        except Exception:
            if not file.exists():  # another process made it meanwhile
                raise
    return file.read_bytes()


class Sessions:
    """Reads and writes the cookie; the name differs by port, because browsers share cookies among ports."""

    def __init__(self, key: bytes, port: int) -> None:
        self.key, self.cookie = key, f"brandsmith_{port}"

    def csrf_token(self, session: Session) -> str:
        return self._mac("csrf", session.nonce)

    def is_csrf_token(self, session: Session, token: str) -> bool:
        return hmac.compare_digest(self.csrf_token(session).encode(), token.encode("utf-8", "replace"))

    def written(self, session: Session) -> str:
        name = base64.urlsafe_b64encode(session.name.encode()).decode().rstrip("=")
        body = _DOT.join((name, session.nonce, str(session.expires)))
        return f"{body}{_DOT}{self._mac('session', body)}"

    def read(self, cookie: str) -> Session | None:
        """None for a cookie that is not ours, or too old."""
        body, _, mac = cookie.rpartition(_DOT)
        if not hmac.compare_digest(self._mac("session", body).encode(), mac.encode("utf-8", "replace")):
            return None
        name, nonce, expires = body.split(_DOT)
        if int(expires) < time.time():
            return None
        return Session(nonce, base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode(), int(expires))

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self.key, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()


class SessionCookies:
    """Every request has a session in `request.state.session`; one that changes is sent back as a cookie."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = self._given(scope)
        state = scope.setdefault("state", {})
        state["session"] = given or Session(secrets.token_urlsafe(18))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and state["session"] != given:
                MutableHeaders(scope=message).append("set-cookie", self._set_cookie(scope, state["session"]))
            await send(message)

        await self.app(scope, receive, sending)
        return None

    def _given(self, scope: Scope) -> Session | None:
        for name, value in scope["headers"]:
            if name == b"cookie":
                try:
                    found = SimpleCookie(value.decode("latin-1")).get(self.sessions.cookie)
                except CookieError:
                    continue
                if found is not None:
                    return self.sessions.read(found.value)
        return None

    def _set_cookie(self, scope: Scope, session: Session) -> str:
        secure = "; Secure" if scope.get("scheme") == "https" else ""
        text = self.sessions.written(session)
        return f"{self.sessions.cookie}={text}; Path=/; Max-Age={LASTS_SEC}; HttpOnly; SameSite=Lax{secure}"
