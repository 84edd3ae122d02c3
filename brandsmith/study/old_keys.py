"""Keys of `study.yaml` as version 0.1 wrote them, read as they are written now."""

from __future__ import annotations

from brandsmith.core.old_spelling import note_old_spelling
from brandsmith.core.yaml_lines import Located

OLD_SAMPLER = {"num_steps": 20, "guidance_scale": 4.0, "batch_size": 10}
"""What `cases.sampler` left out meant then."""


def renamed(found: Located, name: str) -> Located:
    """The document with `cases.sampler` as `cases.draw`; lines stay those of the file."""
    cases = found.value.get("cases") if isinstance(found.value, dict) else None
    if not isinstance(cases, dict) or "sampler" not in cases:
        return found
    note_old_spelling(f"cases.sampler in '{name}'", "cases.draw")
    given = cases["sampler"]
    draw = OLD_SAMPLER | given if isinstance(given, dict) else given
    value = found.value | {"cases": {key: v for key, v in cases.items() if key != "sampler"} | {"draw": draw}}
    old, new = ("cases", "sampler"), ("cases", "draw")
    lines = {new + path[2:] if path[:2] == old else path: line for path, line in found.lines.items()}
    return Located(value, lines, found.problems)
