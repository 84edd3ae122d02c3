"""Which number format this CPU multiplies fastest, measured: flags say what it has, not how fast that is.

One product of matrices and one convolution with its gradients, in fp32 and in bf16, a tenth of a second once per
machine; kept in the user's cache under the processor's name and torch's version. fp16 is not tried: what CPUs make of
it in torch is tens of times slower.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import torch

from brandsmith.core.files import user_cache, write_json

LEAST_GAIN = 0.9
"""bf16 must take at most this share of fp32's time: it rounds more, so equal speed is no reason for it."""
_ROUNDS = 3
Seconds = dict[str, dict[str, float]]
"""By work (`product`, `convolution`) and format (`fp32`, `bf16`)."""


@cache
def bf16_is_faster() -> bool:
    """Whether a product and a convolution together are faster in bf16 on this CPU, by more than noise."""
    measured = format_seconds()
    return sum(own["bf16"] for own in measured.values()) <= LEAST_GAIN * sum(own["fp32"] for own in measured.values())


def format_seconds() -> Seconds:
    """What was measured on this machine, now or before."""
    file, key = user_cache() / "number_formats.json", f"{cpu_name()}, torch {torch.__version__}"
    known = _read(file)
    if key not in known:
        known[key] = measure_formats()
        with suppress(Exception):  # a home that takes no files: then it is measured again
            write_json(file, known)
    return known[key]


def _read(file: Path) -> dict[str, Seconds]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {
            key: {work: {name: float(own[name]) for name in ("fp32", "bf16")} for work, own in seconds.items()}
            for key, seconds in found.items()
            if seconds
        }
    except (OSError, ValueError, AttributeError, TypeError, KeyError):  # not there, or not ours
        return {}


def measure_formats() -> Seconds:
    """The fastest of a few rounds of each, in seconds; sizes are those of a small U-Net's middle."""
    found: Seconds = {"product": {}, "convolution": {}}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        found["product"][name] = _fastest(partial(torch.matmul, *[torch.ones(512, 512, dtype=dtype)] * 2))
        kernel = torch.ones(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
        picture = torch.ones(2, 128, 32, 32, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
        found["convolution"][name] = _fastest(partial(_convolve, picture, kernel))
    return found


def _convolve(picture: torch.Tensor, kernel: torch.Tensor) -> None:
    """With the gradients of both, as a training does."""
    torch.nn.functional.conv2d(picture, kernel, padding=1).sum().backward()


@torch.enable_grad()
def _fastest(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def cpu_name() -> str:
    """As the system names it: on Linux the model with family and number, because virtual machines hide the name."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        fields = dict(line.split(":", 1) for line in lines[:12] if ":" in line)
        named = {key.strip(): value.strip() for key, value in fields.items()}
        return " ".join(named[key] for key in ("model name", "cpu family", "model") if key in named)
    return os.environ.get("PROCESSOR_IDENTIFIER") or platform.processor() or platform.machine()
