"""The drawings of an explanation: pure functions of what `explain.Watch` saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from brandsmith.base.base import Base
from brandsmith.guidance.loop import decode_pictures

NUM_COLUMNS = 8


@dataclass(frozen=True)
class Moment:
    """One step of one image."""

    step: int
    timestep: float
    latents: torch.Tensor
    guess: torch.Tensor
    """The finished latents as the model imagines them now."""
    maps: dict[str, np.ndarray]
    """Per subject (h, w), the share of attention that its words get among the prompt's words."""
    peaks: dict[str, float]


_MARGIN, _LABEL_PX, _TEXT = 8, 22, (40, 40, 46)


def draw_grid(rows: list[list[np.ndarray]], columns: list[str], labels: list[str], cell_px: int = 128) -> Image.Image:
    """Pictures (H, W, 3) uint8 in labelled rows and columns; every cell is `cell_px` wide."""
    font = ImageFont.load_default(size=13)
    height_px = max(1, round(cell_px * rows[0][0].shape[0] / rows[0][0].shape[1]))
    left = _MARGIN * 2 + max((int(font.getlength(label)) for label in labels), default=0)
    width = left + len(columns) * (cell_px + _MARGIN)
    sheet = Image.new("RGB", (width, _LABEL_PX + len(rows) * (height_px + _MARGIN) + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for c, title in enumerate(columns):
        pen.text((left + c * (cell_px + _MARGIN), 4), title, font=font, fill=_TEXT)
    for r, (label, row) in enumerate(zip(labels, rows, strict=True)):
        top = _LABEL_PX + r * (height_px + _MARGIN)
        pen.text((_MARGIN, top + height_px // 2 - 8), label, font=font, fill=_TEXT)
        for c, cell in enumerate(row):
            sheet.paste(
                Image.fromarray(cell).resize((cell_px, height_px), Image.Resampling.LANCZOS),
                (left + c * (cell_px + _MARGIN), top),
            )
    return sheet


def draw_noising(base: Base, finished: torch.Tensor, seed: int) -> Image.Image:
    """q(z_t | z_0) of the finished picture at evenly spaced t, decoded (Ho et al. 2020, arXiv:2006.11239 eq. 4)."""
    noised = noised_pictures(base, finished, seed, NUM_COLUMNS)
    return draw_grid([[picture for _, picture in noised]], [f"t = {t}" for t, _ in noised], ["noise added"])


def noised_pictures(base: Base, finished: torch.Tensor, seed: int, num: int) -> list[tuple[int, np.ndarray]]:
    """(t, picture) at `num` evenly spaced t, the first without noise."""
    noising = base.noising
    times = np.linspace(0, noising.num_timesteps - 1, num).round().astype(int)
    noise = torch.randn(finished.shape, generator=torch.Generator("cpu").manual_seed(seed)).to(finished)
    noisy = [noising.add_noise(finished, noise, torch.tensor([t], device=finished.device)) for t in times]
    return [(int(t), decode_pictures(base, z)[0]) for t, z in zip(times, noisy, strict=True)]


def draw_denoising(base: Base, moments: list[Moment]) -> Image.Image:
    rows = [
        [decode_pictures(base, z)[0] for z in zs] for zs in ([m.latents for m in moments], [m.guess for m in moments])
    ]
    return draw_grid(rows, [f"step {m.step + 1}" for m in moments], ["latents", "imagined"])


def draw_attention(picture: np.ndarray, moments: list[Moment]) -> Image.Image:
    """Heat over the finished picture, one row per subject, each step on its own scale of 0 to its peak."""
    subjects = list(moments[-1].maps) if moments else []
    if not subjects:
        return draw_grid([[picture]], ["no subject found"], [""])
    rows = [[heat_over(picture, m.maps[s]) for m in moments] for s in subjects]
    return draw_grid(rows, [f"step {m.step + 1}" for m in moments], subjects)


def heat_over(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map (h, w) as heat over a grey picture (H, W, 3), its own peak the hottest."""
    small = Image.fromarray((heat / max(float(heat.max()), 1e-8) * 255).astype(np.uint8))
    size = (picture.shape[1], picture.shape[0])
    level = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32)[..., None] / 255
    grey = picture.mean(axis=2, keepdims=True)
    hot = np.concatenate([np.full_like(level, 255), 255 * (1 - level), 40 * (1 - level)], axis=2)
    return (grey * (1 - 0.75 * level) * 0.9 + hot * 0.75 * level).clip(0, 255).astype(np.uint8)


def draw_peaks(moments: list[Moment], target: float, window: float | None) -> Image.Image:
    """Peak of each subject over the run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots()
    for subject in moments[-1].peaks if moments else []:
        axes.plot(
            [m.step + 1 for m in moments], [m.peaks[subject] for m in moments], marker="o", markersize=3, label=subject
        )
    axes.axhline(target, color="gray", linestyle="--", linewidth=1, label=f"target {target:g}")
    if window and moments:
        axes.axvspan(0.5, window * len(moments) + 0.5, color="orange", alpha=0.12, label="latents may move")
    axes.set(xlabel="step", ylabel="peak attention", ylim=(0, 1.02))
    axes.legend(loc="lower right", fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
