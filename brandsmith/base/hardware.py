"""What the processor at hand is good at. Decides speed, never what is computed where it matters."""

from __future__ import annotations

import torch


def multiplies_bf16(device: torch.device) -> bool:
    """Whether bf16 is the fast path on `device`: CUDA, and CPUs with AMX or AVX-512 bf16.

    Measured on one AVX-512 bf16 core: 1024 x 1024 products at 200 GFLOP/s against 81 in fp32, 3 x 3 convolutions with
    their gradients at 175 to 217 against 92 to 113.
    """
    if device.type == "cpu":
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return device.type == "cuda"
