"""Settings that work on `pocket`, found by measuring; other bases use each setting's own default.

Defaults live in the config classes; a preset is what a small base needs instead, because it is 80 times smaller
than Stable Diffusion and trains at learning rates that would ruin that.
"""

from __future__ import annotations

from typing import Any

POCKET: dict[str, dict[str, Any]] = {
    "dreambooth": {"steps": 400, "batch_size": 8, "learning_rate": 2e-4, "warmup_steps": 20, "checkpoint_every": 100,
                   "prior_weight": 0.3, "num_class_images": 24, "class_image_steps": 20, "class_image_guidance": 4.0},
    "lora": {"steps": 400, "batch_size": 8, "learning_rate": 1e-3, "warmup_steps": 20, "checkpoint_every": 100, "rank": 16, "alpha": 16},
    "textual_inversion": {"steps": 300, "batch_size": 8, "learning_rate": 1e-2, "warmup_steps": 10, "checkpoint_every": 100, "num_vectors": 4},
}  # fmt: skip


def preset_for(method: str, base: str) -> dict[str, Any]:
    """Options for a method on a base; empty for every base but `pocket`."""
    return dict(POCKET.get(method, {})) if base == "pocket" else {}
