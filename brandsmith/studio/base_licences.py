"""Base models on this machine, the licence each carries, and what that permits a brand, as far as its name says.

A licence's text decides; what is said here is for a first look. Read from the model card (`README.md`) in the base's
folder; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brandsmith.base.model_card import licence_in
from brandsmith.base.on_disk import cached_bases
from brandsmith.studio.bases import POCKET, known_bases
from brandsmith.studio.workspace import Workspace, id_like

_FREE, _RULES, _SMALL, _NOT, _UNKNOWN = "free", "rules", "small", "not", "unknown"
PERMITS: Mapping[str, str] = {
    "apache-2.0": _FREE,
    "mit": _FREE,
    "bsd-3-clause": _FREE,
    "cc0-1.0": _FREE,
    "cc-by-4.0": _FREE,
    "openrail": _RULES,
    "openrail++": _RULES,
    "creativeml-openrail-m": _RULES,
    "bigscience-openrail-m": _RULES,
    "stabilityai-ai-community": _SMALL,
    "stable-cascade-nc-community": _NOT,
    "flux-1-dev-non-commercial-license": _NOT,
    "cc-by-nc-4.0": _NOT,
    "cc-by-nc-sa-4.0": _NOT,
}
"""{licence as model cards name it: what it permits}. free: brand work; rules: brand work within its rules of use;
small: below a turnover it names; not: no brand work without another licence.
"""
TONES = {_FREE: "good", _RULES: "good", _SMALL: "wait", _NOT: "bad", _UNKNOWN: "wait"}


@dataclass(frozen=True)
class FoundBase:
    name: str
    """As forms and orders name it; for one that nobody named yet, a proposal."""
    place: str
    """What `--base` gets."""
    licence: str
    """Empty where its card names none."""
    permits: str
    named: bool
    """It can be chosen; others wait for an admin."""

    @property
    def tone(self) -> str:
        return TONES[self.permits]


def found_bases(workspace: Workspace) -> list[FoundBase]:
    """Those that can be chosen, pocket first, then what lies in the hub's cache."""
    known = known_bases(workspace)
    chosen = [_found(name, place, _folder_of(place), named=True) for name, place in known.items()]
    cached = [
        _found(id_like(identity.partition("/")[2]), identity, folder, named=False)
        for identity, folder in cached_bases()
        if identity not in known.values()
    ]
    return [*chosen, *sorted(cached, key=lambda base: base.place)]


def permitted_by(licence: str) -> str:
    """What a licence permits, by its name."""
    return PERMITS.get(licence.lower(), _UNKNOWN)


def _found(name: str, place: str, folder: Path | None, *, named: bool) -> FoundBase:
    licence = licence_in(folder).name if folder else ""
    return FoundBase(name, place, licence, permitted_by(licence), named)


def _folder_of(place: str) -> Path | None:
    if place == POCKET:
        return Path(__file__).resolve().parent.parent / "data" / POCKET
    path = Path(place)
    if path.is_dir():
        return path
    return path.parent if path.is_file() else dict(cached_bases()).get(place)
