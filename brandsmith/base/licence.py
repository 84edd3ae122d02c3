"""The licence of a base by name: for a terminal before a training, and for what an adapter says of its base."""

from __future__ import annotations

from brandsmith.base.model_card import Licence, licence_in
from brandsmith.base.sources import resolve_base, resolve_recorded_base
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.notes import warn_once


def licence_of(base: str) -> Licence:
    """Of a base by name where it is on this machine; the hub is not asked."""
    try:
        return licence_in(resolve_recorded_base(base, base))
    except BrandsmithError:
        return Licence()


def say_licence(base: str) -> str:
    """One line for a terminal; once on stderr for a non-commercial licence. Raises MissingResource."""
    found = licence_in(resolve_base(base))
    if found.non_commercial:
        warn_once(
            f"base '{base}' is under a non-commercial licence, '{found.name}': read what it allows before a brand uses"
            " it, an adapter trained on it, or what they draw"
        )
    return f"licence of base '{base}': {found.line()}"
