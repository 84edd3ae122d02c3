"""The names that bases go by: `pocket`, a folder, a file, a hub id; any of them `with vae FOLDER` or `FILE`.

A base whose autoencoder is replaced is another base, and its name says so wherever a base is named: in adapters'
headers, in pictures' recipes, in runs and studies. Nothing is read here.
"""

from __future__ import annotations

WITH_VAE = " with vae "


def split_name(name: str) -> tuple[str, str | None]:
    """A base's name without its autoencoder's, and that one's; None where it has its own."""
    plain, mark, vae = name.partition(WITH_VAE)
    return (plain, vae) if mark and plain and vae else (name, None)


def with_vae(name: str, vae: str | None) -> str:
    """The name of a base with another autoencoder in place of the one it had; None leaves it."""
    return name if vae is None else f"{split_name(name)[0]}{WITH_VAE}{vae}"


def is_pocket(name: str) -> bool:
    """Whether a base is the embedded one; another autoencoder changes no learning rate and no scale."""
    return split_name(name)[0] == "pocket"
