"""FLUX.1: text and picture in one attention, T5 for the words and CLIP for the whole, guidance told as a number.

Black Forest Labs 2024, "FLUX.1". dev was distilled to guide itself (a non-commercial licence), schnell to four steps
(Apache-2.0). Tested with small random weights, which draw what stock diffusers draws; not yet with real ones.
"""

from __future__ import annotations

import torch
from diffusers import FluxTransformer2DModel
from transformers import CLIPTextModel, T5EncoderModel, T5Tokenizer

from brandsmith.base.base import AttentionLayer, Base, Conditioning, Family, ReadConfig
from brandsmith.base.draw_defaults import Distilled, DrawDefaults
from brandsmith.base.families import autoencoder, flow
from brandsmith.base.noising import UniformFlowNoising


def recognises(read: ReadConfig) -> bool:
    return read("transformer").get("_class_name") == "FluxTransformer2DModel"


def distilled(read: ReadConfig) -> Distilled | None:
    """schnell, which alone is told no guidance."""
    if read("transformer").get("guidance_embeds"):
        return None
    return Distilled("FLUX.1 schnell, which was distilled", 4, 1.0, "euler", "black-forest-labs/FLUX.1-dev")


def latent_shape(base: Base) -> tuple[int, int, int]:
    side = flow.native_cells(base)
    return (base.vae.config.latent_channels, side, side)


def token_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    """The picture attends to T5's tokens; CLIP says one vector."""
    return flow.offsets_inside(base.tokenizers[1], text, 0, len(text))


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int], clip_skip: int) -> Conditioning:
    """T5's last layer, padding and all, and CLIP's pooled output."""
    clip, t5 = base.text_encoders
    return Conditioning(t5(ids[1])[0], clip(ids[0]).pooler_output)


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    height, width = latents.shape[-2:]
    velocity = base.denoiser(
        hidden_states=flow.packed(latents),
        timestep=flow.noise_shares(base, timesteps, latents),
        guidance=flow.told_guidance(base, conditioning, latents),
        pooled_projections=conditioning.pooled,
        encoder_hidden_states=conditioning.hidden,
        txt_ids=latents.new_zeros(conditioning.hidden.shape[1], 3),
        img_ids=flow.places((1, height // 2, width // 2), latents.device),
    ).sample
    return flow.unpacked(velocity, height, width)


def joint_attention(base: Base) -> list[AttentionLayer]:
    blocks = [*base.denoiser.transformer_blocks, *base.denoiser.single_transformer_blocks]
    return flow.joint_layers((block.attn for block in blocks), factor=2, text_first=True)


FLUX1 = Family(
    name="flux1",
    denoiser_name="transformer",
    denoiser_class=FluxTransformer2DModel,
    encoder_classes={"text_encoder": CLIPTextModel, "text_encoder_2": T5EncoderModel},
    pipeline="FluxPipeline",
    pipeline_options={},
    inpainting_pipeline="",
    noising=UniformFlowNoising,
    lora_layers={
        "attention": (
            *("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0"),
            *("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.to_add_out"),
        ),  # diffusers' train_dreambooth_lora_flux.py
        "feed_forward": ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
        "text": ("q_proj", "k_proj", "v_proj", "out_proj"),
    },
    recognises=recognises,
    latent_shape=latent_shape,
    size_unit=flow.two_cells,
    training_cell=flow.two_cells,
    encode_ids=encode_ids,
    reads_chunks=False,
    predict=predict,
    encode_images=autoencoder.encode_images,
    decode_latents=autoencoder.decode_latents,
    unconditional_is_zero=lambda base: False,
    text_attention=None,
    packed_channels=4,
    tokenizer_classes={"tokenizer_2": T5Tokenizer},
    text_length={"tokenizer_2": 512},
    token_offsets=token_offsets,
    trained_encoders=("text_encoder",),
    skips_layers=False,
    joint_attention=joint_attention,
    schedule=flow.even_schedule,
    embeds_guidance=flow.embeds_guidance,
    trains=flow.TRAINS,
    draws=DrawDefaults(28, 3.5, "euler", "diffusers' FluxPipeline"),
    distilled=distilled,
)
