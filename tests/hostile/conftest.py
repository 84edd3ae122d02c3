"""A tiny base, in memory and as a folder, for all tests of hostile input."""

from __future__ import annotations

from pathlib import Path

import pytest
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.base.base import Base


@pytest.fixture(scope="module")
def tiny() -> Base:
    return build_tiny()


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    save_as_diffusers_folder(build_tiny(), folder)
    return folder
