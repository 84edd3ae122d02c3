"""Where the arithmetic is done and in which number format: the one rule that every command obeys.

    --device     auto: the first CUDA card, else an Apple GPU (mps), else the CPU; or cpu, mps, cuda, cuda:N
    --precision  auto, on a card:  bf16 where it has units for it, else fp16 (with loss scaling when training)
                 auto, on a CPU:   training in bf16 where that was measured to be faster (`number_formats.py`), else
                                   fp32; drawing in fp32, so that a seed means the same picture on every machine
                 auto, on mps:     fp32

A number format is that of products and convolutions (`Base.compute`). Their frozen weights are held in it; what trains,
norms, schedulers and the autoencoder stay fp32.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

import psutil
import torch

from brandsmith.base.number_formats import bf16_is_faster
from brandsmith.core.errors import InvalidConfig, MissingResource, unknown_name

FORMATS: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
PRECISIONS = ("auto", *FORMATS)
Purpose = Literal["train", "draw"]


@dataclass(frozen=True)
class HardwareChoice:
    """What a command was told; `auto` leaves it to the rule."""

    device: str = "auto"
    precision: str = "auto"


_RULE = HardwareChoice()
_CHOICE: ContextVar[HardwareChoice] = ContextVar("hardware choice", default=_RULE)


@contextmanager
def computing_on(device: str | None = None, precision: str | None = None) -> Iterator[None]:
    """Inside the `with`, bases that are loaded without a device or precision of their own take these.

    None leaves what is in force. Raises InvalidConfig for unknown names, MissingResource for a card that is not there.
    """
    before = _CHOICE.get()
    choice = HardwareChoice(device or before.device, precision or before.precision)
    check_precision(choice.precision)
    if choice.device != "auto":
        choose_device(choice.device)
    token = _CHOICE.set(choice)
    try:
        yield
    finally:
        _CHOICE.reset(token)


def precision_in_force() -> str:
    """What `computing_on` was told last; `auto` where it was not."""
    return _CHOICE.get().precision


def check_precision(precision: str) -> None:
    """Raises InvalidConfig for a name that is not one of PRECISIONS."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device of a name (None: of the choice in force). Raises InvalidConfig, or MissingResource for a card that
    torch does not see.
    """
    if isinstance(name, torch.device):
        return name
    name = name or _CHOICE.get().device
    if name == "auto":
        return _own_card() if torch.cuda.is_available() else torch.device("mps" if _has_mps() else "cpu")
    kind, colon, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and (kind != "cuda" or not number.isdecimal())):
        raise unknown_name("device", name, ("auto", "cpu", "cuda", "cuda:1", "mps"))
    if kind == "mps" and not _has_mps():
        raise MissingResource("torch sees no Apple GPU (mps)", hint="use --device cpu")
    if kind == "cuda":
        _check_cuda(name, int(number or 0))
    return torch.device(name)


def _own_card() -> torch.device:
    """The first card, or the one of this process where a launcher (torchrun, accelerate) started one for each."""
    number = os.environ.get("LOCAL_RANK", "")
    return torch.device(f"cuda:{number}" if number.isdecimal() else "cuda")


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _check_cuda(name: str, number: int) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise MissingResource(
            f"--device {name}: torch {torch.__version__} sees no CUDA card",
            hint="install a torch built for CUDA and the card's driver, or use --device cpu",
        )
    if number >= count:
        raise InvalidConfig(f"--device {name}: there are {count} cards", hint=f"allowed: cuda:0 to cuda:{count - 1}")


def choose_format(device: torch.device, purpose: Purpose, precision: str | None = None) -> torch.dtype:
    """The number format for a purpose on a device. precision None or auto: the choice in force, then the rule above.

    Raises InvalidConfig for a name that is not one of PRECISIONS.
    """
    wanted = precision if precision not in (None, "auto") else _CHOICE.get().precision
    check_precision(wanted or "auto")
    if wanted in FORMATS:
        return FORMATS[wanted]
    if device.type == "cuda":
        return torch.bfloat16 if has_bf16_units(device) else torch.float16
    if device.type == "cpu" and purpose == "train" and bf16_is_faster():
        return torch.bfloat16
    return torch.float32


def has_bf16_units(device: torch.device) -> bool:
    """Whether a CUDA card multiplies bf16 itself: from Ampere (compute capability 8.0) on. Older ones emulate it."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 is the fast path of a training on `device`: measured on a CPU."""
    if device.type == "cpu":
        return bf16_is_faster()
    return device.type == "cuda" and has_bf16_units(device)


def free_memory(device: torch.device) -> int:
    """Bytes that are free: on a card, also what torch holds there and does not use; else main memory."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def prepare_card(device: torch.device, precision: str | None = None) -> None:
    """Let a CUDA card round the products of fp32 to TF32, and try its kernels for the fastest; `--precision fp32` keeps
    full products. Nothing on other devices.
    """
    if device.type != "cuda":
        return
    exact = (precision or _CHOICE.get().precision) == "fp32"
    torch.backends.cuda.matmul.allow_tf32 = not exact
    torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cudnn.benchmark = True
