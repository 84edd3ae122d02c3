"""Reading the attention that text and picture share, beside a layer and without changing a bit of what it computes.

Transformers differ in how they make queries and keys (norms, rotary places, one projection or six), and all hand them
to torch's `scaled_dot_product_attention`. There they are read: a hook before the layer lets torch call us for each of
its functions (`TorchFunctionMode`), a hook after it ends that. A layer's processor is not replaced: some look at its
signature, others would lose their rotary places without a word.

Shape suffixes: B rows, H heads, I picture tokens, S tokens of the whole sequence, T text tokens, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from brandsmith.base.base import AttentionLayer


class _Watch(TorchFunctionMode):
    """Sees the products of one layer."""

    def __init__(self, layer: AttentionLayer, picture: int, keep: Callable[[torch.Tensor], None]) -> None:
        super().__init__()
        self.layer, self.picture, self.keep = layer, picture, keep

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is torch.nn.functional.scaled_dot_product_attention:
            query = args[0] if args else given["query"]
            key = args[1] if len(args) > 1 else given["key"]
            mask = args[3] if len(args) > 3 else given.get("attn_mask")
            self.keep(text_probabilities(query, key, mask, self.layer, self.picture))
        return func(*args, **given)


@contextmanager
def watching(layer: AttentionLayer, latent_size: Sequence[int], keep: Callable[[torch.Tensor], None]) -> Iterator[None]:
    """Inside the `with`, each forward of the layer gives `keep` its probabilities (B, I, T)."""
    picture = ceil(latent_size[0] / layer.factor) * ceil(latent_size[1] / layer.factor)
    entered: list[_Watch] = []

    def before(*_: object) -> None:
        watch = _Watch(layer, picture, keep)
        watch.__enter__()
        entered.append(watch)

    def after(*_: object) -> None:
        entered.pop().__exit__(None, None, None)

    hooks = [
        layer.attention.register_forward_pre_hook(before),
        layer.attention.register_forward_hook(after, always_call=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def text_probabilities(
    query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None, layer: AttentionLayer, picture: int
) -> torch.Tensor:
    """(B, I, T) in fp32: what each place of the picture gives to each token of the text, out of all it attends to; the
    mean over heads. query, key: (B, H, S, D).
    """
    length = query.shape[2]
    filled = ceil(picture / layer.padded_to) * layer.padded_to
    places = slice(length - picture, length) if layer.text_first else slice(0, picture)
    text = slice(0, length - picture) if layer.text_first else slice(filled, length)
    bias = None if mask is None else _as_bias(mask, query)[:, :, -1:]
    total: torch.Tensor | None = None
    with torch.autocast(query.device.type, enabled=False):  # it would round scores
        for head in range(query.shape[1]):  # one at a time: the scores of all heads together are gigabytes
            query_BID, key_BSD = query[:, head, places].float(), key[:, head].float()  # noqa: N806 shape suffix
            scores_BIS = query_BID @ key_BSD.transpose(-1, -2) * query.shape[-1] ** -0.5  # noqa: N806 shape suffix
            if bias is not None:
                scores_BIS = scores_BIS + bias[:, 0]  # noqa: N806 shape suffix
            own = scores_BIS.softmax(-1)[..., text]
            total = own if total is None else total + own
    assert total is not None
    return total / query.shape[1]


def _as_bias(mask: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    """A mask of keys (B, 1, 1 or S, S), True where they count, as what is added to scores."""
    if mask.dtype != torch.bool:
        return mask.float()
    return torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, float("-inf"))
