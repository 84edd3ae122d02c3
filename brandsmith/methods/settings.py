"""The settings every method shares. A method adds its own in its own file; defaults live here and there only."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from brandsmith.core.seeds import LARGEST_SEED
from brandsmith.core.settings import refuse_truth


class TrainSettings(BaseModel):
    """Keys of `config.json` under `settings`. Origins of defaults: DIF = diffusers' example scripts, as of 2026-08."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    method: str
    """Discriminator; each method narrows it to its name."""
    steps: int = Field(400, ge=1, le=10_000_000)
    """Optimizer steps. 400: DIF README, DreamBooth on Stable Diffusion 1.5."""
    batch_size: int = Field(1, ge=1, le=10_000)
    """Concept pictures per step; prior preservation adds as many class pictures. 1: DIF README."""
    learning_rate: float = Field(1e-4, gt=0)
    """Of the method's main group: U-Net, low-rank layers or vectors. Constant between warm-up and cool-down."""
    warmup_steps: int = Field(0, ge=0)
    """Steps over which learning rates rise linearly from 0. 0: DIF README (`--lr_warmup_steps=0`)."""
    cooldown: float = Field(0.0, ge=0, le=1)
    """Last share of the steps, over which learning rates fall linearly to nearly 0. 0: constant, as DIF."""
    schedule: Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial"] = "constant"
    """How learning rates go on after the warm-up (`methods/schedules.py`). constant: DIF README."""
    schedule_cycles: int = Field(1, ge=1, le=1000)
    """Of `cosine_with_restarts`."""
    schedule_power: float = Field(1.0, gt=0, le=100)
    """Of `polynomial`."""
    accumulate: int = Field(1, ge=1, le=10_000)
    """Batches whose gradients make one step: as one batch so many times larger, in the memory of one."""
    optimizer: Literal["adamw", "adamw_8bit", "adafactor", "muon", "prodigy", "schedule_free"] = "adamw"
    """AdamW (Loshchilov & Hutter 2019); Adafactor (Shazeer & Stern 2018) needs next to no memory of its own; Muon
    (Jordan et al. 2024) learns whole weights in fewer steps at AdamW's learning rate. With extras installed: AdamW with
    8-bit memory (Dettmers et al. 2022), Prodigy (Mishchenko & Defazio 2023) at learning rate 1, schedule-free AdamW
    (Defazio et al. 2024).
    """
    weight_decay: float = Field(1e-2, ge=0)
    """Decoupled. 1e-2: DIF `--adam_weight_decay`."""
    adam_epsilon: float = Field(1e-8, gt=0)
    """Added to AdamW's denominator: gradients far below it move nothing. 1e-8: DIF `--adam_epsilon`."""
    gradient_clip: float = Field(1.0, ge=0)
    """Largest global norm of all gradients; 0: any. 1.0: DIF `--max_grad_norm`."""
    gradient_checkpointing: bool = False
    """Keep what enters each block of the denoiser alone for the backward pass and compute the rest again: less than
    half of the memory, about 1.4 to 1.7 of the time (Chen et al. 2016).
    """
    quantise: Literal["none", "int8", "fp8", "nf4"] = "none"
    """Of flow transformers: the format of weights that stay as they are. int8 and fp8 (torchao) take half of half
    precision's memory, nf4 (bitsandbytes) a quarter.
    """
    offload_blocks: bool = False
    """Of flow transformers: weights that stay as they are wait in main memory, a block's are on the card only while it
    computes. Needs `gradient_checkpointing`.
    """
    offload_optimizer: bool = False
    """The optimizer's memory and step in main memory instead of the card's."""
    fused_backward: bool = False
    """Step each weight as its gradient is there, so that gradients are never in memory together; for DreamBooth. Needs
    `gradient_clip` 0.
    """
    min_snr_gamma: float | None = Field(None, gt=0)
    """Cap of the signal-to-noise weight (Hang et al. 2023; 5 is theirs); None weighs every timestep alike, as DIF
    does.
    """
    timestep_sampling: Literal["family", "uniform", "logit_normal", "mode"] = "family"
    """Of flow models: which timesteps are trained on (Esser et al. 2024, section 3.1). family: as diffusers' script for
    the model, logit_normal for Stable Diffusion 3, uniform for the others.
    """
    timestep_mean: float = Field(0.0, ge=-10, le=10)
    """Of logit_normal; above 0 less noise. 0: DIF `--logit_mean`."""
    timestep_std: float = Field(1.0, gt=0, le=10)
    """Of logit_normal. 1: DIF `--logit_std`."""
    timestep_shift: float | None = Field(None, gt=0, le=100)
    """Of flow models: moves timesteps to more noise, such as 3 (kohya's FLUX training: 3.1582 at 1024 px). None: the
    static shift that the base declares, as DIF.
    """
    timestep_weights: Literal["family", "none", "sigma_squared", "sigma_sqrt", "cosmap"] = "family"
    """Of flow models: what errors of the velocity weigh. family: as DIF, sigma_squared for Stable Diffusion 3 (errors
    of x0), none for the others.
    """
    noise_offset: float = Field(0.0, ge=0, le=1)
    """Strength of a channel's own offset in the noise, such as 0.05: dark and bright pictures (`methods/noise.py`)."""
    multires_noise: float = Field(0.0, ge=0, lt=1)
    """Noise of several scales, each coarser one with this share of the strength of the one before, such as 0.3."""
    input_perturbation: float = Field(0.0, ge=0, le=1)
    """Noise on the noise that goes in, as a share of it, such as 0.1, while the target stays (`methods/noise.py`)."""
    caption_dropout: float = Field(0.0, ge=0, le=1)
    """Share of samples that are trained without their caption (`methods/captions.py`)."""
    shuffle_tags: bool = False
    """Put a caption's tags, which commas part, in a new order for every sample."""
    tag_dropout: float = Field(0.0, ge=0, lt=1)
    """Share of a caption's tags that are left out of a sample; a tag with the token never is."""
    keep_tags: int = Field(1, ge=0, le=1000)
    """The first so many tags are neither moved nor left out."""
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of what trains, such as 0.999: checkpoints then hold the average. 0: none."""
    clip_skip: int = Field(0, ge=0, le=100)
    """Last layers of the text encoders that are left out, as diffusers' `clip_skip` (kohya's scripts count one more).
    Pictures are drawn with the same.
    """
    prior_weight: float = Field(0.0, ge=0)
    """Weight of the prior-preservation loss (Ruiz et al. 2023, eq. 2); 0 uses no class pictures."""
    num_class_images: int = Field(100, ge=1, le=100_000)
    """Class pictures that the base draws when the concept brings none. 100: DIF `--num_class_images`."""
    class_prompts: Literal["class word", "captions"] = "class word"
    """What they show: the bare class word (the paper's), or the training captions with the class word in the token's
    place, so that what surrounds the mark is preserved too.
    """
    class_image_steps: int = Field(50, ge=1, le=1000)
    """DDIM steps of each. 50: the Stable Diffusion pipeline's default."""
    class_image_guidance: float = Field(7.5, ge=1)
    """Classifier-free guidance scale of each. 7.5: the Stable Diffusion pipeline's default."""
    preservation_weight: float = Field(0.0, ge=0)
    """Weight of the loss that keeps predictions for the captions without the token as the base's own
    (`methods/preservation.py`); about two more passes of the denoiser. 0: none.
    """
    mask_weight: float = Field(1.0, ge=1, le=1000)
    """How many times what lies under a picture's mask (`masks/` of the concept, else what is not transparent) counts
    in the loss against the rest; 1 looks at no mask.
    """
    attention_loss_weight: float = Field(0.0, ge=0, le=1000)
    """Weight of the loss that ties the token to the mark: attention to it inside the mark's mask or labelled box
    against the attention around it (`methods/attention_loss.py`). 0: none; FastComposer has 0.001.
    """
    acts_below: float = Field(1.0, gt=0, le=1)
    """Train on the timesteps below this share of the schedule alone, and draw with the adapter from there on: the base
    as it is, with the class word in the token's place, draws the noisier part, where layout and colours are decided.
    1: all of it.
    """
    image_px: int | None = Field(None, ge=32, le=8192)
    """Side of square training pictures; None takes the base's native size."""
    buckets: bool = False
    """Cut each picture to the nearest of several shapes of about that area instead of a square
    (`methods/buckets.py`).
    """
    views: int = Field(1, ge=1, le=1000)
    """Views kept of each training picture: itself and shifted, zoomed ones (`methods/views.py`); 1 trains on the
    pictures alone.
    """
    mirror_views: bool = False
    """Turn half of the views left to right; refused where the concept has lettering."""
    colour_views: float = Field(0.0, ge=0, le=0.5)
    """Largest change of a view's brightness, contrast and saturation, such as 0.1; not where colour is the brand."""
    random_crop: bool = False
    """Cut views of long pictures at random places. A picture whose mark has a known box is cut where that stays
    inside.
    """
    checkpoint_every: int = Field(100, ge=1, le=10_000_000)
    """Steps between checkpoints; the last step always makes one."""
    keep_checkpoints: int | None = Field(None, ge=1, le=10_000)
    """The last so many checkpoints stay; None keeps all. Studies choose among all."""
    keep_state: bool = False
    """Keep what resuming needs when the run is finished, so that it can go on with more steps; needs a constant
    schedule.
    """
    save_precision: Literal["fp32", "fp16", "bf16"] = "fp32"
    """The format of weights in checkpoints; half of it is half the file. Training itself goes on in fp32."""
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    """Names every random choice of the run: order, timesteps, noise, starting weights."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """The format of products and convolutions (`base/hardware.py`); `auto` is half precision on a card, and on a CPU
    where that was measured to be faster. What trains is always fp32.
    """

    @property
    def token_vectors(self) -> int | None:
        """How many pieces of a prompt the token becomes; None where the tokenizer cuts it like any other word."""
        return None

    @property
    def loss_weights(self) -> dict[str, float]:
        """Of the losses beside the main one, by their names in `metrics.jsonl`."""
        return {
            "prior_loss": self.prior_weight,
            "preservation_loss": self.preservation_weight,
            "attention_loss": self.attention_loss_weight,
        }

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        return refuse_truth(given, cls.model_fields)
