"""Tokens for programs: random, shown once, kept as digests with the name and role they act under."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import only_one, write_json
from brandsmith.core.json_files import read_record
from brandsmith.studio.users import ROLES, Role, User
from brandsmith.studio.workspace import Workspace

MOST_TOKENS = 100


@dataclass(frozen=True)
class Token:
    digest: str
    """SHA-256; the token itself has 256 random bits, so nothing slower is needed."""
    user: str
    role: Role
    label: str
    created: float


_TOKENS: TypeAdapter[list[Token]] = TypeAdapter(list[Token])


def tokens(workspace: Workspace) -> list[Token]:
    file = _file(workspace)
    return read_record(file, _TOKENS) if file.exists() else []


def new_token(workspace: Workspace, user: User, role: Role, label: str) -> str:
    """A token that acts for `user` with at most `role`. Raises InvalidInput when there are too many."""
    text = f"bs_{secrets.token_urlsafe(32)}"
    may = ROLES[min(ROLES.index(role), ROLES.index(user.role))]
    with only_one(workspace.own / "tokens", None):
        known = tokens(workspace)
        if len(known) >= MOST_TOKENS:
            raise InvalidInput(f"there are {MOST_TOKENS} tokens already", hint="remove those that nobody uses")
        _write(workspace, [*known, Token(_digest(text), user.name, may, label[:80], time.time())])
    return text


def remove_token(workspace: Workspace, digest: str) -> None:
    with only_one(workspace.own / "tokens", None):
        _write(workspace, [token for token in tokens(workspace) if token.digest != digest])


def user_of_token(workspace: Workspace, text: str) -> User | None:
    digest = _digest(text)
    for token in tokens(workspace):
        if secrets.compare_digest(token.digest, digest):
            return User(token.user, token.role)
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _file(workspace: Workspace) -> Path:
    return workspace.own / "tokens" / "tokens.json"


def _write(workspace: Workspace, kept: list[Token]) -> None:
    write_json(_file(workspace), [asdict(token) for token in kept])
    _file(workspace).chmod(0o600)
