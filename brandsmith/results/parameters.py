"""How a setting is written: as a short label of what varies, for the page and for the study's own table."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

_TABLE_WORDS = {"learning_rate": "lr", "text_encoder_learning_rate": "text encoder lr", "num_vectors": "vectors"}
_LABEL_WORDS = {
    "rank": "rank",
    "num_vectors": "vectors",
    "expansion": "expansion",
    "batch_size": "batch",
    "prior_weight": "prior weight",
}
SIZE_SETTINGS = {"rank": "rank", "num_vectors": "vectors", "expansion": "expansion"}
"""The setting that decides how much a method can hold, and what it is called."""


def setting_of(settings: Mapping[str, Any], config: Mapping[str, Any], key: str) -> Any:
    """A setting from the trial, else from the run's resolved config, else None."""
    resolved = config.get("settings")
    return settings.get(key, resolved.get(key) if isinstance(resolved, Mapping) else None)


def setting_label(settings: Mapping[str, Any], config: Mapping[str, Any], varying: Collection[str]) -> str:
    """`lr 2e-5, rank 16`: the learning rate, the method's size, and whatever the study varied."""
    unet, text = (setting_of(settings, config, key) for key in ("learning_rate", "text_encoder_learning_rate"))
    parts = [f"lr {scientific(unet)}"] if unet is not None else []
    if text:
        parts = [f"U-Net {scientific(unet)}", f"text encoder {scientific(text)}"]
    shown = [key for key in SIZE_SETTINGS if setting_of(settings, config, key) is not None]
    shown += [
        key for key in settings if key in varying and key not in (*shown, "learning_rate", "text_encoder_learning_rate")
    ]
    parts += [
        f"{_LABEL_WORDS.get(key, key.replace('_', ' '))} {setting_text(setting_of(settings, config, key))}"
        for key in shown
    ]
    return ", ".join(parts) or "default settings"


def table_label(settings: Mapping[str, Any], varying: Collection[str], step: int | None) -> str:
    """`lr 0.001, rank 8 (step 300)`, as result.json and table.csv have it: the learning rate, what the study varied,
    and the checkpoint.
    """
    shown = sorted(key for key in settings if key == "learning_rate" or key in varying)
    named = ", ".join(
        f"{_TABLE_WORDS.get(key, key)} {settings[key]:g}"
        if isinstance(settings[key], float)
        else f"{_TABLE_WORDS.get(key, key)} {settings[key]}"
        for key in shown
    )
    return f"{named or 'defaults'} ({f'step {step}' if step is not None else 'no checkpoint chosen'})"


def scientific(value: Any) -> str:
    """2e-5, as the thesis writes learning rates."""
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        return str(value)
    exponent = math.floor(math.log10(value) + 1e-9)
    return f"{value / 10**exponent:.3g}e{exponent}" if exponent < -1 else f"{value:g}"


def setting_text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)
