"""A loaded base: a diffusers model part by part, and what every other package does with it.

Everything that depends on the kind of model (U-Net or transformer, noise or flow, how text becomes conditioning, where
a LoRA goes) stands in a `Family`; `base/families/` has one file for each. The functions below work on every family. A
base is plain diffusers and transformers modules: no wrapper between a method and the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, ModelMixin, SchedulerMixin
from transformers import CLIPTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from brandsmith.base.draw_defaults import DIFFUSION_DEFAULTS, Distilled, DrawDefaults
from brandsmith.base.noising import Noising
from brandsmith.base.takeover import Takeover

ReadConfig = Callable[[str], dict[str, Any]]
"""The configuration of a part of a diffusers folder (`unet`, `text_encoder`, …; `model_index` for the whole); {} for a
part that is not there.
"""


EMBEDDED = ("pocket", "pocket-flow")
"""Bases by name that lie, or may lie, in the package."""


def embedded_folder(name: str) -> Path:
    """Where an embedded base is, or would be, in diffusers' format."""
    return Path(__file__).resolve().parent.parent / "data" / name.replace("-", "_")


def pocket_folder() -> Path:
    return embedded_folder("pocket")


@dataclass(frozen=True)
class AttentionLayer:
    """A layer in which the picture attends to text, `factor` times coarser than the latents."""

    attention: torch.nn.Module
    factor: int
    block: Literal["down", "middle", "up", "joint"]
    text_first: bool = True
    """Of a layer that text and picture share: which of them stands first in its sequence."""
    padded_to: int = 1
    """There the picture's tokens are filled up to a multiple."""


def cell_of_autoencoder(base: Base) -> int:
    """Pixels per latent cell of diffusers' AutoencoderKL."""
    return int(2 ** (len(base.vae.config.block_out_channels) - 1))


def tokenize_padded(base: Base, prompts: list[str]) -> list[torch.Tensor]:
    """Token ids (N, max length) per text encoder, padded and truncated as Stable Diffusion does."""
    return [padded_ids(tokenizer, prompts) for tokenizer in base.tokenizers]


def padded_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> torch.Tensor:
    batch = tokenizer(
        texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    return batch.input_ids


def plain_offsets(base: Base, text: str) -> list[tuple[int, int]]:
    """The characters of `text` behind each token that the picture attends to, from the first token on; (0, 0) for one
    that stands for none. Here of the first tokenizer.
    """
    tokenizer = base.tokenizer
    longest = tokenizer.model_max_length
    encoded = tokenizer(text, truncation=True, max_length=longest, return_offsets_mapping=True)
    return [(int(start), int(end)) for start, end in encoded["offset_mapping"]]


@dataclass(frozen=True)
class Family:
    """A kind of model: its parts by name, and the functions in which it differs from other kinds.

    Shapes: N samples, C latent channels, h and w latent cells.
    """

    name: str
    """In the headers of adapter files; never changes."""
    denoiser_name: str
    """The folder of the part that is trained, and its prefix in adapter files: `unet` or `transformer`."""
    denoiser_class: type[ModelMixin]
    encoder_classes: Mapping[str, type[PreTrainedModel]]
    """Text encoders by the names of their folders, in the order of `Base.text_encoders`."""
    pipeline: str
    """The stock pipeline's class in diffusers."""
    pipeline_options: Mapping[str, Any]
    """Its further arguments."""
    inpainting_pipeline: str
    """The stock pipeline of a base that takes a mask; empty where the family has none."""
    noising: type[Noising]
    lora_layers: Mapping[str, tuple[str, ...]]
    """Where a LoRA goes: endings of module names, by kind (`attention`, `feed_forward`, `convolutions`, and `text` for
    text encoders). A kind that the family lacks is not there.
    """
    recognises: Callable[[ReadConfig], bool]
    """Whether a diffusers folder is of this family, from its configuration files alone."""
    latent_shape: Callable[[Base], tuple[int, int, int]]
    """(C, h, w) at the native size: the shape in which noise is drawn."""
    size_unit: Callable[[Base], int]
    """Height and width of a drawn picture must be multiples of so many pixels."""
    training_cell: Callable[[Base], int]
    """Pixels per cell of the denoiser's coarsest level: training pictures are cut to whole ones."""
    encode_ids: Callable[[Base, list[torch.Tensor], tuple[int, int], int], Conditioning]
    """Of ids (N, max length) for each text encoder, a (height, width), and how many last layers are skipped."""
    reads_chunks: bool
    """Whether a long prompt may be read in chunks (`base/long_prompts.py`)."""
    predict: Callable[[Base, torch.Tensor, torch.Tensor, Conditioning], torch.Tensor]
    encode_images: Callable[[Base, torch.Tensor], torch.Tensor]
    decode_latents: Callable[[Base, torch.Tensor], torch.Tensor]
    unconditional_is_zero: Callable[[Base], bool]
    """Whether an empty negative prompt is conditioning of zeros, not the encoding of an empty text."""
    text_attention: Callable[[Base], list[AttentionLayer]] | None
    """The layers in which the picture attends to text, in the order of execution; None where text and picture share
    one attention, so that nothing which reads or changes cross-attention works.
    """
    languages: frozenset[str] = frozenset({"en"})
    """Codes of the languages in which its text encoders read: a prompt in one of them is never put into English."""
    vae_class: type[ModelMixin] = AutoencoderKL
    packed_channels: int = 1
    """How many times the autoencoder's channels the denoiser takes: 4 where 2 x 2 cells are one token."""
    cell_px: Callable[[Base], int] = cell_of_autoencoder
    """Pixels per cell of the latents along one side."""
    tokenizer_classes: Mapping[str, type[PreTrainedTokenizerBase]] = field(default_factory=dict)
    """By the names of the tokenizers' folders; those that are not here are CLIP's."""
    text_length: Mapping[str, int] = field(default_factory=dict)
    """Tokens of a text that the model takes, where its tokenizer takes more, by the tokenizers' names."""
    tokenize: Callable[[Base, list[str]], list[torch.Tensor]] = tokenize_padded
    """Token ids (N, max length) of prompts for each text encoder."""
    token_offsets: Callable[[Base, str], list[tuple[int, int]]] = plain_offsets
    """Where a prompt's characters stand in the tokens that the picture attends to (`plain_offsets`)."""
    trained_encoders: tuple[str, ...] | None = None
    """The text encoders that a training may change; None: all. A new word goes into every one."""
    skips_layers: bool = True
    """Whether a text encoder's last layers may be left out (`clip_skip`)."""
    joint_attention: Callable[[Base], list[AttentionLayer]] | None = None
    """The layers in which text and picture share one attention, in the order of execution."""
    schedule: Callable[[Mapping[str, Any], int, int], dict[str, Any]] = lambda config, tokens, steps: {}
    """What stock diffusers' pipeline tells the scheduler beside the number of steps: of its configuration, how many
    tokens the picture has, and the steps.
    """
    embeds_guidance: Callable[[Base], bool] = lambda base: False
    """Whether the denoiser is told the guidance scale as a number: it was distilled to guide itself."""
    finish_guidance: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    """What is done to a guided prediction (C, h, w), of it and the prompt's own prediction; None: nothing."""
    draws: DrawDefaults = DIFFUSION_DEFAULTS
    trains: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of a training that suit the family, by method; the family's file cites where they are from."""
    distilled: Callable[[ReadConfig], Distilled | None] = lambda read: None
    """What a diffusers folder was distilled to, from its configuration files; None: an ordinary model, or unknown."""
    twin: str = ""
    """What to train in place of a model whose name alone says that it was distilled."""
    fitted: Callable[[Family, ReadConfig], Family] = lambda family, read: family
    """The family as a diffusers folder has it, where parts may be absent or of another kind."""

    def encoder_names(self) -> tuple[str, ...]:
        return tuple(self.encoder_classes)

    def trains_encoder(self, name: str) -> bool:
        """Whether a training may change the weights of a text encoder."""
        return self.trained_encoders is None or name in self.trained_encoders

    def num_tokens(self, base: Base, size_px: tuple[int, int]) -> int:
        """Of a picture of (height, width) in pixels."""
        unit = self.size_unit(base)
        return (size_px[0] // unit) * (size_px[1] // unit)

    def tokenizer_class(self, name: str) -> type[PreTrainedTokenizerBase]:
        return self.tokenizer_classes.get(name, CLIPTokenizer)

    def tokenizer_names(self) -> tuple[str, ...]:
        return tuple(name.replace("text_encoder", "tokenizer") for name in self.encoder_classes)


@dataclass
class Base:
    """A loaded base. All weights frozen and in eval mode until a method thaws some of them."""

    name: str
    family: Family
    denoiser: ModelMixin
    """The part that predicts and is trained: a U-Net or a transformer."""
    vae: ModelMixin
    text_encoders: list[PreTrainedModel]
    tokenizers: list[PreTrainedTokenizerBase]
    scheduler: SchedulerMixin
    """The scheduler the folder declares; its config (betas, prediction_type, shift) is the truth for training too."""
    source: Path | None = None
    extras: dict[str, Any] = field(default_factory=dict)
    """Options of the folder's model_index.json."""
    compute: torch.dtype = torch.float32
    """The number format of products and convolutions; half precision is torch's autocast (`base/hardware.py`)."""
    takeover: Takeover | None = None
    """Set while an adapter is on that acts in the last part of a run only."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer whose pieces are the tokens of attention maps, and which knows the added words."""
        return self.tokenizers[0]

    @property
    def device(self) -> torch.device:
        return next(self.denoiser.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of latents, and of everything between products: that of biases and norms."""
        return next(p.dtype for p in self.denoiser.parameters() if p.dim() == 1)

    @property
    def noising(self) -> Noising:
        """Raises InvalidConfig when the scheduler declares what cannot be trained."""
        return self.family.noising(self.scheduler)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the latents at the base's native size."""
        return self.family.latent_shape(self)

    @property
    def vae_scale(self) -> int:
        """Pixels per latent cell along one side."""
        return self.family.cell_px(self)

    @property
    def is_inpainting(self) -> bool:
        """Whether the denoiser also takes a mask and the picture around it (`base/inpainting.py`)."""
        if not self.family.inpainting_pipeline:
            return False
        return bool(self.denoiser.config.in_channels == inpainting_channels(self.vae.config.latent_channels))

    @property
    def image_px(self) -> tuple[int, int]:
        """Native (height, width) in pixels."""
        _, height, width = self.latent_shape
        return height * self.vae_scale, width * self.vae_scale

    def latent_shape_at(self, size_px: tuple[int, int]) -> tuple[int, int, int]:
        """`latent_shape` of pictures of another (height, width) in pixels."""
        return (self.latent_shape[0], size_px[0] // self.vae_scale, size_px[1] // self.vae_scale)

    def named_encoders(self) -> dict[str, PreTrainedModel]:
        """Text encoders by the names of their folders."""
        return dict(zip(self.family.encoder_names(), self.text_encoders, strict=True))

    def trained_encoders(self) -> dict[str, PreTrainedModel]:
        """Those that a training may change."""
        return {name: own for name, own in self.named_encoders().items() if self.family.trains_encoder(name)}

    def modules(self) -> list[torch.nn.Module]:
        return [self.denoiser, self.vae, *self.text_encoders]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Base:
        for module in self.modules():
            module.to(device=device, dtype=dtype)
        return self

    def arithmetic(self) -> AbstractContextManager[object]:
        """The context in which the base computes; `predict` and `encode_ids` open it themselves."""
        if self.compute == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.compute)

    def freeze(self) -> Base:
        for module in self.modules():
            module.requires_grad_(False).eval()
        return self


def inpainting_channels(latent_channels: int) -> int:
    """What an inpainting denoiser takes: noisy latents, the mask, and the latents of the picture around it."""
    return 2 * latent_channels + 1


@dataclass
class Conditioning:
    """What a prediction is conditioned on: `hidden` (N, tokens, width); where the family has them `pooled` (N, width),
    sdxl's `time_ids` (N, 6), `mask` (N, tokens), True where a token counts (None: all do), and the scale `guidance`
    (N,) that a denoiser is told; for an inpainting base `masked` (N, 1 + C, h, w), see `base/inpainting.py`.
    """

    hidden: torch.Tensor
    pooled: torch.Tensor | None = None
    time_ids: torch.Tensor | None = None
    masked: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    guidance: torch.Tensor | None = None

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Conditioning:
        values = (self.pooled, self.time_ids, self.masked, self.mask, self.guidance)
        return Conditioning(change(self.hidden), *(None if value is None else change(value) for value in values))

    def to(self, dtype: torch.dtype) -> Conditioning:
        """Its numbers in a format; a mask stays one."""
        return self._each(lambda value: value if value.dtype == torch.bool else value.to(dtype))

    def on(self, device: torch.device | str) -> Conditioning:
        return self._each(lambda value: value.to(device))

    def rows(self, index: torch.Tensor | slice) -> Conditioning:
        return self._each(lambda value: value[index])

    @staticmethod
    def cat(parts: list[Conditioning]) -> Conditioning:
        def join(values: list[torch.Tensor | None]) -> torch.Tensor | None:
            present = [value for value in values if value is not None]
            return torch.cat(present) if present else None

        return Conditioning(
            torch.cat([p.hidden for p in parts]),
            join([p.pooled for p in parts]),
            join([p.time_ids for p in parts]),
            join([p.masked for p in parts]),
            join([p.mask for p in parts]),
            join([p.guidance for p in parts]),
        )


def tokenize(base: Base, prompts: list[str]) -> list[torch.Tensor]:
    """Token ids (N, max length) per text encoder, padded and truncated as stock diffusers does for the family."""
    return [ids.to(base.device) for ids in base.family.tokenize(base, prompts)]


def encode_prompts(
    base: Base, prompts: list[str], image_px: tuple[int, int] | None = None, clip_skip: int = 0
) -> Conditioning:
    """Conditioning of prompts exactly as stock diffusers computes it for the family; an inpainting base is told that
    everything is masked.

    Gradients flow to the text encoders when the caller enables them. Multi-vector tokens must already be
    expanded in `prompts` (see `base.prompt_tokens`). `image_px` is (height, width), used by sdxl and for inpainting.
    `clip_skip`: as diffusers', how many last layers of a text encoder are left out. A prompt's end that does not fit is
    cut.
    """
    encoded = encode_ids(base, tokenize(base, prompts), image_px, clip_skip)
    if base.is_inpainting:
        height, width = image_px or base.image_px
        everything = mask_pictures(base, torch.zeros(1, 3, height, width), torch.ones(1, 1, height, width))
        encoded.masked = everything.repeat(len(prompts), 1, 1, 1)
    return encoded


def encode_ids(
    base: Base, ids: list[torch.Tensor], image_px: tuple[int, int] | None = None, clip_skip: int = 0
) -> Conditioning:
    """`encode_prompts` after the tokenizers: `ids` is one (N, max length) per text encoder."""
    with base.arithmetic():
        return base.family.encode_ids(base, ids, image_px or base.image_px, clip_skip).to(base.dtype)


def predict(base: Base, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
    """The denoiser's prediction (N, C, h, w) for noisy latents (N, C, h, w): of noise, v, x0 or velocity, as
    `base.noising.target` says. `timesteps` is (N,), or 0-d where one is for all.
    """
    with base.arithmetic():
        return base.family.predict(base, latents, timesteps, conditioning).to(latents.dtype)


@torch.no_grad()
def mask_pictures(base: Base, pixels: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What an inpainting base is conditioned on (N, 1 + C, h, w), `Conditioning.masked`: the mask, and the scaled
    latents of the pictures, grey where it is.

    pixels: (N, 3, H, W) in [-1, 1]; mask: (N, 1, H, W), 1 where the base draws and 0 where the picture stays. As stock
    diffusers' `StableDiffusionInpaintPipeline`, but for the latents' mean in place of a sample.
    """
    drawn = (mask >= 0.5).to(pixels.dtype)
    latents = encode_images(base, (pixels * (1 - drawn)).to(base.device))
    cells = torch.nn.functional.interpolate(drawn, size=latents.shape[-2:]).to(base.device)
    return torch.cat([cells.to(base.dtype), latents.to(base.dtype)], dim=1)


def encode_images(base: Base, pixels: torch.Tensor) -> torch.Tensor:
    """Scaled latent means (N, C, h, w) of pixels (N, 3, H, W) in [-1, 1]. The mean, not a sample: caches repeat."""
    return base.family.encode_images(base, pixels)


def decode_latents(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 3, H, W) in [0, 1] of scaled latents, as stock diffusers decodes them."""
    return base.family.decode_latents(base, latents)
