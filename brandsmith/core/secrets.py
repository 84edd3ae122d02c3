"""Logins that stand in URLs, such as a database's: they are never printed and never written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LOGIN = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.\-]*://)(?:[^\s/@:]*:\S*|[^\s/@:]+)@")
"""A password may hold any sign but white space, so it goes to the last @."""
_PARAMETER = re.compile(
    r"(?P<name>(?:\b(?:password|passwd|pwd|sslpassword)|(?<=[?&;])(?:token|secret|api_?key|access_?key))=)[^&;\s'\"]+",
    re.IGNORECASE,
)


def mask_secrets(text: str) -> str:
    """`postgresql://me:word@host/db` as `postgresql://***@host/db`; a text without logins stays as it is."""
    return _PARAMETER.sub(r"\g<name>***", _LOGIN.sub(r"\g<scheme>***@", text)) if _may_hold_one(text) else text


def _may_hold_one(text: str) -> bool:
    return "://" in text or "=" in text


def mask_all(value: Any) -> Any:
    """The same for every text in a JSON value."""
    if isinstance(value, str):
        return mask_secrets(value)
    if isinstance(value, Mapping):
        return {mask_all(key): mask_all(item) for key, item in value.items()}
    return [mask_all(item) for item in value] if isinstance(value, list | tuple) else value
