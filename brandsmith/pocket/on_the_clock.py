"""`brandsmith base build pocket --minutes 9`: a finished pocket trained further for so long, on scenes drawn meanwhile.

For a GPU that is lent for minutes. Two processes share it: one trains the decoder, the other the CLIP pair, its
spelling and then the U-Net; all cores but two draw: a step of the U-Net is one CUDA graph (`captured.py`), and
launching it takes next to nothing. Each stage ends with its learning rate fallen, however far it came. What takes no
time on a GPU is done anew at every step (text states), what takes time there is done by the drawing processes (latents,
tokens).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPModel, CLIPTokenizer

from brandsmith.base.noising import snr_plus_one
from brandsmith.pocket.artwork import fetch_artwork
from brandsmith.pocket.build import assemble, kept_scaling, patch_code, trained_clip
from brandsmith.pocket.canvas import SIZE_PX
from brandsmith.pocket.captured import capturable_autocast, capture_step
from brandsmith.pocket.clip import HARD_SHARE, MAX_TOKENS, objects_by_colour, one_colour
from brandsmith.pocket.mark_crops import cut_out, mark_box
from brandsmith.pocket.spelling import train_spelling
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast
from brandsmith.pocket.stream import KEEP_PIXELS, Incoming, Shard, Source, drawing, tokenized
from brandsmith.pocket.unet import CAPTION_DROPOUT, LATENT_CHANNELS, build_scheduler, build_unet, timesteps
from brandsmith.pocket.vae import (
    CROP_PX,
    LATENT_NOISE,
    build_vae,
    edge_kernels,
    encode_pictures,
    reconstruction_loss,
)

ENDLESS = 10**9
LETTERING = {"mark_alone": 0.6, "branded": 0.4}
MIX = {
    "single": 0.11,
    "aside": 0.05,
    "branded": 0.24,
    "mark_alone": 0.13,
    "pair": 0.13,
    "in_company": 0.03,
    "triple": 0.07,
    "several": 0.03,
    "person": 0.11,
    "photo": 0.10,
}
"""Nearly half with a mark: a base that is gone on from draws objects, and letters are learnt last."""


@dataclass(frozen=True)
class Plan:
    """Seconds and batches of each stage; a stage of no seconds leaves its network as it is. The defaults are for an
    H100.
    """

    decoder_sec: float = 54.0
    clip_sec: float = 36.0
    spelling_sec: float = 54.0
    unet_sec: float = 396.0
    decoder_crops: int = 96
    clip_batch: int = 512
    unet_batch: int = 512
    most_scenes: int = 480_000
    first_scenes: int = 8_000
    """How many must be there before the CLIP pair and the decoder begin."""
    unet_rate: float = 2e-3
    mix: dict[str, float] = field(default_factory=lambda: MIX)
    """Shares of the kinds of scene."""
    lettering_first: int = 30_000
    """How many scenes of lettering alone and on products are drawn before any others."""

    @classmethod
    def of_minutes(cls, minutes: float) -> Plan:
        """The defaults' shares of nine minutes; scenes begin to come in during the first seconds."""
        few, lettering = min(cls.first_scenes, round(900 * minutes)), min(cls.lettering_first, round(3000 * minutes))
        return cls(
            decoder_sec=6 * minutes,
            clip_sec=4 * minutes,
            spelling_sec=6 * minutes,
            unet_sec=44 * minutes,
            first_scenes=few,
            lettering_first=lettering,
        )


def build_on_the_clock(base: Path, work: Path, output: Path, photos: Path | None, seed: int, minutes: float) -> None:
    """Train further what `warm_start` took from `base`, and write the result to `output` with the base's own classifier
    and card.
    """
    shutil.copytree(base, output, dirs_exist_ok=True)
    train_on_the_clock(work, fetch_artwork(work / "artwork"), photos, seed, Plan.of_minutes(minutes))
    assemble(work, output)


def train_on_the_clock(
    work: Path, artwork: Path, photos: Path | None, seed: int, plan: Plan = Plan(), num_workers: int | None = None
) -> None:
    """Train what `warm_start` has put into `work`; the stages' checkpoints are then ready for `build.assemble`."""
    source = Source(
        artwork, photos, patch_code(work), work / "tokenizer", seed, plan.mix, LETTERING, plan.lettering_first
    )
    scenes = work / "stream"
    with drawing(source, scenes, max(1, (os.cpu_count() or 2) - 2) if num_workers is None else num_workers):
        decoder = _decoder_process(work, seed, plan) if plan.decoder_sec else None
        try:
            clip, tokenizer = train_clip_on(scenes, work, seed + 2, plan) if plan.clip_sec else trained_clip(work)
            if plan.spelling_sec:
                captions = [
                    truth["caption"] for shard in Incoming(scenes).wait_for(plan.first_scenes) for truth in shard.truths
                ]
                train_spelling(
                    captions, clip, tokenizer, work, num_steps=ENDLESS, seed=seed + 4, limit_sec=plan.spelling_sec
                )
            train_unet_on(scenes, clip, tokenizer, work, seed + 3, plan)
        except BaseException:
            if decoder:
                decoder.terminate()
            raise
        if decoder and decoder.wait() != 0:  # the other stages are kept: they do not depend on it
            raise RuntimeError(
                f"the decoder's process ended with {decoder.returncode}; see above, and run the same command again"
            )


def _decoder_process(work: Path, seed: int, plan: Plan) -> subprocess.Popen:
    given = (work, seed, plan.decoder_sec, plan.first_scenes, plan.decoder_crops)
    return subprocess.Popen([sys.executable, "-m", __spec__.name, *map(str, given)])


class Pictures:
    """The pictures that have come in, (N, 128, 128, 3) uint8 on the device, with their truths."""

    def __init__(self, scenes: Path, first: int, device: torch.device) -> None:
        self.incoming = Incoming(scenes, with_pixels=True)
        self.buffer = torch.empty(KEEP_PIXELS, SIZE_PX, SIZE_PX, 3, dtype=torch.uint8, device=device)
        self.truths: list[dict] = []
        self.tokens = torch.empty(KEEP_PIXELS, MAX_TOKENS, dtype=torch.long, device=device)
        self._take(self.incoming.wait_for(first))

    @property
    def pixels(self) -> torch.Tensor:
        return self.buffer[: len(self.truths)]

    def add(self) -> None:
        self._take(self.incoming.take())

    def _take(self, shards: list[Shard]) -> None:
        for shard in shards:
            if shard.pixels is not None and len(self.truths) + len(shard.truths) <= len(self.buffer):
                start = len(self.truths)
                self.truths += shard.truths
                self.buffer[start : len(self.truths)] = torch.from_numpy(shard.pixels).to(self.buffer.device)
                self.tokens[start : len(self.truths)] = torch.from_numpy(shard.tokens).to(self.buffer.device)
        self.boxes = torch.tensor([mark_box(truth) for truth in self.truths]).to(self.buffer.device)  # (N, 4)
        self.marked = torch.nonzero(self.boxes[:, 2] > 0).flatten()
        self.everything = torch.arange(len(self.truths), device=self.buffer.device)


# ----------------------------------------------------------------------------- decoder


def train_decoder_on(scenes: Path, work: Path, seed: int, seconds: float, first_scenes: int, crops: int) -> None:
    """Crops round marks and whole pictures in turn, as in `vae.train_decoder`, with the crops cut on the device."""
    device, code = compute_device(), patch_code(work)
    seen = Pictures(scenes, first_scenes, device)
    torch.manual_seed(seed)
    vae = build_vae(code)
    vae.load_state_dict(torch.load(work / "decoder.pt", weights_only=True, map_location="cpu")["average"])
    vae = vae.to(device, memory_format=torch.channels_last)
    stage = Stage(
        "decoder_on",
        work,
        vae,
        StageSettings(num_steps=ENDLESS, learning_rate=7e-4, ema_decay=0.998, fall=0.5, limit_sec=seconds),
        seed=seed,
    )
    edges = edge_kernels(device)

    def loss_of(step: int, rng: np.random.Generator):
        close = bool(step % 2)
        count, size = (crops, CROP_PX) if close else (max(crops // 4, 1), 128)
        if step % 50 == 0:
            seen.add()
        half = [
            rows[torch.randint(len(rows), (count // 2 + 1,), device=device)] for rows in (seen.marked, seen.everything)
        ]
        cut, weight = cut_out(seen.pixels, seen.boxes, torch.cat(half)[:count], size)
        latents = encode_pictures(code, cut)
        latents = latents + LATENT_NOISE * latents.std() * torch.randn_like(latents)
        x = cut.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(memory_format=torch.channels_last)
        with fast_autocast(device):
            output = vae.decode(latents.contiguous(memory_format=torch.channels_last)).sample
        loss = reconstruction_loss(output.float(), x, weight, edges)
        return loss, {"psnr": psnr(output, x)} if (step + 1) % 100 == 0 else {}

    stage.run(loss_of, log_every=100)
    stage.hand_over("decoder")


def psnr(output: torch.Tensor, target: torch.Tensor) -> float:
    """Decibels, of pictures in [-1, 1]."""
    return round(float(-10 * torch.log10(F.mse_loss(output.detach().float(), target) / 4)), 2)


# ----------------------------------------------------------------------------- CLIP pair


def train_clip_on(scenes: Path, work: Path, seed: int, plan: Plan) -> tuple[CLIPModel, CLIPTokenizer]:
    """`clip.train_clip`, from the pair in `work`, on scenes as they come in; returns the averaged pair."""
    device = compute_device()
    clip, tokenizer = trained_clip(work)
    clip = clip.to(device)
    stage = Stage(
        "clip_on",
        work,
        clip,
        StageSettings(
            num_steps=ENDLESS,
            learning_rate=4e-4,
            ema_decay=0.99,
            weight_decay=0.05,
            fall=0.7,
            muon=True,
            limit_sec=plan.clip_sec,
        ),
        seed=seed,
    )
    seen = Pictures(scenes, plan.first_scenes, device)
    groups = objects_by_colour(seen.truths)

    def loss_of(step: int, rng: np.random.Generator):
        nonlocal groups
        if step % 50 == 49:
            seen.add()
            groups = objects_by_colour(seen.truths)
        hard = bool(rng.random() < HARD_SHARE)
        batch = min(plan.clip_batch, len(seen.truths))
        rows = one_colour(groups, rng, batch) if hard else rng.choice(len(seen.truths), batch, replace=False)
        places = torch.from_numpy(rows).to(device)
        x = seen.pixels[places].permute(0, 3, 1, 2).float().div(127.5).sub(1)
        with fast_autocast(device):
            logits = clip(input_ids=seen.tokens[places], pixel_values=x).logits_per_image
        labels = torch.arange(len(rows), device=device)
        loss = (F.cross_entropy(logits.float(), labels) + F.cross_entropy(logits.float().T, labels)) / 2
        right = (
            {"hard" if hard else "easy": round(float((logits.argmax(1) == labels).float().mean()), 3)}
            if (step + 1) % 100 == 0
            else {}
        )
        return loss, right

    stage.run(loss_of, log_every=100)
    stage.hand_over("clip")
    return stage.averaged_model(), tokenizer


# ----------------------------------------------------------------------------- U-Net


LETTERING_WEIGHT = 3.0
"""Times as much as elsewhere, where the mark is: on a garment it is a few cells of 256."""


class Shown:
    """Latents (fp16), token ids and marks' boxes (in pixels) of all scenes so far, on the device."""

    def __init__(self, most: int, device: torch.device) -> None:
        self.latents = torch.empty(most, LATENT_CHANNELS, 16, 16, dtype=torch.float16, device=device)
        self.tokens = torch.empty(most, MAX_TOKENS, dtype=torch.long, device=device)
        self.boxes = torch.empty(most, 4, device=device)
        self.count = 0

    def add(self, shards: list[Shard]) -> None:
        for shard in shards:
            end = min(self.count + len(shard.truths), len(self.latents))
            new = end - self.count
            if new > 0:
                self.latents[self.count : end] = torch.from_numpy(shard.latents[:new]).to(self.latents.device)
                self.tokens[self.count : end] = torch.from_numpy(shard.tokens[:new]).to(self.tokens.device)
                self.boxes[self.count : end] = torch.tensor(
                    [mark_box(truth) for truth in shard.truths[:new]], device=self.boxes.device
                )
                self.count = end

    def weights(self, rows: torch.Tensor) -> torch.Tensor:
        """(B, 1, 16, 16) of the error in each cell, one on average over each picture: LETTERING_WEIGHT times as much
        where its mark is.
        """
        cells = torch.arange(16, device=rows.device)
        first, last = (
            (self.boxes[rows, :2] / 8).floor()[:, None],
            (self.boxes[rows, 2:] / 8).ceil()[:, None],
        )  # (B, 1, 2)
        inside = (cells[:, None] >= first) & (cells[:, None] < last)  # (B, 16, 2)
        weight = 1 + (LETTERING_WEIGHT - 1) * (inside[:, :, None, 1] & inside[:, None, :, 0]).float()
        return (weight / weight.mean(dim=(1, 2), keepdim=True))[:, None]


def train_unet_on(scenes: Path, clip: CLIPModel, tokenizer: CLIPTokenizer, work: Path, seed: int, plan: Plan) -> None:
    """`unet.train_unet`, from the U-Net in `work`, on scenes as they come in."""
    device, batch = compute_device(), plan.unet_batch
    torch.manual_seed(seed)
    shown, incoming = Shown(plan.most_scenes, device), Incoming(scenes)
    shown.add(incoming.wait_for(plan.first_scenes))
    while more := incoming.take():
        shown.add(more)
    scaling = kept_scaling(work)
    unet = build_unet()
    unet.load_state_dict(torch.load(work / "unet.pt", weights_only=True, map_location="cpu")["average"])
    unet = unet.to(device, memory_format=torch.channels_last)
    text_tower, empty = clip.text_model.to(device).eval(), torch.from_numpy(tokenized([""], tokenizer)).to(device)
    scheduler = build_scheduler()
    alphas, weight = scheduler.alphas_cumprod.to(device), snr_plus_one(scheduler.alphas_cumprod).to(device)
    stage = Stage(
        "unet_on",
        work,
        unet,
        StageSettings(
            num_steps=ENDLESS,
            learning_rate=plan.unet_rate,
            ema_decay=0.998,
            fall=0.75,
            muon=True,
            limit_sec=plan.unet_sec,
            capturable=device.type == "cuda",
        ),
        seed=seed,
    )
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")

    def drawn(step: int, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
        if step % 20 == 0:
            shown.add(incoming.take(4))
        rows = torch.randint(shown.count, (batch,), device=device)
        x = shown.latents[rows].float() * scaling
        ids = torch.where(torch.rand(batch, 1, device=device) < CAPTION_DROPOUT, empty, shown.tokens[rows])
        with torch.no_grad():
            text = text_tower(ids)[0]
        t, noise = timesteps(rng, batch).to(device), torch.randn_like(x)
        signal = alphas[t].view(-1, 1, 1, 1)
        noisy = (signal.sqrt() * x + (1 - signal).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        return noisy, t, text, x, shown.weights(rows)

    def losses(
        noisy: torch.Tensor, t: torch.Tensor, text: torch.Tensor, x: torch.Tensor, cells: torch.Tensor
    ) -> torch.Tensor:
        with capturable_autocast(device):
            predicted = unet(noisy, t, encoder_hidden_states=text, return_dict=False)[0]
        return ((predicted.float() - x).square() * cells).mean(dim=(1, 2, 3)) * weight[t]

    captured = capture_step(stage, losses, drawn(0, np.random.default_rng(seed)))

    def loss_of(step: int, rng: np.random.Generator):
        given = drawn(step, rng)
        per_scene = captured(stage.learning_rate_now(), *given) if captured else losses(*given)
        if (step + 1) % 100:
            return per_scene.mean(), {}
        return per_scene.mean(), {
            "mse": [round(float(part.mean()), 4) for part in per_scene.detach().chunk(4)],
            "scenes": shown.count,
        }

    stage.run(loss_of, log_every=100, steps_itself=captured is not None)
    stage.hand_over("unet")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    train_decoder_on(
        folder / "stream", folder, int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    )
