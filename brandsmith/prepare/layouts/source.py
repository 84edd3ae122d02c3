"""What another trainer's folder holds, as every layout is read: sets of pictures, and what was left.

A set is one folder of pictures with one number of repeats. Nothing here writes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from brandsmith.core.errors import InvalidConcept

MOST_PICTURES = 100_000
MOST_REPEATS = 100_000


@dataclass(frozen=True)
class SourcePicture:
    """A picture file that lies where it may be read."""

    image: Path
    caption: str | None = None
    """As it is written, its lines too; None where there is none."""
    mask: Path | None = None


@dataclass(frozen=True)
class SourceSet:
    """One folder of pictures as another trainer has it."""

    folder: Path
    pictures: tuple[SourcePicture, ...]
    token: str = ""
    """Empty where the layout does not say it."""
    class_word: str = ""
    default_caption: str = ""
    """Of pictures without one; empty: `a TOKEN`."""
    repeats: int = 1
    weight: float = 1.0
    """Of its pictures in the loss."""
    of_class: bool = False
    """Pictures of the class: regularisation, prior preservation."""


@dataclass
class Inventory:
    """What was found in a source, filled while it is read."""

    layout: str
    roots: tuple[Path, ...]
    """Folders, resolved, that every file must lie in."""
    sets: list[SourceSet] = field(default_factory=list)
    passed_over: dict[Path, str] = field(default_factory=dict)
    """File or folder → why."""
    faults: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of a training that the source asks for, such as `caption_dropout` → `0.05`."""

    def inside(self, path: Path) -> bool:
        """Whether a path, links followed, stays in the folders that may be read."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a link to itself, a null character
            return False
        return any(real.is_relative_to(root) for root in self.roots)

    def named_folder(self, name: str, beside: Path, where: str) -> Path | None:
        """The folder that a file names; None, and a fault, where it is outside, missing or no folder."""
        path = Path(name) if Path(name).is_absolute() else beside / name
        if not name.strip() or not self.inside(path):
            self.faults.append(f"{where}: '{name}' lies outside '{beside}'; allow it with --allow FOLDER")
        elif not path.is_dir():
            self.faults.append(f"{where}: there is no folder '{name}'")
        else:
            return path
        return None

    @property
    def nameless(self) -> bool:
        """Whether there are training pictures of which nothing says the token."""
        return any(own.pictures and not own.of_class and not own.token for own in self.sets)

    def raise_faults(self, source: Path) -> None:
        """Raise InvalidConcept with all faults, when there are any."""
        if self.faults:
            count = len(self.faults)
            raise InvalidConcept(
                f"'{source}' has {count} mistake{'s' * (count > 1)}:",
                hint="nothing was written; mend or remove these, or leave such pictures out with --skip-faulty",
                details=self.faults[:40] + ([f"and {count - 40} more"] if count > 40 else []),
            )
