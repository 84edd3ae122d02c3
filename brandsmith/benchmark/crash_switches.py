"""Trainings with every switch on, to be killed by `brandsmith benchmark crash`: two concepts, repeats, weights, masks.

On a tiny base with random weights, so that a kill costs a second; what is written is written in the same way.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import yaml
from rich.console import Console

from brandsmith.base.random_small import build_tiny
from brandsmith.base.stock import save_stock_folder
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.files import replacing_folder
from brandsmith.evaluate.previews import previews_for
from brandsmith.methods.choice import PreviewChoice
from brandsmith.methods.command import read_request, train_request

PICTURES = 4
OTHER_TOKEN = "blue_zorb_mark"
EVERY_METHOD = (
    *("noise_offset=0.05", "multires_noise=0.3", "input_perturbation=0.1", "caption_dropout=0.3", "shuffle_tags=true"),
    *("tag_dropout=0.1", "ema_decay=0.9", "buckets=true", "schedule=cosine", "warmup_steps=2", "views=2"),
    *("mirror_views=true", "colour_views=0.1", "mask_weight=3", "accumulate=2", "gradient_checkpointing=true"),
    *("min_snr_gamma=5", "prior_weight=0.5", "num_class_images=2", "class_image_steps=2", "keep_checkpoints=2"),
)
NEW_WORD = ("num_vectors=2", "vectors_learning_rate=0.01", "preservation_weight=0.5")
SWITCHES = {
    "dreambooth": NEW_WORD,
    "lora": (*NEW_WORD, "rank=4", "kind=dora", "dropout=0.1", "rank_stabilised=true", "start=gaussian"),
    "textual_inversion": ("num_vectors=2",),
    "hypernetwork": NEW_WORD,
}
"""By method, on top of what every method has."""
LENGTH = {"steps": 6, "checkpoint_every": 2, "batch_size": 2}


def train_with_switches(method: str, given: Path, out: Path) -> None:
    """One training; the concepts are written beside it where they are not there yet. The base is written once for all
    tries: its tokenizer is trained anew each time, and ties fall differently.
    """
    base = given / "base-of-switches"
    if not base.exists():
        with replacing_folder(base) as partial:
            save_stock_folder(build_tiny(), partial)
    for name, token in (("one", ""), ("two", OTHER_TOKEN)):
        if not (out / name).exists():
            _write_concept(out / name, token)
    request = read_request(
        method,
        str(out / "one"),
        str(base),
        out / "run",
        given=LENGTH,
        pairs=(*EVERY_METHOD, *SWITCHES[method]),
        also=[str(out / "two")],
    )
    previews = previews_for(request, PreviewChoice(prompts=["a {token}"], every=2), lambda line: None)
    previews.cases = replace(previews.cases, settings=previews.cases.settings.model_copy(update={"num_steps": 2}))
    train_request(request, [], Console(quiet=True), previews)


def _write_concept(folder: Path, token: str) -> None:
    """Some of the demo's pictures, under another token where one is given."""
    demo = load_concept(demo_folder())
    with replacing_folder(folder) as partial:
        for part in ("images", "masks"):
            (partial / part).mkdir()
        for example in demo.examples[:PICTURES]:
            shutil.copyfile(example.image, partial / "images" / example.image.name)
            shutil.copyfile(example.image, partial / "masks" / example.image.name)
            caption = example.caption.replace(demo.token, token or demo.token)
            text = partial / "images" / example.image.with_suffix(".txt").name
            text.write_text(f"{caption}, photo, bright\n", encoding="utf-8", newline="")
        first = demo.examples[0].image.name
        config = {
            "token": token or demo.token,
            "repeats": {f"images/{first}": 3},
            "weights": {f"images/{first}": 0.5},
        }
        (partial / "concept.yaml").write_text(yaml.safe_dump(config), encoding="utf-8", newline="")
