"""The recipe of `pocket-flow` at a size of seconds: scenes to a folder that draws, and a loss that falls."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from brandsmith.base.base import Conditioning, predict
from brandsmith.base.families.pocketflow import velocity
from brandsmith.base.sources import load_base
from brandsmith.core.errors import MissingResource
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.pocket.flow import (
    STAGE,
    FlowRecipe,
    Teacher,
    build_transformer,
    flow_base,
    shares_of_noise,
    train_flow,
    write_averaged,
    write_flow,
)
from brandsmith.pocket.stage import Stage, StageSettings
from brandsmith.pocket.unet import Captioned


def test_the_transformer_fits_into_ten_megabytes_of_fp16():
    with torch.device("meta"):
        weights = sum(p.numel() for p in build_transformer(192, 32).parameters())
    assert 2e6 < weights <= 10 * 2**20 / 2


def test_noise_covers_the_schedule():
    drawn = np.concatenate([shares_of_noise(np.random.default_rng(seed), 8) for seed in range(50)])
    assert drawn.min() < 0.05 and drawn.max() > 0.95 and 0.55 < drawn.mean() < 0.7


def test_pocket_teaches_what_it_says_of_the_same_picture_and_noise_at_its_own_time():
    pocket = load_base("pocket", dtype=torch.float32)
    generator = torch.Generator().manual_seed(4)
    clean, noise = (torch.randn(2, 32, 16, 16, generator=generator) for _ in range(2))
    text = Conditioning(torch.randn(2, 48, 192, generator=generator))
    own_time = torch.tensor([120, 700])
    expected = predict(pocket, pocket.scheduler.add_noise(clean, noise, own_time), own_time, text)
    kept = torch.as_tensor(pocket.scheduler.alphas_cumprod)[own_time].double()
    sigma = ((1 - kept).sqrt() / (kept.sqrt() + (1 - kept).sqrt())).float()
    at = sigma.view(-1, 1, 1, 1)
    taught = Teacher(pocket).clean((1 - at) * clean + at * noise, sigma, text)
    assert (taught - expected).abs().max() < 2e-3 * expected.abs().max()


def test_a_velocity_leads_from_the_noisy_latents_to_the_clean_ones():
    clean, noise, sigma = torch.randn(2, 4, 2, 2), torch.randn(2, 4, 2, 2), torch.tensor([0.3, 0.9])
    noisy = torch.lerp(clean, noise, sigma.view(-1, 1, 1, 1))
    torch.testing.assert_close(velocity(noisy, clean, sigma), noise - clean)


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
        train_flow(base, pocket, data, tmp_path, FlowRecipe(steps=steps, batch=4, learning_rate=1e-2, warmup_steps=1))
    log = [json.loads(line) for line in (tmp_path / f"{STAGE}.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in log]
    assert log[-1]["step"] == 30 and losses[-1] < 0.8 * losses[0], "the second call went on from the first's end"
    write_flow(base, tmp_path / "base")
    loaded = load_base(str(tmp_path / "base"))
    assert loaded.family.name == "pocketflow"
    pictures = sample(loaded, ["a cat"], [1], DrawSettings(num_steps=2, scheduler="euler"))
    assert pictures[0].shape == (128, 128, 3)


def test_a_training_that_goes_on_is_looked_at_with_its_averaged_weights(tmp_path):
    with pytest.raises(MissingResource, match=r"no flow\.pt"):
        write_averaged(tmp_path, tmp_path / "base")
    base = flow_base(load_base("pocket", dtype=torch.float32))
    base.denoiser.requires_grad_(True)
    stage = Stage(STAGE, tmp_path, base.denoiser, StageSettings(4, 1e-3), seed=1)
    stage.average = {name: torch.full_like(own, 0.25) for name, own in stage.average.items()}
    stage.step = 3
    stage.save()
    assert write_averaged(tmp_path, tmp_path / "base") == 3
    assert all(bool((own == 0.25).all()) for own in load_base(str(tmp_path / "base")).denoiser.parameters())
