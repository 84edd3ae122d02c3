"""Every text on the command line, checked in one place before any of it is read.

What no one means is refused in one sentence that names the option: an empty text (as an unset variable of the shell
gives it; an empty path would mean this folder), control characters, bytes that are no text, a page where a word is
meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from brandsmith.core.errors import InvalidInput
from brandsmith.core.text import shortened

MOST_CHARACTERS = 20_000
"""Of one argument; a prompt that is read to its end has a few hundred."""
MAY_BE_EMPTY = {"--negative-prompt"}
_CONTROL = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]")
"""Tab and line end are white space; marks that turn the direction of writing are not."""
_NOT_UTF_8 = re.compile("[\\ud800-\\udfff]")
"""How Python passes bytes that are not UTF-8."""


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise InvalidInput for the first argument that no one means."""
    for name, text in _named(arguments):
        if len(text) > MOST_CHARACTERS:
            raise InvalidInput(f"{name} has {len(text)} characters", hint=f"allowed: at most {MOST_CHARACTERS}")
        if _NOT_UTF_8.search(text):
            raise InvalidInput(f"{name} is {shortened(text)}, which is not UTF-8", hint="write it in UTF-8")
        if found := _CONTROL.search(text):
            sign = f"U+{ord(found[0]):04X}"
            raise InvalidInput(f"{name} is {shortened(text)}: it holds control character {sign}", hint="leave it out")
        if not text.strip() and name not in MAY_BE_EMPTY:
            raise InvalidInput(f"{name} is empty", hint="give a value or leave it out; is a variable not set?")


def _named(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(the option or the place it belongs to, text) of every argument; an option's own name is a text too."""
    before = ""
    for number, argument in enumerate(arguments, 1):
        option, equals, value = argument.partition("=")
        if argument.startswith("--") and equals:
            yield shortened(option).strip("'"), value
        else:
            yield (before or f"argument {number}"), argument
        before = argument if argument.startswith("--") and not equals and argument.isascii() else ""
