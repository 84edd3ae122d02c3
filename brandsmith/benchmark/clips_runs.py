"""Two properties of drawing clips: stock diffusers' pipeline is reproduced, and an interruption changes no byte."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import MotionAdapter

from brandsmith.base.base import Base
from brandsmith.base.motion import Frames, Motion
from brandsmith.base.random_small import build_tiny
from brandsmith.base.stock import stock_clip_pipeline
from brandsmith.benchmark.create import Bar
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import sha256_of
from brandsmith.draw.source import Source
from brandsmith.guidance.clip import Clip, sample_clip
from brandsmith.guidance.settings import DrawSettings

PROMPT, SEED, STEPS, SCALE, NUM_FRAMES = "a red logo on a blue sweater", 17, 4, 5.0, 8
LONGEST_SEC = 3600.0


def measure_stock() -> list[Bar]:
    """The largest differences of finished latents, on bases of random weights."""
    return [_stock_bar("stock_max_diff", "sd1"), _stock_bar("stock_sdxl_max_diff", "sdxl")]


def _stock_bar(name: str, family: str) -> Bar:
    base, last = build_tiny(family), list[torch.Tensor]()
    torch.manual_seed(3)
    adapter = MotionAdapter((16, 32), 1, motion_num_attention_heads=2, motion_norm_num_groups=8).requires_grad_(False)
    sample_clip(
        base,
        Motion("random", adapter.eval()),
        Clip(PROMPT, SEED, Frames(NUM_FRAMES)),
        DrawSettings(num_steps=STEPS, guidance_scale=SCALE),
        on_step=lambda step, latents: last.append(latents),
    )
    pipe = stock_clip_pipeline(base, adapter)
    difference = float((last[-1].transpose(0, 1)[None] - _stock(base, pipe)).abs().max())
    return Bar(name, difference, "<= 1e-4", difference <= 1e-4, NUM_FRAMES, f"{type(pipe).__name__}, DDIM")


@torch.no_grad()
def _stock(base: Base, pipe: Any) -> torch.Tensor:
    height, width = base.image_px
    made: torch.Tensor = pipe(
        PROMPT,
        num_frames=NUM_FRAMES,
        height=height,
        width=width,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        generator=torch.Generator("cpu").manual_seed(SEED),
        output_type="latent",
    ).frames
    return made


def measure_killed(source: Source, folder: Path, log: Callable[[str], None]) -> list[Bar]:
    """Two clips, killed when the first is there, and gone on with; against two that were left alone."""
    log("clips: undisturbed")
    _finish(_command(source, folder / "undisturbed"))
    log("clips: killed")
    _kill_after_first(_command(source, folder / "killed"), folder / "killed")
    _finish(_command(source, folder / "killed"))
    one, other = _hashes(folder / "undisturbed"), _hashes(folder / "killed")
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    note = f"{len(one)} files" + (f"; first: {differing[0]}" if differing else "")
    return [Bar("killed_files_that_differ", len(differing), "0", not differing, 2, note)]


def _command(source: Source, out: Path) -> list[str]:
    """Few frames and steps: what is tried is not how they look."""
    run = ["--run", str(source.checkpoint.parents[1])] if source.checkpoint else ["--base", source.base]
    given = ["create", "clip", "a red cap", "--seeds", "2", "--frames", "4", "--num-steps", "4", "--format", "webp"]
    return [sys.executable, "-m", "brandsmith", *given, *run, "--out", str(out)]


def _finish(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SEC, check=False)
    if done.returncode:
        raise BrandsmithError(f"'create clip' ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def _kill_after_first(command: list[str], out: Path) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + LONGEST_SEC
    while process.poll() is None and time.monotonic() < ends and not any(out.glob("*.webp")):
        time.sleep(0.02)
    process.kill()
    process.wait()


def _hashes(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files}
