"""Tiny real bases with random weights, one per family: real classes, never hand-made mocks."""

from __future__ import annotations

from brandsmith.base.base import Base
from brandsmith.base.random_small import build_tiny
from brandsmith.base.stock import save_stock_folder

__all__ = ["build_tiny", "save_as_diffusers_folder"]


def save_as_diffusers_folder(base: Base, folder) -> None:
    """Write a tiny base as a folder that stock diffusers loads, where it has a pipeline for the family."""
    save_stock_folder(base, folder)
