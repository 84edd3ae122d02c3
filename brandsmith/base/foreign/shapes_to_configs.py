"""The configuration of each part, read off the names and shapes of a single file; numbers that no shape shows are those
that were published with the family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from brandsmith.base.foreign.layouts import ENCODERS, UNET, VAE, Encoder

Shapes = Mapping[str, tuple[int, ...]]
HEAD_WIDTH = 64
"""Of attention in 2.x, in XL and in every CLIP text encoder."""
HEADS_OF_1 = 8
INPAINTING_CHANNELS = 9
"""2.x's inpainting base is of 512 px, as 2.0's base, which it was made from."""
SAMPLE_SIZES = {"sd1": 64, "sd2": 96, "sdxl": 128}
SCALING = {"sd1": 0.18215, "sd2": 0.18215, "sdxl": 0.13025}


def _count(shapes: Shapes, pattern: str) -> int:
    """One more than the largest number in the group of `pattern`; 0 without any."""
    numbers = [int(match[1]) for name in shapes if (match := re.match(pattern, name))]
    return max(numbers, default=-1) + 1


def unet_config(shapes: Shapes, family: str) -> dict[str, Any]:
    """Raises KeyError for a tensor that a U-Net has and the file lacks."""
    levels = _levels(shapes)
    channels = [width for width, _, _ in levels]
    depths = [depth for _, _, depth in levels]
    first = next(f"{UNET}{name}" for name in _attentions(shapes))
    taken = shapes[f"{UNET}input_blocks.0.0.weight"][1]
    config: dict[str, Any] = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": SAMPLE_SIZES["sd1" if family == "sd2" and taken == INPAINTING_CHANNELS else family],
        "in_channels": taken,
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": levels[0][1],
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "cross_attention_dim": shapes[f"{first}.transformer_blocks.0.attn2.to_k.weight"][1],
        "attention_head_dim": HEADS_OF_1 if family == "sd1" else [max(1, width // HEAD_WIDTH) for width in channels],
        "use_linear_projection": len(shapes[f"{first}.proj_in.weight"]) == 2,
    }
    if family == "sdxl":
        config["transformer_layers_per_block"] = [max(1, depth) for depth in depths]
        config |= _size_embedding(shapes)
    return config


def _levels(shapes: Shapes) -> list[tuple[int, int, int]]:
    """(width, residual blocks, transformer blocks in each attention) of each level, from the finest."""
    levels: list[tuple[int, int, int]] = []
    blocks, number = 0, 1
    while any_block := _block(shapes, number):
        width, depth = any_block
        if width:
            blocks += 1
            last = (width, depth)
        number += 1
        if not width or not _block(shapes, number):
            levels.append((last[0], blocks, last[1]))
            blocks = 0
    return levels


def _block(shapes: Shapes, number: int) -> tuple[int, int] | None:
    """(width, transformer blocks) of `input_blocks.N`; width 0: it only halves the size. None: no such block."""
    place = f"{UNET}input_blocks.{number}."
    if f"{place}0.op.weight" in shapes:
        return 0, 0
    if f"{place}0.out_layers.3.weight" not in shapes:
        return None
    depth = _count(shapes, re.escape(place) + r"1\.transformer_blocks\.(\d+)\.")
    return shapes[f"{place}0.out_layers.3.weight"][0], depth


def _attentions(shapes: Shapes) -> list[str]:
    found = {
        match[1] for name in shapes if (match := re.match(re.escape(UNET) + r"(input_blocks\.\d+\.1)\.proj_in", name))
    }
    return sorted(found)


def _size_embedding(shapes: Shapes) -> dict[str, Any]:
    width = shapes[f"{UNET}label_emb.0.0.weight"][1]
    pooled = shapes[f"{ENCODERS['sdxl'][1].prefix}text_projection"][1]
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": (width - pooled) // 6,
        "projection_class_embeddings_input_dim": width,
    }


def vae_config(shapes: Shapes, family: str) -> dict[str, Any]:
    """Raises KeyError."""
    levels = _count(shapes, re.escape(VAE) + r"encoder\.down\.(\d+)\.")
    places = [f"{VAE}encoder.down.{level}.block.0.conv2.weight" for level in range(levels)]
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": [shapes[place][0] for place in places],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": _count(shapes, re.escape(VAE) + r"encoder\.down\.0\.block\.(\d+)\."),
        "latent_channels": shapes[f"{VAE}decoder.conv_in.weight"][1],
        "sample_size": 8 * SAMPLE_SIZES[family],
        "scaling_factor": SCALING[family],
        "force_upcast": family == "sdxl",
        "mid_block_add_attention": f"{VAE}encoder.mid.attn_1.q.weight" in shapes,
    }


def text_config(shapes: Shapes, family: str, number: int) -> dict[str, Any]:
    """Of text encoder `number`. Raises KeyError."""
    encoder = ENCODERS[family][number]
    layers = _count(
        shapes,
        re.escape(encoder.prefix + ("transformer.resblocks" if encoder.is_open_clip else "encoder.layers"))
        + r"\.(\d+)\.",
    )
    vocabulary, width = shapes[encoder.prefix + _table(encoder)]
    inner = "transformer.resblocks.0.mlp.c_fc.weight" if encoder.is_open_clip else "encoder.layers.0.mlp.fc1.weight"
    places = "positional_embedding" if encoder.is_open_clip else "embeddings.position_embedding.weight"
    projection = shapes.get(f"{encoder.prefix}text_projection", (width, width))[1]
    return {
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes[encoder.prefix + inner][0],
        "num_hidden_layers": layers - 1 if family == "sd2" else layers,  # 2.x reads the last layer but one
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "max_position_embeddings": shapes[encoder.prefix + places][0],
        "projection_dim": projection,
        "hidden_act": "gelu" if encoder.is_open_clip else "quick_gelu",
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 0 if encoder.is_open_clip else vocabulary - 1,
    }


def _table(encoder: Encoder) -> str:
    return "token_embedding.weight" if encoder.is_open_clip else "embeddings.token_embedding.weight"


_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def scheduler_config(family: str, prediction: str, zero_snr: bool) -> dict[str, Any]:
    """As published with the family: PNDM for 1.x, DDIM for 2.x, Euler for XL."""
    shared = {**_BETAS, "steps_offset": 1, "prediction_type": prediction, "clip_sample": False}
    if family == "sdxl":
        more = (
            {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
            if zero_snr
            else {"timestep_spacing": "leading"}
        )
        return {"_class_name": "EulerDiscreteScheduler", **shared, **more}
    if family == "sd2":
        return {"_class_name": "DDIMScheduler", **shared, "set_alpha_to_one": False}
    return {"_class_name": "PNDMScheduler", **shared, "set_alpha_to_one": False, "skip_prk_steps": True}
