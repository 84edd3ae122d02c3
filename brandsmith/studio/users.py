"""Who may do what: viewers look, makers start work, admins do everything.

The users' file has a line a user: `name:role:argon2 hash`. Without one the machine's own user is the admin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from brandsmith.core.errors import InvalidInput, unknown_name
from brandsmith.core.files import only_one, write_text
from brandsmith.core.output import check_output_file
from brandsmith.core.text import read_text, shortened

Role = Literal["viewer", "maker", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "maker", "admin")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 1000
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._@-]{0,63}")
LOCAL = "local"
"""The name of whoever sits at the machine."""


@dataclass(frozen=True)
class User:
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Account:
    user: User
    hash: str


def checked_name(name: str) -> str:
    """Raises InvalidInput."""
    if not _NAME.fullmatch(name):
        hint = "allowed: letters, digits, '.', '_', '@' and '-', at most 64"
        raise InvalidInput(f"{shortened(name)} is no name of a user", hint=hint)
    return name


def read_accounts(file: Path) -> Mapping[str, Account]:
    """{name: account}. Raises InvalidInput naming every line that is wrong. Read again when the file changes."""
    try:
        stamp = file.stat().st_mtime_ns
    except OSError:
        raise InvalidInput(f"there is no file of users '{file}'", hint="make one: brandsmith studio-user") from None
    return _accounts(file, stamp)


@lru_cache(maxsize=4)
def _accounts(file: Path, stamp: int) -> Mapping[str, Account]:
    found: dict[str, Account] = {}
    wrong = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        role, _, own_hash = rest.partition(":")
        if not _NAME.fullmatch(name) or role not in ROLES or not own_hash.startswith("$argon2") or name in found:
            wrong.append(f"line {number}")
        else:
            found[name] = Account(User(name, next(one for one in ROLES if one == role)), own_hash.strip())
    if wrong or not found:
        raise InvalidInput(
            f"'{file}': {', '.join(wrong[:9]) or 'no line'} is of the form name:role:hash with a name of its own",
            hint="write it with: brandsmith studio-user",
        )
    return found


def check_account(name: str, role: str) -> None:
    """Raises InvalidInput for what is no name or no role."""
    checked_name(name)
    if role not in ROLES:
        raise unknown_name("role", role, ROLES)


def check_users_file(file: Path) -> None:
    """Raises InvalidInput where no account can be written: a file that is none of users stays as it is."""
    check_output_file(file)
    if file.exists():
        read_accounts(file)
    elif not file.absolute().parent.is_dir():
        raise InvalidInput(f"'{file.parent}' is not a folder", hint="make it, or name another file")


def write_account(file: Path, name: str, role: str, password: str) -> None:
    """Add a user, or change one; other lines stay. Raises InvalidInput."""
    from argon2 import PasswordHasher

    check_account(name, role)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        hint = f"allowed: {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}"
        raise InvalidInput(f"the password has {len(password)} characters", hint=hint)
    with only_one(file.absolute().parent, None):
        lines = read_text(file).splitlines() if file.exists() else []
        kept = [line for line in lines if line.partition(":")[0] != name]
        write_text(file, "\n".join([*kept, f"{name}:{role}:{PasswordHasher().hash(password)}"]) + "\n")
    file.chmod(0o600)


def user_with_password(file: Path, name: str, password: str) -> User | None:
    """None for a wrong name or password, after the same time for both."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    account = read_accounts(file).get(name)
    try:
        PasswordHasher().verify(account.hash if account else _nobody(), password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return None
    return account.user if account else None


@lru_cache(maxsize=1)
def _nobody() -> str:
    from argon2 import PasswordHasher

    return PasswordHasher().hash("nobody")
