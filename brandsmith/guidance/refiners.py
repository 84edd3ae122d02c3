"""REFINERS by name: what may happen to latents before a step."""

from __future__ import annotations

from collections.abc import Callable

from brandsmith.core.errors import unknown_name
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.parts import Refiner

REFINERS: dict[str, Callable[..., Refiner]] = {
    "attend_excite": AttendExcite,
    "attend_excite_paper": AttendExcite.paper,
}


def build_refiner(name: str | None, **settings: object) -> Refiner | None:
    """A refiner with `settings` over its defaults; None for None or `none`. Raises InvalidConfig for other names."""
    if name is None or name == "none":
        return None
    if name not in REFINERS:
        raise unknown_name("refiner", name, ["none", *REFINERS])
    return REFINERS[name](**settings)
