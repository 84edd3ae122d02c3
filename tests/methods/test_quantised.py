"""A base in fewer bits: it predicts nearly the same, is drawn with and trained beside, and what is learnt is a file as
ever. torchao and bitsandbytes as they are, on a CPU.
"""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from flow_bases import stock_pictures
from lessons import TOKEN, write_concept

from brandsmith.base.base import Base, decode_latents, encode_prompts, predict
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.base.stock import stock_pipeline
from brandsmith.base.weight_storage import few_values, is_quantised, products_in, round_products
from brandsmith.core.optional import LATE, leave_for_later, need_package
from brandsmith.guidance.loop import sample_latents
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.frozen_storage import offloaded_blocks, quantise
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config

PREDICTION = {"int8": 0.02, "fp8": 0.08, "nf4": 0.3}
"""Largest root mean square of what changes in a prediction, as a share of its own. Random weights: nothing is learnt
there that rounding could spare.
"""
LOSS = {"int8": 0.01, "fp8": 0.02, "nf4": 0.1}
"""Largest difference of a step's loss from that without quantising, as a share of it."""
every_kind = pytest.mark.parametrize("kind", sorted(PREDICTION))
every_family = pytest.mark.parametrize("family", ["flux2", "zimage", "sd3", "flux1", "qwen"])
SETTINGS = DrawSettings(num_steps=2, guidance_scale=3.0, scheduler="euler", batch_size=2)


def base_in(kind: str, family: str, compute: torch.dtype = torch.float32, stored: torch.dtype = torch.float32) -> Base:
    base = build_tiny(family)
    round_products(base.denoiser, stored)
    base.compute = compute
    quantise(base, kind)
    return base


@pytest.mark.slow
@every_family
@every_kind
@torch.no_grad()
def test_a_prediction_is_nearly_the_same_and_takes_no_weight_of_the_base_with_it(kind, family):
    """In fp32, and as a card has it: computed and held in bf16."""
    for compute in (torch.float32, torch.bfloat16):
        plain, base = (base_in(own, family, compute, compute) for own in ("none", kind))
        x = torch.randn((2, *base.latent_shape), generator=torch.Generator().manual_seed(1))
        text, time = encode_prompts(plain, ["a cat", "a dog"]), torch.tensor([500.0, 200.0])
        held = {name: few_values(weight, 32) for name, weight in base.denoiser.named_parameters()}
        wanted, found = predict(plain, x, time, text), predict(base, x, time, text)
        change = ((wanted - found).square().mean() / wanted.square().mean()).sqrt()
        assert 0 < change < PREDICTION[kind]
        assert all(torch.equal(held[name], few_values(own, 32)) for name, own in base.denoiser.named_parameters())
        assert base.dtype == torch.float32 and torch.equal(predict(base, x, time, text), found)


@pytest.mark.slow
@every_kind
@torch.no_grad()
def test_it_draws_and_its_blocks_may_wait_in_main_memory(kind):
    """Another fingerprint: a recipe says that other weights drew."""
    plain, base = base_in("none", "flux2"), base_in(kind, "flux2")
    prompts = ["a cat and a bowl", "a red logo"]
    drawn = sample_latents(base, prompts, [1, 2], SETTINGS, Parts())
    assert torch.isfinite(drawn).all() and not torch.equal(
        drawn, sample_latents(plain, prompts, [1, 2], SETTINGS, Parts())
    )
    with offloaded_blocks(base.denoiser, torch.device("cpu")):
        assert torch.equal(sample_latents(base, prompts, [1, 2], SETTINGS, Parts()), drawn)
    fewer = [weight for weight in base.denoiser.parameters() if is_quantised(weight)]
    left, all_products = products_in(base.denoiser), products_in(plain.denoiser)
    assert len(fewer) > 8 and len(left) + len(fewer) == len(all_products)
    assert base_fingerprint(base) != base_fingerprint(plain)


@pytest.mark.slow
@every_kind
@pytest.mark.parametrize("family", ["flux2", "zimage"])
def test_a_lora_beside_it_learns_as_beside_the_whole_base_and_stock_diffusers_reads_it(kind, family, tmp_path):
    concept, base = write_concept(tmp_path / "concept"), build_tiny(family)
    save_as_diffusers_folder(base, tmp_path / "base")
    shared = {"steps": 5, "checkpoint_every": 5, "rank": 2, "learning_rate": 1e-2, "precision": "fp32"}
    losses = []
    for own in ("none", kind):
        config = build_config("lora", **shared, quantise=own)
        run = train(config, concept, str(tmp_path / "base"), tmp_path / f"run-{own}", device="cpu")
        losses.append([row["loss"] for row in run.metrics()])
    assert all(math.isfinite(loss) for loss in losses[1]) and losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=LOSS[kind])
    checkpoint, prompts = run.checkpoints()[-1][1], [f"a {TOKEN}", "a cat"]
    with torch.no_grad(), load_adapter(base, checkpoint):
        ours = decode_latents(base, sample_latents(base, prompts, [1, 2], SETTINGS, Parts()))
    pipeline = stock_pipeline(base)
    pipeline.load_lora_weights(checkpoint)
    theirs = stock_pictures(base, prompts, [1, 2], SETTINGS)
    pipeline.unload_lora_weights()
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() <= 1e-4


def test_packages_of_no_use_to_a_command_wait_until_they_are_asked_for(monkeypatch):
    for package in LATE:
        monkeypatch.delitem(sys.modules, package, raising=False)
    leave_for_later()
    for package in LATE:
        with pytest.raises(ImportError):
            __import__(package)
        need_package(package, "extra", "this")
        assert sys.modules[package] is None, "it is there, and waits until it is used"
