"""Settings that suit `pocket`, and those of flow models; other bases use each setting's own default.

Defaults live in the config classes; a preset is what a small base needs instead, because it is 80 times smaller than
Stable Diffusion and trains at learning rates that would ruin that. The base draws the first quarter of a picture by
itself where a method changes the denoiser (`acts_below`): products keep their shapes and their variety. Prior
preservation is off here: the class pictures that pocket draws for the bare word `logo` are too rough to be worth
preserving (`--set prior_weight=1` turns it on).
"""

from __future__ import annotations

from typing import Any

from brandsmith.base.names import is_pocket
from brandsmith.base.sources import family_of
from brandsmith.core.errors import BrandsmithError

_PACE: dict[str, Any] = {"batch_size": 8, "warmup_steps": 20, "cooldown": 0.8, "mask_weight": 5.0}
# pocket draws lettering that a prompt spells: the token starts from its own words, a letter at a time
_SPELLED: dict[str, Any] = {"num_vectors": 6, "spell": True}
POCKET: dict[str, dict[str, Any]] = {
    "dreambooth": _PACE
    | _SPELLED
    | {"steps": 900, "checkpoint_every": 300, "learning_rate": 1.2e-3, "prior_weight": 0.0, "acts_below": 0.75},
    "lora": _PACE
    | _SPELLED
    | {
        "steps": 900,
        "checkpoint_every": 300,
        "learning_rate": 2e-3,
        "rank": 64,
        "alpha": 64,
        "convolutions": True,
        "feed_forward": True,
        # gradients of a well-trained base are small: see LoraConfig.adam_epsilon
        "adam_epsilon": 1e-5,
        "acts_below": 0.75,
    },
    "textual_inversion": _PACE | _SPELLED | {"steps": 240, "checkpoint_every": 120, "learning_rate": 1e-3},
    "hypernetwork": _PACE | _SPELLED | {"steps": 240, "checkpoint_every": 120, "learning_rate": 1e-3},
}


def preset_for(method: str, base: str) -> dict[str, Any]:
    """Options for a method on a base: `pocket`'s, or those of a flow model's family (`Family.trains`)."""
    if is_pocket(base):
        return dict(POCKET.get(method, {}))
    try:
        family = family_of(base)
    except BrandsmithError:  # whoever uses the base says so
        return {}
    if not family.noising.is_flow:
        return {}
    own = {"class_image_guidance": max(1.0, family.draws.guidance_scale), "class_image_steps": family.draws.num_steps}
    return own | dict(family.trains.get(method, {}))
