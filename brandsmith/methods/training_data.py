"""Pictures as latents, computed once.

The VAE's mean is used, not a sample of it, so that a cache repeats. Latents are kept in a cache folder under a name
made of everything they depend on.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import torch
from safetensors.torch import load_file

from brandsmith.base.base import Base, encode_images
from brandsmith.base.fingerprint import fingerprint
from brandsmith.base.memory_format import channels_last
from brandsmith.concept.concept import Concept, Example
from brandsmith.concept.counting import CLASS, repeats_of, weight_of
from brandsmith.concept.crops import CENTRE, Crop, plan_crops
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import sha256_of, write_safetensors
from brandsmith.core.notes import warn_once
from brandsmith.core.pictures import list_pictures
from brandsmith.core.safe_weights import check_finite_file, check_floats, read_header
from brandsmith.core.seeds import generator_for
from brandsmith.core.text import is_there, read_text
from brandsmith.methods.class_latents import draw_class_latents
from brandsmith.methods.masks import marks_of, place_weights_of
from brandsmith.methods.pixels import Cropped, view_kind, view_pixels
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.views import PLAIN_VIEWS

Progress = Callable[[str, int, int, str], None]
"""Called as (stage, done, total, note)."""

ENCODED_TOGETHER = 4
"""Pictures at most."""


_ORDER = 0x0DE2  # names the random stream


@dataclass(frozen=True)
class TrainingSet:
    """Scaled latents (N, C, h, w) on the CPU in fp32, and one prompt each."""

    latents: torch.Tensor
    prompts: tuple[str, ...]
    places: torch.Tensor | None = None
    """How much each place counts in the loss (N, 1, h, w), with mean 1 over a picture of weight 1; None: all alike."""
    turns: tuple[int, ...] | None = None
    """The rows of an epoch, one that is repeated several times; None: each once."""
    marks: torch.Tensor | None = None
    """How much of each place the mark covers (N, 1, h, w), from 0 to 1; all 0 where that is not known. None: nobody
    asks.
    """

    @property
    def rows(self) -> Sequence[int]:
        """Of an epoch, before it is shuffled."""
        return range(len(self.prompts)) if self.turns is None else self.turns

    def order(self, seed: int, stream: int, numbers: Sequence[int]) -> list[int]:
        """Which entry the samples with these running numbers take: every epoch a fresh shuffle of all."""
        rows = self.rows
        size = len(rows)
        shuffles = {
            epoch: torch.randperm(size, generator=generator_for(seed, _ORDER, stream, epoch))
            for epoch in {n // size for n in numbers}
        }
        return [rows[int(shuffles[n // size][n % size])] for n in numbers]


@dataclass(frozen=True)
class Drawn:
    """Samples of a step: latents and noise (N, C, h, w), timesteps (N,), N prompts, and what `TrainingSet` says of
    places.
    """

    latents: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    prompts: tuple[str, ...]
    places: torch.Tensor | None = None
    input_noise: torch.Tensor | None = None
    """What noises the latents where it is not `noise`."""
    frames: torch.Tensor | None = None
    """Sizes and cuts of the pictures (N, 6), where they are told to the denoiser (`methods/buckets.py`)."""
    marks: torch.Tensor | None = None
    """What `TrainingSet` says of them."""

    @staticmethod
    def cat(parts: Sequence[Drawn]) -> Drawn:
        latents, noise, timesteps = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("latents", "noise", "timesteps")
        )
        prompts = tuple(prompt for part in parts for prompt in part.prompts)
        marks = _all_marks(parts)
        return Drawn(latents, noise, timesteps, prompts, _all_places(parts), _all_input_noise(parts), marks=marks)

    def first(self, count: int) -> Drawn:
        """The first samples alone."""
        own = slice(max(count, 0))

        def cut(values: torch.Tensor | None) -> torch.Tensor | None:
            return None if values is None else values[own]

        more = cut(self.places), cut(self.input_noise), cut(self.frames), cut(self.marks)
        return Drawn(self.latents[own], self.noise[own], self.timesteps[own], self.prompts[own], *more)

    def prepared_for(self, base: Base) -> Drawn:
        """On the denoiser's device, in its number format and layout."""

        def there(latents: torch.Tensor) -> torch.Tensor:
            return latents.to(base.device, base.dtype, memory_format=torch.channels_last)

        places = None if self.places is None else self.places.to(base.device)
        marks = None if self.marks is None else self.marks.to(base.device)
        going_in = None if self.input_noise is None else there(self.input_noise)
        more = places, going_in, self.frames, marks
        return Drawn(there(self.latents), there(self.noise), self.timesteps.to(base.device), self.prompts, *more)


def _all_input_noise(parts: Sequence[Drawn]) -> torch.Tensor | None:
    if all(part.input_noise is None for part in parts):
        return None
    return torch.cat([part.noise if part.input_noise is None else part.input_noise for part in parts])


def _all_places(parts: Sequence[Drawn]) -> torch.Tensor | None:
    if all(part.places is None for part in parts):
        return None
    return torch.cat([torch.ones_like(p.latents[:, :1]) if p.places is None else p.places for p in parts])


def _all_marks(parts: Sequence[Drawn]) -> torch.Tensor | None:
    if all(part.marks is None for part in parts):
        return None
    return torch.cat([torch.zeros_like(p.latents[:, :1]) if p.marks is None else p.marks for p in parts])


def image_size(base: Base, settings: TrainSettings) -> tuple[int, int]:
    """(height, width) of training pictures in pixels, cut to whole cells of the denoiser's coarsest level."""
    if settings.image_px is None:
        return base.image_px
    cell = base.family.training_cell(base)
    side = max(cell, settings.image_px // cell * cell)
    return side, side


def concept_set(
    base: Base, concept: Concept, settings: TrainSettings, size: tuple[int, int], cache: Path, progress: Progress
) -> TrainingSet:
    """Every picture in `settings.views` views (`methods.views`), the views of one picture one after another."""
    crops = plan_crops(concept, size[1] / size[0])
    return training_set(base, counted_examples(concept), crops, settings, size, cache, progress)


def counted_examples(concept: Concept) -> list[Example]:
    """The training pictures of every concept; their repeats without what they have in common, which changes nothing."""
    examples = concept.all_training_examples
    common = math.gcd(*(example.repeats for example in examples))
    return examples if common == 1 else [replace(own, repeats=own.repeats // common) for own in examples]


def training_set(
    base: Base,
    examples: Sequence[Example],
    crops: Sequence[Crop],
    settings: TrainSettings,
    size: tuple[int, int],
    cache: Path,
    progress: Progress,
) -> TrainingSet:
    """Pictures of one shape: each cut as its crop says."""
    views = settings.views
    kinds = [view_kind(settings, crop) for crop in crops]
    images = [Cropped(crop.image, crop.centering, kind) for crop, kind in zip(crops, kinds, strict=True)]
    prompts = tuple(example.caption for example in examples for _ in range(views))
    latents = _image_latents(base, images, size, cache, progress, views)
    repeats = [example.repeats for example in examples for _ in range(views)]
    weights = [example.weight for example in examples for _ in range(views)]
    weight = settings.mask_weight
    places = None if weight == 1 else place_weights_of(examples, images, size, latents, weight)
    marks = marks_of(examples, images, size, latents) if settings.attention_loss_weight else None
    return counted(TrainingSet(latents, prompts, places, marks=marks), repeats, weights)


def counted(plain: TrainingSet, repeats: Sequence[int], weights: Sequence[float]) -> TrainingSet:
    """The set with each row as often as it is repeated, and with its weight in the loss."""
    turns = plain.turns
    if set(repeats) != {1}:
        turns = tuple(row for row, count in enumerate(repeats) for _ in range(count))
    places = plain.places
    if set(weights) != {1.0}:
        own = torch.tensor(weights).reshape(-1, 1, 1, 1)
        places = own * (torch.ones_like(plain.latents[:, :1]) if places is None else places)
    return replace(plain, places=places, turns=turns)


def joined_sets(sets: Sequence[TrainingSet]) -> TrainingSet:
    """Several sets as one."""
    if len(sets) == 1:
        return sets[0]
    starts = [sum(len(own.prompts) for own in sets[:number]) for number in range(len(sets))]
    places = None
    if any(own.places is not None for own in sets):
        places = torch.cat([torch.ones_like(s.latents[:, :1]) if s.places is None else s.places for s in sets])
    turns = tuple(start + row for start, own in zip(starts, sets, strict=True) for row in own.rows)
    prompts = tuple(prompt for own in sets for prompt in own.prompts)
    plain = all(own.turns is None for own in sets)
    return TrainingSet(torch.cat([own.latents for own in sets]), prompts, places, None if plain else turns)


def class_set(
    base: Base, concept: Concept, settings: TrainSettings, size: tuple[int, int], cache: Path, progress: Progress
) -> TrainingSet:
    """Prior-preservation pictures of every concept: its own `class_images/`, else drawn by the base from the class word
    or from captions with it; what several would draw alike is drawn once.
    """
    drawn: list[tuple[str, ...]] = []
    sets = []
    for own in concept.every:
        if not list_pictures(own.folder / CLASS):
            wanted = tuple(class_prompts(own, settings))
            if wanted in drawn:
                continue
            drawn.append(wanted)
        sets.append(_class_set(base, own, settings, size, cache, progress))
    return joined_sets(sets)


def _class_set(
    base: Base, concept: Concept, settings: TrainSettings, size: tuple[int, int], cache: Path, progress: Progress
) -> TrainingSet:
    prompt = f"a {concept.config.class_word}"
    images = list_pictures(concept.folder / CLASS)
    if images:
        own = TrainingSet(
            _image_latents(base, [Cropped(image) for image in images], size, cache, progress),
            tuple(_caption(image, prompt) for image in images),
        )
        repeats = [repeats_of(image, concept.config.repeats) for image in images]
        common = math.gcd(*repeats)
        weights = [weight_of(image, concept.config.weights) for image in images]
        return counted(own, [count // common for count in repeats], weights)
    prompts = tuple(islice(cycle(class_prompts(concept, settings)), settings.num_class_images))
    how = [prompts, settings.class_image_steps, settings.class_image_guidance, size]
    key = _digest("class", base.name, *how, *map(fingerprint, base.modules()))

    def draw() -> torch.Tensor:
        return draw_class_latents(
            base,
            prompts,
            steps=settings.class_image_steps,
            guidance=settings.class_image_guidance,
            size=size,
            progress=progress,
        )

    return TrainingSet(_cached(cache / f"class-{key}.safetensors", len(prompts), draw), prompts)


def class_prompts(concept: Concept, settings: TrainSettings) -> list[str]:
    """What class pictures are drawn of: `a logo`, or each training caption with the class word in the token's place."""
    if settings.class_prompts == "class word":
        return [f"a {concept.config.class_word}"]
    return [example.caption.replace(concept.token, concept.config.class_word) for example in concept.training_examples]


def _caption(image: Path, default: str) -> str:
    text = image.with_suffix(".txt")
    return (read_text(text).strip() if is_there(text) else "") or default


def _image_latents(
    base: Base, images: list[Cropped], size: tuple[int, int], cache: Path, progress: Progress, views: int = 1
) -> torch.Tensor:
    moved: list[object] = [(number, cut.centering) for number, cut in enumerate(images) if cut.centering != CENTRE]
    moved += [(number, cut.kind) for number, cut in enumerate(images) if views > 1 and cut.kind != PLAIN_VIEWS]
    content = (sha256_of(cut.image) for cut in images)
    key = _digest("images-2", size, views, fingerprint(base.vae), *content, *moved)
    file = cache / f"latents-{key}.safetensors"
    return _cached(file, len(images) * views, lambda: _encode_all(base, images, size, progress, views))


@torch.no_grad()
def _encode_all(
    base: Base, images: list[Cropped], size: tuple[int, int], progress: Progress, views: int
) -> torch.Tensor:
    latents = []
    with channels_last(base.vae):
        for number, cut in enumerate(images):
            for pixels in view_pixels(cut, size, views, number).split(ENCODED_TOGETHER):
                latents.append(encode_images(base, pixels.to(base.device)).float().cpu())
            progress("encode pictures", number + 1, len(images), "")
    return torch.cat(latents)


def _cached(path: Path, number: int, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
    """`number` latents from a file; computed and written where there is none, or a damaged one."""
    if not path.is_file() or not _is_whole(path, number):
        write_safetensors(path, {"latents": compute()})
    return load_file(path)["latents"]


def _is_whole(path: Path, number: int) -> bool:
    try:
        header = read_header(path)
        check_floats(header)
        check_finite_file(path)
    except InvalidInput as error:
        warn_once(f"{error}: it is made again")
        return False
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}
    return shapes.keys() == {"latents"} and len(shapes["latents"]) == 4 and shapes["latents"][0] == number


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
