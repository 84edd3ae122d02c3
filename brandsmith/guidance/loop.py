"""HOW IT IS ASKED: the one denoising loop, with two slots.

    starting noise ─► for each step:  refiner moves the latents ─► U-Net predicts for every branch ─► combiner makes
                      them one ─► scheduler steps ─► … ─► VAE decodes

Image i depends on prompts[i] and seeds[i] alone, whatever the batch. With combiner `cfg` and no refiner the result
is what stock diffusers makes from the same seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np
import torch
from diffusers import SchedulerMixin

from brandsmith.base.base import Base, Conditioning, decode_latents, encode_prompts
from brandsmith.base.memory_format import channels_last
from brandsmith.base.prompt_tokens import expand_with_spans
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.attention import recording
from brandsmith.guidance.branches import Branch
from brandsmith.guidance.combiners import Combiner, Weight, build_combiner, combine, needs_unconditional
from brandsmith.guidance.regional import Regions
from brandsmith.guidance.scales import DEFAULT_GUIDANCE_SCALE
from brandsmith.guidance.schedulers import build_scheduler, step_arguments


@dataclass(frozen=True)
class Step:
    """Where the run stands: `index` of `num` predictions, at `timestep`; `images` are those of this batch."""

    index: int
    num: int
    timestep: torch.Tensor
    images: slice

    @property
    def fraction(self) -> float:
        """Share of the run already done, from 0 at the first step."""
        return self.index / self.num


@dataclass(frozen=True)
class Batch:
    """What is being sampled, as a refiner sees it. Rows are (image, text) pairs in `conditioning`."""

    base: Base
    scheduler: SchedulerMixin
    seeds: list[int]
    branches: list[list[Branch]]
    """Per image; texts with Textual Inversion tokens expanded, empty for the unconditional."""
    conditioning: Conditioning
    owner: torch.Tensor
    """(rows,) the image of each row. The rows of an image: the unconditional one if needed, then its branches."""
    num_branches: list[int]
    images: slice
    regions: Regions | None = None
    """Where parts act that act in a region; None when there are none."""

    def model_input(self, latents: torch.Tensor, step: Step) -> torch.Tensor:
        return self.scheduler.scale_model_input(latents, step.timestep)

    def row_of(self, image: int, branch: int) -> int:
        """The row that predicts branch `branch` of image `image`."""
        first = int((self.owner < image).sum())
        rows = int((self.owner == image).sum())
        return first + rows - self.num_branches[image] + branch


Refine = Callable[[torch.Tensor, Step], torch.Tensor]
"""Latents (N, C, h, w) before a step -> latents to predict from."""


class Refiner(Protocol):
    """What happens to latents before a step."""

    name: str

    def opened(self, batch: Batch) -> AbstractContextManager[Refine]:
        """Prepare for one batch; leaving the context restores the base exactly, also after an exception."""
        ...


OnStep = Callable[[Step, torch.Tensor], None]


class Starter(Protocol):
    """What latents begin from, where that is not noise alone."""

    strength: float
    """The share of the run that is drawn from what it began with."""

    def begun(
        self, base: Base, asked: list[list[Branch]], seeds: list[int], size_px: tuple[int, int], run: Run
    ) -> list[torch.Tensor | None]:
        """Per image clean latents (C, h, w), or None for one that begins from noise."""
        ...


class Finisher(Protocol):
    """What happens to finished pictures, before anybody sees them."""

    def finished(
        self, base: Base, pictures: list[np.ndarray], asked: list[list[Branch]], seeds: list[int], run: Run
    ) -> list[np.ndarray]:
        """As many pictures (H, W, 3) uint8; picture i depends on pictures[i], its branches `asked[i]` and seeds[i]
        alone.
        """
        ...


@dataclass(frozen=True)
class Run:
    """How a run was asked to draw, for a finisher that draws more."""

    num_steps: int
    guidance_scale: float
    scheduler: str | SchedulerMixin | type[SchedulerMixin]
    negative_prompt: str
    batch_size: int


def sample(
    base: Base,
    prompts: list[str],
    seeds: list[int],
    *,
    num_steps: int = 25,
    guidance_scale: float = DEFAULT_GUIDANCE_SCALE,
    scheduler: str | SchedulerMixin | type[SchedulerMixin] = "ddim",
    combiner: str | Combiner = "cfg",
    refiner: Refiner | None = None,
    batch_size: int = 8,
    image_px: int | tuple[int, int] | None = None,
    negative_prompt: str = "",
    on_step: OnStep | None = None,
    start: Starter | None = None,
    finish: Finisher | None = None,
) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8, one per prompt. See `sample_latents` for the arguments; `finish` has the last word."""
    run = Run(num_steps, guidance_scale, scheduler, negative_prompt, batch_size)
    with channels_last(base.unet, base.vae):
        latents = sample_latents(
            base,
            prompts,
            seeds,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            scheduler=scheduler,
            combiner=combiner,
            refiner=refiner,
            batch_size=batch_size,
            image_px=image_px,
            negative_prompt=negative_prompt,
            on_step=on_step,
            start=start,
        )
        pictures = [picture for part in latents.split(batch_size) for picture in decode_pictures(base, part)]
        if finish is None:
            return pictures
        asked = [build_combiner(combiner).branches(prompt, guidance_scale) for prompt in prompts]
        return finish.finished(base, pictures, asked, seeds, run)


@torch.no_grad()
def sample_latents(
    base: Base,
    prompts: list[str],
    seeds: list[int],
    *,
    num_steps: int = 25,
    guidance_scale: float = DEFAULT_GUIDANCE_SCALE,
    scheduler: str | SchedulerMixin | type[SchedulerMixin] = "ddim",
    combiner: str | Combiner = "cfg",
    refiner: Refiner | None = None,
    batch_size: int = 8,
    image_px: int | tuple[int, int] | None = None,
    negative_prompt: str = "",
    on_step: OnStep | None = None,
    start: Starter | None = None,
    stop_after: int | None = None,
) -> torch.Tensor:
    """Finished, scaled latents (N, C, h, w).

    image_px: one side or (height, width); None is the base's native size. on_step: called after every step with
    the new latents of its batch. start: what latents begin from, for prompts that it knows what to
    do with. stop_after: leave after so many predictions, with latents as noisy as they then are.
    Raises InvalidInput or InvalidConfig before anything is computed.
    """
    plan = build_combiner(combiner)
    size_px = _checked_size(base, image_px)
    _check_lists(prompts, seeds, batch_size, guidance_scale)
    asked = [plan.branches(prompt, guidance_scale) for prompt in prompts]
    shape = (base.latent_shape[0], size_px[0] // base.vae_scale, size_px[1] // base.vae_scale)
    finished = torch.empty((len(prompts), *shape), device=base.device, dtype=base.unet.dtype)
    run = Run(num_steps, guidance_scale, scheduler, negative_prompt, batch_size)
    begun = start.begun(base, asked, seeds, size_px, run) if start else [None] * len(prompts)
    for whole in _slices(len(prompts), batch_size):
        # Neighbours that begin alike are one batch: some steps are left out for those that begin from something.
        for laid_out, alike in groupby(range(whole.start, whole.stop), lambda i: begun[i] is not None):
            own = list(alike)
            images = slice(own[0], own[-1] + 1)
            steps = build_scheduler(base, scheduler, num_steps)
            batch = _prepare(base, steps, asked[images], seeds[images], negative_prompt, size_px, images)
            latents, skipped = _first_latents(
                batch, shape, begun[images] if laid_out else None, start.strength if start else 1.0
            )
            finished[images] = _denoise(batch, latents, refiner, on_step, skipped, stop_after)
    return finished


def _first_latents(
    batch: Batch, shape: tuple[int, ...], clean: Sequence[torch.Tensor | None] | None, strength: float
) -> tuple[torch.Tensor, int]:
    """Noise, or `clean` latents noised up to a share `strength` of the run; and how many of the scheduler's steps that
    leaves out.
    """
    steps, unet = batch.scheduler, batch.base.unet
    noise = starting_noise(batch.seeds, shape).to(batch.base.device, unet.dtype)
    if clean is None:
        return noise * steps.init_noise_sigma, 0
    run_steps = steps.num_inference_steps
    skipped = (run_steps - max(1, round(run_steps * strength))) * steps.order
    if hasattr(steps, "set_begin_index"):
        steps.set_begin_index(skipped)
    first = steps.timesteps[skipped : skipped + 1]
    return steps.add_noise(
        torch.stack([own for own in clean if own is not None]), noise, first.repeat(len(noise))
    ), skipped


@torch.no_grad()
def redo_latents(
    base: Base, latents: torch.Tensor, prompts: list[str], seeds: list[int], run: Run, strength: float
) -> torch.Tensor:
    """Finished latents (N, C, h, w) drawn anew from noised ones: image to image (Meng et al. 2021, SDEdit,
    arXiv:2108.01073).

    strength: the share of the run that is drawn anew, above 0 to 1; 1 keeps hardly anything. Noise i depends on
    seeds[i] alone.
    """
    return sample_latents(
        base,
        prompts,
        seeds,
        num_steps=run.num_steps,
        guidance_scale=run.guidance_scale,
        scheduler=run.scheduler,
        batch_size=run.batch_size,
        image_px=(latents.shape[2] * base.vae_scale, latents.shape[3] * base.vae_scale),
        negative_prompt=run.negative_prompt,
        start=_FromLatents(list(latents), strength),
    )


@dataclass(frozen=True)
class _FromLatents:
    latents: list[torch.Tensor | None]
    strength: float

    def begun(self, *_: object) -> list[torch.Tensor | None]:
        return self.latents


def _denoise(
    batch: Batch,
    latents: torch.Tensor,
    refiner: Refiner | None,
    on_step: OnStep | None,
    skipped: int,
    stop_after: int | None,
) -> torch.Tensor:
    scheduler = batch.scheduler
    arguments = step_arguments(scheduler, batch.seeds, tuple(latents.shape[1:]))
    opened = refiner.opened(batch) if refiner else nullcontext(_unrefined)
    with opened as refine:
        for index, timestep in enumerate(scheduler.timesteps[skipped:stop_after], skipped):
            step = Step(index, len(scheduler.timesteps), timestep, batch.images)
            latents = refine(latents, step)
            prediction = predict(batch, latents, step)
            latents = scheduler.step(prediction, timestep, latents, **arguments).prev_sample
            if on_step:
                on_step(step, latents)
    return latents


def _unrefined(latents: torch.Tensor, step: Step) -> torch.Tensor:
    return latents


def predict(batch: Batch, latents: torch.Tensor, step: Step) -> torch.Tensor:
    """The combined prediction (N, C, h, w): every branch of every image in one forward."""
    if batch.regions and step.fraction < batch.regions.until:
        with recording(batch.regions.layers) as recorder:
            predicted = _predicted_rows(batch, latents, step)
            maps = recorder.averaged(latents.shape[-2:])
        sentence = [maps[batch.row_of(image, 0)] for image in range(len(latents))]
        weights = [
            batch.regions.weights(image, own, latents.shape[-2:], step.fraction) for image, own in enumerate(sentence)
        ]
        return _combined(predicted, batch.owner, weights)
    kept = batch.regions.lasting if batch.regions else None
    predicted = _predicted_rows(batch, latents, step, kept)
    weights: list[list[Weight]] = [[branch.weight for branch in own if branch.region is None] for own in batch.branches]
    return _combined(predicted, batch.owner if kept is None else batch.owner[kept], weights)


def _predicted_rows(batch: Batch, latents: torch.Tensor, step: Step, kept: torch.Tensor | None = None) -> torch.Tensor:
    """What the U-Net says of every row, or of the rows `kept`."""
    owner, conditioning = (
        (batch.owner, batch.conditioning) if kept is None else (batch.owner[kept], batch.conditioning.rows(kept))
    )
    rows = like_weights(batch.model_input(latents, step)[owner], batch.base.unet.conv_in.weight)
    return batch.base.unet(rows, step.timestep, **conditioning.unet_kwargs()).sample


def _combined(predicted: torch.Tensor, owner: torch.Tensor, weights: list[list[Weight]]) -> torch.Tensor:
    combined = []
    for image, own_weights in enumerate(weights):
        own = predicted[owner == image]
        unconditional = own[0] if len(own) > len(own_weights) else None
        combined.append(combine(unconditional, own[len(own) - len(own_weights) :], own_weights))
    return torch.stack(combined)


def like_weights(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`values` in channels-last layout where the convolutions are: faster on CPUs, and no layout change per layer."""
    last = weights.is_contiguous(memory_format=torch.channels_last) and not weights.is_contiguous()
    return values.contiguous(memory_format=torch.channels_last) if last else values


# ----------------------------------------------------------------------------- what is predicted


def _prepare(
    base: Base,
    scheduler: SchedulerMixin,
    asked: list[list[Branch]],
    seeds: list[int],
    negative_prompt: str,
    size_px: tuple[int, int],
    images: slice,
) -> Batch:
    expanded = [[_expanded(base, branch) for branch in branches] for branches in asked]
    negative = expand_with_spans(base.tokenizers[0], negative_prompt, [])[0]
    texts: list[tuple[str, bool]] = []  # (text, is it the unconditional row)
    owner: list[int] = []
    for image, branches in enumerate(expanded):
        rows = [(negative, True)] if needs_unconditional(branches) else []
        rows += [(branch.text, False) for branch in branches]
        texts += rows
        owner += [image] * len(rows)
    conditioning = _encode(base, texts, size_px)
    counts = [len(branches) for branches in expanded]
    regions = Regions(base, expanded) if any(branch.region for branches in expanded for branch in branches) else None
    return Batch(
        base, scheduler, seeds, expanded, conditioning, torch.tensor(owner, device=base.device), counts, images, regions
    )


def _expanded(base: Base, branch: Branch) -> Branch:
    text, marked = expand_with_spans(base.tokenizers[0], branch.text, list(branch.marked))
    return replace(branch, text=text, marked=tuple(marked))


def _encode(base: Base, texts: list[tuple[str, bool]], size_px: tuple[int, int]) -> Conditioning:
    """Conditioning of every row; each different text goes through the encoders once."""
    unique = list(dict.fromkeys(texts))
    encoded = encode_prompts(base, [text for text, _ in unique], size_px)
    blank = [i for i, (text, unconditional) in enumerate(unique) if unconditional and not text and _zeroes_empty(base)]
    encoded.hidden[blank] = 0
    if encoded.pooled is not None:
        encoded.pooled[blank] = 0
    place = {text: i for i, text in enumerate(unique)}
    return encoded.rows(torch.tensor([place[text] for text in texts], device=base.device))


def _zeroes_empty(base: Base) -> bool:
    """sdxl's `force_zeros_for_empty_prompt`: its unconditional is zeros, not the encoding of nothing."""
    if base.family.name != "sdxl":
        return False
    index = base.source / "model_index.json" if base.source else None
    declared = json.loads(index.read_text()) if index and index.is_file() else {}
    return bool(declared.get("force_zeros_for_empty_prompt", True))


# ----------------------------------------------------------------------------- pictures


@torch.no_grad()
def decode_pictures(base: Base, latents: torch.Tensor) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8 of scaled latents; a half-precision VAE that overflows (sdxl) is decoded in fp32."""
    half = base.vae.dtype == torch.float16 and bool(getattr(base.vae.config, "force_upcast", False))
    try:
        if half:
            base.vae.to(torch.float32)
        weights = base.vae.decoder.conv_in.weight
        pixels = decode_latents(base, like_weights(latents, weights))
    finally:
        if half:
            base.vae.to(torch.float16)
    return list((pixels.float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


# ----------------------------------------------------------------------------- checks


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _check_lists(prompts: list[str], seeds: list[int], batch_size: int, guidance_scale: float) -> None:
    if len(prompts) != len(seeds):
        raise InvalidInput(
            f"{len(prompts)} prompts but {len(seeds)} seeds",
            hint="give one seed per prompt; repeat a prompt for more images",
        )
    if batch_size < 1:
        raise InvalidConfig(f"batch_size is {batch_size}", hint="allowed: 1 or more")
    if not np.isfinite(guidance_scale):
        raise InvalidConfig(f"guidance_scale is {guidance_scale}", hint="allowed: a finite number; 5 to 9 are usual")


def _checked_size(base: Base, image_px: int | tuple[int, int] | None) -> tuple[int, int]:
    size = base.image_px if image_px is None else (image_px, image_px) if isinstance(image_px, int) else tuple(image_px)
    unit = base.vae_scale
    if len(size) != 2 or any(side < unit or side % unit for side in size):
        near = " x ".join(str(max(unit, round(side / unit) * unit)) for side in size)
        raise InvalidConfig(
            f"image_px is {size}", hint=f"height and width must be multiples of {unit}; nearest: {near}"
        )
    return size
