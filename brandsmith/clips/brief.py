"""What a clip is to be, as a command line says it: light, for `--help` needs no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput

FRAMES, FPS = 16, 8.0
"""Frames that temporal layers are trained with, and so many a second: two seconds."""
FEWEST, MOST = 2, 256
Checked = TypeVar("Checked")


@dataclass(frozen=True)
class ClipChoice:
    """None: the default."""

    motion: Path | None = None
    """Folder of temporal layers; pocket has its own."""
    frames: int | None = None
    fps: float | None = None
    loop: bool = False
    picture: Path | None = None
    """The picture that every frame starts from."""
    strength: float | None = None
    common_noise: float | None = None
    kind: str | None = None
    lora: Path | None = None
    """Of a video model."""

    @property
    def count(self) -> int:
        return FRAMES if self.frames is None else self.frames

    @property
    def rate(self) -> float:
        return FPS if self.fps is None else self.fps


def all_at_once(faults: list[BrandsmithError]) -> None:
    """Raise what is wrong: one fault as it is, several as the lines of one InvalidInput."""
    if not faults:
        return
    if len(faults) == 1:
        raise faults[0]
    details = [f"{fault}" + (f" ({fault.hint})" if fault.hint else "") for fault in faults]
    raise InvalidInput(f"{len(faults)} things are wrong", details=details)


def tried(faults: list[BrandsmithError], check: Callable[[], Checked]) -> Checked | None:
    """What `check` returns; None where it raises, which `faults` then has."""
    try:
        return check()
    except BrandsmithError as error:
        faults.append(error)
        return None


def choice_faults(choice: ClipChoice) -> list[BrandsmithError]:
    """What no clip can be, whatever draws it."""
    found: list[BrandsmithError] = []
    if not FEWEST <= choice.count <= MOST:
        found.append(InvalidConfig(f"--frames is {choice.count}", hint=f"allowed: {FEWEST} to {MOST}; 16 is usual"))
    if not 0 < choice.rate <= 60:
        found.append(InvalidConfig(f"--fps is {choice.rate:g}", hint="allowed: above 0 to 60; 8 is usual"))
    if choice.common_noise is not None and not 0 <= choice.common_noise < 1:
        found.append(InvalidConfig(f"--common-noise is {choice.common_noise:g}", hint="allowed: 0 to below 1"))
    if choice.strength is not None and choice.picture is None:
        found.append(InvalidConfig("--strength is given without --from", hint="name the picture to start from"))
    if choice.strength is not None and not 0 < choice.strength <= 1:
        found.append(InvalidConfig(f"--strength is {choice.strength:g}", hint="allowed: above 0 to 1"))
    return found
