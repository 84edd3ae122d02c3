"""A DreamBooth training as its difference to the base: in less than a tenth of the weights that training stores (fp32).

The difference of each matrix is a low-rank part in 8 bits, and what that leaves in steps of STEP times each row's root
mean square, Huffman-coded: about 2.6 bits a number (Gish & Pierce 1968: a uniform quantiser with entropy coding is
within a quarter of a bit of the best). Signs alone (Liu et al. 2024, "BitDelta") take one bit, and cost pocket a third
of its KPI (docs/log.md). Vectors (norms, biases) are kept in fp16. The base is needed to open such a file, and checked
by its weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path

import torch

from brandsmith.base.base import Base
from brandsmith.base.fingerprint import base_fingerprint
from brandsmith.core.errors import InvalidInput
from brandsmith.core.safe_weights import Header, check_finite, read_header
from brandsmith.export.low_rank import largest_singular

MARK = "brandsmith.compact"
FINGERPRINT = "brandsmith.base_fingerprint"
LOW_RANK_SHARE = 0.0125
"""Of a matrix's size in fp32, for its low-rank part; the rest takes about 0.08."""
STEP = 0.7
"""Of the quantiser, in root mean squares of a row."""
LARGEST_INT8 = 127


def rank_within(shape: tuple[int, ...]) -> int:
    """The rank whose two factors, in 8 bits, take LOW_RANK_SHARE of the matrix in fp32."""
    rows, columns = shape[0], prod(shape[1:])
    return int(LOW_RANK_SHARE * 4 * rows * columns / (rows + columns))


def num_bytes(shape: tuple[int, ...], bits: float) -> float:
    """What a tensor takes in a compact file, without its names, when a number of a matrix takes so many bits."""
    if len(shape) < 2:
        return 2 * prod(shape)
    rows, columns, rank = shape[0], prod(shape[1:]), rank_within(shape)
    return rank * (rows + columns + 8) + rows * columns * bits / 8 + 2 * rows


def num_bytes_fp32(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(4 * prod(shape) for shape in shapes)


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
    step = (STEP * flat.square().mean(dim=1).sqrt()).clamp(min=1e-12).to(torch.bfloat16)
    codes = (flat / step.float()[:, None]).round().clamp(-LARGEST_INT8, LARGEST_INT8).to(torch.int8)
    found[f"{name}:codes"], found[f"{name}:step"] = _coded(codes), step
    return found


def _coded(codes: torch.Tensor) -> torch.Tensor:
    """Bytes of whole numbers (rows, columns), the frequent ones in fewer bits (RFC 1951, Huffman codes alone)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    packed = packer.compress(codes.numpy().tobytes()) + packer.flush()
    return torch.frombuffer(bytearray(packed), dtype=torch.uint8)


def _decoded(coded: torch.Tensor, number: int) -> torch.Tensor:
    """`number` whole numbers. Raises ValueError when the bytes hold another number of them."""
    reader = zlib.decompressobj(-15)
    plain = reader.decompress(coded.numpy().tobytes(), number + 1)
    if len(plain) != number:
        raise ValueError(f"{len(plain)} numbers, {number} expected")
    return torch.frombuffer(bytearray(plain), dtype=torch.int8)


def _low_rank(stored: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    up, down = (
        stored[f"{name}:{side}"].float() * stored[f"{name}:{side}_scale"].float()[:, None] for side in ("up", "down")
    )
    return up.T @ down


def restored(name: str, stored: Mapping[str, torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    """The difference that `compacted` was given, nearly."""
    if len(shape) < 2:
        return stored[f"{name}:plain"].float()
    codes = _decoded(stored[f"{name}:codes"], prod(shape)).float().reshape(shape[0], -1)
    flat = codes * stored[f"{name}:step"].float()[:, None]
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
    except (KeyError, RuntimeError, ValueError, zlib.error) as error:
        raise InvalidInput(f"'{file}' is not as we write it ({str(error)[:120]})", hint="export it again") from None
    known = {f"{part}.{name}" for part, tensors in found.items() for name in tensors}
    if unknown := sorted(key for key in stored if key.rpartition(":")[0] not in known):
        raise InvalidInput(f"'{file}' holds unknown tensors, such as '{unknown[0]}'", hint="export it again")
    return found


def _added(name: str, before: torch.Tensor, stored: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if f"{name}:plain" not in stored and f"{name}:codes" not in stored:
        return before.float()
    return before.float() + restored(name, stored, tuple(before.shape))


def _part(base: Base, name: str) -> torch.nn.Module:
    return base.denoiser if name == base.family.denoiser_name else base.named_encoders()[name]
