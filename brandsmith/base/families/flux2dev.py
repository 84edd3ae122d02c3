"""FLUX.2 dev: FLUX.2's largest transformer, told its guidance as a number, and Mistral Small 3 that reads the prompt.

Black Forest Labs 2025, "FLUX.2" (a non-commercial licence; see the base's card). Distilled to guide itself, and trained
as it is. Tested with small random weights, which draw what stock diffusers draws; not yet with real ones.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import AutoencoderKLFlux2
from transformers import Mistral3ForConditionalGeneration, PreTrainedTokenizerFast

from brandsmith.base.base import Base, ReadConfig
from brandsmith.base.chat import chat
from brandsmith.base.draw_defaults import DrawDefaults
from brandsmith.base.families import flow
from brandsmith.base.families.flux2 import FLUX2


def recognises(read: ReadConfig) -> bool:
    transformer = read("transformer")
    return transformer.get("_class_name") == "Flux2Transformer2DModel" and bool(transformer.get("guidance_embeds"))


def tokenize(base: Base, prompts: list[str]) -> list[torch.Tensor]:
    """Ids (N, max length) of whole chats, which have their own start."""
    texts = [chat(base.tokenizer, prompt) for prompt in prompts]
    return [flow.written(base.tokenizer, texts).input_ids]


def token_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    """With its padding, which may stand first."""
    whole, start = chat(base.tokenizer, text), chat(base.tokenizer, flow.MARK).index(flow.MARK)
    return flow.inside(flow.written(base.tokenizer, whole)["offset_mapping"], start, len(text))


FLUX2DEV = replace(
    FLUX2,
    name="flux2dev",
    encoder_classes={"text_encoder": Mistral3ForConditionalGeneration},
    pipeline="Flux2Pipeline",
    recognises=recognises,
    languages=frozenset({"en"}),
    vae_class=AutoencoderKLFlux2,
    tokenizer_classes={"tokenizer": PreTrainedTokenizerFast},
    tokenize=tokenize,
    token_offsets=token_offsets,
    embeds_guidance=flow.embeds_guidance,
    draws=DrawDefaults(50, 4.0, "euler", "diffusers' Flux2Pipeline"),
    distilled=lambda read: None,
)
