"""FLUX.2 klein: a transformer that predicts a flow's velocity, and the language model Qwen3 that reads the prompt.

Black Forest Labs 2026, "FLUX.2 klein" (Apache-2.0: the 4B models); 9B differs in its sizes alone. Tested with small
random weights, which draw what stock diffusers draws; not yet with real ones. `flux2dev.py` has FLUX.2 dev.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from transformers import Qwen2Tokenizer, Qwen3ForCausalLM

from brandsmith.base.base import AttentionLayer, Base, Conditioning, Family, ReadConfig
from brandsmith.base.draw_defaults import Distilled, DrawDefaults
from brandsmith.base.families import flow
from brandsmith.base.memory_format import like_weights
from brandsmith.base.noising import UniformFlowNoising

READ_LAYERS = (9, 18, 27)
"""Whose outputs, side by side, are the text (diffusers' `Flux2KleinPipeline`)."""
TWINS = {20: "black-forest-labs/FLUX.2-klein-base-4B", 24: "black-forest-labs/FLUX.2-klein-base-9B"}
"""The undistilled model by the number of single blocks."""

SINGLE_OUTPUTS = tuple(f"single_transformer_blocks.{number}.attn.to_out" for number in range(48))
"""By full name: the double blocks' `attn.to_out` is a list of layers. 48: the largest model has so many."""


def recognises(read: ReadConfig) -> bool:
    transformer = read("transformer")
    is_one = transformer.get("_class_name") == "Flux2Transformer2DModel"
    with_llm = read("text_encoder").get("model_type", "qwen3") == "qwen3"
    return is_one and with_llm and not transformer.get("guidance_embeds", False)


def distilled(read: ReadConfig) -> Distilled | None:
    """klein's folders say so themselves."""
    if not read("model_index").get("is_distilled"):
        return None
    twin = TWINS.get(read("transformer").get("num_single_layers", 0), "FLUX.2-klein-base")
    return Distilled("FLUX.2 klein, which was distilled", 4, 1.0, "euler", twin)


def latent_shape(base: Base) -> tuple[int, int, int]:
    side = flow.native_cells(base)
    return (base.denoiser.config.in_channels, side, side)


def cell_px(base: Base) -> int:
    """A cell of the latents is 2 x 2 of the autoencoder's."""
    return 2 * int(2 ** (len(base.vae.config.block_out_channels) - 1))


def one_cell(base: Base) -> int:
    return base.vae_scale


def schedule(config: Mapping[str, Any], tokens: int, steps: int) -> dict[str, Any]:
    return {"sigmas": flow.even_sigmas(steps)} | (
        {"mu": empirical_mu(tokens, steps)} if config.get("use_dynamic_shifting") else {}
    )


def empirical_mu(tokens: int, steps: int) -> float:
    """The shift that the authors measured, for 10 and for 200 steps, and between them on a line."""
    at_200 = 0.00016927 * tokens + 0.45666666
    if tokens > 4300:
        return at_200
    at_10 = 8.73809524e-05 * tokens + 1.89833333
    slope = (at_200 - at_10) / 190
    return slope * steps + at_200 - 200 * slope


def tokenize(base: Base, prompts: list[str]) -> list[torch.Tensor]:
    return flow.chat_ids(base, prompts, thinking=False)


def token_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    return flow.chat_offsets(base, text, thinking=False)


def read_layers(base: Base) -> tuple[int, ...]:
    """Three evenly spaced layers; of Qwen3's 36 they are READ_LAYERS, of Mistral's 40 10, 20 and 30."""
    layers = base.text_encoders[0].config.get_text_config().num_hidden_layers
    return tuple(layers * place // 36 for place in READ_LAYERS) if layers >= 4 else tuple(range(1, 4))


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """The outputs of three layers side by side, of padding too; the encoder's logits are not computed."""
    encoder = base.text_encoders[0].model
    mask = flow.counting(base.tokenizer, ids[0])
    states = encoder(ids[0], attention_mask=mask.long(), output_hidden_states=True, use_cache=False).hidden_states
    return Conditioning(torch.cat([states[layer] for layer in read_layers(base)], dim=-1))


def predict_tokens(
    base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning
) -> torch.Tensor:
    """The velocity (N, C, h, w) of latents whose every place is a token."""
    height, width = latents.shape[-2:]
    lengths = (1, 1, 1, conditioning.hidden.shape[1]), (1, height, width, 1)
    text, picture = (flow.places(axes, latents.device) for axes in lengths)
    velocity = base.denoiser(
        hidden_states=latents.flatten(2).transpose(1, 2),
        timestep=flow.noise_shares(base, timesteps, latents),
        guidance=flow.told_guidance(base, conditioning, latents),
        encoder_hidden_states=conditioning.hidden,
        txt_ids=text[None],
        img_ids=picture[None],
    ).sample
    return velocity.transpose(1, 2).unflatten(2, (height, width))


def encode_images(base: Base, pixels: torch.Tensor) -> torch.Tensor:
    """Latent means, 2 x 2 of them side by side in channels, each channel normalised as the autoencoder declares."""
    given = like_weights(pixels.to(base.vae.dtype), base.vae.encoder.conv_in.weight)
    latents = torch.nn.functional.pixel_unshuffle(base.vae.encode(given).latent_dist.mean, 2)
    mean, spread = _statistics(base, latents)
    return (latents - mean) / spread


def decode_latents(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 3, H, W) in [0, 1]."""
    given = latents.to(base.vae.dtype)
    mean, spread = _statistics(base, given)
    cells = torch.nn.functional.pixel_shuffle(given * spread + mean, 2)
    pixels = base.vae.decode(like_weights(cells, base.vae.decoder.conv_in.weight)).sample
    return (pixels / 2 + 0.5).clamp(0, 1)


def _statistics(base: Base, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    normal = base.vae.bn
    mean, variance = (values.view(1, -1, 1, 1).to(like) for values in (normal.running_mean, normal.running_var))
    return mean, torch.sqrt(variance + base.vae.config.batch_norm_eps)


def joint_attention(base: Base) -> list[AttentionLayer]:
    blocks = [*base.denoiser.transformer_blocks, *base.denoiser.single_transformer_blocks]
    return flow.joint_layers((block.attn for block in blocks), factor=1, text_first=True)


FLUX2 = Family(
    name="flux2",
    denoiser_name="transformer",
    denoiser_class=Flux2Transformer2DModel,
    encoder_classes={"text_encoder": Qwen3ForCausalLM},
    pipeline="Flux2KleinPipeline",
    pipeline_options={},
    inpainting_pipeline="",
    noising=UniformFlowNoising,
    lora_layers={
        "attention": ("to_q", "to_k", "to_v", "to_out.0", "to_qkv_mlp_proj", *SINGLE_OUTPUTS),
        "feed_forward": ("ff.linear_in", "ff.linear_out", "ff_context.linear_in", "ff_context.linear_out"),
    },  # attention: diffusers' train_dreambooth_lora_flux2_klein.py
    recognises=recognises,
    latent_shape=latent_shape,
    size_unit=one_cell,
    training_cell=one_cell,
    encode_ids=encode_ids,
    reads_chunks=False,
    predict=predict_tokens,
    encode_images=encode_images,
    decode_latents=decode_latents,
    unconditional_is_zero=lambda base: False,
    text_attention=None,
    languages=frozenset({"en", "zh"}),
    vae_class=AutoencoderKLFlux2,
    packed_channels=4,
    cell_px=cell_px,
    tokenizer_classes={"tokenizer": Qwen2Tokenizer},
    text_length={"tokenizer": 512},
    tokenize=tokenize,
    token_offsets=token_offsets,
    trained_encoders=(),
    skips_layers=False,
    joint_attention=joint_attention,
    schedule=schedule,
    trains=flow.TRAINS,
    draws=DrawDefaults(50, 4.0, "euler", "diffusers' Flux2KleinPipeline"),
    distilled=distilled,
)
