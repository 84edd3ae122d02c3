"""Scenes drawn while a network trains on them: worker processes fill a folder, the training takes what has come in.

A GPU trains on many thousand scenes a second and is lent for minutes; drawing a pool first would take all of them.
Every shard is a file of pixels, one of latents, one of tokens and one of truths; the truths come last, so what can be
seen is whole.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from transformers import CLIPTokenizer

from brandsmith.pocket.artwork import OBJECT_WORDS, Artwork
from brandsmith.pocket.pool import write_truths
from brandsmith.pocket.scenes import DEFAULT_MIX, SceneMaker
from brandsmith.pocket.vae import PatchCode

SHARD = 200
KEEP_PIXELS = 40_000
"""Scenes of which the pixels are written, for the autoencoder and the CLIP pair; of later ones only the latents."""


@dataclass(frozen=True)
class Source:
    """What scenes are drawn from, the encoder's code, and the folder of the tokenizer."""

    artwork: Path
    photos: Path | None
    code: PatchCode
    tokenizer: Path
    seed: int
    mix: dict[str, float] | None = None
    """Shares of the kinds of scene; None for the usual ones."""
    first_mix: dict[str, float] | None = None
    """Of the first `first_scenes`: what is hardest comes first, and alone."""
    first_scenes: int = 0
    words: tuple[str, ...] = OBJECT_WORDS
    """Objects to draw; None for all of pocket's."""


@contextmanager
def drawing(source: Source, folder: Path, num_workers: int) -> Iterator[None]:
    """Draw into `folder` for as long as the block runs; worker k draws shards k, k + num_workers, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_draw, args=(source, folder, k, num_workers), daemon=True) for k in range(num_workers)
    ]
    with _one_thread_each():
        for worker in workers:
            worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside do their linear algebra on one thread: there is one for every core."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _draw(source: Source, folder: Path, first: int, stride: int) -> None:
    cv2.setNumThreads(1)
    maker = SceneMaker(Artwork(source.artwork), source.photos, source.words, photo_split="train")
    tokenizer, shard = CLIPTokenizer.from_pretrained(source.tokenizer), first
    while True:
        draw_shard(maker, source, tokenizer, folder, shard)
        shard += stride


def draw_shard(maker: SceneMaker, source: Source, tokenizer: CLIPTokenizer, folder: Path, shard: int) -> None:
    """Write one shard; does nothing when it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    truths_file = folder / f"{shard:05d}.jsonl"
    if truths_file.is_file():
        return
    mix = source.first_mix if shard * SHARD < source.first_scenes else source.mix
    scenes = [maker.scene(source.seed, shard * SHARD + i, mix or DEFAULT_MIX) for i in range(SHARD)]
    pixels = np.stack([scene.pixels for scene in scenes])
    np.save(folder / f"{shard:05d}.latents.npy", source.code.encode(pixels).astype(np.float16))
    if shard * SHARD < KEEP_PIXELS:
        np.save(folder / f"{shard:05d}.pixels.npy", pixels)
    np.save(
        folder / f"{shard:05d}.tokens.npy", tokenized([scene.caption for scene in scenes], tokenizer).astype(np.int16)
    )
    write_truths(truths_file, scenes)


def tokenized(captions: list[str], tokenizer: CLIPTokenizer) -> np.ndarray:
    """(N, tokens) ids, padded as the pipeline pads them."""
    return tokenizer(
        captions, padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="np"
    ).input_ids


@dataclass(frozen=True)
class Shard:
    truths: list[dict]
    tokens: np.ndarray  # (SHARD, tokens) int16
    latents: np.ndarray  # (SHARD, 32, 16, 16) fp16
    pixels: np.ndarray | None  # (SHARD, 128, 128, 3) uint8


class Incoming:
    """Reads each shard of a folder once, as it appears."""

    def __init__(self, folder: Path, *, with_pixels: bool = False) -> None:
        self.folder, self.with_pixels = folder, with_pixels
        self.seen: set[str] = set()

    def take(self, most: int = 16) -> list[Shard]:
        """At most `most` shards that have come in since."""
        new = sorted(file.stem for file in self.folder.glob("*.jsonl") if file.stem not in self.seen)[:most]
        self.seen.update(new)
        return [self._read(stem) for stem in new]

    def wait_for(self, scenes: int, at_most_sec: float = 120.0) -> list[Shard]:
        """At least `scenes` scenes, waiting for them. Raises TimeoutError when they do not come."""
        found: list[Shard] = []
        deadline = time.monotonic() + at_most_sec
        while sum(len(shard.truths) for shard in found) < scenes:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{scenes} scenes were not drawn within {at_most_sec:.0f} s")
            found += self.take()
            time.sleep(0.2)
        return found

    def _read(self, stem: str) -> Shard:
        truths = [json.loads(line) for line in (self.folder / f"{stem}.jsonl").read_text(encoding="utf-8").splitlines()]
        pixels_file = self.folder / f"{stem}.pixels.npy"
        pixels = np.load(pixels_file) if self.with_pixels and pixels_file.is_file() else None
        return Shard(
            truths, np.load(self.folder / f"{stem}.tokens.npy"), np.load(self.folder / f"{stem}.latents.npy"), pixels
        )
