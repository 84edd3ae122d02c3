"""Bases that lie on this machine, told by their files alone: nothing is loaded and nobody is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PIPELINE_INDEX = "model_index.json"
"""What a diffusers folder has at its top."""


def is_base(path: Path) -> bool:
    """A diffusers folder, or a single file of weights."""
    return (path / PIPELINE_INDEX).is_file() or (path.suffix == ".safetensors" and path.is_file())


def cached_bases() -> Iterator[tuple[str, Path]]:
    """(hub id, folder) of every pipeline in the hub's cache."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    with suppress(OSError):
        for entry in sorted(cache.glob("models--*--*")):
            for folder in sorted(entry.glob("snapshots/*"))[-1:]:
                if (folder / PIPELINE_INDEX).is_file():
                    yield "/".join(entry.name.split("--")[1:3]), folder
