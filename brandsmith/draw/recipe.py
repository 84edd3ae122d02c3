"""What a picture was drawn from, kept in the picture's own file: enough to draw it again.

One JSON object under the keyword `brandsmith` of a PNG's text:

    {"version": …, "prompt": …, "seed": 1000, "settings": {DrawSettings, resolved}, "base": "pocket",
     "base_fingerprint": …, "adapter": "runs/…/checkpoints/step-000400" or null, "adapter_hash": …,
     "batch": [[prompt, seed], …], "place": 3, "pixels": sha256, "watermark": true,
     "written": {"prompt": …, "language": "nl"}}

`batch` names what was drawn together: the last bits of a picture depend on its neighbours (docs/files.md). `pixels` is
the hash of what was drawn, by which a JPEG's drawing is known again. A JPEG or WebP carries the recipe in its XMP and
its C2PA manifest (`provenance`). `written` is there where the prompt was written in another language.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import sha256_of
from brandsmith.core.json_files import as_record, parse_json
from brandsmith.core.pictures import read_png_text
from brandsmith.core.seeds import LARGEST_SEED
from brandsmith.core.version import package_version
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.found import KEYWORD, recipe_text

EDIT_KEYWORD = "brandsmith-edit"
"""Of the PNG text that says what a picture drawn into, or from, another one was made of; it holds no recipe."""
MOST_STRENGTH = 10.0
"""Of an adapter, either way."""


@dataclass(frozen=True)
class Origin:
    """Which model draws: a base by name, with the adapter of a checkpoint folder (None: as it is)."""

    base: str
    base_fingerprint: str
    adapter: str | None = None
    adapter_hash: str | None = None
    adapter_strength: float = 1.0

    def as_json(self) -> dict[str, Any]:
        """Without a strength of 1, which is how an adapter was trained."""
        told = asdict(self)
        return told if self.adapter_strength != 1 else {k: v for k, v in told.items() if k != "adapter_strength"}


@dataclass(frozen=True)
class Written:
    """A prompt as its user wrote it, where it was read as something else."""

    prompt: str
    language: str
    """`nl`; as `--language` has it."""


@dataclass(frozen=True)
class Recipe:
    """Everything one picture was drawn from. `settings` are resolved: the guidance scale is a number."""

    prompt: str
    seed: int
    settings: DrawSettings
    origin: Origin
    batch: tuple[tuple[str, int], ...]
    """(prompt, seed) of every picture that was drawn together with this one, itself among them."""
    place: int
    """Which of the batch it is, counted from 0."""
    version: str = ""
    pixels: str = ""
    """Of what was drawn (`pixel_hash`); empty where it was not noted."""
    watermark: bool = False
    """Whether an invisible watermark was laid into the pixels."""
    written: Written | None = None

    def as_text(self) -> dict[str, str]:
        """For `core.pictures.save_png`."""
        record = {"version": self.version or package_version(), "prompt": self.prompt, "seed": self.seed}
        record |= {"settings": self.settings.model_dump(mode="json")} | self.origin.as_json()
        record |= {"batch": [list(pair) for pair in self.batch], "place": self.place}
        record |= {"pixels": self.pixels} if self.pixels else {}
        record |= {"watermark": True} if self.watermark else {}
        record |= {"written": asdict(self.written)} if self.written else {}
        return {KEYWORD: json.dumps(record, ensure_ascii=False), "Software": f"Brandsmith {record['version']}"}

    def differences(self, prompt: str, seed: int, settings: DrawSettings, origin: Origin) -> list[str]:
        """What differs from what is to be drawn now; a batch of another size or another place of the adapter does not
        count, nor does a fingerprint that is not known (empty).
        """
        now = {"prompt": prompt, "seed": seed, **_counted(settings), "base": origin.base}
        now["adapter"] = origin.adapter_hash
        before = {"prompt": self.prompt, "seed": self.seed, **_counted(self.settings), "base": self.origin.base}
        before["adapter"] = self.origin.adapter_hash
        now["adapter strength"], before["adapter strength"] = origin.adapter_strength, self.origin.adapter_strength
        if origin.base_fingerprint:
            now["base weights"], before["base weights"] = origin.base_fingerprint, self.origin.base_fingerprint
        return [f"{key} was {before[key]}, now {now[key]}" for key in now if before[key] != now[key]]


def _counted(settings: DrawSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude={"batch_size"})


def read_recipe(picture: Path) -> Recipe | None:
    """The recipe in a picture's file; None for a picture that has none. Raises InvalidInput where it cannot be read."""
    text = read_png_text(picture).get(KEYWORD) or recipe_text(picture)
    if text is None:
        return None
    where = f"'{picture}' carries a recipe that cannot be read"
    try:
        parsed = parse_json(text)
        if isinstance(parsed, dict) and "clip" in parsed:
            raise InvalidInput(f"'{picture}' is of a clip", hint="draw it again: brandsmith create clip --again FILE")
        record = as_record(parsed, _RECIPE, where, _AGAIN)
        return _recipe_from(record)
    except ValidationError as error:
        raise InvalidInput(f"{where} (settings: {error.errors()[0]['msg']})", hint=_AGAIN) from None
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{where} ({str(error).splitlines()[0]})", hint=_AGAIN) from None


_AGAIN = "draw it again"
_Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


@with_config(ConfigDict(extra="allow", strict=True))
class _WrittenJson(TypedDict):
    prompt: str
    language: str


@with_config(ConfigDict(extra="allow", strict=True))
class _RecipeJson(TypedDict):
    """The text of a picture, key by key."""

    version: str
    prompt: str
    seed: _Seed
    settings: dict[str, Any]
    base: Annotated[str, Field(min_length=1)]
    base_fingerprint: str
    adapter: str | None
    adapter_hash: str | None
    adapter_strength: NotRequired[Annotated[float, Field(ge=-MOST_STRENGTH, le=MOST_STRENGTH)]]
    batch: Annotated[
        list[Annotated[list[Any], Field(min_length=2, max_length=2)]], Field(min_length=1, max_length=1000)
    ]
    place: Annotated[int, Field(ge=0)]
    pixels: NotRequired[str]
    watermark: NotRequired[bool]
    written: NotRequired[_WrittenJson]


_RECIPE, _BATCH = TypeAdapter(_RecipeJson), TypeAdapter(list[tuple[str, _Seed]])


def _recipe_from(record: _RecipeJson) -> Recipe:
    """Raises ValueError or ValidationError where the parts do not agree."""
    strength = record.get("adapter_strength", 1.0)
    origin = Origin(record["base"], record["base_fingerprint"], record["adapter"], record["adapter_hash"], strength)
    batch = tuple(_BATCH.validate_python(record["batch"]))
    place = record["place"]
    if place >= len(batch) or batch[place] != (record["prompt"], record["seed"]):
        raise ValueError("its place in the batch is another picture's")
    settings = DrawSettings(**record["settings"])
    pixels, watermark = record.get("pixels", ""), record.get("watermark", False)
    own, version = record.get("written"), record["version"]
    written = Written(own["prompt"], own["language"]) if own else None
    return Recipe(record["prompt"], record["seed"], settings, origin, batch, place, version, pixels, watermark, written)


def pixel_hash(picture: np.ndarray) -> str:
    """SHA-256 of (H, W, 3) uint8: its shape and its values."""
    return hashlib.sha256(f"{picture.shape} {picture.dtype}".encode() + np.ascontiguousarray(picture).data).hexdigest()


def adapter_hash(checkpoint: Path | None) -> str | None:
    """16 hex digits for the weights in a checkpoint folder; None without one."""
    if checkpoint is None:
        return None
    files = sorted(checkpoint.glob("*.safetensors"))
    joined = "".join(f"{file.name}:{sha256_of(file)}" for file in files)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]
