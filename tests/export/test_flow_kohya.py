"""kohya's layout of flow models, read by others: FLUX.1's by stock diffusers' own converter; Stable Diffusion 3's, for
which diffusers has none, against the rules by which sd-scripts names its layers.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import FluxPipeline, FluxTransformer2DModel, SD3Transformer2DModel
from flow_bases import stock_pictures
from lessons import TOKEN, write_concept
from safetensors.torch import load_file

from brandsmith.base.base import decode_latents
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.sources import load_base
from brandsmith.base.stock import stock_pipeline
from brandsmith.export.export_run import export_run
from brandsmith.export.low_rank import LowRank, to_kohya_fused
from brandsmith.guidance.loop import sample_latents
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.registry import build_config

CLOSE = {"rtol": 1e-4, "atol": 1e-3}
"""Of sums of thousands of products of about one."""
SETTINGS = DrawSettings(num_steps=2, guidance_scale=3.0, scheduler="euler", batch_size=2)
FLUX1 = FluxTransformer2DModel, {"num_layers": 2, "num_single_layers": 2, "guidance_embeds": True}
SD35 = (
    SD3Transformer2DModel,
    {"num_layers": 3, "num_attention_heads": 24, "caption_projection_dim": 1536, "dual_attention_layers": (0, 1)}
    | {"qk_norm": "rms_norm", "joint_attention_dim": 4096, "pooled_projection_dim": 2048},
)
SD_SCRIPTS_SD3 = (
    r"lora_unet_joint_blocks_\d+_(x|context)_block_(attn_(qkv|proj)|attn2_(qkv|proj)|mlp_fc[12])"
    r"|lora_te[12]_text_model_encoder_layers_\d+_(self_attn_(q|k|v|out)_proj|mlp_fc[12])"
)
"""`networks/lora_sd3.py`: a prefix and the original code's path of each linear layer in its blocks, and of each in the
CLIP encoders' attention and feed-forward.
"""


def changes_of(published, family, ranks=(2,)):
    """A random change of every layer that a LoRA of ours has, at the published widths."""
    kind, config = published
    with torch.device("meta"):
        denoiser = kind(**config)
    endings = tuple(f".{layer}" for layer in LoraConfig(feed_forward=True).layers(FAMILIES[family]))
    imported = {
        "flux1": (".proj_mlp", ".proj_out"),
        "sd3": tuple(f".attn2.to_{own}" for own in ("q", "k", "v", "out.0")),
    }
    endings += imported[family]  # which a file of others may have
    generator = torch.Generator().manual_seed(1)
    found = {}
    for module, layer in denoiser.named_modules():
        if isinstance(layer, torch.nn.Linear) and "blocks." in module and f".{module}".endswith(endings):
            rank = ranks[len(found) % len(ranks)]
            down, up = (
                torch.randn(size, generator=generator)
                for size in ((rank, layer.in_features), (layer.out_features, rank))
            )
            found["transformer", module] = LowRank(down, up, 4.0)
    return found


@pytest.mark.parametrize("ranks", [(2,), (4, 2, 3)], ids=["one rank", "several"])
def test_stock_diffusers_converts_flux1_layers_to_the_same_changes(ranks):
    """At its real widths, which the converter takes for granted."""
    layers = changes_of(FLUX1, "flux1", ranks)
    converted = FluxPipeline.lora_state_dict(to_kohya_fused(layers, "flux1"))
    assert len(converted) == 2 * len(layers) > 50
    for (part, module), layer in layers.items():
        down, up = (converted[f"{part}.{module}.lora_{side}.weight"] for side in "AB")
        column = torch.randn(down.shape[1], 1, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(up @ (down @ column), layer.strength * layer.up @ (layer.down @ column), **CLOSE)


@pytest.mark.slow
def test_stock_diffusers_draws_the_same_picture_with_a_flux1_file_of_kohyas_layout(tmp_path):
    """Of double blocks and CLIP: widths of single blocks are the real model's in the converter."""
    base, concept = build_tiny("flux1"), write_concept(tmp_path / "concept")
    config = dict(base.denoiser.config) | {"num_layers": 2, "num_single_layers": 0}
    torch.manual_seed(5)
    base = replace(base, denoiser=FluxTransformer2DModel.from_config(config))
    for weights in base.denoiser.parameters():
        weights.data.mul_(2.0)
    save_as_diffusers_folder(base.freeze(), tmp_path / "base")
    settings = {"steps": 3, "checkpoint_every": 3, "rank": 2, "alpha": 8.0, "feed_forward": True, "precision": "fp32"}
    rates = {"learning_rate": 1e-2, "text_encoder_learning_rate": 1e-2}
    name = str(tmp_path / "base")
    run = train(build_config("lora", **settings, **rates), concept, name, tmp_path / "run", device="cpu")
    file = export_run(tmp_path / "run", tmp_path / "kohya.safetensors", to="kohya")
    loaded, prompts = load_base(name, device="cpu", dtype=torch.float32), [f"a {TOKEN}", "a cat"]
    with torch.no_grad():
        plain = decode_latents(loaded, sample_latents(loaded, prompts, [1, 2], SETTINGS, Parts()))
        with load_adapter(loaded, run.checkpoints()[-1][1]):
            ours = decode_latents(loaded, sample_latents(loaded, prompts, [1, 2], SETTINGS, Parts()))
    pipeline = stock_pipeline(loaded)
    pipeline.load_lora_weights(file)
    theirs = stock_pictures(loaded, prompts, [1, 2], SETTINGS)
    pipeline.unload_lora_weights()
    assert {key.partition("_")[2].partition("_")[0] for key in load_file(file)} == {"unet", "te1"}
    assert np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs).max() <= 1e-4 < (ours - plain).abs().max()


def test_sd_scripts_knows_every_layer_of_our_sd3_files():
    layers = changes_of(SD35, "sd3")
    for part in ("text_encoder", "text_encoder_2"):
        place = part, "text_model.encoder.layers.0.self_attn.q_proj"
        layers[place] = LowRank(torch.randn(2, 8), torch.randn(8, 2), 2.0)
    tensors = to_kohya_fused(layers, "sd3")
    pattern = re.compile(rf"({SD_SCRIPTS_SD3})\.(lora_(down|up)\.weight|alpha)")
    unmatched = [key for key in tensors if not pattern.fullmatch(key)]
    assert not unmatched and len(tensors) > 60
    names = {key.partition(".")[0] for key in tensors}
    assert {"lora_unet_joint_blocks_1_x_block_attn2_qkv", "lora_unet_joint_blocks_0_context_block_mlp_fc1"} <= names
    for block, side, fused in (
        (0, "x_block_attn_qkv", "attn.to_{}"),
        (1, "context_block_attn_qkv", "attn.add_{}_proj"),
    ):
        name = f"lora_unet_joint_blocks_{block}_{side}"
        down, up, alpha = (tensors[f"{name}.{own}"] for own in ("lora_down.weight", "lora_up.weight", "alpha"))
        assert up.shape == (3 * 1536, len(down)) and down.shape[1] == 1536
        column = torch.randn(1536, 1)
        parts = [layers["transformer", f"transformer_blocks.{block}.{fused.format(own)}"] for own in "qkv"]
        wanted = torch.cat([own.strength * own.up @ (own.down @ column) for own in parts])
        torch.testing.assert_close(float(alpha) / len(down) * up @ (down @ column), wanted, **CLOSE)
