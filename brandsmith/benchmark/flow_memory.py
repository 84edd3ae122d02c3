"""`python -m brandsmith.benchmark.flow_memory`: what a LoRA on each flow model will hold on a card, planned.

The transformers have the published sizes and no weights (torch's `meta` device and fake tensors): parameters are
counted, one step of rank 16 at 1024 px, batch 1, bf16 with gradient checkpointing is traced. Text encoder and
autoencoder are off the card in a step, because captions and pictures are cached. Nothing here was measured on a card.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    ModelMixin,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    ZImageTransformer2DModel,
)
from torch._subclasses.fake_tensor import FakeTensorMode

from brandsmith.base.base import Base, Conditioning, predict
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.weight_storage import round_products
from brandsmith.methods.compute import checkpointed, computing_in
from brandsmith.methods.frozen_storage import saved_on_card
from brandsmith.methods.lora import Lora, LoraConfig
from brandsmith.methods.memory_plan import AllocationCounter, made_fake
from brandsmith.methods.method import Words

SIZE_PX = 1024
GIB = 2**30


@dataclass(frozen=True)
class Published:
    """A transformer as its configuration declares it, and the text that it is told."""

    family: str
    kind: type[ModelMixin]
    config: Mapping[str, Any]
    text: tuple[int, int]
    """(tokens, width)"""
    pooled: int = 0


_KLEIN = {"in_channels": 128, "attention_head_dim": 128, "axes_dims_rope": (32, 32, 32, 32), "guidance_embeds": False}
_SD3 = {
    "sample_size": 128,
    "patch_size": 2,
    "in_channels": 16,
    "out_channels": 16,
    "attention_head_dim": 64,
    "joint_attention_dim": 4096,
    "pooled_projection_dim": 2048,
    "qk_norm": "rms_norm",
}
PUBLISHED = {
    "FLUX.2 klein base 4B": Published(
        "flux2",
        Flux2Transformer2DModel,
        _KLEIN | {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680},
        (512, 7680),
    ),
    "FLUX.2 klein base 9B": Published(
        "flux2",
        Flux2Transformer2DModel,
        _KLEIN | {"num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32, "joint_attention_dim": 12288},
        (512, 12288),
    ),
    "FLUX.2 dev": Published("flux2dev", Flux2Transformer2DModel, {}, (512, 15360)),
    "Z-Image": Published("zimage", ZImageTransformer2DModel, {"axes_lens": [1536, 512, 512]}, (512, 2560)),
    "Stable Diffusion 3.5 medium": Published(
        "sd3",
        SD3Transformer2DModel,
        _SD3
        | {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 384}
        | {"dual_attention_layers": tuple(range(13))},
        (333, 4096),
        2048,
    ),
    "Stable Diffusion 3.5 large": Published(
        "sd3",
        SD3Transformer2DModel,
        _SD3 | {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "pos_embed_max_size": 192},
        (333, 4096),
        2048,
    ),
    "FLUX.1 dev": Published("flux1", FluxTransformer2DModel, {"guidance_embeds": True}, (512, 4096), 768),
    "Qwen-Image": Published("qwen", QwenImageTransformer2DModel, {}, (512, 3584)),
}
"""The configurations of the published repositories; where nothing is said, diffusers' defaults are theirs."""


@dataclass(frozen=True)
class Planned:
    """Bytes on the card in a step."""

    name: str
    parameters: int
    weights: int
    lora: int
    """What trains: weights, gradients and AdamW's memory."""
    activations: int
    smaller: Mapping[str, int]
    """The weights under a means that makes them smaller."""

    def peak(self, weights: int | None = None) -> int:
        return (self.weights if weights is None else weights) + self.lora + self.activations

    def row(self) -> str:
        numbers = [self.weights, self.lora, self.activations, self.peak(), *map(self.peak, self.smaller.values())]
        return "  ".join([f"{self.name:28}", f"{self.parameters / 1e9:6.2f}", *(f"{n / GIB:7.2f}" for n in numbers)])


def outline(published: Published) -> Base:
    """A base of the published transformer on torch's `meta` device; its autoencoder is there for its factor of 8."""
    sizes = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "sample_size": SIZE_PX}
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    with torch.device("meta"):
        denoiser = published.kind(**published.config)
        if published.family == "qwen":
            vae: ModelMixin = AutoencoderKLQwenImage(base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1])
        elif published.family.startswith("flux2"):
            vae = AutoencoderKLFlux2(**sizes, **blocks, latent_channels=32)
        else:
            vae = AutoencoderKL(**sizes, **blocks, latent_channels=16)
    family = replace(FAMILIES[published.family], encoder_classes={})  # off the card, and not built
    return Base(published.family, family, denoiser, vae, [], [], FlowMatchEulerDiscreteScheduler()).freeze()


def planned(name: str, published: Published) -> Planned:
    base, config = outline(published), LoraConfig(rank=16, gradient_checkpointing=True)
    parameters = sum(p.numel() for p in base.denoiser.parameters())
    with torch.device("meta"):
        attached = Lora().attach(base, config, Words("token", "thing"))
    trained = [p for group in attached.groups for p in group.parameters.values()]
    round_products(base.denoiser, torch.bfloat16)
    weights = sum(p.numel() * p.element_size() for p in base.denoiser.parameters() if not p.requires_grad)
    ways: dict[str, dict[str, Any]] = {
        "int8": {"quantise": "int8"},
        "nf4": {"quantise": "nf4"},
        "offload": {"offload_blocks": True},
    }
    smaller = {
        way: weights - saved_on_card(base.denoiser, config.model_copy(update=changes)) for way, changes in ways.items()
    }
    activations = _step(base, published, {id(p): p for p in trained})
    return Planned(name, parameters, weights, 16 * sum(p.numel() for p in trained), activations, smaller)


def _step(base: Base, published: Published, trained: Mapping[int, torch.nn.Parameter]) -> int:
    """The most that a forward and backward pass holds beside weights."""
    tokens, width = published.text
    with FakeTensorMode(allow_non_fake_inputs=True):
        made_fake([base.denoiser], torch.device("cpu"), trained)
        latents = torch.empty(1, *base.latent_shape_at((SIZE_PX, SIZE_PX)))
        pooled = torch.empty(1, published.pooled) if published.pooled else None
        text = Conditioning(torch.empty(1, tokens, width), pooled)
        counter = AllocationCounter()
        counter.ignore(base.denoiser.parameters())
        with computing_in(base, torch.bfloat16), checkpointed(base.denoiser), counter:
            predict(base, latents, torch.zeros(1), text).float().square().mean().backward()
    return counter.peak


def main(names: list[str]) -> None:
    """All of PUBLISHED, or those that are named."""
    columns = ["weights", "lora", "step", "all", "int8", "nf4", "offload"]
    print("  ".join([f"{'GiB':28}", "     B", *(f"{column:>7}" for column in columns)]))
    for name, published in PUBLISHED.items():
        if not names or name in names:
            print(planned(name, published).row(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
