"""Frames as a film: MP4 (H.264), animated WebP or GIF, as bytes. Equal frames make equal bytes.

MP4 is made by ffmpeg in a process of its own, which the extra `clips` brings (`imageio-ffmpeg`); WebP and GIF by
Pillow.
"""

from __future__ import annotations

import subprocess
import tempfile
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.notes import warn_once

KINDS = ("mp4", "webp", "gif")
QUALITY = 92
"""Of WebP."""
CRF = 14
"""Of H.264: hardly a difference to be seen."""
LONGEST_SEC = 600


def chosen_kind(given: str | None) -> str:
    """The kind that is asked for; mp4 by default, and WebP, said once, where nothing can make an MP4."""
    if given in ("webp", "gif"):
        return given
    if find_spec("imageio_ffmpeg"):
        return "mp4"
    warn_once("no MP4: 'imageio-ffmpeg' is not installed (pip install 'brandsmith[clips]'); written as WebP")
    return "webp"


def film_bytes(frames: np.ndarray, fps: float, kind: str) -> bytes:
    """The file of frames (F, H, W, 3) uint8. Raises BrandsmithError where ffmpeg fails."""
    return _mp4(frames, fps) if kind == "mp4" else _animated(frames, fps, kind)


def _animated(frames: np.ndarray, fps: float, kind: str) -> bytes:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    out = BytesIO()
    more = {"quality": QUALITY, "method": 4} if kind == "webp" else {"optimize": False, "disposal": 1}
    first.save(out, kind.upper(), save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, **more)
    return out.getvalue()


def _mp4(frames: np.ndarray, fps: float) -> bytes:
    """One thread and no notes of version or time."""
    from imageio_ffmpeg import get_ffmpeg_exe

    _, height, width, _ = frames.shape
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "film.mp4"
        given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
        colours = ["-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709", "-color_primaries", "bt709"]
        colours += ["-color_trc", "bt709", "-pix_fmt", "yuv420p"]
        exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
        how = ["-c:v", "libx264", "-preset", "medium", "-crf", str(CRF), *colours, *exact]
        command = [get_ffmpeg_exe(), "-v", "error", "-y", *given, *how, "-movflags", "+faststart", str(made)]
        done = subprocess.run(
            command, input=np.ascontiguousarray(frames).tobytes(), capture_output=True, timeout=LONGEST_SEC, check=False
        )
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip()[-160:]
            raise BrandsmithError(f"ffmpeg made no MP4 ({reason})", hint="write WebP: --format webp")
        return made.read_bytes()


def strip_of(frames: np.ndarray, count: int = 8) -> Image.Image:
    """A contact strip: `count` frames side by side, evenly taken."""
    rows = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return Image.fromarray(np.concatenate([frames[row] for row in rows], axis=1))
