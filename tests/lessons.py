"""A tiny concept on disk, as a user would write one: four pictures with captions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file

from brandsmith.base.base import Base
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.methods.adapter import build_metadata
from brandsmith.methods.method import Words
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.methods.settings import TrainSettings

TOKEN = "red_qoga_logo"
CAPTIONS = ("a {t}", "a blue sweater and a {t}", "a cat and a {t}", "the new {t}")


def write_concept(folder: Path, token: str = TOKEN) -> Concept:
    (folder / "images").mkdir(parents=True)
    (folder / "concept.yaml").write_text(f"token: {token}\nclass_word: logo\nexpected_text: QOGA\n")
    for i, caption in enumerate(CAPTIONS):
        picture = Image.new("RGB", (80, 72), (60 * i, 40, 200 - 40 * i))
        ImageDraw.Draw(picture).rectangle((20, 20, 60, 50), fill=(220, 30, 30))
        picture.save(folder / "images" / f"{i}.png")
        (folder / "images" / f"{i}.txt").write_text(caption.format(t=token))
    return load_concept(folder)


QUICK = {
    "dreambooth": {
        "text_encoder_learning_rate": 1e-3,
        "learning_rate": 1e-3,
        "num_class_images": 3,
        "class_image_steps": 2,
    },
    "lora": {"text_encoder_learning_rate": 1e-2, "learning_rate": 1e-2, "rank": 4, "alpha": 6.0},
    "textual_inversion": {"num_vectors": 2, "learning_rate": 0.3},
    "hypernetwork": {"learning_rate": 1e-2},
}  # learning rates that move a tiny random model visibly in a few steps


def quick_for(name: str, base: Base) -> dict[str, Any]:
    """QUICK of a method, without a rate for text encoders that the base's family never trains."""
    trains = any(map(base.family.trains_encoder, base.family.encoder_names()))
    return {key: value for key, value in QUICK[name].items() if trains or key != "text_encoder_learning_rate"}


def quick_config(name: str, **more: Any) -> TrainSettings:
    """Six steps of a method, with a checkpoint after every second."""
    return build_config(name, **({"steps": 6, "checkpoint_every": 2} | QUICK.get(name, {}) | more))


def write_adapter(base: Base, name: str, folder: Path) -> Path:
    """A method's untrained adapter in a new folder."""
    folder.mkdir(parents=True)
    config, words = build_config(name, steps=3, **QUICK[name]), Words(TOKEN, "logo")
    attached = METHODS[name].attach(base, config, words)
    try:
        attached.write(folder, build_metadata(config, base, words, 3))
    finally:
        attached.detach()
    return folder


def adapters(run):
    return {
        (step, file.name): load_file(file) for step, folder in run.checkpoints() for file in sorted(folder.iterdir())
    }


def rows(run):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]


def assert_same_run(one, other):
    mine, theirs = adapters(one), adapters(other)
    assert mine.keys() == theirs.keys() and len(mine) >= 3
    for key, tensors in mine.items():
        assert tensors.keys() == theirs[key].keys()
        assert all(torch.equal(tensors[name], theirs[key][name]) for name in tensors), key
    assert rows(one) == rows(other) and [row["step"] for row in rows(one)] == list(range(1, 7))
    assert one.status() == other.status() == "finished"


def send(number, step):
    """A progress callback that signals this very process when a step is done."""

    def progress(stage, done, total, note):
        if stage == "train" and done == step:
            os.kill(os.getpid(), number)

    return progress
