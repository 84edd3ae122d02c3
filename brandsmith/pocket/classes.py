"""Trains the classifier that `base check` and the guidance benchmark judge with: on true scenes only.

Its input is a window around one object or garment, shrunk to 48 px. Its answers are the object word, the colour word,
and whether it is a photo. It learns from construction truth (boxes) and is checked on scenes of another seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from brandsmith.judges.pocket_classes import INPUT_PX, PocketClasses, PocketNet, both_seen, window
from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.stage import Stage, StageSettings


@dataclass(frozen=True)
class Windows:
    """Every thing of a pool: its scene's row, its box, and the answers; colour -1 = natural."""

    rows: np.ndarray
    boxes: np.ndarray
    words: np.ndarray
    colours: np.ndarray
    photo: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def labelled_windows(pool: ScenePool, words: list[str], colours: list[str], limit: int | None = None) -> Windows:
    """`words` are `all_words`. Of a photo the garment is labelled."""
    found = []
    for row, truth in enumerate(pool.truths[:limit]):
        for thing in truth["things"]:
            hue = colours.index(thing["colour"]) if thing["colour"] else -1
            found.append((row, thing["box"], words.index(thing["word"]), hue, truth["look"] == "photo"))
    return Windows(*(np.array(column) for column in zip(*found, strict=True)))


def _augmented(pixels: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A window around the object, jittered and degraded as a small generator degrades: blur, noise, tint."""
    cut = window(pixels, box, grow=rng.uniform(0.98, 1.35), shift=rng.uniform(-0.08, 0.08, 2))
    if rng.random() < 0.5:
        cut = cv2.GaussianBlur(cut, (0, 0), rng.uniform(0.3, 1.6))
    cut = (
        cut.astype(np.float32) * rng.uniform(0.9, 1.1)
        + rng.normal(0, 6, 3)
        + rng.normal(0, rng.uniform(0, 12), cut.shape)
    )
    return cut.clip(0, 255).astype(np.uint8)


def train_classes(
    pool: ScenePool, words: list[str], colours: list[str], folder: Path, *, num_steps: int, seed: int, batch: int = 64
) -> PocketNet:
    torch.manual_seed(seed)
    net = PocketNet(len(words), len(colours))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # left out of torch's stub
    stage = Stage(
        "classes", folder, net, StageSettings(num_steps=num_steps, learning_rate=2e-3, ema_decay=0.99), seed=seed
    )
    known = labelled_windows(pool, words, colours)

    def loss_of(step: int, rng: np.random.Generator):
        pick = rng.integers(0, len(known), batch)
        cuts = np.stack([_augmented(pool.pixels[known.rows[i]], known.boxes[i], rng) for i in pick])
        x = (
            torch.from_numpy(cuts)
            .permute(0, 3, 1, 2)
            .float()
            .div(127.5)
            .sub(1)
            .contiguous(memory_format=torch.channels_last)
        )
        word_logits, colour_logits, photo_logit = net(x)
        target, hue, photo = (torch.from_numpy(labels[pick]) for labels in (known.words, known.colours, known.photo))
        loss = F.cross_entropy(word_logits, target) + F.cross_entropy(colour_logits, hue, ignore_index=-1)
        loss = loss + F.binary_cross_entropy_with_logits(photo_logit, photo.float())
        return loss, {"words": round(float((word_logits.argmax(1) == target).float().mean()), 3)}

    stage.run(loss_of)
    return stage.averaged_model()


@torch.inference_mode()
def accuracy_on(pool: ScenePool, net: PocketNet, words: list[str], colours: list[str], limit: int) -> dict[str, float]:
    """Accuracy of the classifier itself on true scenes it never saw (its card): of drawings, and of photos apart."""
    known = labelled_windows(pool, words, colours, limit)
    cuts = np.stack([window(pool.pixels[r], b) for r, b in zip(known.rows, known.boxes, strict=True)])
    x = torch.from_numpy(cuts).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    answers = [net(part) for part in x.split(128)]
    word_hits = torch.cat([a[0].argmax(1) for a in answers]).numpy() == known.words
    colour_hits = torch.cat([a[1].argmax(1) for a in answers]).numpy() == known.colours
    look_hits = (torch.cat([a[2] for a in answers]).numpy() > 0) == known.photo
    drawn, tinted = ~known.photo, known.colours >= 0
    card = {
        "object_accuracy": float(word_hits[drawn].mean()),
        "colour_accuracy": float(colour_hits[drawn & tinted].mean()),
        "n": int(drawn.sum()),
        "n_coloured": int((drawn & tinted).sum()),
        "input_px": INPUT_PX,
        "look_accuracy": float(look_hits.mean()),
    }
    if known.photo.any():
        card |= {
            "photo_object_accuracy": float(word_hits[known.photo].mean()),
            "photo_colour_accuracy": float(colour_hits[known.photo].mean()),
            "photo_n": int(known.photo.sum()),
        }
    return card


def chain_on_true(pool: ScenePool, eyes: PocketClasses) -> dict[str, float]:
    """What `base check` would measure on true scenes: objects found in the picture, not given, then named."""
    single, pair = _scenes_with(pool, 1), _scenes_with(pool, 2)
    seen = [own[0] if own else None for own in eyes.look([pool.pixels[i] for i in single], 1)]
    shown = [pool.truths[i]["things"][0] for i in single]
    tinted = [(look, thing) for look, thing in zip(seen, shown, strict=True) if thing["colour"]]
    both = []
    for row, looks in zip(pair, eyes.look([pool.pixels[i] for i in pair], 2), strict=True):
        first, second = pool.truths[row]["things"]
        both.append(both_seen(looks, (first["word"], second["word"]), (first["colour"], second["colour"])))
    return {
        "object_accuracy": _share(
            look is not None and look.word == thing["word"] for look, thing in zip(seen, shown, strict=True)
        ),
        "object_n": len(single),
        "colour_accuracy": _share(look is not None and look.colour == thing["colour"] for look, thing in tinted),
        "colour_n": len(tinted),
        "both_present": _share(present for present, _ in both),
        "both_colours": _share(coloured for _, coloured in both),
        "both_n": len(both),
    }


def _scenes_with(pool: ScenePool, count: int) -> list[int]:
    return [
        i
        for i, t in enumerate(pool.truths)
        if t["look"] == "3-D art" and len(t["things"]) == count and not t["person"] and not t["marks"]
    ]


def _share(hits: Iterable[bool]) -> float:
    return round(float(np.mean(list(hits))), 4)
