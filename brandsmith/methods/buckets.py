"""Pictures of several shapes in one training: each is cut to the nearest of a few shapes of about the same area.

A bucket is what has one shape. A step's batch may hold samples of several: each shape is a pass of its own, and the
step's loss is the mean over all samples, so that buckets change what is cut off and nothing else. Batches are of one
shape where the pictures allow it. SDXL is told each picture's true size and where it was cut (Podell et al. 2023,
"SDXL", section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from brandsmith.base.base import Base
from brandsmith.concept.concept import Concept, Example
from brandsmith.concept.crops import Crop, plan_crop
from brandsmith.core.pictures import picture_size
from brandsmith.core.seeds import generator_for
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import Progress, TrainingSet, counted_examples, training_set

LARGEST_ASPECT = 4.0
"""Longer pictures are cut to this."""
LEAST_AREA = 0.75
"""Of a bucket, as a share of the square's."""
_ORDER = 0xB0C7  # names the random stream
Shape = tuple[int, int]
"""(height, width) in pixels."""


def bucket_shapes(size: Shape, cell: int) -> list[Shape]:
    """Shapes of whole cells with at most the area of `size` and not much less, from the widest to the highest."""
    area = size[0] * size[1]
    shapes = {size}
    for short in range(cell, math.isqrt(area) + 1, cell):
        for long in range(short + cell, int(min(LARGEST_ASPECT * short, area / short)) + 1, cell):
            if short * long >= LEAST_AREA * area:
                shapes |= {(short, long), (long, short)}
    return sorted(shapes)


def nearest_shape(width: int, height: int, shapes: Sequence[Shape]) -> Shape:
    """The shape with the nearest aspect ratio; the larger one of two."""
    return min(shapes, key=lambda own: (abs(math.log(own[1] / own[0] * height / width)), -own[0] * own[1]))


@dataclass(frozen=True)
class BucketedSet:
    """Training pictures of several shapes; entries are counted over all of them, a bucket after the other."""

    buckets: tuple[TrainingSet, ...]
    frames: tuple[torch.Tensor, ...]
    """Of each bucket (N, 6): height and width of the picture as it was, top and left of the cut in the picture as it is
    scaled, height and width of the cut, in pixels.
    """

    @property
    def prompts(self) -> tuple[str, ...]:
        return tuple(prompt for bucket in self.buckets for prompt in bucket.prompts)

    def order(self, seed: int, stream: int, numbers: Sequence[int], batch_size: int) -> list[int]:
        """Which entry the samples with these running numbers take: every epoch a fresh shuffle of all, in which entries
        of one bucket stand together in batches.
        """
        size = sum(len(bucket.rows) for bucket in self.buckets)
        orders = {epoch: self._epoch(seed, stream, epoch, batch_size) for epoch in {n // size for n in numbers}}
        return [orders[n // size][n % size] for n in numbers]

    def _epoch(self, seed: int, stream: int, epoch: int, batch_size: int) -> list[int]:
        generator = generator_for(seed, _ORDER, stream, epoch)
        batches: list[list[int]] = []
        rest: list[int] = []
        start = 0
        for bucket in self.buckets:
            rows = bucket.rows
            shuffled = [start + rows[int(i)] for i in torch.randperm(len(rows), generator=generator)]
            start += len(bucket.prompts)
            whole = len(shuffled) // batch_size * batch_size
            batches += [shuffled[i : i + batch_size] for i in range(0, whole, batch_size)]
            rest += shuffled[whole:]
        mixed = torch.randperm(len(batches), generator=generator).tolist()
        return [entry for number in mixed for entry in batches[number]] + rest

    def by_bucket(self, entries: Sequence[int]) -> list[tuple[int, list[int], list[int]]]:
        """(bucket, its rows, their places in `entries`) of every bucket that the entries touch."""
        starts, total = [], 0
        for bucket in self.buckets:
            starts.append(total)
            total += len(bucket.prompts)
        found: dict[int, tuple[list[int], list[int]]] = {}
        for place, entry in enumerate(entries):
            number = max(k for k, start in enumerate(starts) if start <= entry)
            rows, places = found.setdefault(number, ([], []))
            rows.append(entry - starts[number])
            places.append(place)
        return [(number, *found[number]) for number in sorted(found)]


def bucketed_set(
    base: Base, concept: Concept, settings: TrainSettings, size: Shape, cache: Path, progress: Progress
) -> BucketedSet:
    """The concept's pictures, each in the bucket of its shape, in `settings.views` views."""
    shapes = bucket_shapes(size, base.family.training_cell(base))
    by_shape: dict[Shape, list[Example]] = {}
    for example in counted_examples(concept):
        by_shape.setdefault(nearest_shape(*picture_size(example.image), shapes), []).append(example)
    buckets, frames = [], []
    for shape, examples in sorted(by_shape.items()):
        crops = [plan_crop(example.image.parent.parent, example.image, shape[1] / shape[0]) for example in examples]
        buckets.append(training_set(base, examples, crops, settings, shape, cache, progress))
        rows = [frame_of(crop, shape) for crop in crops for _ in range(settings.views)]
        frames.append(torch.tensor(rows, dtype=torch.float32))
    return BucketedSet(tuple(buckets), tuple(frames))


def frame_of(crop: Crop, shape: Shape) -> tuple[int, int, int, int, int, int]:
    """A picture's size and cut as `BucketedSet.frames` has them."""
    width, height = picture_size(crop.image)
    scale = max(shape[0] / height, shape[1] / width)
    top = round((scale * height - shape[0]) * crop.centering[1])
    left = round((scale * width - shape[1]) * crop.centering[0])
    return height, width, top, left, *shape


def bucket_counts(concept: Concept, size: Shape, cell: int) -> dict[Shape, int]:
    """How many pictures each bucket gets."""
    shapes = bucket_shapes(size, cell)
    chosen = [nearest_shape(*picture_size(example.image), shapes) for example in counted_examples(concept)]
    return {shape: chosen.count(shape) for shape in sorted(set(chosen))}
