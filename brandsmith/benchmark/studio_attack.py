"""What somebody who means harm tried on a studio, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

SECRET = "what lies outside the workspace"


@dataclass
class Attack:
    """What was tried, and what came of it."""

    requests: int = 0
    served: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)

    def note(self, what: str, answer: httpx.Response, *, served: bool | None = None) -> None:
        """served None: any answer that is not a refusal."""
        self.requests += 1
        text = answer.text
        if SECRET in text or "root:x:" in text or (answer.is_success if served is None else served):
            self.served.append(f"{what}: {answer.status_code}")
        if "Traceback" in text or answer.status_code >= 500:
            self.tracebacks.append(f"{what}: {answer.status_code} {text[:200]}")

    def note_raw(self, what: str, answer: bytes) -> None:
        """Refused with a status, or by a closed connection."""
        self.requests += 1
        if not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3")) and answer:
            self.served.append(f"{what}: {answer[:60]!r}")
