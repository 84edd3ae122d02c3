"""A DreamBooth training as its difference to the base: a whole model in less than a tenth of its size in fp16.

The difference of each matrix is a low-rank part in 8 bits, and of what that leaves the sign of every number, with one
size per row: Liu et al. 2024, "BitDelta: Your Fine-Tune May Only Be Worth One Bit", with a low-rank part before it.
Vectors (norms, biases) are kept in fp16. The base is needed to open such a file, and checked by its weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import numpy as np
import torch

from brandsmith.base.base import Base
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.core.errors import InvalidInput
from brandsmith.core.safe_weights import Header, check_finite, read_header
from brandsmith.export.low_rank import largest_singular

MARK = "brandsmith.compact"
FINGERPRINT = "brandsmith.base_fingerprint"
LOW_RANK_SHARE = 0.025
"""Of a matrix's size in fp16, for its low-rank part; the signs take 0.0625."""
LARGEST_INT8 = 127


def rank_within(shape: tuple[int, ...]) -> int:
    """The rank whose two factors, in 8 bits, take LOW_RANK_SHARE of the matrix in fp16."""
    rows, columns = shape[0], prod(shape[1:])
    return int(LOW_RANK_SHARE * 2 * rows * columns / (rows + columns))


def num_bytes(shape: tuple[int, ...]) -> int:
    """What a tensor takes in a compact file, without its names."""
    if len(shape) < 2:
        return 2 * prod(shape)
    rows, columns, rank = shape[0], prod(shape[1:]), rank_within(shape)
    return rank * (rows + columns + 8) + (rows * columns + 7) // 8 + 2 * rows


def num_bytes_fp16(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(2 * prod(shape) for shape in shapes)


def compacted(name: str, difference: torch.Tensor) -> dict[str, torch.Tensor]:
    """The tensors that stand for a difference of weights."""
    if difference.dim() < 2:
        return {f"{name}:plain": difference.half()}
    flat = difference.float().flatten(1)
    found, rank = {}, rank_within(tuple(difference.shape))
    if rank:
        left, values, right = largest_singular(flat, rank)
        root = values.sqrt()
        for side, factor in (("up", (left * root).T), ("down", root[:, None] * right)):
            scale = (factor.abs().amax(dim=1).clamp(min=1e-12) / LARGEST_INT8).float()
            found[f"{name}:{side}"] = (factor / scale[:, None]).round().to(torch.int8)
            found[f"{name}:{side}_scale"] = scale
        flat = flat - _low_rank(found, name)
    found[f"{name}:signs"] = torch.from_numpy(np.packbits((flat > 0).numpy()))
    found[f"{name}:size"] = flat.abs().mean(dim=1).to(torch.bfloat16)
    return found


def _low_rank(stored: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    up, down = (
        stored[f"{name}:{side}"].float() * stored[f"{name}:{side}_scale"].float()[:, None] for side in ("up", "down")
    )
    return up.T @ down


def restored(name: str, stored: Mapping[str, torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    """The difference that `compacted` was given, nearly."""
    if len(shape) < 2:
        return stored[f"{name}:plain"].float()
    number = prod(shape)
    bits = np.unpackbits(stored[f"{name}:signs"].numpy(), count=number).astype(np.float32)
    flat = torch.from_numpy(bits * 2 - 1).reshape(shape[0], -1) * stored[f"{name}:size"].float()[:, None]
    if f"{name}:up" in stored:
        flat = flat + _low_rank(stored, name)
    return flat.reshape(shape)


def compact_tensors(base: Base, trained: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Everything of a compact file. trained: weights by name, by part; `base` is as it was before."""
    found: dict[str, torch.Tensor] = {}
    for part, tensors in trained.items():
        before = dict(_part(base, part).named_parameters())
        for name, after in tensors.items():
            difference = after.float() - before[name].detach().float()
            if bool(difference.any()):
                found |= compacted(f"{part}.{name}", difference)
    return found


def compact_header(base: Base) -> dict[str, str]:
    return {MARK: "1", FINGERPRINT: base_fingerprint(base)}


def is_compact(header: Header) -> bool:
    return MARK in header.metadata


def restore_tensors(file: Path, base: Base, parts: Iterable[str]) -> dict[str, dict[str, torch.Tensor]]:
    """The trained weights, by name, by part. Raises InvalidInput for another base, a damaged file, other tensors."""
    header = read_header(file)
    if header.metadata.get(FINGERPRINT) != base_fingerprint(base):
        raise InvalidInput(
            f"'{file}' is a difference to other weights than those of base '{base.name}'",
            hint="give the very base that it was made from with --base",
        )
    from safetensors.torch import load_file

    stored = load_file(file)
    check_finite(stored.items(), file)
    found: dict[str, dict[str, torch.Tensor]] = {}
    try:
        for part in parts:
            own = dict(_part(base, part).named_parameters())
            found[part] = {name: _added(f"{part}.{name}", weight.detach(), stored) for name, weight in own.items()}
    except (KeyError, RuntimeError, ValueError) as error:
        raise InvalidInput(f"'{file}' is not as we write it ({str(error)[:120]})", hint="export it again") from None
    known = {f"{part}.{name}" for part, tensors in found.items() for name in tensors}
    if unknown := sorted(key for key in stored if key.rpartition(":")[0] not in known):
        raise InvalidInput(f"'{file}' holds unknown tensors, such as '{unknown[0]}'", hint="export it again")
    return found


def _added(name: str, before: torch.Tensor, stored: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if f"{name}:plain" not in stored and f"{name}:signs" not in stored:
        return before.float()
    return before.float() + restored(name, stored, tuple(before.shape))


def _part(base: Base, name: str) -> torch.nn.Module:
    return base.denoiser if name == base.family.denoiser_name else base.named_encoders()[name]
