"""Qwen-Image: a transformer of 20 billion parameters, and the language model Qwen2.5-VL that reads the prompt.

Alibaba Qwen 2025, "Qwen-Image Technical Report" (Apache-2.0). A guided prediction gets back the length that the
prompt's own has, token by token. Tested with small random weights, which draw what stock diffusers draws; not yet with
real ones.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from brandsmith.base.base import AttentionLayer, Base, Conditioning, Family, ReadConfig
from brandsmith.base.draw_defaults import DrawDefaults
from brandsmith.base.families import flow
from brandsmith.base.noising import UniformFlowNoising

BEFORE = (
    "<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, spatial"
    " relationships of the objects and background:<|im_end|>\n<|im_start|>user\n"
)
AFTER = "<|im_end|>\n<|im_start|>assistant\n"
"""diffusers' `QwenImagePipeline.prompt_template_encode`, around the prompt."""


def recognises(read: ReadConfig) -> bool:
    return read("transformer").get("_class_name") == "QwenImageTransformer2DModel"


def cell_px(base: Base) -> int:
    return int(2 ** len(base.vae.config.temperal_downsample))


def latent_shape(base: Base) -> tuple[int, int, int]:
    side = flow.native_cells(base)
    return (base.vae.config.z_dim, side, side)


def text_start(base: Base) -> int:
    """Tokens before the prompt, which the picture does not see; 34 of the real tokenizer."""
    return len(base.tokenizer(BEFORE, add_special_tokens=False, verbose=False).input_ids)


def tokenize(base: Base, prompts: list[str]) -> list[torch.Tensor]:
    """Ids (N, tokens before and of a prompt)."""
    batch = base.tokenizer(
        [BEFORE + prompt + AFTER for prompt in prompts],
        padding="max_length",
        max_length=base.tokenizer.model_max_length + text_start(base),
        truncation=True,
        return_tensors="pt",
    )
    return [batch.input_ids]


def token_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    encoded = base.tokenizer(BEFORE + text + AFTER, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    seen = encoded[text_start(base) :][: base.tokenizer.model_max_length]
    own = [(max(first - len(BEFORE), 0), min(last - len(BEFORE), len(text))) for first, last in seen]
    return [(first, last) if last > first else (0, 0) for first, last in own]


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """The last layer, without what stands before the prompt; padding does not count."""
    mask, start = flow.counting(base.tokenizer, ids[0]), text_start(base)
    output = base.text_encoders[0].model(ids[0], attention_mask=mask.long(), use_cache=False)
    hidden, kept = output.last_hidden_state[:, start:], mask[:, start:]
    return Conditioning(hidden * kept.unsqueeze(-1), mask=kept)


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    height, width = latents.shape[-2:]
    velocity = base.denoiser(
        hidden_states=flow.packed(latents),
        timestep=flow.noise_shares(base, timesteps, latents),
        guidance=None,
        encoder_hidden_states=conditioning.hidden,
        encoder_hidden_states_mask=conditioning.mask,
        img_shapes=[[(1, height // 2, width // 2)]] * len(latents),
    ).sample
    return flow.unpacked(velocity, height, width)


def finish_guidance(guided: torch.Tensor, conditional: torch.Tensor) -> torch.Tensor:
    """A guided prediction (C, h, w) with the length of the prompt's own at each token."""
    own, other = flow.packed(conditional[None]), flow.packed(guided[None])
    scaled = other * (own.norm(dim=-1, keepdim=True) / other.norm(dim=-1, keepdim=True))
    return flow.unpacked(scaled, *guided.shape[-2:])[0]


def encode_images(base: Base, pixels: torch.Tensor) -> torch.Tensor:
    """Latent means of a film of one picture, each channel normalised as the autoencoder declares."""
    latents = base.vae.encode(pixels.to(base.vae.dtype).unsqueeze(2)).latent_dist.mean.squeeze(2)
    mean, spread = _statistics(base, latents)
    return (latents - mean) / spread


def decode_latents(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 3, H, W) in [0, 1]."""
    given = latents.to(base.vae.dtype)
    mean, spread = _statistics(base, given)
    pixels = base.vae.decode((given * spread + mean).unsqueeze(2)).sample[:, :, 0]
    return (pixels / 2 + 0.5).clamp(0, 1)


def _statistics(base: Base, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    config = base.vae.config
    mean, spread = (like.new_tensor(values).view(1, -1, 1, 1) for values in (config.latents_mean, config.latents_std))
    return mean, spread


def joint_attention(base: Base) -> list[AttentionLayer]:
    return flow.joint_layers((block.attn for block in base.denoiser.transformer_blocks), factor=2, text_first=True)


QWEN = Family(
    name="qwen",
    denoiser_name="transformer",
    denoiser_class=QwenImageTransformer2DModel,
    encoder_classes={"text_encoder": Qwen2_5_VLForConditionalGeneration},
    pipeline="QwenImagePipeline",
    pipeline_options={},
    inpainting_pipeline="",
    noising=UniformFlowNoising,
    lora_layers={
        "attention": ("to_q", "to_k", "to_v", "to_out.0"),  # diffusers' train_dreambooth_lora_qwen_image.py
        "feed_forward": ("img_mlp.net.0.proj", "img_mlp.net.2", "txt_mlp.net.0.proj", "txt_mlp.net.2"),
    },
    recognises=recognises,
    latent_shape=latent_shape,
    size_unit=flow.two_cells,
    training_cell=flow.two_cells,
    encode_ids=encode_ids,
    reads_chunks=False,
    predict=predict,
    encode_images=encode_images,
    decode_latents=decode_latents,
    unconditional_is_zero=lambda base: False,
    text_attention=None,
    languages=frozenset({"en", "zh"}),
    vae_class=AutoencoderKLQwenImage,
    packed_channels=4,
    cell_px=cell_px,
    tokenizer_classes={"tokenizer": Qwen2Tokenizer},
    text_length={"tokenizer": 512},
    tokenize=tokenize,
    token_offsets=token_offsets,
    trained_encoders=(),
    skips_layers=False,
    joint_attention=joint_attention,
    schedule=flow.even_schedule,
    finish_guidance=finish_guidance,
    trains=flow.TRAINS,
    draws=DrawDefaults(50, 4.0, "euler", "diffusers' QwenImagePipeline (`true_cfg_scale`)"),
)
