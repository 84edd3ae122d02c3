"""Bases that were distilled to draw in a few steps: how they are drawn with, and why they are not trained.

Luo et al. 2023, "Latent Consistency Models"; Sauer et al. 2023, "Adversarial Diffusion Distillation" (turbo); Lin et
al. 2024, "SDXL-Lightning"; Ren et al. 2024, "Hyper-SD". Distillation draws guidance and many steps into the weights.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from brandsmith.base.draw_defaults import Distilled
from brandsmith.base.names import split_name
from brandsmith.base.parts import INDEX, detect_family, family_distilled, read_json
from brandsmith.core.errors import InvalidConfig

_WORD = re.compile(r"(?<![a-z])(lcm|turbo|lightning|hyper-?sd(?:xl)?)(?![a-z])", re.I)
"""In a base's name. Turbo and Lightning have the configuration of ordinary bases: nothing else tells them apart."""


KINDS = {
    "lcm": Distilled("a latent consistency model", 4, 1.0, "LCMScheduler"),
    "turbo": Distilled("a turbo model", 4, 1.0, "euler_ancestral"),
    "lightning": Distilled("a Lightning model", 4, 1.0, "euler"),
    "hyper": Distilled("a Hyper-SD model", 4, 1.0, "ddim"),
}


def distilled_kind(name: str, folder: Path) -> Distilled | None:
    """What kind of distilled model a base is; None for an ordinary one. Reads configuration files alone.

    name: as the base was given; folder: where it is (`sources.resolve_base`).
    """
    if known := family_distilled(folder):
        return known
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name")
    if scheduler == "LCMScheduler" or read_json(folder / "unet" / "config.json").get("time_cond_proj_dim"):
        return KINDS["lcm"]
    said = read_json(folder / INDEX).get("_name_or_path")
    for text in (Path(split_name(name)[0]).name, said if isinstance(said, str) else ""):
        if match := _WORD.search(text.replace("_", "-")):
            word = match[1].lower()
            return _of_family(KINDS["hyper" if word.startswith("hyper") else word], folder)
    return None


def _of_family(kind: Distilled, folder: Path) -> Distilled:
    """A flow model has schedulers of its own."""
    family = detect_family(folder)
    return replace(kind, scheduler=family.draws.scheduler, twin=family.twin) if family.noising.is_flow else kind


def refuse_training(name: str, folder: Path) -> None:
    """Raise InvalidConfig for a distilled base."""
    if found := distilled_kind(name, folder):
        raise InvalidConfig(
            f"base '{name}' is {found.kind}: it was distilled to draw in about {found.num_steps} steps, and"
            " training with the usual loss undoes that",
            hint=f"train on {found.twin or 'the model it was distilled from'}, and draw with the adapter on this one",
        )
