"""Memory layout of convolution weights. Changes speed, not what is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def channels_last(*modules: torch.nn.Module) -> Iterator[None]:
    """Convolution weights in channels_last inside the `with`; on a CPU several times faster to train, a fifth faster to
    sample.

    The layout is put back afterwards: safetensors refuses to save weights in this one.
    """
    for module in modules:
        module.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        for module in modules:
            module.to(memory_format=torch.contiguous_format)
