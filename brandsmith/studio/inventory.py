"""What a workspace holds, as pages show it: a card with pictures for every concept, run, study and creation.

Only small files are read, and of pictures only their names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from brandsmith.concept.concept import ConceptConfig, load_config
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.json_files import read_object
from brandsmith.core.pictures import PICTURE_SUFFIXES
from brandsmith.core.run import RunDirectory
from brandsmith.studio.workspace import KINDS, Workspace

MOST_LOOKED_AT = 4000
"""Entries of a folder's tree that are looked at for its pictures."""
CARD_PX = 384
_PASSED_OVER = ("cache", "state", "checkpoints", "masks", "detector", "trackers")


@dataclass(frozen=True)
class Card:
    kind: str
    id: str
    title: str
    pictures: tuple[str, ...]
    """Paths inside the item, best first, at most four."""
    num_pictures: int
    state: str
    """Of a run: new, running, interrupted, diverged, finished; of others empty."""
    changed: float
    """Seconds since 1970."""
    method: str = ""
    base: str = ""
    step: int = 0
    steps: int = 0
    token: str = ""
    problem: str = ""
    """Why it cannot be read, in a sentence."""

    @property
    def addresses(self) -> list[str]:
        """Of thumbnails."""
        return [picture_address(self.kind, self.id, path, CARD_PX) for path in self.pictures]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def picture_address(kind: str, identity: str, path: str, width: int = 0) -> str:
    """Where the server shows a picture of an item; `width` in pixels: a thumbnail."""
    return f"/pictures/{kind}/{identity}/{quote(path)}" + (f"?width={width}" if width else "")


def cards(workspace: Workspace, kind: str) -> list[Card]:
    """Every item of a kind, the newest first."""
    there = workspace.items(kind)
    if kind == "concepts":  # judges lie beside their concept
        there = [identity for identity in there if (workspace.item(kind, identity) / "concept.yaml").exists()]
    found = [card_of(workspace, kind, identity) for identity in there]
    return sorted(found, key=lambda card: -card.changed)


def card_of(workspace: Workspace, kind: str, identity: str) -> Card:
    """The card of one item. Raises InvalidConfig for another kind, InvalidInput for what is no id."""
    folder = workspace.item(kind, identity)
    plain = Card(kind, identity, title_of(identity), (), 0, "", _changed(folder))
    try:
        return _READERS[kind](folder, plain)
    except BrandsmithError as error:
        return Card(**{**plain.as_json(), "problem": str(error)})


def title_of(identity: str) -> str:
    """Red hugo lora"""
    words = identity.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def pictures_in(folder: Path, *parts: str) -> list[str]:
    """Paths from `folder` of the pictures directly in one of its folders, by name."""
    place = folder.joinpath(*parts)
    with suppress(OSError):
        names = sorted(entry.name for entry in os.scandir(place) if _is_picture(entry))
        return ["/".join((*parts, name)) for name in names]
    return []


def _concept(folder: Path, plain: Card) -> Card:
    config: ConceptConfig = load_config(folder / "concept.yaml")
    true, made = pictures_in(folder, "images"), pictures_in(folder, "made")
    mark = ["mark.png"] if not true and (folder / "mark.png").is_file() else []
    shown = (*mark, *_spread(true or made, 4 - len(mark)))
    return Card(
        **{**plain.as_json(), "pictures": shown, "num_pictures": len(true or made), "token": config.token},
    )


def _run(folder: Path, plain: Card) -> Card:
    run = RunDirectory(folder)
    config, settings = run.config(), run.config().get("settings", {})
    shown, number = _newest_pictures(folder)
    return Card(
        **{
            **plain.as_json(),
            "pictures": shown,
            "num_pictures": number,
            "state": run.status(),
            "step": run.step(),
            "steps": settings.get("steps", 0),
            "method": settings.get("method", ""),
            "base": config.get("base", ""),
            "token": config.get("concept", {}).get("token", ""),
        }
    )


def _newest_pictures(run: Path) -> tuple[tuple[str, ...], int]:
    """Of the last previews, else of the last samples."""
    for part in ("previews", "samples", "standard"):
        steps = sorted(path.name for path in (run / part).glob("step-*"))
        for step in reversed(steps):
            found = pictures_in(run, part, step)
            if found:
                return tuple(_spread(found, 4)), len(found)
    return (), 0


def _study(folder: Path, plain: Card) -> Card:
    record = read_object(folder / "study.json") if (folder / "study.json").is_file() else {}
    found = list(_walk(folder))
    return Card(
        **{
            **plain.as_json(),
            "pictures": tuple(_spread(found, 4)),
            "num_pictures": len(found),
            "title": str(record.get("name") or plain.title),
            "base": str(record.get("base") or ""),
        }
    )


def _creation(folder: Path, plain: Card) -> Card:
    found = sorted(_walk(folder))
    return Card(**{**plain.as_json(), "pictures": tuple(found[:4]), "num_pictures": len(found)})


_READERS: dict[str, Callable[[Path, Card], Card]] = dict(zip(KINDS, (_concept, _run, _study, _creation), strict=True))


def _walk(folder: Path) -> Iterator[str]:
    """Paths of pictures, those nearest to the top first."""
    places, looked = [""], 0
    while places and looked < MOST_LOOKED_AT:
        place = places.pop(0)
        try:
            entries = sorted(os.scandir(folder / place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            looked += 1
            path = f"{place}/{entry.name}" if place else entry.name
            if _is_picture(entry):
                yield path
            elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and _is_shown(entry.name):
                places.append(path)


def _is_shown(name: str) -> bool:
    return name not in _PASSED_OVER


def _is_picture(entry: os.DirEntry[str]) -> bool:
    plain = not entry.name.startswith(".") and entry.name.lower().endswith(PICTURE_SUFFIXES)
    return plain and entry.is_file(follow_symlinks=False)


def _spread(paths: list[str], number: int) -> list[str]:
    """So many, evenly from all of them: neighbours resemble each other."""
    return paths if len(paths) <= number else [paths[i * len(paths) // number] for i in range(number)]


def _changed(folder: Path) -> float:
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0


def page_of(folder: str) -> str:
    """The page that shows a folder of the workspace, such as `runs/red-hugo-lora`; empty where there is none."""
    kind, _, identity = folder.partition("/")
    place = {"concepts": "/teach", "runs": "/runs", "studies": "/studies", "creations": "/creations"}.get(kind)
    return f"{place}/{identity}" if place and identity else ""
