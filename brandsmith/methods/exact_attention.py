"""Cross-attention in doubles, for training in fp32 on a CPU.

Where attention looks at one word alone, or words mean the same, the gradients of queries and keys are small differences
of large numbers: softmax's backward is P ∘ (dP − Σ P dP). In fp32 what is left of them is rounding, and two trainings
that round differently (packed and alone, one thread and two) end apart. On pocket the largest difference of a tensor
was 4e-3 after 20 steps, all of it in one layer; in doubles it is 3e-5 (`max_rel_diff` of `brandsmith benchmark pack`).
On a CPU only: there doubles cost twice as much, on many GPUs 64 times.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor2_0


class ExactCrossAttention(AttnProcessor2_0):  # type: ignore[misc]  # diffusers carries no types
    """diffusers' fused attention, in doubles where it attends to text; whatever is not plain cross-attention goes to
    the stock one.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        if encoder_hidden_states is None or attention_mask is not None or hidden_states.ndim != 3 or _does_more(attn):
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb, *args, **kwargs)
        query, key, value = attn.to_q(hidden_states), attn.to_k(encoder_hidden_states), attn.to_v(encoder_hidden_states)
        heads = [part.unflatten(-1, (attn.heads, -1)).transpose(1, 2).double() for part in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*heads).to(query.dtype).transpose(1, 2).flatten(2)
        output = attn.to_out[1](attn.to_out[0](mixed))
        output = output + hidden_states if attn.residual_connection else output
        return output / attn.rescale_output_factor


def _does_more(attn: Attention) -> bool:
    parts = (attn.spatial_norm, attn.group_norm, attn.norm_cross, attn.norm_q, attn.norm_k)
    return any(part is not None and part is not False for part in parts)
