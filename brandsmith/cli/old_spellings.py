"""Options as version 0.1 spelled them, put into today's words; a line on stderr says the new ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from brandsmith.core.old_spelling import note_old_spelling

LAYOUTS = ("never", "merging", "always")
BUNDLED = {
    ("--refiner", "attend_excite"): "--guidance faithful",
    ("--combiner", "regional"): "--guidance faithful-and",
}
"""What these options did beside their own work is a preset now."""


def modern(arguments: Sequence[str]) -> list[str]:
    """The command line in today's spelling."""
    found: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--no-layout":
            note_old_spelling("--no-layout", "--layout never")
            found += ["--layout", "never"]
        elif argument == "--layout" and following not in LAYOUTS and (not following or following.startswith("-")):
            note_old_spelling("--layout without a value", "--layout always")
            found += ["--layout", "always"]
        else:
            found.append(argument)
    _note_bundles(found)
    return found


def _note_bundles(arguments: Sequence[str]) -> None:
    """`--refiner attend_excite` alone moves latents; it used to lay out and redraw as well."""
    if not {"sample", "explain"} & set(arguments) or {"--guidance", "--layout", "--redraw"} & set(arguments):
        return
    for option, value in BUNDLED:
        if (option, value) in pairwise(arguments):
            note_old_spelling(f"{option} {value} with layout and redraw", BUNDLED[option, value])
