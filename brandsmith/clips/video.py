"""Clips drawn by a video model of the user's (Wan, LTX-Video): stock diffusers' pipeline draws, all the rest is as for
other clips. Brandsmith trains no such model; a LoRA from another trainer may go on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brandsmith.base.decoding import free_budget
from brandsmith.base.video.folder import VideoModel, VideoOutline, load_video, video_outline
from brandsmith.base.video.lora import check_video_lora, put_video_lora
from brandsmith.clips.brief import ClipChoice
from brandsmith.clips.recipe import ClipRecipe, Moving
from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.core.files import sha256_of
from brandsmith.core.notes import warn_once
from brandsmith.core.safe_weights import read_header
from brandsmith.draw.recipe import Origin
from brandsmith.draw.source import short_path
from brandsmith.guidance.clip import MOST_FRAMES
from brandsmith.guidance.settings import DrawSettings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class VideoSource:
    """A video model's folder, with a LoRA of the user's on it or without."""

    base: str
    lora: Path | None = None

    @cached_property
    def outline(self) -> VideoOutline:
        """Raises as `video_outline`."""
        return video_outline(Path(self.base))

    @cached_property
    def lora_layers(self) -> int:
        """Raises as `check_video_lora`."""
        return check_video_lora(self.lora, self.outline) if self.lora else 0

    def origin(self, fingerprint: str = "") -> Origin:
        """For recipes; before weights load the fingerprint is empty. Raises MissingResource without the LoRA's file."""
        if self.lora is None:
            return Origin(self.base, fingerprint)
        read_header(self.lora)
        return Origin(self.base, fingerprint, short_path(self.lora), sha256_of(self.lora)[:16])


def video_settings(source: VideoSource, settings: DrawSettings) -> DrawSettings:
    """With the model's own steps, scale and size. Raises InvalidConfig, and as `video_outline`."""
    outline = source.outline
    found = settings.resolved(source.base, fine_tuned=source.lora is not None, defaults=outline.kind.draws)
    given = {
        f"--combiner {found.combiner}": found.combiner != "cfg",
        f"--scheduler {found.scheduler}": found.scheduler != "base",
        f"--clip-skip {found.clip_skip}": found.clip_skip > 0,
    }
    if wrong := [option for option, on in given.items() if on]:
        raise InvalidConfig(
            f"{', '.join(wrong)}: a {outline.kind.name} model is drawn by diffusers' own pipeline", hint="leave it out"
        )
    size, unit = found.size_px or outline.film.size_px, outline.size_unit
    if any(side < unit or side % unit for side in size):
        near = " x ".join(str(max(unit, round(side / unit) * unit)) for side in size)
        raise InvalidConfig(f"size_px is {size}", hint=f"height and width must be multiples of {unit}; nearest: {near}")
    return found.model_copy(update={"size_px": size})


def video_moving(faults: list[BrandsmithError], source: VideoSource, choice: ClipChoice) -> Moving:
    """What the clips of a choice have beside a picture; what cannot be goes to `faults`."""
    outline = source.outline
    given = {
        "--motion": choice.motion is not None,
        "--loop": choice.loop,
        "--from": choice.picture is not None,
        "--common-noise": choice.common_noise is not None,
    }
    if wrong := [option for option, on in given.items() if on]:
        said = f"{', '.join(wrong)}: for temporal layers on a base of pictures; a {outline.kind.name} model has its own"
        faults.append(InvalidConfig(said, hint="leave it out"))
    count, unit = outline.film.frames if choice.frames is None else choice.frames, outline.frame_unit
    if count % unit != 1:
        lower = (count - 1) // unit * unit + 1
        near = [str(number) for number in (lower, lower + unit) if 1 < number <= MOST_FRAMES]
        faults.append(InvalidConfig(f"--frames is {count}", hint=f"a multiple of {unit} and 1: {' or '.join(near)}"))
    fps = outline.film.fps if choice.fps is None else choice.fps
    return Moving(count, fps, False, count, 1, 0.0, "", "", model=outline.kind.name)


@dataclass(frozen=True)
class VideoDrawing:
    """What draws: the model, with its LoRA on."""

    model: VideoModel
    origin: Origin

    def frames(
        self, recipe: ClipRecipe, picture: np.ndarray | None, progress: Progress = lambda *_: None
    ) -> np.ndarray:
        """Frames (F, H, W, 3) uint8 of a recipe."""
        kind, pipeline, settings = self.model.outline.kind, self.model.pipeline, recipe.settings
        assert settings.size_px and picture is None, "the plan has checked it"
        tokens = len(pipeline.tokenizer(recipe.prompt).input_ids)
        if tokens > kind.text_length:
            warn_once(f"a prompt has {tokens} tokens, of which a {kind.name} model reads {kind.text_length}")
        height, width = settings.size_px
        self._decode_within_budget(recipe.moving.frames, height * width)

        def told(_: Any, step: int, timestep: Any, latents: dict[str, Any]) -> dict[str, Any]:
            progress("steps of a clip", step + 1, settings.num_steps)
            return latents

        drawn = pipeline(
            recipe.prompt,
            negative_prompt=settings.negative_prompt,
            height=height,
            width=width,
            num_frames=recipe.moving.frames,
            num_inference_steps=settings.num_steps,
            guidance_scale=settings.guidance_scale,
            generator=torch.Generator("cpu").manual_seed(recipe.seed),
            output_type="np",
            callback_on_step_end=told,
            **kind.told(pipeline, recipe.moving.fps),
        ).frames[0]
        return (np.asarray(drawn) * 255).round().astype(np.uint8)

    def _decode_within_budget(self, frames: int, pixels: int) -> None:
        """Frames that do not fit are decoded in overlapping tiles, as diffusers does it: their pixels differ a little
        from those of whole ones.
        """
        vae = self.model.pipeline.vae
        needed = self.model.outline.kind.frame_bytes(vae, frames) * pixels
        if needed > free_budget(self.model.pipeline._execution_device):
            vae.enable_tiling()
        else:
            vae.disable_tiling()


@contextmanager
def drawing_video(source: VideoSource) -> Iterator[VideoDrawing]:
    """The model with its LoRA, loaded inside the `with`. Raises as `load_video` and `put_video_lora`."""
    layers = source.lora_layers
    model = load_video(source.outline)
    if source.lora:
        put_video_lora(model, source.lora, layers)
    yield VideoDrawing(model, source.origin(model.fingerprint))
