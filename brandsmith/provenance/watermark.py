"""An invisible watermark: 24 bits in the pixels, read again after JPEG, halving or a crop. Off unless asked for.

Spread spectrum (Cox, Kilian, Leighton, Shamoon 1997): each bit of the code adds its own pattern to the brightness, with
one sign or the other. A pattern is noise of mid frequencies on a tile that repeats over the picture, so that a crop is
a shift, which a further pattern tells. To read it, the picture's own detail is divided by its local power, the weight
of a Gaussian scale mixture (Wainwright, Simoncelli 2000): flat places speak, edges are hushed. The code: three words of
the extended Golay code (24, 12), decoded softly: 24 bits of payload, 12 of check.

Whoever reads this file can read the watermark, and remove it: it says where a picture is from, it protects nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from brandsmith.core.errors import InvalidInput

TILE_PX = 128
LOWEST, HIGHEST = 1 / 20, 1 / 5
"""Frequencies of the patterns, in cycles a pixel: above what the eye sees as shading, below what halving takes away."""
PSNR_DB = 40.0
"""Of a picture with a watermark against the one without; more where it is cut off at black and white."""
SYNC_SHARE = 5.0
"""Of the pattern that tells the shift, in shares of a bit."""
DETAIL_PX, POWER_PX, LEAST_DETAIL = 2.0, 7, 2.0
"""Detail: less a Gaussian blur of so many pixels; its power: over a square of so many; least of it, in grey levels."""
LEAST_SYNC = 5.5
"""Standard deviations by which the right shift must stand out."""
SCALES = (1.0, 2.0, 0.5)
"""By which a picture is enlarged to look for the tile: as it is, halved before, doubled before."""
SMALLEST_PX = 64
AFTERWARDS = ("pixels", "watermark")
"""Keys of a recipe that its payload leaves out."""
PAYLOAD_BITS, CHECK_BITS, WORDS = 24, 12, 3
_GENERATOR = 0b110001110101
"""x^11 + x^10 + x^6 + x^5 + x^4 + x^2 + 1: of the Golay code (23, 12)."""
_LIGHT = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Mark:
    """A watermark that was read. `sync`: standard deviations by which its place stood out."""

    payload: int
    sync: float


def payload_of(recipe: str | None) -> int:
    """24 bits that name a recipe (JSON; None: none): of its SHA-256, without what is known only once it is drawn."""
    named = {key: value for key, value in json.loads(recipe or "{}").items() if key not in AFTERWARDS}
    return int.from_bytes(hashlib.sha256(json.dumps(named, sort_keys=True).encode()).digest()[:3], "big")


def embed(picture: np.ndarray, payload: int) -> np.ndarray:
    """`picture` (H, W, 3) uint8 with the payload in its pixels, at PSNR_DB. Raises InvalidInput for a side under
    SMALLEST_PX.
    """
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_PX:
        raise InvalidInput(
            f"a watermark needs {SMALLEST_PX} pixels a side, and the picture has {width} x {height}",
            hint="draw it larger, or leave --watermark out",
        )
    added = np.append(_coded(payload), SYNC_SHARE) @ _patterns()
    added *= 255 / 10 ** (PSNR_DB / 20) / np.sqrt(np.mean(added**2))
    tiled = np.tile(added.reshape(TILE_PX, TILE_PX), (-(-height // TILE_PX), -(-width // TILE_PX)))
    return np.clip(np.rint(picture + tiled[:height, :width, None]), 0, 255).astype(np.uint8)


def read(picture: np.ndarray) -> Mark | None:
    """The watermark of a picture (H, W, 3) uint8; None where none is found."""
    found = [mark for scale in SCALES if (mark := _read_at(picture, scale))]
    return max(found, key=lambda mark: mark.sync, default=None)


def _read_at(picture: np.ndarray, scale: float) -> Mark | None:
    height, width = (round(side * scale) for side in picture.shape[:2])
    if min(height, width) < SMALLEST_PX // 2 or height * width > 100_000_000:
        return None
    image = Image.fromarray(picture)
    light = np.asarray(image if scale == 1 else image.resize((width, height), Image.Resampling.BICUBIC)) @ _LIGHT
    tile, patterns = _folded(light), _patterns()
    sync = patterns[-1].reshape(TILE_PX, TILE_PX)
    match = np.fft.ifft2(np.fft.fft2(tile) * np.conj(np.fft.fft2(sync))).real
    down, right = np.unravel_index(match.argmax(), match.shape)
    height_of_peak = float(match.max() / max(match.std(), 1e-12))  # nothing at all in a plain surface
    if height_of_peak < LEAST_SYNC:
        return None
    payload = _decoded(patterns[:-1] @ np.roll(tile, (-down, -right), (0, 1)).ravel())
    return None if payload is None else Mark(payload, height_of_peak)


def _folded(light: np.ndarray) -> np.ndarray:
    """The detail of brightness (H, W) over its local power, all tiles summed: (TILE_PX, TILE_PX)."""
    detail = light - gaussian_filter(light, DETAIL_PX)
    weighed = detail / (uniform_filter(detail**2, POWER_PX) + LEAST_DETAIL**2)
    height, width = light.shape
    padded = np.pad(weighed, ((0, -height % TILE_PX), (0, -width % TILE_PX)))
    return padded.reshape(-(-height // TILE_PX), TILE_PX, -(-width // TILE_PX), TILE_PX).sum(axis=(0, 2))


@cache
def _patterns() -> np.ndarray:
    """(bits + 1, TILE_PX²) orthonormal noise of mid frequencies; the last one is for synchronisation."""
    noise = np.random.Generator(np.random.PCG64(20261128)).standard_normal((WORDS * 24 + 1, TILE_PX, TILE_PX))
    steps = np.fft.fftfreq(TILE_PX)
    distance = np.hypot(steps[:, None], steps[None, :])
    kept = np.fft.ifft2(np.fft.fft2(noise) * ((distance > LOWEST) & (distance < HIGHEST))).real
    return np.ascontiguousarray(np.linalg.qr(kept.reshape(len(kept), -1).T)[0].T)


# ----------------------------------------------------------------------------- the code


def _coded(payload: int) -> np.ndarray:
    """(bits,) of +1 and -1."""
    check = int.from_bytes(hashlib.sha256(payload.to_bytes(3, "big")).digest()[:2], "big") >> (16 - CHECK_BITS)
    whole = payload << CHECK_BITS | check
    words = [whole >> 12 * place & 0xFFF for place in reversed(range(WORDS))]
    return _codebook()[words].ravel()


def _decoded(soft: np.ndarray) -> int | None:
    """The payload of the nearest words; None where the check does not agree."""
    words = (soft.reshape(WORDS, 24) @ _codebook().T).argmax(axis=1)
    whole = int(words[0]) << 24 | int(words[1]) << 12 | int(words[2])
    payload = whole >> CHECK_BITS
    return payload if np.array_equal(_coded(payload), _codebook()[words].ravel()) else None


@cache
def _codebook() -> np.ndarray:
    """(4096, 24) of +1 and -1: every word of the extended Golay code; any two differ in 8 places or more."""
    words = []
    for data in range(1 << 12):
        rest = data << 11
        for place in range(11, -1, -1):
            if rest >> place + 11 & 1:
                rest ^= _GENERATOR << place
        word = data << 11 | rest
        words.append(word << 1 | word.bit_count() & 1)
    bits = np.array(words)[:, None] >> np.arange(23, -1, -1) & 1
    return 1.0 - 2.0 * bits
