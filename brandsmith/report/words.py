"""How methods, sizes, durations and figures are written on the page. The tables keep the thesis' names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

METHOD_NAMES = {
    "dreambooth": "DreamBooth",
    "lora": "LoRA",
    "textual_inversion": "Textual Inversion",
    "hypernetwork": "Hypernetwork",
}


def method_name(method: str) -> str:
    return METHOD_NAMES.get(method, method)


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
