"""Bases for inpainting: a U-Net of nine channels, which sees a mask and the picture around it beside the noise.

Rombach et al. 2022, section 4.5, as runwayml/stable-diffusion-inpainting made it usual. A plain prompt is drawn by them
with everything masked (`base.encode_prompts`): as stock diffusers' inpainting pipeline draws with a mask all white.
"""

from __future__ import annotations

from pathlib import Path

from brandsmith.base.base import Base, inpainting_channels
from brandsmith.base.parts import read_json
from brandsmith.base.sources import resolve_base
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.notes import warn_once


def is_inpainting(base: Base | str) -> bool:
    """Whether a base, loaded or not, takes a mask; reads configuration files alone. Raises MissingResource."""
    return base.is_inpainting if isinstance(base, Base) else _folder_is(resolve_base(base))


def _folder_is(folder: Path) -> bool:
    taken, latent = (read_json(folder / part / "config.json") for part in ("unet", "vae"))
    return bool(taken.get("in_channels") == inpainting_channels(latent.get("latent_channels", 4)))


def refuse_inpainting(base: Base | str) -> None:
    """Raise InvalidConfig for training on a base that takes a mask."""
    if is_inpainting(base):
        name = base if isinstance(base, str) else base.name
        raise InvalidConfig(
            f"base '{name}' is for inpainting: its U-Net takes nine channels, and learns from pictures with masks,"
            " which training here does not make",
            hint="train on the text-to-image model it was made from, and draw with the adapter on this one",
        )


def note_inpainting(base: str) -> None:
    """One line on stderr where plain prompts are drawn with a base for inpainting."""
    if is_inpainting(base):
        warn_once(
            f"base '{base}' is for inpainting: plain prompts are drawn with everything masked; to change a part of a"
            " picture: brandsmith create inpaint"
        )
