"""The kinds of video models by name, and which of them a folder is."""

from __future__ import annotations

from pathlib import Path

from brandsmith.base.parts import INDEX, read_json
from brandsmith.base.video.kind import VideoKind
from brandsmith.base.video.ltx import LTX
from brandsmith.base.video.wan import WAN

VIDEO_KINDS = {kind.name: kind for kind in (LTX, WAN)}


def video_kind(folder: Path) -> VideoKind | None:
    """The kind of a diffusers folder, by the class of its transformer; None for anything else. Opens no weights."""
    if not (folder / INDEX).is_file():
        return None
    found = read_json(folder / "transformer" / "config.json").get("_class_name")
    return next((kind for kind in VIDEO_KINDS.values() if kind.denoiser_class.__name__ == found), None)


def is_video(base: str | None) -> bool:
    """Whether a base by name is a folder of a video model."""
    try:
        return bool(base) and video_kind(Path(base or "")) is not None
    except (OSError, ValueError):  # too long a name, or a null byte
        return False
