"""What draws: a base by name, with a run's checkpoint on it or without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from brandsmith.base.base import Base
from brandsmith.base.clip_skip import check_clip_skip
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.base.licence_places import check_place
from brandsmith.base.names import with_vae
from brandsmith.base.sources import check_base, family_of, load_base, resolve_base
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.draw.recipe import MOST_STRENGTH, Origin, adapter_hash
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import check_adapter, load_adapter, read_adapter_info, recorded_base


@dataclass(frozen=True)
class Source:
    """`checkpoint`: the folder of the adapter; None for the base as it is."""

    base: str
    checkpoint: Path | None = None
    strength: float = 1.0
    """Of the adapter: what a LoRA adds counts so much; 1 as it was trained."""

    @property
    def fine_tuned(self) -> bool:
        return self.checkpoint is not None

    def origin(self, fingerprint: str = "") -> Origin:
        """For recipes; before the weights are loaded the fingerprint is empty."""
        where = None if self.checkpoint is None else short_path(self.checkpoint)
        return Origin(self.base, fingerprint, where, adapter_hash(self.checkpoint), self.strength)

    def resolved(self, settings: DrawSettings, base: Base | None = None) -> DrawSettings:
        """The settings with the base's own guidance scale, and with the clip skip that the adapter was trained with,
        where none was given. base: as it is loaded; None: by its name. Raises InvalidConfig for a clip skip that the
        base does not have.
        """
        defaults = family_of(base or self.base).draws
        found = settings.resolved(self.base, fine_tuned=self.fine_tuned, defaults=defaults)
        if self.checkpoint and not found.clip_skip:
            own = read_adapter_info(self.checkpoint).settings.clip_skip
            found = found.model_copy(update={"clip_skip": own}) if own else found
        check_clip_skip(base or self.base, found.clip_skip)
        return found

    @contextmanager
    def loaded(self) -> Iterator[tuple[Base, Origin]]:
        """The base with the adapter on inside the `with`, and where its pictures come from."""
        base = load_base(self.base)
        origin = self.origin(base_fingerprint(base))
        with load_adapter(base, self.checkpoint, strength=self.strength) if self.checkpoint else nullcontext():
            yield base, origin


def find_source(
    run: Path | None, step: int | None, base_name: str | None, vae: str | None = None, strength: float | None = None
) -> Source:
    """The checkpoint of a run at `step` (None: the last) on the base it was trained on, or on `base_name`.

    Without a run `base_name`, or pocket. vae: an autoencoder in place of the base's. strength: of the adapter. Loads no
    weights. Raises MissingResource or InvalidConfig, also for a base whose licence does not hold where the user is.
    """
    if step is not None and run is None:
        raise InvalidConfig(f"--step {step} is a checkpoint of a run, and no run is given", hint="add --run FOLDER")
    checkpoint = RunDirectory(run).checkpoint_at(step) if run else None
    name = with_vae(base_name or (recorded_base(checkpoint) if checkpoint else "pocket"), vae)
    if checkpoint:
        check_adapter(name, checkpoint)
    else:
        check_base(name)
    check_place(name, resolve_base(name))
    return Source(name, checkpoint, _checked_strength(strength, checkpoint))


def _checked_strength(strength: float | None, checkpoint: Path | None) -> float:
    if strength is None:
        return 1.0
    if checkpoint is None:
        raise InvalidConfig(
            f"--adapter-strength {strength:g} is of a run, and no run is given", hint="add --run FOLDER"
        )
    if not abs(strength) <= MOST_STRENGTH:  # NaN neither
        raise InvalidConfig(
            f"--adapter-strength is {strength:g}", hint=f"give a number from {-MOST_STRENGTH:g} to {MOST_STRENGTH:g}"
        )
    method = read_adapter_info(checkpoint).method
    if strength != 1 and method != "lora":
        raise InvalidConfig(
            f"--adapter-strength {strength:g}, but this is a {method} run", hint="only a LoRA has a strength"
        )
    return strength


def short_path(path: Path) -> str:
    """The path from the working folder, or its last three parts: a picture that is published names nobody's disk."""
    try:
        return path.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return "/".join(path.parts[-3:])
