"""The folder a studio works in, and the only one it serves.

    WORKSPACE/concepts/<id>/   what is taught        WORKSPACE/studies/<id>/     experiments
    WORKSPACE/runs/<id>/       trainings             WORKSPACE/creations/<id>/   finished pictures
    WORKSPACE/.studio/         the studio's own: jobs, thumbnails, sessions' secret, audit log

They are the folders that the command line reads and writes. An id is a checked name, never a path.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from brandsmith.core.errors import InvalidInput, MissingResource, unknown_name
from brandsmith.core.files import legal_name
from brandsmith.core.text import shortened

KINDS = ("concepts", "runs", "studies", "creations")
LONGEST_ID = 64
_ID = re.compile(rf"[a-z0-9](?:[a-z0-9._-]{{0,{LONGEST_ID - 2}}}[a-z0-9_-])?")
_PLAIN = re.compile("[^a-z0-9]+")


@dataclass(frozen=True)
class Workspace:
    folder: Path
    """Absolute, without symbolic links."""

    @classmethod
    def open(cls, folder: Path) -> Workspace:
        """Make what is missing of it. Raises BrandsmithError where the place takes no folders."""
        from brandsmith.core.files import explained

        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            found = cls(folder.resolve())
            for name in (*KINDS, ".studio"):
                (found.folder / name).mkdir(exist_ok=True)
        return found

    @property
    def own(self) -> Path:
        return self.folder / ".studio"

    def kind(self, kind: str) -> Path:
        """The folder of a kind. Raises InvalidConfig for another kind."""
        if kind not in KINDS:
            raise unknown_name("kind", kind, KINDS)
        return self.folder / kind

    def item(self, kind: str, identity: str) -> Path:
        """Where the item `identity` is, or would be. Raises InvalidInput for what is no id."""
        return self.kind(kind) / checked_id(identity)

    def items(self, kind: str) -> list[str]:
        """Ids of the items there are, in name order; what has no id for a name, and links, are not seen."""
        found = (entry for entry in self.kind(kind).iterdir() if _ID.fullmatch(entry.name))
        return sorted(entry.name for entry in found if entry.is_dir() and not entry.is_symlink())

    def new_id(self, kind: str, wish: str) -> str:
        """A free id that reads like `wish` ("Red Hugo" → red-hugo, red-hugo-2)."""
        base = id_like(wish)
        taken = {entry.name.lower() for entry in self.kind(kind).iterdir()}
        numbered = (f"{base[: LONGEST_ID - 6]}-{number}" for number in range(2, 10_000))
        return base if base not in taken else next((one for one in numbered if one not in taken), secrets.token_hex(8))

    def reserve(self, kind: str, wish: str) -> str:
        """As `new_id`, with its folder made: nobody else gets it."""
        while True:
            identity = self.new_id(kind, wish)
            try:
                (self.kind(kind) / identity).mkdir()
            except FileExistsError:
                continue
            return identity

    def there(self, kind: str, identity: str) -> Path:
        """The folder of an item. Raises MissingResource when there is none."""
        folder = self.item(kind, identity)
        if not folder.is_dir() or folder.is_symlink():
            names = ", ".join(self.items(kind)[:20]) or "none yet"
            raise MissingResource(f"there is no '{identity}' among the {kind}", hint=f"there are: {names}")
        return folder

    def relative(self, folder: Path) -> str:
        """A folder of the workspace as records keep it: `runs/red-hugo-lora`."""
        return folder.relative_to(self.folder).as_posix()


def checked_id(identity: str) -> str:
    """Raises InvalidInput for what is no id."""
    if not _ID.fullmatch(identity) or legal_name(identity) != identity:
        raise InvalidInput(
            f"{shortened(identity)} is no name of this workspace",
            hint=f"allowed: lower-case letters, digits, '-', '_' and '.', at most {LONGEST_ID}",
        )
    return identity


def id_like(wish: str) -> str:
    """An id of what is plain letters and digits in `wish`."""
    plain = _PLAIN.sub("-", wish.lower()).strip("-")[:48].strip("-")
    return plain if plain and legal_name(plain) == plain else f"item-{plain}".rstrip("-")
