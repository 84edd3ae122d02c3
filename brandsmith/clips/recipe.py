"""What a clip was drawn from, kept in every file of it: enough to draw it again.

One JSON object under the keyword `brandsmith`, as pictures have it (`draw/recipe.py`), with `clip` in place of a
picture's batch; a frame has its number too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from brandsmith.base.motion import Frames
from brandsmith.core.errors import InvalidInput
from brandsmith.core.seeds import LARGEST_SEED
from brandsmith.core.text import read_bytes
from brandsmith.core.version import package_version
from brandsmith.draw.recipe import KEYWORD, Origin
from brandsmith.guidance.clip import MOST_FRAMES, Clip
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.found import recipe_of
from brandsmith.provenance.signature import LARGEST_BYTES

_STRICT = ConfigDict(extra="ignore", allow_inf_nan=False)


@checked_dataclass(frozen=True, config=_STRICT)
class Moving:
    """The `clip` of a recipe: everything that a picture does not have."""

    frames: Annotated[int, Field(ge=2, le=MOST_FRAMES)]
    fps: Annotated[float, Field(gt=0, le=120)]
    loop: bool
    window: Annotated[int, Field(ge=2, le=MOST_FRAMES)]
    stride: Annotated[int, Field(ge=1, le=MOST_FRAMES)]
    common_noise: Annotated[float, Field(ge=0, lt=1)]
    motion: str
    """Name of the temporal layers' folder; `motion_hash` is what they are known by."""
    motion_hash: str
    start: str | None = None
    """SHA-256 of the picture it starts from."""
    strength: float | None = None
    model: str | None = None
    """The kind of video model that drew it, `wan`; None: temporal layers on a base of pictures."""

    def as_json(self) -> dict[str, Any]:
        """Without `model` where temporal layers draw."""
        return {name: value for name, value in asdict(self).items() if name != "model" or value}

    def as_frames(self) -> Frames:
        return Frames(self.frames, self.loop, self.window, self.stride)


@dataclass(frozen=True)
class ClipRecipe:
    """Everything one clip was drawn from. `settings` are resolved."""

    prompt: str
    seed: int
    settings: DrawSettings
    origin: Origin
    moving: Moving
    version: str = ""
    pixels: str = ""
    """Of all its frames as they were drawn (`frames_hash`)."""

    def as_text(self, frame: int | None = None) -> str:
        record: dict[str, Any] = {"version": self.version or package_version()}
        record |= {"prompt": self.prompt, "seed": self.seed, "settings": self.settings.model_dump(mode="json")}
        record |= self.origin.as_json() | {"clip": self.moving.as_json(), "pixels": self.pixels}
        return json.dumps(record | ({} if frame is None else {"frame": frame}), ensure_ascii=False)

    def as_clip(self) -> Clip:
        return Clip(self.prompt, self.seed, self.moving.as_frames(), self.moving.common_noise)


@checked_dataclass(frozen=True, config=_STRICT)
class _Stored:
    version: str
    prompt: str
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)]
    settings: dict[str, Any]
    base: Annotated[str, Field(min_length=1)]
    base_fingerprint: str
    adapter: str | None
    adapter_hash: str | None
    clip: Moving
    pixels: str
    adapter_strength: float = 1.0


_STORED = TypeAdapter(_Stored)


def read_clip_recipe(file: Path) -> ClipRecipe:
    """Of a film, a strip or a frame. Raises MissingResource or InvalidInput where there is none that can be read."""
    record = recipe_of(read_bytes(file, LARGEST_BYTES))
    if record is None or "clip" not in record:
        raise InvalidInput(
            f"'{file}' carries no recipe of a clip", hint="give a file that 'brandsmith create clip' wrote"
        )
    try:
        own = _STORED.validate_python(record)
        settings = DrawSettings(**own.settings)
    except ValidationError as error:
        raise InvalidInput(
            f"'{file}' carries a recipe that cannot be read ({error.errors()[0]['msg']})", hint="draw it anew"
        ) from None
    origin = Origin(own.base, own.base_fingerprint, own.adapter, own.adapter_hash, own.adapter_strength)
    return ClipRecipe(own.prompt, own.seed, settings, origin, own.clip, own.version, own.pixels)


def frames_hash(frames: np.ndarray) -> str:
    """SHA-256 of (F, H, W, 3) uint8: its shape and its values."""
    return hashlib.sha256(f"{frames.shape}".encode() + np.ascontiguousarray(frames).data).hexdigest()


def as_png_text(recipe: ClipRecipe, frame: int | None = None) -> dict[str, str]:
    return {KEYWORD: recipe.as_text(frame), "Software": f"Brandsmith {recipe.version or package_version()}"}
