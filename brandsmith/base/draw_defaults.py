"""How a kind of model is drawn with where nobody says otherwise, as its authors say. Plain data, no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DrawDefaults:
    """Steps, guidance scale and scheduler of a family, and where they are from."""

    num_steps: int
    guidance_scale: float
    """Of `v_u + s (v_c - v_u)`, in every family: 1 is no guidance. Where the denoiser is told the scale, that."""
    scheduler: str
    origin: str


DIFFUSION_DEFAULTS = DrawDefaults(25, 7.5, "ddim", "half the steps of Stable Diffusion's 50; diffusers' pipeline")


@dataclass(frozen=True)
class Distilled:
    """How a model that was distilled to a few steps is drawn with, as its authors say."""

    kind: str
    num_steps: int
    guidance_scale: float
    """1 is no guidance."""
    scheduler: str
    twin: str = ""
    """What it was distilled from and is trained in its place, by name; empty where that is not known."""
