"""Small video models with random weights, as diffusers folders: stock classes, a tokenizer of single letters."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from safetensors.torch import save_file
from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

from brandsmith.base.random_flow import t5_tokenizer

VIDEO_KINDS = ("ltx", "wan")
TEXT = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "feed_forward_proj": "gated-gelu"}


def build_video(kind: str, *, two_stages: bool = False) -> DiffusionPipeline:
    """two_stages: with Wan 2.2's second transformer for the steps of low noise."""
    torch.manual_seed(0)
    return _wan(two_stages) if kind == "wan" else _ltx()


def save_video(kind: str, folder: Path, **more: bool) -> Path:
    build_video(kind, **more).save_pretrained(folder)
    return folder


def _wan(two_stages: bool) -> WanPipeline:
    tokenizer = t5_tokenizer()
    vae = AutoencoderKLWan(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    second = {"transformer_2": _wan_transformer(), "boundary_ratio": 0.5} if two_stages else {}
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(UMT5Config(vocab_size=len(tokenizer), **TEXT)).eval(),
        vae=vae.eval(),
        transformer=_wan_transformer(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
        ),
        **second,
    )


def _wan_transformer() -> WanTransformer3DModel:
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
    ).eval()


def _ltx() -> LTXPipeline:
    tokenizer = t5_tokenizer()
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        patch_size=4,
    )
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=32,
    )
    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae.eval(),
        text_encoder=T5EncoderModel(T5Config(vocab_size=len(tokenizer), **TEXT)).eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
    )


def save_lora(folder: Path, file: Path, prefix: str = "transformer.") -> Path:
    """A LoRA of rank 2 for the attention to text of every block of the model in `folder`, in diffusers' layout."""
    from brandsmith.base.video.folder import video_outline

    outline, tensors = video_outline(folder).transformer, {}
    generator = torch.Generator().manual_seed(1)
    for name, module in outline.named_modules():
        if name.endswith(("attn2.to_q", "attn2.to_k")):
            tensors[f"{prefix}{name}.lora_A.weight"] = torch.randn((2, module.in_features), generator=generator)
            tensors[f"{prefix}{name}.lora_B.weight"] = torch.randn((module.out_features, 2), generator=generator)
    save_file(tensors, file)
    return file
