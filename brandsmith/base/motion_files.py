"""Temporal layers on disk: a folder as diffusers' `MotionAdapter.save_pretrained` writes it, checked before it is read.

    config.json, diffusion_pytorch_model.safetensors   the layers
    motion.json                                        of ours alone: how they are best drawn with

AnimateDiff's own layers were trained with linear betas, whatever the base's are: so are others' drawn with here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from diffusers import MotionAdapter, UNet2DConditionModel

from brandsmith.base.base import Base, Family, pocket_folder
from brandsmith.base.motion import Motion, check_motion_fits
from brandsmith.base.names import is_pocket
from brandsmith.base.parts import build_part, check_weights, read_json, said_of, weight_files
from brandsmith.base.sources import family_of, resolve_base
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import sha256_of
from brandsmith.core.safe_weights import check_finite

MOTION_FILE = "motion.json"
_STEM = "diffusion_pytorch_model"


def motion_folder(given: Path | None, base: str) -> Path:
    """The folder of a base's temporal layers: the one that is given, or pocket's own. Raises MissingResource."""
    if given is None and is_pocket(base):
        folder = pocket_folder().with_name("pocket_motion")
        if not (folder / "config.json").is_file():
            raise MissingResource(
                "pocket's temporal layers are not in this installation", hint="brandsmith base build pocket-motion"
            )
        return folder
    if given is None:
        raise MissingResource(
            f"base '{base}' draws pictures: for clips it needs temporal layers",
            hint="give a folder of a diffusers MotionAdapter with --motion, such as one of AnimateDiff's",
        )
    if not (given / "config.json").is_file():
        raise MissingResource(
            f"'{given}' holds no temporal layers (no config.json)", hint="give a folder of a diffusers MotionAdapter"
        )
    return given


def check_motion(folder: Path, base: str) -> None:
    """Reads configurations and headers, no weights. Raises InvalidInput, InvalidConfig or MissingResource for layers
    that do not fit the base.
    """
    family, place = family_of(base), resolve_base(base)
    _check_family(family, base)
    with torch.device("meta"):
        adapter = _build(folder)
        check_weights(folder, adapter)
        unet = build_part(place, family, family.denoiser_name)
    assert isinstance(unet, UNet2DConditionModel)
    check_motion_fits(unet, adapter, str(folder))
    motion_facts(folder)


def load_motion(folder: Path, base: Base) -> Motion:
    """The layers, frozen, on the base's device. Raises as `check_motion`."""
    with said_of(folder):
        adapter = MotionAdapter.from_pretrained(folder, local_files_only=True, torch_dtype=torch.float32)
    check_finite(adapter.state_dict().items(), folder)
    adapter.to(base.device).requires_grad_(False).eval()
    common, betas = motion_facts(folder)
    return Motion(folder.name, adapter, motion_hash(folder), common, betas)


def motion_facts(folder: Path) -> tuple[float, str | None]:
    """(share of common noise, betas in place of the base's) that the layers are drawn with. Raises InvalidInput."""
    if not (folder / MOTION_FILE).is_file():
        return 0.0, "linear"
    common = read_json(folder / MOTION_FILE).get("common_noise", 0.0)
    if not isinstance(common, (int, float)) or isinstance(common, bool) or not 0 <= common < 1:
        raise InvalidInput(f"'{folder / MOTION_FILE}': common_noise is {common!r}", hint="allowed: from 0 to below 1")
    return float(common), None


def motion_hash(folder: Path) -> str:
    """16 hex digits for the weights and how they are drawn with."""
    files = [*weight_files(folder, _STEM), *(own for own in (folder / MOTION_FILE,) if own.is_file())]
    return hashlib.sha256("".join(f"{own.name}:{sha256_of(own)}" for own in files).encode()).hexdigest()[:16]


def _check_family(family: Family, base: str) -> None:
    if family.denoiser_class is not UNet2DConditionModel:
        raise InvalidConfig(
            f"base '{base}' is of family {family.name}, a transformer: temporal layers go between those of a U-Net",
            hint="give a base of Stable Diffusion 1.x, 2.x or XL",
        )


def _build(folder: Path) -> MotionAdapter:
    config = read_json(folder / "config.json")
    if config.get("_class_name", "MotionAdapter") != "MotionAdapter":
        raise InvalidInput(
            f"'{folder / 'config.json'}' is of a {config['_class_name']}", hint="give a diffusers MotionAdapter"
        )
    try:
        return MotionAdapter.from_config(config)
    except Exception as error:  # whatever diffusers raises for values that make no model
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise InvalidInput(f"'{folder / 'config.json'}' describes no model ({reason})", hint="get it again") from None
