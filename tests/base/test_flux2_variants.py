"""FLUX.2's models beside klein 4B: klein 9B, which is larger, and dev, whose folder names Mistral's processor."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import Flux2Transformer2DModel
from flow_bases import stock_pictures
from lessons import TOKEN, write_concept
from transformers import Qwen3Config, Qwen3ForCausalLM

from brandsmith.base.base import Base, decode_latents, encode_prompts, predict
from brandsmith.base.distilled import refuse_training
from brandsmith.base.sources import detect_family, load_base
from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.guidance.loop import sample_latents
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config

PROMPTS = ["a cat and a bowl", "a red logo on a blue sweater"]
SETTINGS = DrawSettings(num_steps=2, guidance_scale=3.0, scheduler="euler", batch_size=2)


def larger_klein() -> Base:
    """To `build_tiny("flux2")` as 9B is to 4B: more blocks, more heads, a wider language model of more layers."""
    klein = build_tiny("flux2")
    torch.manual_seed(3)
    config = klein.text_encoders[0].config.to_dict() | {"hidden_size": 24, "num_hidden_layers": 4, "layer_types": None}
    transformer = Flux2Transformer2DModel.from_config(
        dict(klein.denoiser.config)
        | {"num_layers": 2, "num_single_layers": 3, "num_attention_heads": 3}
        | {"joint_attention_dim": 72}
    )
    encoder = Qwen3ForCausalLM(Qwen3Config.from_dict(config))
    return replace(klein, name="tiny-9b", denoiser=transformer, text_encoders=[encoder]).freeze()


@pytest.mark.slow
def test_a_larger_klein_draws_as_stock_diffusers_and_takes_no_lora_of_a_smaller(tmp_path):
    base, concept = larger_klein(), write_concept(tmp_path / "concept")
    with torch.no_grad():
        ours = decode_latents(base, sample_latents(base, PROMPTS, [1, 2], SETTINGS, Parts()))
        theirs = stock_pictures(base, PROMPTS, [1, 2], SETTINGS)
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() <= 1e-5
    config = build_config("lora", steps=2, checkpoint_every=2, rank=2, learning_rate=1e-2, precision="fp32")
    checkpoint = train(config, concept, base, tmp_path / "run").checkpoints()[-1][1]
    text, x = encode_prompts(base, [f"a {TOKEN}"]), torch.randn(1, *base.latent_shape)
    with torch.no_grad():
        plain = predict(base, x, torch.tensor([500.0]), text)
        with load_adapter(base, checkpoint):
            assert not torch.equal(predict(base, x, torch.tensor([500.0]), text), plain)
    with pytest.raises(BrandsmithError), load_adapter(build_tiny("flux2"), checkpoint):
        pass


@pytest.mark.parametrize(("blocks", "twin"), [(20, "FLUX.2-klein-base-4B"), (24, "FLUX.2-klein-base-9B")])
def test_a_distilled_klein_names_the_twin_of_its_size(blocks, twin, tmp_path):
    save_as_diffusers_folder(build_tiny("flux2"), tmp_path / "base")
    for file, changes in {
        "model_index.json": {"is_distilled": True},
        "transformer/config.json": {"num_single_layers": blocks},
    }.items():
        record = json.loads((tmp_path / "base" / file).read_text()) | changes
        (tmp_path / "base" / file).write_text(json.dumps(record))
    with pytest.raises(InvalidConfig) as raised:
        refuse_training(str(tmp_path / "base"), tmp_path / "base")
    assert f"black-forest-labs/{twin}," in raised.value.hint


@torch.no_grad()
def test_dev_is_read_from_a_folder_that_names_a_processor(tmp_path):
    """As published: the tokenizer's files lie among those of a processor for pictures, which no prompt needs."""
    base = build_tiny("flux2dev")
    save_as_diffusers_folder(base, tmp_path / "base")
    index = json.loads((tmp_path / "base" / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "PixtralProcessor"]
    (tmp_path / "base" / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "base" / "tokenizer" / "processor_config.json").write_text('{"processor_class": "PixtralProcessor"}')
    refuse_training(str(tmp_path / "base"), tmp_path / "base")  # distilled to guide itself: trained as it is
    loaded = load_base(str(tmp_path / "base"))
    assert loaded.family.name == detect_family(tmp_path / "base").name == "flux2dev"
    ours, theirs = (encode_prompts(own, PROMPTS).hidden for own in (base, loaded))
    assert torch.equal(ours, theirs) and loaded.tokenizer.padding_side == "left"


@torch.no_grad()
def test_dev_is_told_its_guidance_and_draws_a_prompt_once():
    base = build_tiny("flux2dev")
    x = torch.randn(2, *base.latent_shape, generator=torch.Generator().manual_seed(1))
    text, time = encode_prompts(base, PROMPTS), torch.tensor([700.0, 300.0])
    told = [predict(base, x, time, replace(text, guidance=torch.full((2,), scale))) for scale in (1.0, 4.0)]
    assert (told[0] - told[1]).abs().max() > 1e-4
    assert torch.equal(predict(base, x, time, text), told[0]), "what a training tells it"
