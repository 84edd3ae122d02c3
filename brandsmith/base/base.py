"""WHAT IT IS TAUGHT TO: a Stable Diffusion model in diffusers' folder format, loaded part by part.

`pocket` is the embedded one. A base is plain diffusers and transformers modules: no wrapper between the
method and the weights. Families differ in how text becomes conditioning; that difference lives here alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, DDPMScheduler, SchedulerMixin, UNet2DConditionModel
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection

from brandsmith.core.errors import MissingResource

Family = Literal["sd1", "sd2", "sdxl"]


@dataclass
class Base:
    """A loaded base. All weights frozen and in eval mode until a method thaws some of them."""

    name: str
    family: Family
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoders: list[torch.nn.Module]
    tokenizers: list[Any]
    scheduler: SchedulerMixin
    """The scheduler the folder declares; its config (betas, prediction_type) is the truth for training too."""
    source: Path | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        return next(self.unet.parameters()).device

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the latents at the base's native size."""
        size = self.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return (self.unet.config.in_channels, height, width)

    @property
    def vae_scale(self) -> int:
        """Pixels per latent cell along one side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def image_px(self) -> tuple[int, int]:
        """Native (height, width) in pixels."""
        _, height, width = self.latent_shape
        return height * self.vae_scale, width * self.vae_scale

    def modules(self) -> list[torch.nn.Module]:
        return [self.unet, self.vae, *self.text_encoders]

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Base:
        for module in self.modules():
            module.to(device=device, dtype=dtype)
        return self

    def freeze(self) -> Base:
        for module in self.modules():
            module.requires_grad_(False).eval()
        return self


@dataclass
class Conditioning:
    """What the U-Net is told: `hidden` (N, tokens, width), and for sdxl `pooled` (N, width) and `time_ids` (N, 6)."""

    hidden: torch.Tensor
    pooled: torch.Tensor | None = None
    time_ids: torch.Tensor | None = None

    def unet_kwargs(self) -> dict[str, Any]:
        kwargs: dict[str, Any] = {"encoder_hidden_states": self.hidden}
        if self.pooled is not None:
            kwargs["added_cond_kwargs"] = {"text_embeds": self.pooled, "time_ids": self.time_ids}
        return kwargs

    def rows(self, index: torch.Tensor | slice) -> Conditioning:
        def pick(value: torch.Tensor | None) -> torch.Tensor | None:
            return None if value is None else value[index]

        return Conditioning(self.hidden[index], pick(self.pooled), pick(self.time_ids))

    @staticmethod
    def cat(parts: list[Conditioning]) -> Conditioning:
        def join(values: list[torch.Tensor | None]) -> torch.Tensor | None:
            return None if values[0] is None else torch.cat(values)  # type: ignore[arg-type]

        return Conditioning(
            torch.cat([p.hidden for p in parts]), join([p.pooled for p in parts]), join([p.time_ids for p in parts])
        )


def tokenize(base: Base, prompts: list[str], which: int = 0) -> torch.Tensor:
    """Token ids (N, max length) of one tokenizer, padded and truncated as Stable Diffusion does."""
    tokenizer = base.tokenizers[which]
    batch = tokenizer(
        prompts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    return batch.input_ids.to(base.device)


def encode_prompts(base: Base, prompts: list[str], image_px: tuple[int, int] | None = None) -> Conditioning:
    """Conditioning of prompts exactly as stock diffusers computes it for the family.

    Gradients flow to the text encoders when the caller enables them. Multi-vector tokens must already be
    expanded in `prompts` (see `base.prompt_tokens`). `image_px` is (height, width), used by sdxl.
    """
    return encode_ids(base, [tokenize(base, prompts, which) for which in range(len(base.text_encoders))], image_px)


def encode_ids(base: Base, ids: list[torch.Tensor], image_px: tuple[int, int] | None = None) -> Conditioning:
    """`encode_prompts` after the tokenizers: `ids` is one (N, max length) per text encoder."""
    if base.family != "sdxl":
        return Conditioning(base.text_encoders[0](ids[0])[0])
    hidden, pooled = [], None
    for which, encoder in enumerate(base.text_encoders):
        output = encoder(ids[which], output_hidden_states=True)
        hidden.append(output.hidden_states[-2])
        pooled = output[0]
    height, width = image_px or base.image_px
    time_ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=hidden[0].dtype, device=base.device)
    return Conditioning(torch.cat(hidden, dim=-1), pooled, time_ids.repeat(len(ids[0]), 1))


def encode_images(base: Base, pixels: torch.Tensor) -> torch.Tensor:
    """Scaled latent means (N, C, h, w) of pixels (N, 3, H, W) in [-1, 1]. The mean, not a sample: caches repeat."""
    latents = base.vae.encode(pixels.to(base.vae.dtype)).latent_dist.mean
    shift = getattr(base.vae.config, "shift_factor", None) or 0.0
    return (latents - shift) * base.vae.config.scaling_factor


def decode_latents(base: Base, latents: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 3, H, W) in [0, 1] of scaled latents, as stock diffusers decodes them."""
    shift = getattr(base.vae.config, "shift_factor", None) or 0.0
    pixels = base.vae.decode(latents.to(base.vae.dtype) / base.vae.config.scaling_factor + shift).sample
    return (pixels / 2 + 0.5).clamp(0, 1)


def pocket_folder() -> Path:
    return Path(__file__).resolve().parent.parent / "data" / "pocket"


def resolve_base(name: str) -> Path:
    """The folder of a base: `pocket`, a diffusers folder, or a hub id already in (or fetched to) the local cache.

    Raises MissingResource; loads no weights.
    """
    if name == "pocket":
        folder = pocket_folder()
        if not (folder / "model_index.json").is_file():
            raise MissingResource(
                "the embedded base 'pocket' is not in this installation", hint="build it: brandsmith base build pocket"
            )
        return folder
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "model_index.json").is_file():
            raise MissingResource(
                f"'{name}' is not a diffusers folder (no model_index.json)",
                hint="give a folder written by save_pretrained",
            )
        return folder
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _fetch_from_hub(name)
    raise MissingResource(
        f"unknown base '{name}'", hint="allowed: pocket, a diffusers folder, or a hub id such as owner/model"
    )


def _fetch_from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.txt", "*.safetensors", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:
        reason = str(error).splitlines()[0][:160]
        raise MissingResource(
            f"base '{name}' is neither a folder nor reachable on the hub ({reason})",
            hint="download it once with network access, or give a local folder",
        ) from None


def family_of(folder: Path) -> Family:
    """Read the family off the folder's configuration files; no weights are opened."""
    index = json.loads((folder / "model_index.json").read_text())
    if "text_encoder_2" in index and index["text_encoder_2"][0]:
        return "sdxl"
    unet = json.loads((folder / "unet" / "config.json").read_text())
    text = json.loads((folder / "text_encoder" / "config.json").read_text())
    return "sd2" if unet.get("cross_attention_dim") == 1024 or text.get("hidden_size") == 1024 else "sd1"


def load_base(name: str, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Base:
    """Load every part of a base, frozen, in eval mode, in `dtype` on `device`."""
    folder = resolve_base(name)
    family = family_of(folder)
    encoders: list[torch.nn.Module] = [CLIPTextModel.from_pretrained(folder / "text_encoder")]
    tokenizers = [AutoTokenizer.from_pretrained(folder / "tokenizer")]
    if family == "sdxl":
        encoders.append(CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2"))
        tokenizers.append(AutoTokenizer.from_pretrained(folder / "tokenizer_2"))
    base = Base(
        name=name,
        family=family,
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoders=encoders,
        tokenizers=tokenizers,
        scheduler=load_scheduler(folder),
        source=folder,
    )
    return base.to(device, dtype).freeze()


def load_scheduler(folder: Path) -> SchedulerMixin:
    """The scheduler class and configuration that the folder names."""
    import diffusers

    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    kind = getattr(diffusers, config.get("_class_name", "DDPMScheduler"), DDPMScheduler)
    return kind.from_pretrained(folder / "scheduler")
