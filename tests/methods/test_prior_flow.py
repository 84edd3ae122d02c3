"""Prior preservation on flow models: at any batch size the losses of both halves, weighed sample by sample."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from lessons import write_concept

from brandsmith.base.base import encode_prompts, predict
from brandsmith.methods.loop import prepare, train
from brandsmith.methods.method import Words
from brandsmith.methods.registry import build_config
from brandsmith.methods.samples import Samples


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["sd3", "flux1", "zimage"])
def test_both_halves_of_a_batch_have_the_losses_of_the_papers(name, batch, tmp_path):
    base, concept = build_tiny(name), write_concept(tmp_path / "concept")
    settings = {"steps": 1, "batch_size": batch, "rank": 2, "precision": "fp32", "prior_weight": 0.5}
    config = build_config("lora", **settings, num_class_images=3, class_image_steps=2)
    row = train(config, concept, base, tmp_path / "run", cache_dir=tmp_path / "cache").metrics()[0]
    material = prepare(base, concept, config, tmp_path / "cache", lambda *_: None)
    drawn = Samples(config, Words(concept.token, "logo"), material, base.noising).draw(1)
    sigma = (drawn.timesteps / 1000).view(-1, 1, 1, 1)
    noisy = (1 - sigma) * drawn.latents + sigma * drawn.noise
    with torch.no_grad():
        velocity = predict(base, noisy, drawn.timesteps, encode_prompts(base, list(drawn.prompts)))
    weight = sigma.square() if name == "sd3" else torch.ones_like(sigma)
    errors = (weight * (velocity - (drawn.noise - drawn.latents)).square()).mean(dim=(1, 2, 3))
    assert len(errors) == 2 * batch and len(material.prior.latents) == 3
    assert row["prior_loss"] == pytest.approx(float(errors[batch:].mean()), rel=1e-5)
    assert row["loss"] == pytest.approx(float(errors[:batch].mean()), rel=1e-5)
