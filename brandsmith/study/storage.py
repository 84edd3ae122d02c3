"""Optuna's storage: opened, and what its database refuses as one sentence."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from brandsmith.core.errors import BrandsmithError, InvalidConfig, from_os_error
from brandsmith.core.secrets import mask_secrets

FILE = "studies.sqlite3"
_SYSTEM = {
    "disk is full": errno.ENOSPC,
    "no space left": errno.ENOSPC,
    "readonly database": errno.EROFS,
    "read-only": errno.EROFS,
    "disk i/o error": errno.EIO,
}
"""What databases say, in lower case, and what the system means by it."""


def open_storage(url: str | None, folder: Path) -> RDBStorage:
    """The database at `url`, or a SQLite file in the study's folder. Raises InvalidConfig when it cannot be opened,
    BrandsmithError when there is no space.
    """
    place = storage_place(url, folder)
    try:
        return RDBStorage(url or f"sqlite:///{(folder / FILE).resolve()}")
    except Exception as error:  # SQLAlchemy and its drivers raise many kinds
        refusal = _system_refusal(error, place)
        if refusal:
            raise refusal from None
        raise InvalidConfig(
            f"storage '{place}' cannot be opened ({_reason(error)})",
            hint="give an SQLAlchemy URL and install its driver, or leave 'storage' out",
        ) from None


def storage_place(url: str | None, folder: Path) -> str:
    """What a user knows the storage by; without logins."""
    return mask_secrets(url) if url else str(folder / FILE)


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Turn what the database refuses inside the block into a BrandsmithError that names it."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        refusal = _system_refusal(error, place)
        raise refusal or BrandsmithError(
            f"storage '{place}' failed ({_reason(error)})",
            hint="what is done is kept: when the storage is back, run the same command again",
        ) from error


def _system_refusal(error: BaseException, place: str) -> BrandsmithError | None:
    said = " ".join(str(one) for one in _causes(error)).lower()
    number = next((number for words, number in _SYSTEM.items() if words in said), None)
    return None if number is None else from_os_error(OSError(number, ""), place)


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__


def _reason(error: BaseException) -> str:
    """The first line of what the database itself said: Optuna's own words are about something else."""
    last = list(_causes(error))[-1]
    return (str(last).splitlines() or [type(last).__name__])[0][:200]
