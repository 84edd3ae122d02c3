"""A pool of drawn scenes on disk: pixels as one memory-mapped array, the rest as JSON lines.

Drawing costs more than a training step of the small networks, so scenes are drawn once and read many times.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from brandsmith.core.files import write_text
from brandsmith.pocket.artwork import Artwork
from brandsmith.pocket.photos import Split
from brandsmith.pocket.scenes import DEFAULT_MIX, Scene, SceneMaker

SHARD = 1000


def draw_shard(
    folder: Path,
    artwork: Path,
    photos: Path | None,
    seed: int,
    shard: int,
    mix: dict[str, float],
    split: Split = "train",
) -> None:
    """Draw scenes `shard * SHARD ...` into `folder`; does nothing when the shard is complete."""
    pixels_file, truth_file = folder / f"{shard:04d}.npy", folder / f"{shard:04d}.jsonl"
    if truth_file.is_file():
        return
    maker = SceneMaker(Artwork(artwork), photos, photo_split=split)
    scenes = [maker.scene(seed, shard * SHARD + i, mix) for i in range(SHARD)]
    np.save(pixels_file, np.stack([scene.pixels for scene in scenes]))
    write_truths(truth_file, scenes)


def write_truths(file: Path, scenes: Sequence[Scene]) -> None:
    """A JSON line per scene, all but its pixels. Under its own name only when whole: who finds the file finds the
    shard.
    """
    lines = [json.dumps({name: value for name, value in asdict(scene).items() if name != "pixels"}) for scene in scenes]
    write_text(file, "\n".join(lines) + "\n")


def draw_pool(
    folder: Path,
    artwork: Path,
    photos: Path | None,
    *,
    seed: int,
    num_scenes: int,
    mix: dict[str, float] = DEFAULT_MIX,
    num_workers: int = 2,
    photo_split: Split = "train",
) -> None:
    """Draw `num_scenes` (rounded up to whole shards) with several processes; resumes where it stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = range((num_scenes + SHARD - 1) // SHARD)
    jobs = [(folder, artwork, photos, seed, shard, mix, photo_split) for shard in shards]
    with multiprocessing.get_context("spawn").Pool(num_workers) as pool:
        pool.starmap(draw_shard, jobs, chunksize=1)


class ScenePool:
    """The scenes in a folder: `pixels` as (N, 128, 128, 3) uint8 and `truths` as dictionaries."""

    def __init__(self, folder: Path) -> None:
        done = sorted(folder.glob("*.jsonl"))
        self.pixels = np.concatenate([np.load(p.with_suffix(".npy"), mmap_mode="r") for p in done])
        self.truths = [json.loads(line) for p in done for line in p.read_text().splitlines()]
        self.captions = [t["caption"] for t in self.truths]

    def __len__(self) -> int:
        return len(self.truths)
