"""How pictures are drawn: the one record that loop, studies, benchmarks, picture files and command line share.

Plain data, and no torch: the command line reads its defaults before anything heavy is loaded. What the names build is
in `guidance/sampling.py`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from brandsmith.base.draw_defaults import DIFFUSION_DEFAULTS, DrawDefaults
from brandsmith.base.names import is_pocket
from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.core.settings import refuse_truth

POCKET_SCALE = 2.5
"""pocket predicts x0 and is overdriven by what suits Stable Diffusion. Chosen on the tuning prompts, where plain
sampling succeeds 0.90 of 40 (4.0: 0.825, 1.5: 0.85; docs/log.md)."""
FINE_TUNED_POCKET_SCALE = 1.5
"""The more so after it was taught twenty pictures (docs/log.md)."""


def default_guidance_scale(base_name: str, *, fine_tuned: bool, defaults: DrawDefaults = DIFFUSION_DEFAULTS) -> float:
    """The scale of a base by name, as it is or with an adapter, where nobody gave one; else its family's."""
    if is_pocket(base_name):
        return FINE_TUNED_POCKET_SCALE if fine_tuned else POCKET_SCALE
    return defaults.guidance_scale


class DrawSettings(BaseModel):
    """How every picture of a command, a study or a benchmark is drawn. Defaults stand here and nowhere else."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    num_steps: int = Field(default=25, ge=1, le=1000)
    """Denoising steps. 25: half of Stable Diffusion's 50, as DDIM allows."""
    guidance_scale: float | None = Field(default=None, ge=-1000, le=1000)
    """Scale of classifier-free guidance (Ho & Salimans 2022). None: the base's own, `default_guidance_scale`."""
    scheduler: str = "ddim"
    """A short name of `guidance/schedulers.py`, `base` (what the base declares), or a class of diffusers. ddim (Song et
    al. 2021): deterministic, so that a seed names a picture."""
    combiner: str = "cfg"
    """How the predictions of several prompts become one: cfg, composable, composable-paper, composable-a1111, regional.
    cfg: AND and NOT are words like others."""
    refiner: str = "none"
    """What moves latents before a step: none, attend_excite, attend_excite_paper."""
    layout: Literal["never", "merging", "always"] = "never"
    """Whether the objects of a list are drawn alone first and laid side by side: never, where two of them would merge,
    or always."""
    redraw: bool = False
    """Whether small objects of a list are drawn once more, larger, when the picture is finished."""
    screen: int = Field(default=1, ge=1, le=1000)
    """Candidate seeds per picture; the one with the best first-step attention wins. 1: the seed's own noise."""
    size_px: tuple[int, int] | None = None
    """(height, width) in pixels, or one number for a square; None is the base's native size."""
    negative_prompt: str = ""
    """What the unconditional branch says. Empty: Stable Diffusion's own."""
    clip_skip: int = Field(default=0, ge=0, le=100)
    """Last layers of the text encoders that are left out for the prompt, as diffusers' `clip_skip` (AUTOMATIC1111 and
    ComfyUI count one more). 0: what the adapter was trained with, none without one."""
    batch_size: int = Field(default=8, ge=1, le=10_000)
    """Pictures drawn together. 8: enough to keep two CPU cores busy; the last bits of a picture depend on it."""

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        return refuse_truth(given, cls.model_fields)

    @field_validator("size_px", mode="before")
    @classmethod
    def _square(cls, given: Any) -> Any:
        return (given, given) if isinstance(given, int) else given

    def resolved(
        self, base_name: str, *, fine_tuned: bool, defaults: DrawDefaults = DIFFUSION_DEFAULTS
    ) -> DrawSettings:
        """The same settings with the base's own guidance scale where none was given, and with the steps and the
        scheduler of its family (`defaults`) where that is not one of diffusion.
        """
        own: dict[str, Any] = {}
        if defaults != DIFFUSION_DEFAULTS:
            given = {"num_steps": defaults.num_steps, "scheduler": defaults.scheduler}
            own = {name: value for name, value in given.items() if name not in self.model_fields_set}
        if self.guidance_scale is None:
            own["guidance_scale"] = default_guidance_scale(base_name, fine_tuned=fine_tuned, defaults=defaults)
        return self.model_copy(update=own) if own else self

    def plain(self) -> DrawSettings:
        """The same steps, scale, scheduler and batch without any guidance beyond cfg, at the base's native size."""
        return self.model_copy(update=GUIDANCE["plain"] | {"size_px": None})


GUIDANCE: dict[str, dict[str, str | bool | int]] = {
    "plain": {"combiner": "cfg", "refiner": "none", "layout": "never", "redraw": False, "screen": 1},
    "faithful": {"combiner": "cfg", "refiner": "attend_excite", "layout": "merging", "redraw": True, "screen": 1},
    "faithful-and": {"combiner": "regional", "refiner": "none", "layout": "merging", "redraw": True, "screen": 1},
}
"""Named presets of the fields that guide, as `brandsmith benchmark guidance` measures them: arms `plain`, `excite` and
`regional`. `faithful-and` is for prompts with AND and NOT."""


def build_draw_settings(preset: str | None = None, /, **given: Any) -> DrawSettings:
    """Settings from options, as a command line gives them: a preset of `GUIDANCE` and single fields over it.

    An option of None is one that nobody gave. Raises InvalidConfig naming what is wrong and what is allowed.
    """
    if preset is not None and preset not in GUIDANCE:
        raise unknown_name("guidance", preset, GUIDANCE)
    options: dict[str, Any] = dict(GUIDANCE[preset or "plain"])
    options |= {name: value for name, value in given.items() if value is not None}
    unknown = sorted(options.keys() - DrawSettings.model_fields.keys())
    if unknown:
        raise unknown_name("draw setting", unknown[0], DrawSettings.model_fields)
    try:
        return DrawSettings(**options)
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"]))
        raise InvalidConfig(f"{name} is {wrong['input']!r}", hint=f"allowed: {wrong['msg'].lower()}") from None
