"""The model card of the embedded base, written from measured figures so that it cannot disagree with them."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path

from brandsmith.base.parts import detect_family, weight_files
from brandsmith.base.shared_parts import owner_of
from brandsmith.benchmark.base_figures import BaseFigures
from brandsmith.core.files import write_text
from brandsmith.core.safe_weights import read_header

CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# pocket

A complete small Stable Diffusion, trained from scratch for Brandsmith: so that teaching a brand, judging it and
guiding it can be tried on a laptop, with the same code that runs on Stable Diffusion 1.5, 2.1 and SDXL. Stock
diffusers loads this folder.

* 128-px pictures; VAE with 32 latent channels at 16 × 16 (encoder: principal components of patches, in closed form;
  decoder trained); CLIP text encoder (width 192, 3 layers, 48 tokens, own BPE vocabulary); U-Net (96, 128, 208
  channels), cross-attention at 16 × 16 (out), 8 × 8 and 4 × 4, text also pooled into the time embedding; Stable
  Diffusion's noise schedule with its last beta doubled (0.025), predicts x0; one caption in ten dropped.
* `clip/` holds the image tower of the same contrastive pair. What judges is a second pair, trained apart:
  `pocket_judge/` beside this folder.
* `classes.safetensors` is the classifier that `brandsmith base check` judges with. It was trained on true scenes
  only.

## What it draws
3-D art of {num_words} object words in {num_colours} colours, one to three different ones or two to four alike per
picture; garments, bottles, billboards, people wearing garments, with marks of invented brands, whose lettering a
prompt can spell a letter at a time ("a red Q O G A logo"). And, when the prompt says "a photo of", {num_photo_words}
kinds of garments as they lie in real photos, streaky ones.

## Measured: `brandsmith base check pocket --json`
{table}

{history}

## Data and licences
Composed from Fluent Emoji 3-D art by Microsoft (MIT, via npm `@lobehub/fluent-emoji-3d` 1.1.0) and photos of the
clothing dataset (CC0). Weights: Apache-2.0. See NOTICE. Names and marks are invented; no real brand was shown to it.

## Not for
Faces, real text, photos of anything but garments, anything outside its word list. It fails as large models do
(neglected objects, swapped colours, misspelt lettering), which is what it is for.
"""

FLOW_CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# pocket-flow

A small rectified flow on the autoencoder, text tower and tokenizer of `pocket`, beside which it lies: so that teaching
a brand to a flow model, judging it and guiding it can be tried on a laptop. No pipeline of stock diffusers draws it;
its transformer is diffusers' `Flux2Transformer2DModel`.

* 128-px pictures; blocks of FLUX.2 klein (text and picture with a stream each, then with one), {weights:.1f} million
  weights, 8 x 8 tokens of 2 x 2 cells, places in two dimensions; says the clean latents, from which the velocity
  follows.
* Judged by pocket's own classifier and pair of towers.

## What it draws
What `pocket` was shown: {num_words} object words in {num_colours} colours, marks of invented brands, and
{num_photo_words} kinds of garments as in photos. How well, the table says.

## Measured: `brandsmith base check pocket-flow --json`
{table}

{history}

## Data and licences
As pocket's: composed from Fluent Emoji 3-D art by Microsoft (MIT, via npm `@lobehub/fluent-emoji-3d` 1.1.0) and photos
of the clothing dataset (CC0). Weights: Apache-2.0. See NOTICE. Names and marks are invented.

## Not for
Faces, real text, photos of anything but garments, anything outside its word list.
"""

CARD_WIDTH = 118
"""Columns of a line, tables excepted."""
BARS = {
    "vae_ocr_ratio": ("text through the VAE and back, OCR score over the originals'", "≥ 0.95", "vae_ocr_n"),
    "object_accuracy": ("one-object prompts: right object", "≥ 0.90", "object_n"),
    "colour_accuracy": ("one-object prompts: right colour", "≥ 0.90", "colour_n"),
    "both_present": ("two-object prompts: both present", "reported", "both_present_n"),
    "both_colours": ("two-object prompts: both colours right", "reported", "both_colours_n"),
    "photo_look_accuracy": ("prompts for a photo: taken for a photo", "reported", "photo_n"),
    "photo_object_accuracy": ("prompts for a photo: right garment", "reported", "photo_n"),
    "photo_colour_accuracy": ("prompts for a photo: right colour", "reported", "photo_n"),
    "spelled_score": ("lettering spelled out in the prompt: OCR similarity to it", "reported", "spelled_n"),
    "spelled_chance": ("the same pictures against another prompt's lettering", "reported", "spelled_n"),
    "untrained_kpi": ("KPI with the demo's untrained token", "≤ 0.15", "untrained_kpi_n"),
    "size_mib": ("size, MiB", "≤ 32", None),
}


def num_weights_in(file: Path) -> int:
    """Numbers in a weight file."""
    return sum(math.prod(tensor.shape) for tensor in read_header(file).tensors.values())


def write_card(folder: Path, figures: BaseFigures) -> None:
    """Write `README.md` and `check.json` into the base's folder. Reads `history.txt` (how it was trained) from
    there.
    """
    classes = json.loads((owner_of(folder) / "classes.json").read_text(encoding="utf-8"))
    lines = ["| what | measured | bar | n |", "| --- | --- | --- | --- |"]
    measured = figures.as_json()
    for key, (what, bar, count) in BARS.items():
        lines.append(f"| {what} (`{key}`) | {measured[key]} | {bar} | {measured[count] if count else '–'} |")
    of_photos = (
        ""
        if not classes["photo_words"]
        else (
            f"; on {classes['photo_n']} photos it never saw: garment {classes['photo_object_accuracy']:.3f}, "
            f"colour {classes['photo_colour_accuracy']:.3f}, photo or drawing {classes['look_accuracy']:.3f}"
        )
    )
    classifier = (
        f"The classifier itself, on {classes['n']} objects of true scenes it never saw: object"
        f" {classes['object_accuracy']:.3f}, colour {classes['colour_accuracy']:.3f}{of_photos}."
    )
    chain = figures.chain_on_true
    ceiling = (
        "The whole chain of this check on true pictures it never saw (its ceiling): object"
        f" {chain['object_accuracy']:.3f} (n {chain['object_n']}), colour {chain['colour_accuracy']:.3f}, both present"
        f" {chain['both_present']:.3f}, both colours {chain['both_colours']:.3f} (n {chain['both_n']})."
    )
    lines += ["", textwrap.fill(classifier, CARD_WIDTH), "", textwrap.fill(ceiling, CARD_WIDTH)]
    history = textwrap.fill((folder / "history.txt").read_text(encoding="utf-8").strip(), CARD_WIDTH)
    shared = owner_of(folder) != folder
    denoiser = folder / detect_family(folder).denoiser_name if shared else folder
    weights = sum(map(num_weights_in, weight_files(denoiser, "diffusion_pytorch_model"))) if shared else 0
    card = (FLOW_CARD if shared else CARD).format(
        weights=weights / 1e6,
        num_words=len(classes["words"]),
        num_colours=len(classes["colours"]),
        num_photo_words=len(classes["photo_words"]),
        table="\n".join(lines),
        history=history,
    )
    write_text(folder / "README.md", card)
    write_text(folder / "check.json", json.dumps(measured, indent=2) + "\n")
