"""The sampling loop: combiner, refiner, starter, screener, keeper and finisher plug in here.

    starting noise ─► for each step:  refiner moves the latents ─► the model predicts for every branch ─► combiner makes
                      them one ─► scheduler steps ─► keeper holds what stays ─► … ─► VAE decodes ─► finisher

Image i depends on prompts[i] and seeds[i] alone, whatever the batch. With combiner `cfg` and nothing else plugged in
the result is what stock diffusers makes from the same seed. The front is `guidance/sampling.py`: settings in, pictures
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np
import torch
from diffusers import SchedulerMixin

from brandsmith.base.attention import recording
from brandsmith.base.base import Base
from brandsmith.base.base import predict as predict_rows
from brandsmith.base.decoding import decode_in_budget
from brandsmith.base.memory_format import channels_last
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.guidance.batch import chunks_of, prepare_batch
from brandsmith.guidance.branches import Branch, with_class_word
from brandsmith.guidance.combiners import Weight, combine
from brandsmith.guidance.parts import Batch, OnStep, Parts, Step
from brandsmith.guidance.schedulers import build_scheduler, noised, step_arguments
from brandsmith.guidance.settings import DrawSettings


def sample_pictures(
    base: Base,
    prompts: list[str],
    seeds: list[int],
    settings: DrawSettings,
    parts: Parts,
    on_step: OnStep | None = None,
) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8, one per prompt. See `sample_latents`."""
    settings = settings.resolved(base.name, fine_tuned=False, defaults=base.family.draws)
    branches = [parts.combiner.branches(prompt, combined_scale(base, settings)) for prompt in prompts]
    with channels_last(base.denoiser, base.vae):
        latents = latents_of_branches(base, branches, seeds, settings, parts, on_step)
        pictures = [picture for part in latents.split(settings.batch_size) for picture in decode_pictures(base, part)]
        if parts.finisher is None:
            return pictures
        return parts.finisher.finish_pictures(base, pictures, branches, seeds, settings)


def sample_latents(
    base: Base,
    prompts: list[str],
    seeds: list[int],
    settings: DrawSettings,
    parts: Parts,
    on_step: OnStep | None = None,
) -> torch.Tensor:
    """Finished, scaled latents (N, C, h, w).

    settings: a guidance scale of None is the base's own as it is, without an adapter. on_step: called after every step
    with the new latents of its batch. Raises InvalidInput or InvalidConfig before anything is computed.
    """
    settings = settings.resolved(base.name, fine_tuned=False, defaults=base.family.draws)
    branches = [parts.combiner.branches(prompt, combined_scale(base, settings)) for prompt in prompts]
    return latents_of_branches(base, branches, seeds, settings, parts, on_step)


@torch.no_grad()
def latents_of_branches(
    base: Base,
    branches: list[list[Branch]],
    seeds: list[int],
    settings: DrawSettings,
    parts: Parts,
    on_step: OnStep | None = None,
    *,
    stop_after: int | None = None,
) -> torch.Tensor:
    """`sample_latents` after the combiner has read the prompts.

    stop_after: leave after so many predictions, with latents as noisy as they then are.
    """
    size_px = _checked_size(base, settings.size_px)
    _check_seeds(branches, seeds)
    scheduler = parts.scheduler or settings.scheduler
    shape = (len(branches), *base.latent_shape_at(size_px))
    finished = torch.empty(shape, device=base.device, dtype=base.dtype)
    starts: list[torch.Tensor | None] = [None] * len(branches)
    if parts.starter:
        starts = parts.starter.start_latents(base, branches, seeds, size_px, settings)
    alike = [
        (start is not None, chunks_of(base, own, settings.negative_prompt))
        for start, own in zip(starts, branches, strict=True)
    ]
    for images in _batches(alike, settings.batch_size):
        steps = build_scheduler(base, scheduler, settings.num_steps, size_px)
        batch_of = partial(
            prepare_batch,
            base,
            steps,
            seeds=seeds[images],
            settings=settings,
            size_px=size_px,
            images=images,
        )
        batches = _stretches(base, steps, branches[images], batch_of)
        if parts.noise:
            batches = [replace(part, batch=replace(part.batch, noise=parts.noise)) for part in batches]
        if parts.keeper:
            batches = [replace(part, batch=parts.keeper.prepare(part.batch)) for part in batches]
        clean = [start for start in starts[images] if start is not None]
        if parts.screener and not clean:
            chosen = parts.screener.choose_seeds(batches[0].batch)
            batches = [replace(part, batch=replace(part.batch, seeds=chosen)) for part in batches]
        latents, skipped = _first_latents(batches[-1].batch, clean, parts.starter.strength if parts.starter else 1.0)
        for part in batches:
            latents = _denoise(part, latents, parts, on_step, skipped, stop_after)
        finished[images] = latents
    if base.takeover:
        base.takeover.switch(True)
    return finished


@dataclass(frozen=True)
class _Stretch:
    """A part of a run, steps `first` to `last`, and what is sampled in it; `on`: whether the adapter acts."""

    batch: Batch
    first: int
    last: int
    on: bool = True


def _stretches(
    base: Base,
    scheduler: SchedulerMixin,
    branches: list[list[Branch]],
    batch_of: Callable[[list[list[Branch]]], Batch],
) -> list[_Stretch]:
    """The whole run; or, for an adapter that acts in its last part only, the base's part and then the adapter's."""
    num = len(scheduler.timesteps)
    if base.takeover is None:
        return [_Stretch(batch_of(branches), 0, num)]
    below = base.takeover.below * base.noising.num_timesteps
    handover = sum(float(timestep) >= below for timestep in scheduler.timesteps)
    base.takeover.switch(True)
    late = _Stretch(batch_of(branches), handover, num)
    if not handover:
        return [late]
    base.takeover.switch(False)
    plain = [[with_class_word(base.takeover, branch) for branch in own] for own in branches]
    return [_Stretch(batch_of(plain), 0, handover, on=False), late]


def _batches(kinds: Sequence[tuple[bool, int]], batch_size: int) -> Iterator[slice]:
    """Batches of neighbours that start alike, as some steps are left out for those that start from something, and that
    read as many chunks of text.
    """
    for first in range(0, len(kinds), batch_size):
        last = min(first + batch_size, len(kinds))
        for _, alike in groupby(range(first, last), lambda image: kinds[image]):
            own = list(alike)
            yield slice(own[0], own[-1] + 1)


def combined_scale(base: Base, settings: DrawSettings) -> float:
    """The scale by which predictions are combined: 1 where the denoiser itself is told the scale. `settings` are
    resolved.
    """
    assert settings.guidance_scale is not None, "resolved by the callers above"
    return 1.0 if base.family.embeds_guidance(base) else settings.guidance_scale


def _first_latents(batch: Batch, clean: Sequence[torch.Tensor], strength: float) -> tuple[torch.Tensor, int]:
    """Noise, or `clean` latents noised up to a share `strength` of the run; and how many of the scheduler's steps that
    leaves out.
    """
    if not clean:
        return batch.noise_of(batch.seeds), 0
    steps = batch.scheduler
    noise = batch.plain_noise(batch.seeds)
    skipped = _steps_left_out(batch, strength)
    if hasattr(steps, "set_begin_index"):
        steps.set_begin_index(skipped)
    first = steps.timesteps[skipped : skipped + 1]
    return noised(steps, torch.stack(list(clean)), noise, first.repeat(len(noise))), skipped


def _steps_left_out(batch: Batch, strength: float) -> int:
    """Of a flow those above a share `strength` of noise, for its shift puts most steps there; never the last."""
    steps = batch.scheduler
    if batch.base.family.noising.is_flow:
        above = [float(timestep) > strength * batch.base.noising.num_timesteps for timestep in steps.timesteps]
        whole = len(above) // steps.order * steps.order
        return min(sum(above) // steps.order * steps.order, whole - steps.order)
    run_steps = steps.num_inference_steps
    return int((run_steps - max(1, round(run_steps * strength))) * steps.order)


def redo_latents(
    base: Base,
    latents: torch.Tensor,
    prompts: list[str],
    seeds: list[int],
    settings: DrawSettings,
    strength: float,
    scheduler: SchedulerMixin | None = None,
) -> torch.Tensor:
    """Finished latents (N, C, h, w) drawn anew from noised ones: image to image (Meng et al. 2021, SDEdit,
    arXiv:2108.01073).

    strength: the share of the run that is drawn anew, above 0 to 1; 1 keeps hardly anything. Noise i depends on
    seeds[i] alone. Of `settings` only steps, scale, scheduler, negative prompt and batch size count;
    `scheduler` is one to use instead of the named one.
    """
    size_px = (latents.shape[2] * base.vae_scale, latents.shape[3] * base.vae_scale)
    plain = settings.plain().model_copy(update={"size_px": size_px})
    return sample_latents(
        base, prompts, seeds, plain, Parts(starter=FromLatents(list(latents), strength), scheduler=scheduler)
    )


@dataclass(frozen=True)
class FromLatents:
    """The starter that draws the last share `strength` of the run from finished latents, one (C, h, w) per image."""

    latents: list[torch.Tensor | None]
    strength: float

    def start_latents(self, *_: object) -> list[torch.Tensor | None]:
        return self.latents


def _denoise(
    part: _Stretch,
    latents: torch.Tensor,
    parts: Parts,
    on_step: OnStep | None,
    skipped: int,
    stop_after: int | None,
) -> torch.Tensor:
    batch, scheduler = part.batch, part.batch.scheduler
    first, last = max(part.first, skipped), part.last if stop_after is None else min(part.last, stop_after)
    if first >= last:
        return latents
    if batch.base.takeover:
        batch.base.takeover.switch(part.on)
    arguments = step_arguments(scheduler, batch.seeds, tuple(latents.shape[1:]))
    with parts.refiner.attach(batch) if parts.refiner else nullcontext(_unrefined) as refine:
        for index, timestep in enumerate(scheduler.timesteps[first:last], first):
            step = Step(index, len(scheduler.timesteps), timestep, batch.images)
            for number in range(parts.keeper.rounds(step) if parts.keeper else 1):
                if parts.keeper and number:
                    latents = parts.keeper.back(batch, latents, step, number)
                latents = refine(latents, step)
                prediction = predict(batch, latents, step)
                latents = scheduler.step(prediction, timestep, latents, **arguments).prev_sample
                if parts.keeper:
                    latents = parts.keeper.keep(batch, latents, step)
            if on_step:
                on_step(step, latents)
    return latents


def _unrefined(latents: torch.Tensor, step: Step) -> torch.Tensor:
    return latents


def predict(batch: Batch, latents: torch.Tensor, step: Step) -> torch.Tensor:
    """The combined prediction (N, C, h, w): every branch of every image in one forward."""
    if batch.regions and step.fraction < batch.regions.until:
        with recording(batch.regions.layers, latents.shape[-2:]) as recorder:
            predicted = _predicted_rows(batch, latents, step)
            maps = recorder.averaged(latents.shape[-2:])
        sentence = [maps[batch.row_of(image, 0)] for image in range(len(latents))]
        weights = [
            batch.regions.weights(image, own, latents.shape[-2:], step.fraction) for image, own in enumerate(sentence)
        ]
        return _combined(batch, predicted, batch.owner, weights)
    kept = batch.regions.lasting if batch.regions else None
    predicted = _predicted_rows(batch, latents, step, kept)
    plain: list[list[Weight]] = [[branch.weight for branch in own if branch.region is None] for own in batch.branches]
    return _combined(batch, predicted, batch.owner if kept is None else batch.owner[kept], plain)


def _predicted_rows(batch: Batch, latents: torch.Tensor, step: Step, kept: torch.Tensor | None = None) -> torch.Tensor:
    """The model's prediction for every row, or for the rows `kept`."""
    owner, conditioning = (
        (batch.owner, batch.conditioning) if kept is None else (batch.owner[kept], batch.conditioning.rows(kept))
    )
    rows = batch.model_input(latents, step)[owner]
    return predict_rows(batch.base, rows, step.timestep, conditioning)


def _combined(batch: Batch, predicted: torch.Tensor, owner: torch.Tensor, weights: list[list[Weight]]) -> torch.Tensor:
    """One prediction for each image; some families then give it the length that the prompt's own has."""
    combined, finish = [], batch.base.family.finish_guidance
    for image, own_weights in enumerate(weights):
        own = predicted[owner == image]
        unconditional = own[0] if len(own) > len(own_weights) else None
        conditional = own[len(own) - len(own_weights) :]
        guided = combine(unconditional, conditional, own_weights)
        finished = finish is not None and unconditional is not None and len(conditional) > 0
        combined.append(finish(guided, conditional[0]) if finish and finished else guided)
    return torch.stack(combined)


# ----------------------------------------------------------------------------- pictures


@torch.no_grad()
def decode_pictures(base: Base, latents: torch.Tensor) -> list[np.ndarray]:
    """Pictures (H, W, 3) uint8 of scaled latents."""
    pixels = decode_in_budget(base, latents)
    return list((pixels.float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())


# ----------------------------------------------------------------------------- checks


def _check_seeds(branches: Sequence[Sequence[Branch]], seeds: Sequence[int]) -> None:
    if len(branches) != len(seeds):
        raise InvalidInput(
            f"{len(branches)} prompts but {len(seeds)} seeds",
            hint="give one seed per prompt; repeat a prompt for more images",
        )


def _checked_size(base: Base, size_px: tuple[int, int] | None) -> tuple[int, int]:
    size, unit = size_px or base.image_px, base.family.size_unit(base)
    if any(side < unit or side % unit for side in size):
        near = " x ".join(str(max(unit, round(side / unit) * unit)) for side in size)
        raise InvalidConfig(f"size_px is {size}", hint=f"height and width must be multiples of {unit}; nearest: {near}")
    return size
