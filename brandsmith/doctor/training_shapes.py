"""Which shape a training cuts a picture to: one for all, or the nearest bucket's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from brandsmith.core.pictures import picture_size
from brandsmith.methods.buckets import bucket_shapes, nearest_shape


@dataclass(frozen=True)
class TrainingShapes:
    """Of a base and a training's settings. Shapes are (height, width) in pixels."""

    plain: tuple[int, int]
    """What pictures are cut to without buckets, and pictures of the class with them too."""
    cell: int
    """Sides of buckets are multiples of it."""
    buckets: bool = False

    @cached_property
    def of_buckets(self) -> list[tuple[int, int]]:
        return bucket_shapes(self.plain, self.cell)

    def shape_of(self, picture: Path) -> tuple[int, int]:
        """Raises as `picture_size`."""
        return nearest_shape(*picture_size(picture), self.of_buckets) if self.buckets else self.plain
