"""Every artifact loads in stock diffusers and draws the same picture as our own application of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from lessons import QUICK, TOKEN, write_concept

from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.methods.adapter import export_diffusers_folder, load_adapter, read_adapter_info
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config


def draw(pipeline, prompt=f"a {TOKEN} on a sweater"):
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False, steps_offset=1)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(3)
    return pipeline(prompt, num_inference_steps=4, guidance_scale=3.0, generator=generator, output_type="np").images[0]


def checkpoint_of(base, name, tmp_path, **more):
    config = build_config(name, steps=6, **(QUICK[name] | more))
    run = train(config, write_concept(tmp_path / "concept"), base, tmp_path / "run")
    return run.checkpoints()[-1][1]


def load_stock(name, folder, checkpoint, base, tmp_path):
    """As a user of diffusers would, with nothing of ours."""
    if name == "dreambooth":
        return StableDiffusionPipeline.from_pretrained(export_diffusers_folder(base, checkpoint, tmp_path / "exported"))
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    if name == "lora":
        pipeline.load_lora_weights(checkpoint)
    else:
        pipeline.load_textual_inversion(checkpoint)
    return pipeline


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "sd2"])
@pytest.mark.parametrize("name", ["dreambooth", "lora", "textual_inversion"])
def test_stock_diffusers_draws_the_same_picture(name, family, tmp_path):
    base = build_tiny(family)
    save_as_diffusers_folder(base, tmp_path / "base")
    checkpoint = checkpoint_of(base, name, tmp_path)
    plain = draw(stock_pipeline(base))
    with load_adapter(base, checkpoint):
        ours = draw(stock_pipeline(base))
    theirs = draw(load_stock(name, tmp_path / "base", checkpoint, base, tmp_path))
    assert np.abs(ours - plain).max() > 8 / 255, "the training changed nothing visible: equality would prove nothing"
    assert np.abs(ours - theirs).max() <= 2 / 255


@pytest.mark.slow
def test_a_lora_of_every_layer_draws_the_same_picture(tmp_path):
    base = build_tiny()
    save_as_diffusers_folder(base, tmp_path / "base")
    checkpoint = checkpoint_of(base, "lora", tmp_path, convolutions=True, feed_forward=True, alpha=4.0)
    plain = draw(stock_pipeline(base))
    with load_adapter(base, checkpoint):
        ours = draw(stock_pipeline(base))
    theirs = draw(load_stock("lora", tmp_path / "base", checkpoint, base, tmp_path))
    assert np.abs(ours - plain).max() > 8 / 255, "the training changed nothing visible: equality would prove nothing"
    assert np.abs(ours - theirs).max() <= 2 / 255


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lora", "textual_inversion"])
def test_stock_diffusers_draws_the_same_picture_sdxl(name, tmp_path):
    base = build_tiny("sdxl")
    stock_pipeline(base).save_pretrained(tmp_path / "base")
    checkpoint = checkpoint_of(base, name, tmp_path)
    plain = draw(stock_pipeline(base))
    with load_adapter(base, checkpoint):
        ours = draw(stock_pipeline(base))
    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path / "base", add_watermarker=False)
    if name == "lora":
        pipeline.load_lora_weights(checkpoint)
    else:
        pipeline.load_textual_inversion(checkpoint, text_encoder=pipeline.text_encoder, tokenizer=pipeline.tokenizer)
        pipeline.load_textual_inversion(
            checkpoint,
            weight_name="learned_embeds_2.safetensors",
            text_encoder=pipeline.text_encoder_2,
            tokenizer=pipeline.tokenizer_2,
        )
    assert np.abs(ours - plain).max() > 8 / 255
    assert np.abs(ours - draw(pipeline)).max() <= 2 / 255


@pytest.mark.slow
def test_alpha_matters_and_travels(tmp_path):
    """The same layers at another strength give another picture, so equality above does test alpha."""
    base = build_tiny()
    checkpoint = checkpoint_of(base, "lora", tmp_path)
    settings = read_adapter_info(checkpoint).settings
    assert settings.alpha != settings.rank
    with load_adapter(base, checkpoint):
        ours = draw(stock_pipeline(base))
    save_as_diffusers_folder(base, tmp_path / "base")
    pipeline = load_stock("lora", tmp_path / "base", checkpoint, base, tmp_path)
    pipeline.set_adapters(pipeline.get_active_adapters(), adapter_weights=[settings.rank / settings.alpha])
    assert np.abs(draw(pipeline) - ours).max() > 2 / 255


def test_export_refuses_what_needs_none_and_never_overwrites(tmp_path):
    base = build_tiny()
    lora = checkpoint_of(base, "lora", tmp_path / "lora")
    with pytest.raises(InvalidConfig, match="needs no export"):
        export_diffusers_folder(base, lora, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(InvalidConfig, match="exists"):
        export_diffusers_folder(base, lora, tmp_path / "out")


@pytest.mark.slow
def test_an_adapter_on_the_wrong_base_is_an_error_not_a_silence(tmp_path):
    base = build_tiny()
    checkpoint = checkpoint_of(base, "lora", tmp_path)
    other = build_tiny("sd2")
    other.family = FAMILIES["sd1"]  # same family, other widths
    for wrong in (build_tiny("sdxl"), other):
        structure = [type(m) for m in wrong.denoiser.modules()]
        with pytest.raises(InvalidConfig, match="made for base 'tiny-sd1'"), load_adapter(wrong, checkpoint):
            pass
        assert [type(m) for m in wrong.denoiser.modules()] == structure
    with pytest.raises(MissingResource, match="no adapter in"), load_adapter(base, tmp_path):
        pass
