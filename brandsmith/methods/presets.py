"""Settings that suit `pocket`; other bases use each setting's own default.

Defaults live in the config classes; a preset is what a small base needs instead, because it is 80 times smaller
than Stable Diffusion and trains at learning rates that would ruin that. Prior preservation is off here: the class pictures
that pocket draws for the bare word `logo` are too rough to be worth preserving (`--set prior_weight=1` turns it on).
"""

from __future__ import annotations

from typing import Any

POCKET: dict[str, dict[str, Any]] = {
    "dreambooth": {"steps": 600, "batch_size": 8, "learning_rate": 3e-4, "warmup_steps": 20, "checkpoint_every": 200, "prior_weight": 0.0},
    "lora": {"steps": 450, "batch_size": 8, "learning_rate": 2e-3, "warmup_steps": 20, "checkpoint_every": 150, "rank": 16, "alpha": 16},
    "textual_inversion": {"steps": 240, "batch_size": 8, "learning_rate": 1e-2, "warmup_steps": 10, "checkpoint_every": 80, "num_vectors": 4},
}  # fmt: skip


def preset_for(method: str, base: str) -> dict[str, Any]:
    """Options for a method on a base; empty for every base but `pocket`."""
    return dict(POCKET.get(method, {})) if base == "pocket" else {}
