"""What people type into forms, before it becomes part of a command: text that is text, numbers in their range."""

from __future__ import annotations

import math

from brandsmith.core.errors import InvalidInput
from brandsmith.core.text import one_line, shortened

LONGEST_PROMPT = 1000


def checked_text(name: str, given: str, most: int = LONGEST_PROMPT, *, needed: bool = True) -> str:
    """One line without control characters. Raises InvalidInput."""
    text = one_line(given)
    if needed and not text:
        raise InvalidInput(f"{name} is empty", hint="write something there")
    if len(text) > most:
        raise InvalidInput(f"{name} has {len(text)} characters", hint=f"at most {most} are taken")
    if not text.isprintable():
        raise InvalidInput(
            f"{name} is {shortened(text)}: it holds characters that cannot be shown", hint="take them out"
        )
    return text


def checked_number(name: str, given: float, least: float, most: float) -> float:
    """Raises InvalidInput."""
    if not (math.isfinite(given) and least <= given <= most):
        raise InvalidInput(f"{name} is {given:g}", hint=f"give a number from {least:g} to {most:g}")
    return given


def checked_choice(name: str, given: str, allowed: tuple[str, ...]) -> str:
    """Raises InvalidInput."""
    if given not in allowed:
        raise InvalidInput(f"{name} is {shortened(given)}", hint=f"allowed: {', '.join(allowed)}")
    return given
