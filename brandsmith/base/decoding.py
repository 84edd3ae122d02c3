"""Latents to pixels within a budget of memory: as many pictures at once as fit, and a picture that does not fit in
tiles.

An autoencoder's last layers hold several tensors of the picture's full size with hundreds of channels: 3 GiB for one of
1024 x 1024 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from brandsmith.base.base import Base, decode_latents

CPU_BUDGET = 4 * 2**30
"""Bytes. The same on every machine, so that pictures are decoded in the same company everywhere."""
SMALLEST_TILE_PX = 256


def decode_in_budget(base: Base, latents: torch.Tensor, budget: int | None = None) -> torch.Tensor:
    """`decode_latents` in slices of `budget` bytes; None: half of what the card has free, on a CPU CPU_BUDGET.

    A picture that is larger than that alone is decoded in overlapping tiles, which are blended: its pixels differ a
    little from those of a whole one.
    """
    allowed = free_budget(base.device) if budget is None else budget
    height, width = (side * base.vae_scale for side in latents.shape[-2:])
    together = int(allowed // decoding_bytes(base, height, width))
    if together:
        return torch.cat([decode_latents(base, part) for part in latents.split(together)])
    tile = SMALLEST_TILE_PX
    while decoding_bytes(base, 2 * tile, 2 * tile) <= allowed:
        tile *= 2
    with _tiles(base, tile):
        return torch.cat([decode_latents(base, part) for part in latents.split(1)])


def decoding_bytes(base: Base, height: int, width: int) -> int:
    """About what decoding one picture of so many pixels holds at once: two tensors of each of the two finest levels."""
    config = base.vae.config
    widths = config.get("block_out_channels") or [config.base_dim * factor for factor in config.dim_mult]
    fine = list(widths)[:2]
    return height * width * 2 * sum(fine) * next(base.vae.parameters()).element_size()


def free_budget(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_BUDGET
    return torch.cuda.mem_get_info(device)[0] // 2


@contextmanager
def _tiles(base: Base, side_px: int) -> Iterator[None]:
    """Square tiles of so many pixels inside the `with`."""
    vae = base.vae
    if hasattr(vae, "tile_sample_min_height"):
        sides = {"tile_sample_min_height": side_px, "tile_sample_min_width": side_px}
        strides = {"tile_sample_stride_height": side_px * 3 // 4, "tile_sample_stride_width": side_px * 3 // 4}
        wanted = {"use_tiling": True, **sides, **strides}
    else:
        cell = 2 ** (len(vae.config.block_out_channels) - 1)
        wanted = {"use_tiling": True, "tile_sample_min_size": side_px, "tile_latent_min_size": side_px // cell}
    before = {name: getattr(vae, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(vae, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)
