"""Does the model know its training pictures better than others of the same kind? The held-out denoising-loss gap.

Mean diffusion loss on held-out pictures minus on training pictures, every picture under the same noises at the same
timesteps. It needs no judge and no weights but the model's own, so it works everywhere, and it rises before copies can
be seen. The raw gap also holds how hard the two sets of pictures are; `beyond_base` takes the base's gap on the same
pictures and noises away, which leaves what fine-tuning did. Intervals resample pictures of both sets and,
together, the noises they share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from brandsmith.base.base import Base, encode_images, encode_prompts
from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.base.sources import load_base
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.concept.crops import plan_crop
from brandsmith.core.errors import InvalidConcept
from brandsmith.core.pictures import list_pictures
from brandsmith.core.progress import Log
from brandsmith.core.text import is_there, read_text
from brandsmith.evaluate.run_checkpoints import find_run_checkpoints
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.diffusion_loss import DiffusionLoss
from brandsmith.methods.noise import draw_noise
from brandsmith.methods.pixels import load_pixels

NUM_NOISES = 16
FEWEST_PICTURES = 4
NUM_RESAMPLES = 2000
_STREAM = 0x6A9


@dataclass(frozen=True)
class Gap:
    """Held-out minus training loss with its 95 % interval; above 0 the training pictures are known better."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Overfit:
    """`gap` as it is; `beyond_base` less the base's own gap (None without an adapter)."""

    gap: Gap
    beyond_base: Gap | None
    training_loss: float
    held_out_loss: float
    num_training: int
    num_held_out: int
    num_noises: int

    @property
    def learns_by_heart(self) -> bool:
        """The gap beyond the base's is surely above 0."""
        return self.beyond_base is not None and self.beyond_base.low > 0


@dataclass(frozen=True)
class CheckpointOverfit:
    checkpoint: str
    """Its folder's name; `untrained` for the base alone."""
    overfit: Overfit

    @property
    def line(self) -> str:
        """For a terminal."""
        found = self.overfit
        gap, name = (found.beyond_base, "gap beyond the base's own") if found.beyond_base else (found.gap, "gap")
        return (
            f"{self.checkpoint:14} training {found.training_loss:.4f}  held out {found.held_out_loss:.4f}  "
            f"{name} {gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
        )


@dataclass(frozen=True)
class OverfitReport:
    checkpoints: tuple[CheckpointOverfit, ...]
    base: str

    @property
    def reading(self) -> str:
        """One sentence that reads the figures."""
        by_heart = [one.checkpoint for one in self.checkpoints if one.overfit.learns_by_heart]
        if by_heart:
            return (
                f"training pictures are known better than held-out ones from {by_heart[0]} on: stop early or use fewer"
                " steps"
            )
        if not any(one.overfit.beyond_base for one in self.checkpoints):
            return "the untrained base: its gap says how unlike the two sets of pictures are"
        return "no checkpoint knows its training pictures surely better than held-out ones"

    @property
    def lines(self) -> Iterator[str]:
        """For a terminal."""
        yield from (one.line for one in self.checkpoints)
        yield self.reading

    def as_json(self) -> dict[str, Any]:
        lines = [{"checkpoint": one.checkpoint} | asdict(one.overfit) for one in self.checkpoints]
        return {"checkpoints": lines, "reading": self.reading, "base": self.base}


@dataclass(frozen=True)
class Pictured:
    """Pictures on disk and the prompt of each."""

    images: tuple[Path, ...]
    prompts: tuple[str, ...]


def training_pictures(concept: Concept) -> Pictured:
    return Pictured(tuple(e.image for e in concept.examples), tuple(e.caption for e in concept.examples))


def held_out_captioned(concept: Concept) -> Pictured:
    """The held-out pictures with the captions beside them; without one, the plain prompt `a <token>`."""
    images = tuple(list_pictures(concept.folder / "held_out"))
    return Pictured(images, tuple(_caption(image) or f"a {concept.token}" for image in images))


def _caption(image: Path) -> str:
    text = image.with_suffix(".txt")
    return read_text(text).strip() if is_there(text) else ""


def check_enough(training: Pictured, held_out: Pictured) -> None:
    """Raises InvalidConcept when a set has fewer than FEWEST_PICTURES pictures."""
    for name, pictured in (("training", training), ("held-out", held_out)):
        if len(pictured.images) < FEWEST_PICTURES:
            raise InvalidConcept(
                f"{len(pictured.images)} {name} pictures",
                hint=f"the loss gap needs {FEWEST_PICTURES} of each; 20 are better",
            )


def denoising_gap(
    base: Base,
    checkpoint: Path | None,
    training: Pictured,
    held_out: Pictured,
    *,
    num_noises: int = NUM_NOISES,
    seed: int = 0,
) -> Overfit:
    """The gap of a base with an adapter (None: of the base itself). The base is as before afterwards.

    Raises InvalidConcept when either set has fewer than FEWEST_PICTURES pictures.
    """
    check_enough(training, held_out)
    sets = [(_latents(base, pictured), pictured.prompts) for pictured in (training, held_out)]
    before = [_losses(base, *of_set, num_noises, seed) for of_set in sets] if checkpoint else None
    with load_adapter(base, checkpoint) if checkpoint else nullcontext():
        known, unknown = (_losses(base, *of_set, num_noises, seed) for of_set in sets)
    beyond = gap_of(known - before[0], unknown - before[1], seed=seed) if before else None
    return Overfit(
        gap_of(known, unknown, seed=seed),
        beyond,
        float(known.mean()),
        float(unknown.mean()),
        len(known),
        len(unknown),
        num_noises,
    )


def overfit_of_run(
    run: Path | None,
    *,
    concept_name: str,
    base_name: str | None,
    step: int | None,
    num_noises: int = NUM_NOISES,
    log: Log = lambda what: None,
) -> OverfitReport:
    """`brandsmith judge overfit`: every checkpoint, or the base alone. Everything is checked before weights load."""
    concept = load_concept(concept_name)
    found = find_run_checkpoints(run, concept, base_name, step)
    found.check()
    known, unknown = training_pictures(concept), held_out_captioned(concept)
    check_enough(known, unknown)
    base = load_base(found.base_name, precision="fp32")  # gaps are small differences
    judged = []
    checkpoints: list[Path | None] = [folder for _, folder in found.checkpoints]
    for checkpoint in checkpoints or [None]:
        log(f"losses of {checkpoint.name if checkpoint else 'the base alone'}")
        overfit = denoising_gap(base, checkpoint, known, unknown, num_noises=num_noises)
        judged.append(CheckpointOverfit(checkpoint.name if checkpoint else "untrained", overfit))
    return OverfitReport(tuple(judged), found.base_name)


def gap_of(training: np.ndarray, held_out: np.ndarray, *, seed: int = 0) -> Gap:
    """Losses (pictures, noises) of both sets, column k under noise k in both."""
    rng = np.random.default_rng(seed)
    values = np.empty(NUM_RESAMPLES)
    for i in range(NUM_RESAMPLES):
        noises = rng.integers(0, training.shape[1], training.shape[1])
        some = [losses[rng.integers(0, len(losses), len(losses))][:, noises].mean() for losses in (training, held_out)]
        values[i] = some[1] - some[0]
    low, high = np.percentile(values, [2.5, 97.5])
    return Gap(float(held_out.mean() - training.mean()), float(low), float(high))


@torch.no_grad()
def _latents(base: Base, pictured: Pictured) -> torch.Tensor:
    high, wide = base.image_px
    crops = [plan_crop(image.parent.parent, image, wide / high) for image in pictured.images]
    pixels = [load_pixels(crop.image, base.image_px, crop.centering) for crop in crops]
    return torch.cat(
        [encode_images(base, torch.stack(pixels[i : i + 4]).to(base.device)).float() for i in range(0, len(pixels), 4)]
    )


@torch.no_grad()
def _losses(base: Base, latents: torch.Tensor, prompts: Sequence[str], num_noises: int, seed: int) -> np.ndarray:
    """(pictures, noises): every picture under the same noises. Prompts are encoded with the adapter that is on the base
    now.
    """
    loss = DiffusionLoss(base)
    noise, timesteps = draw_noise(seed, _STREAM, list(range(num_noises)), tuple(latents.shape[1:]), loss.noising)
    noise, timesteps = noise.to(base.device), timesteps.to(base.device)
    rows = []
    for latent, prompt in zip(latents, prompts, strict=True):
        conditioning = encode_prompts(base, expand_prompts(base.tokenizer, [prompt]), base.image_px)
        repeated = conditioning.rows(torch.zeros(num_noises, dtype=torch.long, device=base.device))
        rows.append(loss(latent.expand(num_noises, *latent.shape), repeated, noise, timesteps).cpu().numpy())
    return np.stack(rows)
