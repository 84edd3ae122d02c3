"""Bases whose U-Net takes a mask: recognised, drawn with as by stock diffusers with all masked, and not trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept
from safetensors.torch import save_file
from small_bases import build_small

from brandsmith.base.base import encode_prompts, mask_pictures, predict
from brandsmith.base.foreign.layouts import single_file_tensors
from brandsmith.base.sources import load_base, load_scheduler, outline_of, resolve_base
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.seeds import starting_noise
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.job import check_job
from brandsmith.methods.registry import METHODS, build_config

PROMPT = "a red logo on a blue sweater"


@pytest.fixture(scope="module")
def inpainting_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inpainting") / "base"
    save_as_diffusers_folder(build_tiny(inpainting=True), folder)
    return folder


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "scheduler"), [("sd1", "ddim"), pytest.param("sdxl", "euler", marks=pytest.mark.slow)]
)
def test_a_plain_prompt_is_drawn_as_by_stock_diffusers_with_all_masked(family, scheduler):
    base = build_tiny(family, inpainting=True)
    settings = DrawSettings(num_steps=4, guidance_scale=3.0, scheduler=scheduler)
    ours = sample(base, [PROMPT], [17], settings)[0]
    pipeline = stock_pipeline(base)
    assert "Inpaint" in type(pipeline).__name__
    pipeline.scheduler = type(build_scheduler(base, scheduler, 4)).from_config(base.scheduler.config)
    grey, everything = torch.zeros(1, 3, *base.image_px), torch.ones(1, 1, *base.image_px)
    stock = pipeline(
        PROMPT,
        image=grey,
        mask_image=everything,
        masked_image_latents=encode_prompts(base, [PROMPT]).masked[:, 1:],
        latents=starting_noise([17], base.latent_shape),
        height=64,
        width=64,
        strength=1.0,
        num_inference_steps=4,
        guidance_scale=3.0,
        output_type="np",
    ).images[0]
    assert ours.std() > 1 and np.abs(ours / 255 - stock).max() <= 2 / 255


@torch.no_grad()
def test_what_is_masked_is_hidden_and_what_is_kept_counts():
    base = build_tiny(inpainting=True)
    generator = torch.Generator().manual_seed(1)
    pixels, mask = torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1, torch.zeros(2, 1, 64, 64)
    mask[:, :, :, 32:] = 1
    seen = mask_pictures(base, pixels, mask)
    assert seen.shape == (2, 5, 8, 8)
    assert torch.equal(seen[:, 0, :, :4], torch.zeros(2, 8, 4)) and torch.equal(seen[:, 0, :, 4:], torch.ones(2, 8, 4))
    under, beside = pixels.clone(), pixels.clone()
    under[:, :, :, 32:], beside[:, :, :, :32] = 1.0, -1.0
    assert torch.equal(mask_pictures(base, under, mask), seen)
    changed = mask_pictures(base, beside, mask)
    assert not torch.allclose(changed, seen, atol=1e-2)
    noise, conditioning = starting_noise([1, 2], base.latent_shape), encode_prompts(base, [PROMPT] * 2)
    conditioning.masked = seen
    before = predict(base, noise, torch.tensor(500), conditioning)
    conditioning.masked = changed
    assert (predict(base, noise, torch.tensor(500), conditioning) - before).abs().max() > 1e-4


def test_loaded_from_a_folder_it_is_known_by_its_channels(inpainting_folder):
    base = load_base(str(inpainting_folder), dtype=torch.float32)
    assert base.is_inpainting and base.latent_shape == (4, 8, 8) and outline_of(str(inpainting_folder)).is_inpainting
    assert not build_tiny().is_inpainting and not build_tiny("sd3").is_inpainting


@pytest.mark.parametrize("method", METHODS)
def test_training_is_refused_with_the_reason(method, inpainting_folder, tmp_path):
    concept = write_concept(tmp_path / "concept")
    for base in (str(inpainting_folder), build_tiny(inpainting=True)):
        with pytest.raises(InvalidConfig, match="is for inpainting") as raised:
            check_job(build_config(method), concept, base, tmp_path / "run")
        assert "text-to-image" in raised.value.hint
    assert not (tmp_path / "run").exists()


def test_the_command_draws_and_says_how(inpainting_folder, tmp_path, brandsmith):
    arguments = ("a cat", "--num-steps", 2, "--seeds", 1, "--out", tmp_path / "out", "--base", inpainting_folder)
    code, _, told = brandsmith("sample", *arguments)
    assert code == 0 and "everything masked" in told and "create inpaint" in told
    assert list((tmp_path / "out").glob("*.png"))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_a_single_file_for_inpainting_is_the_same_base(family, tmp_path, monkeypatch):
    """Published ones are of 512 px and predict noise, 2.x's too."""
    monkeypatch.setenv("BRANDSMITH_CACHE", str(tmp_path / "cache"))
    base = build_small(family, tmp_path / "tokenizer", in_channels=9)
    file = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in single_file_tensors(base).items()}, file)
    loaded = load_base(str(file), dtype=torch.float32)
    assert loaded.is_inpainting and loaded.image_px == (512, 512)
    assert load_scheduler(resolve_base(str(file))).config.prediction_type == "epsilon"
    latents = starting_noise([1], (4, 16, 16))
    ours, theirs = (
        predict(own, latents, torch.tensor(500), encode_prompts(own, [PROMPT], (128, 128))) for own in (base, loaded)
    )
    assert (ours - theirs).abs().max() <= 1e-5 * ours.abs().max()
