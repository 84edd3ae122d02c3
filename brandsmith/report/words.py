"""How methods, settings, sizes and durations are written on the page. Words for people; the tables keep the thesis'
names.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

METHOD_NAMES = {
    "dreambooth": "DreamBooth",
    "lora": "LoRA",
    "textual_inversion": "Textual Inversion",
    "hypernetwork": "Hypernetwork",
}
_SHORT = {
    "rank": "rank",
    "num_vectors": "vectors",
    "expansion": "expansion",
    "batch_size": "batch",
    "prior_weight": "prior weight",
}
_ALWAYS = ("rank", "num_vectors", "expansion")
SIZE_SETTINGS = {"rank": "rank", "num_vectors": "vectors", "expansion": "expansion"}
"""The setting that decides how much a method can hold, and its word."""


def method_name(method: str) -> str:
    return METHOD_NAMES.get(method, method)


def setting_of(settings: Mapping[str, Any], config: Mapping[str, Any], key: str) -> Any:
    """A setting from the trial, else from the run's resolved config, else None."""
    resolved = config.get("settings")
    return settings.get(key, resolved.get(key) if isinstance(resolved, Mapping) else None)


def parameters_of(method: str, settings: Mapping[str, Any], config: Mapping[str, Any], varying: Collection[str]) -> str:
    """`lr 2e-5, rank 16`: the learning rate, the method's size, and whatever the study varied."""
    unet, text = (setting_of(settings, config, key) for key in ("learning_rate", "text_encoder_learning_rate"))
    parts = [f"lr {scientific(unet)}"] if unet is not None else []
    if text:
        parts = [f"U-Net {scientific(unet)}", f"text encoder {scientific(text)}"]
    shown = [key for key in _ALWAYS if setting_of(settings, config, key) is not None]
    shown += [
        key for key in settings if key in varying and key not in (*shown, "learning_rate", "text_encoder_learning_rate")
    ]
    parts += [
        f"{_SHORT.get(key, key.replace('_', ' '))} {setting_text(setting_of(settings, config, key))}" for key in shown
    ]
    return ", ".join(parts) or "default settings"


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


def epoch_of(step: int, config: Mapping[str, Any]) -> float | None:
    """Passes over the concept's pictures at a step; None when the run does not say how many there are."""
    concept, settings = config.get("concept"), config.get("settings")
    if not isinstance(concept, Mapping) or not isinstance(settings, Mapping) or not concept.get("num_images"):
        return None
    return step * (settings.get("batch_size") or 1) / concept["num_images"]


def size_text(num_bytes: float | None) -> str:
    if num_bytes is None:
        return "not measured"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= scale:
            return f"{num_bytes / scale:.{1 if num_bytes < 10 * scale else 0}f} {unit}"
    return f"{num_bytes:.0f} bytes"


def duration_text(seconds: float | None) -> str:
    if seconds is None:
        return "not measured"
    if seconds < 90:
        return f"{seconds:.0f} s"
    unit, scale = ("min", 60) if seconds < 5400 else ("h", 3600)
    return f"{seconds / scale:.{1 if seconds < 10 * scale else 0}f} {unit}"


def figure(value: float | None, digits: int = 2) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.0f} %"


def signed(value: float) -> str:
    """+0.12 or −0.12, with a true minus sign."""
    return f"{value:+.2f}".replace("-", "−")


def listed(names: Collection[str], joiner: str = "and") -> str:
    """a, b and c"""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joiner} {names[-1]}" if names else ""
