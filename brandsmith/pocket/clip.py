"""Stage 2: the CLIP pair. Text and image towers trained contrastively (Radford et al. 2021, figure 3).

The text tower conditions the U-Net, as in Stable Diffusion. The image tower of the *same* pair must not be the only
judge of what it conditioned.

Two things make the text tower encode which *object* is requested, not only which colour. Two batches in three are hard:
one colour, a different object in each picture, so that only the object separates them. And word embeddings start
large: with CLIP's own initialisation (0.02) the first layer's mixture of all words hides each word's own identity.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from brandsmith.base.tokenizer import train_clip_tokenizer
from brandsmith.pocket.pool import ScenePool
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast

MAX_TOKENS = 48
TEXT_WIDTH = 192
PROJECTION = 128
WORD_EMBEDDING_STD = 0.3
"""Standard deviation of the word embeddings at the start."""
HARD_SHARE = 2 / 3
"""The share of batches of one colour."""

# Words people type that scenes do not caption; they cost a token each and spare later users many pieces.
EXTRA_TEXT = (
    "a photo of the brand product in a shop window, an advertisement poster, a catalogue page, a mood board, "
    "studio light, close up, on a table, on the street, at night, in the snow, on the beach, high quality, "
    "low quality, blurry, text, letters, picture, style, new, best, two, three, left, right, holding, smiling, "
) * 4


def build_tokenizer(captions: list[str]) -> CLIPTokenizer:
    return train_clip_tokenizer([*captions, EXTRA_TEXT], vocab_size=1600, max_length=MAX_TOKENS)


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=6,
        max_position_embeddings=MAX_TOKENS,
        projection_dim=PROJECTION,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=128,
        patch_size=16,
        projection_dim=PROJECTION,
    )
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION))
    torch.nn.init.normal_(model.text_model.embeddings.token_embedding.weight, std=WORD_EMBEDDING_STD)
    return model


def objects_by_colour(truths: list[dict]) -> dict[str, dict[str, np.ndarray]]:
    """Rows of the scenes of one plain object, by colour and then by word."""
    found: dict[str, dict[str, list[int]]] = {}
    for row, truth in enumerate(truths):
        if truth["look"] == "3-D art" and len(truth["things"]) == 1 and not truth["marks"] and not truth["person"]:
            thing = truth["things"][0]
            found.setdefault(thing["colour"] or "its own", {}).setdefault(thing["word"], []).append(row)
    return {colour: {word: np.array(rows) for word, rows in words.items()} for colour, words in found.items()}


def one_colour(groups: dict[str, dict[str, np.ndarray]], rng: np.random.Generator, batch: int) -> np.ndarray:
    """Rows (at most `batch`) of different objects in one colour."""
    words = groups[str(rng.choice(sorted(groups)))]
    chosen = rng.choice(sorted(words), min(batch, len(words)), replace=False)
    return np.sort([rng.choice(words[str(word)]) for word in chosen])


def train_clip(
    pool: ScenePool,
    tokenizer: CLIPTokenizer,
    folder: Path,
    *,
    num_steps: int,
    seed: int,
    name: str = "clip",
    batch: int = 64,
) -> CLIPModel:
    """Symmetric cross-entropy over a batch of picture-caption pairs; `batch` is per process (see
    `stage.in_parallel`).
    """
    device = compute_device()
    torch.manual_seed(seed)
    model = build_clip(tokenizer).to(device)
    stage = Stage(
        name,
        folder,
        model,
        StageSettings(num_steps=num_steps, learning_rate=8e-4, ema_decay=0.995, weight_decay=0.05, muon=True),
        seed=seed,
    )
    tokens = tokenizer(
        pool.captions, padding="longest", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    ).input_ids

    groups = objects_by_colour(pool.truths)

    def loss_of(step: int, rng: np.random.Generator):
        hard = rng.random() < HARD_SHARE
        rows = one_colour(groups, rng, batch) if hard else np.sort(rng.choice(len(pool), batch, replace=False))
        pixels = torch.from_numpy(pool.pixels[rows]).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        with fast_autocast(device):
            output = model(input_ids=tokens[rows].to(device), pixel_values=pixels)
        logits = output.logits_per_image.float()
        labels = torch.arange(len(rows), device=device)
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        return loss, {"hard" if hard else "easy": round(float((logits.argmax(1) == labels).float().mean()), 3)}

    stage.run(loss_of)
    return stage.averaged_model()
