"""What is asked of pictures beyond the usual checks, and what is done to them before they leave: light, for `--help`
needs no model.

Both are off by default: the usual checks alone decide what "usable" means in a study. Not here: how they are done
(`finish_chain.py`, `exact_pictures.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finish:
    """As a brief or a command asks for it."""

    exact_mark: bool = False
    """The true mark is laid in place of the drawn one where that can be done well."""
    colour: bool = False
    """The mark must have its palette's colour, and the product too where the prompt names a colour of the palette."""

    def as_json(self) -> dict[str, bool]:
        return asdict(self)


AS_DRAWN = Finish()


def build_finish(exact_mark: bool | None = None, colour: bool | None = None) -> Finish:
    """None: not asked for."""
    return Finish(bool(exact_mark), bool(colour))
