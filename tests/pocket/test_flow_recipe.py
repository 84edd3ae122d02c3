"""The recipe of `pocket-flow` at a size of seconds: scenes to a folder that draws, and a loss that falls."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from brandsmith.base.sources import load_base
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.pocket.flow import (
    STAGE,
    FlowRecipe,
    build_transformer,
    flow_base,
    shares_of_noise,
    train_flow,
    write_flow,
)
from brandsmith.pocket.unet import Captioned


def test_the_transformer_fits_into_ten_megabytes_of_fp16():
    with torch.device("meta"):
        weights = sum(p.numel() for p in build_transformer(192, 32).parameters())
    assert 2e6 < weights <= 10 * 2**20 / 2


def test_noise_covers_the_schedule():
    drawn = np.concatenate([shares_of_noise(np.random.default_rng(seed), 8) for seed in range(50)])
    assert drawn.min() < 0.05 and drawn.max() > 0.95 and 0.55 < drawn.mean() < 0.7


@pytest.mark.slow
def test_a_few_steps_lower_the_loss_and_the_folder_draws(tmp_path):
    """Two flat latents, each with a caption: what is to be drawn is soon known; stopped half-way it goes on."""
    pocket = load_base("pocket", dtype=torch.float32)
    base = flow_base(pocket, build_transformer(192, 32, heads=2, blocks=(1, 1)))
    latents = np.zeros((2, 32, 16, 16), np.float16)
    latents[0, :8], latents[1, 8:16] = 1.0, -1.0
    states = np.random.default_rng(0).standard_normal((3, 48, 192)).astype(np.float16)
    np.save(tmp_path / "latents.npy", latents)
    np.save(tmp_path / "states.npy", states)
    scaling = float(pocket.vae.config.scaling_factor)
    data = Captioned(tmp_path / "latents.npy", tmp_path / "states.npy", np.array([0, 1]), np.array([0.5, 0.5]), scaling)
    for steps in (15, 30):
        train_flow(base, data, tmp_path, FlowRecipe(steps=steps, batch=4, learning_rate=1e-2, warmup_steps=1))
    log = [json.loads(line) for line in (tmp_path / f"{STAGE}.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in log]
    assert log[-1]["step"] == 30 and losses[-1] < 0.8 * losses[0], "the second call went on from the first's end"
    write_flow(base, tmp_path / "base")
    loaded = load_base(str(tmp_path / "base"))
    assert loaded.family.name == "pocketflow"
    pictures = sample(loaded, ["a cat"], [1], DrawSettings(num_steps=2, scheduler="euler"))
    assert pictures[0].shape == (128, 128, 3)
