"""Every error a user can meet, in one tree.

BrandsmithError                 what was given; `hint` says what is allowed or what to do
├── InvalidInput                the user's files or options are wrong (exit code 2)
│   ├── InvalidConcept          concept folder, images, captions, token
│   └── InvalidConfig           config keys, values, unknown names
├── MissingResource             a base, weights, artwork or an optional package is not there (exit code 2)
├── TrainingDiverged            the loss became NaN or infinite; the last good checkpoint is kept (exit code 1)
└── JudgeUnfit                  a judge failed its own check and refuses to score (exit code 1)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from brandsmith.core.secrets import mask_secrets


class BrandsmithError(Exception):
    """Base class. `str(error)` is one line; `hint` is one more, or empty. Logins in URLs are masked in both."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(mask_secrets(message))
        self.hint = mask_secrets(hint)


class InvalidInput(BrandsmithError):
    exit_code = 2


class InvalidConcept(InvalidInput):
    pass


class InvalidConfig(InvalidInput):
    pass


class MissingResource(BrandsmithError):
    exit_code = 2


class TrainingDiverged(BrandsmithError):
    pass


class JudgeUnfit(BrandsmithError):
    pass


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> InvalidConfig:
    """An InvalidConfig that names what is allowed and guesses what was meant."""
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    return InvalidConfig(f"unknown {kind} '{given}'", hint=f"{guess}allowed: {', '.join(names)}")
