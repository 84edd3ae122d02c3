"""`brandsmith provenance …` as functions: files in, lines out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from brandsmith.provenance.found import Found, State

WHOLE, CHANGED, NOTHING = 0, 1, 3
"""Exit codes of `provenance show`."""


def exit_code(found: Found, trust: Path | None) -> int:
    """0: signed and whole; 1: changed since, or not trusted where `trust` says whom to trust; 3: not signed."""
    state = found.manifest.state
    if state is State.ABSENT:
        return NOTHING
    bad = state is State.TAMPERED or (state is State.UNTRUSTED and trust is not None)
    return CHANGED if bad else WHOLE


def found_lines(path: Path, found: Found) -> Iterator[str]:
    """What a file says, for a terminal: the verdict first."""
    yield f"{path}: {_verdict(found)}"
    own = found.manifest
    if own.signer:
        yield f"signed by: {own.signer}" + (" (this computer's own certificate)" if own.local else "")
    for reason in own.reasons:
        yield f"  {reason}"
    if own.software:
        yield f"made with: {own.software}"
    if own.source:
        yield f"digital source type: {own.source}"
    yield from (f"did: {action}" for action in own.actions)
    yield from (f"from: {ingredient}" for ingredient in own.ingredients)
    for name, values in found.xmp.items():
        if not name.endswith(":Recipe"):
            yield f"XMP {name}: {'; '.join(values)}"
    if not found.xmp:
        yield "XMP: none"
    yield _watermark_line(found)
    if found.recipe:
        prompt, seed = found.recipe.get("prompt"), found.recipe.get("seed")
        how = "create clip --again" if "clip" in found.recipe else "sample --from"
        yield f"recipe: prompt {prompt!r}, seed {seed}; draw it again: {how}"


def _watermark_line(found: Found) -> str:
    if found.watermark is None:
        return "watermark: none found"
    whose = "that of this recipe" if found.watermark_agrees else "not that of this file's recipe"
    return f"watermark: {found.watermark.payload:06x}, {whose if found.recipe else 'no recipe to compare it with'}"


def _verdict(found: Found) -> str:
    return {
        State.TRUSTED: "trusted: signed by somebody you trust, and unchanged since",
        State.UNTRUSTED: "untrusted: signed, and unchanged since; nobody vouches for who signed",
        State.TAMPERED: "TAMPERED: changed after it was signed",
        State.ABSENT: "not signed: no C2PA manifest",
    }[found.manifest.state]
