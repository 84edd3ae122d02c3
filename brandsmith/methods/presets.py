"""Settings that suit `pocket`; other bases use each setting's own default.

Defaults live in the config classes; a preset is what a small base needs instead, because it is 80 times smaller than
Stable Diffusion and trains at learning rates that would ruin that. Prior preservation is off here: the class pictures
that pocket draws for the bare word `logo` are too rough to be worth preserving (`--set prior_weight=1` turns it on).
"""

from __future__ import annotations

from typing import Any

_PACE: dict[str, Any] = {"batch_size": 8, "warmup_steps": 20, "cooldown": 0.4}
POCKET: dict[str, dict[str, Any]] = {
    "dreambooth": _PACE | {"steps": 600, "checkpoint_every": 200, "learning_rate": 1.5e-3, "prior_weight": 0.0},
    "lora": _PACE
    | {
        "steps": 700,
        "checkpoint_every": 350,
        "learning_rate": 3e-3,
        "rank": 32,
        "alpha": 32,
        "convolutions": True,
        "feed_forward": True,
        # gradients of a well-trained base are small: see LoraConfig.adam_epsilon
        "adam_epsilon": 1e-5,
    },
    "textual_inversion": _PACE
    | {"steps": 240, "checkpoint_every": 120, "learning_rate": 1e-3, "num_vectors": 6, "spell": True},
}


def preset_for(method: str, base: str) -> dict[str, Any]:
    """Options for a method on a base; empty for every base but `pocket`."""
    return dict(POCKET.get(method, {})) if base == "pocket" else {}
