"""A clip: frames that are drawn together, by the same loop as pictures, with temporal layers on the U-Net.

Every frame is an image of one batch with the same prompt; what they have in common comes from the temporal layers
(`base/motion.py`) and from their starting noise. Combiners work as they do on pictures. What looks at one picture alone
(refiners, layout, screening, redrawing) does not, and is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from brandsmith.base.base import Base
from brandsmith.base.decoding import free_budget
from brandsmith.base.motion import Frames, Motion, moving
from brandsmith.base.motion_memory import rows_at_once, rows_in_budget
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import generator_for
from brandsmith.guidance.loop import sample_pictures
from brandsmith.guidance.parts import OnStep, Parts, Starter
from brandsmith.guidance.sampling import build_parts
from brandsmith.guidance.schedulers import with_betas
from brandsmith.guidance.settings import DrawSettings

MOST_FRAMES = 256


@dataclass(frozen=True)
class Clip:
    """What is drawn: a prompt and a seed, and the frames that become of them."""

    prompt: str
    seed: int
    frames: Frames
    common_noise: float = 0.0
    """Share of the starting noise's variance that all frames have in common; 0 is stock diffusers'."""


def check_clip_settings(settings: DrawSettings) -> None:
    """Raises InvalidConfig for what draws one picture at a time."""
    given = {
        "--refiner": settings.refiner != "none",
        "--layout": settings.layout != "never",
        "--redraw": settings.redraw,
        "--screen": settings.screen > 1,
        "--combiner regional": settings.combiner == "regional",
    }
    if wrong := [option for option, on in given.items() if on]:
        raise InvalidConfig(
            f"{', '.join(wrong)} would look at each frame alone, and the frames would fall apart",
            hint="leave it out; for a clip --combiner composable reads AND and NOT",
        )


@dataclass(frozen=True)
class ClipNoise:
    """The starting noise of a clip's frames: `guidance.parts.Noise`.

    Equal to what stock diffusers' `AnimateDiffPipeline` draws from this seed. Frames behind the first window of a
    longer clip have its noise again in another order, so that what they show stays (Qiu et al. 2023, "FreeNoise",
    arXiv:2310.15169). With a share in common: Ge et al. 2023, "Preserve Your Own Correlation", arXiv:2305.10474, eq. 5.
    """

    seed: int
    frames: Frames
    common: float = 0.0

    def __call__(self, seeds: list[int], shape: Sequence[int]) -> torch.Tensor:
        channels, height, width = shape
        generator = torch.Generator("cpu").manual_seed(self.seed)
        noise = torch.randn((1, channels, self.frames.count, height, width), generator=generator)[0].transpose(0, 1)
        noise = noise.contiguous()
        window, stride = self.frames.window, self.frames.stride
        for first in range(window, self.frames.count, stride):
            before = first - window + torch.randperm(min(stride, self.frames.count), generator=generator)
            noise[first : first + stride] = noise[before[: self.frames.count - first]]
        if not self.common:
            return noise
        alike = torch.randn(tuple(shape), generator=generator)
        return self.common**0.5 * alike + (1 - self.common) ** 0.5 * noise


def frame_seeds(seed: int, count: int) -> list[int]:
    """One a frame, for schedulers that add noise at every step."""
    return torch.randint(2**62, (count,), generator=generator_for(seed, count)).tolist()


def sample_clip(
    base: Base,
    motion: Motion,
    clip: Clip,
    settings: DrawSettings,
    *,
    starter: Starter | None = None,
    on_step: OnStep | None = None,
    budget: int | None = None,
) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of one clip.

    budget: bytes that the U-Net's layers may take (`base/motion_memory.py`); None: half of what the card has free, on a
    CPU as much as decoding may. starter: begin from a picture (`guidance/from_picture.py`). A guidance scale of None is
    the base's own without an adapter. Raises InvalidConfig or InvalidInput before anything is computed.
    """
    assert isinstance(base.denoiser, UNet2DConditionModel), "the caller has checked the family"
    scheduler = None if motion.betas is None else with_betas(base, settings.scheduler, settings.num_steps, motion.betas)
    _, height, width = base.latent_shape_at(settings.size_px or base.image_px)
    rows = rows_in_budget(base.denoiser, height * width, free_budget(base.device) if budget is None else budget)
    with rows_at_once(base.denoiser, rows), moving(base.denoiser, motion.adapter, clip.frames, rows):
        return sample_frames_apart(base, clip, settings, Parts(starter=starter, scheduler=scheduler), on_step)


def sample_frames_apart(
    base: Base,
    clip: Clip,
    settings: DrawSettings,
    parts: Parts | None = None,
    on_step: OnStep | None = None,
) -> np.ndarray:
    """The frames without temporal layers: as many pictures, from the same starting noise. What a clip is compared with.

    parts: their starter and scheduler are used.
    """
    check_clip_settings(settings)
    count, own = clip.frames.count, parts or Parts()
    noise = ClipNoise(clip.seed, clip.frames, clip.common_noise)
    used = replace(build_parts(settings), noise=noise, starter=own.starter, scheduler=own.scheduler)
    together = settings.model_copy(update={"batch_size": count})
    prompts, seeds = [clip.prompt] * count, frame_seeds(clip.seed, count)
    return np.stack(sample_pictures(base, prompts, seeds, together, used, on_step))
