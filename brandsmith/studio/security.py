"""What stands before every page: headers that let no foreign script run, names by which we may be reached (against DNS
rebinding), a pace, and limits on how large and how slow a body may be.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brandsmith.studio.settings import StudioSettings

POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from elsewhere. Pictures may be a canvas's own (data:, blob:)."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
UPLOAD_TYPE = "multipart/form-data"
MOST_CLIENTS = 10_000


class SafeHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)


class KnownNames:
    """Only names that are ours: a page of another site whose name was pointed at this machine gets nothing."""

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self.app = app
        self.names = {"localhost", socket.gethostname().lower(), *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._known(Headers(scope=scope).get("host", "")):
            refusal = PlainTextResponse("this server is not known by that name; see --name\n", 421)
            return await refusal(scope, receive, send)
        await self.app(scope, receive, send)
        return None

    def _known(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        return name.lower() in self.names or _is_address(name)


def _is_address(name: str) -> bool:
    """No one can point an address elsewhere."""
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


@dataclass
class _Bucket:
    left: float
    at: float


class Pace:
    """A bucket of requests for each address, filled at a steady pace; 429 when it is empty."""

    def __init__(self, app: ASGIApp, settings: StudioSettings) -> None:
        self.app, self.settings = app, settings
        self.buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._admits((scope.get("client") or ("",))[0]):
            refusal = PlainTextResponse("too many requests; wait a moment\n", 429, {"retry-after": "2"})
            return await refusal(scope, receive, send)
        await self.app(scope, receive, send)
        return None

    def _admits(self, address: str) -> bool:
        now, most = time.monotonic(), float(self.settings.requests_at_once)
        bucket = self.buckets.setdefault(address, _Bucket(most, now))
        self.buckets.move_to_end(address)
        if len(self.buckets) > MOST_CLIENTS:
            self.buckets.popitem(last=False)
        bucket.left = min(most, bucket.left + (now - bucket.at) * self.settings.requests_per_sec)
        bucket.at = now
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True


class TooLarge(HTTPException):
    def __init__(self, most: int) -> None:
        super().__init__(413, f"a body of at most {most} bytes is taken")


class TooSlow(HTTPException):
    def __init__(self) -> None:
        super().__init__(408, "the body came too slowly")


class BodyLimits:
    """411 for a body of unsaid length, 413 for one above the limit, 408 for one that comes too slowly. Counted as it
    arrives: a header may lie.
    """

    def __init__(self, app: ASGIApp, settings: StudioSettings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        upload = headers.get("content-type", "").startswith(UPLOAD_TYPE)
        most = self.settings.most_upload_bytes if upload else self.settings.most_body_bytes
        if "transfer-encoding" in headers:
            return await _refused(HTTPException(411, "say how long the body is"))(scope, receive, send)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            return await _refused(TooLarge(most))(scope, receive, send)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, self._counting(receive, most), sending)
        except (TooLarge, TooSlow) as refusal:
            if not started:
                await _refused(refusal)(scope, receive, send)

    def _counting(self, receive: Receive, most: int) -> Receive:
        begun, got, over = time.monotonic(), 0, False

        async def counted() -> Message:
            nonlocal got, over
            if over:  # what comes now is that the browser went away
                return await receive()
            left = self.settings.patience_sec + got / self.settings.slowest_bytes_per_sec - (time.monotonic() - begun)
            try:
                message = await asyncio.wait_for(receive(), max(left, 0.01))
            except TimeoutError:
                raise TooSlow() from None
            got += len(message.get("body", b""))
            over = not message.get("more_body", False)
            if got > most:
                raise TooLarge(most)
            return message

        return counted


def _refused(refusal: HTTPException) -> PlainTextResponse:
    return PlainTextResponse(f"{refusal.detail}\n", refusal.status_code, {"connection": "close"})
