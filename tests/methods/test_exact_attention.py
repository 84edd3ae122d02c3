"""Cross-attention in doubles is the stock attention. What it is for is tested in test_packed.py: packed and alone end
alike on pocket.
"""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from diffusers.models.attention_processor import Attention

from brandsmith.methods.compute import training_attention
from brandsmith.methods.exact_attention import ExactCrossAttention


def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=32, cross_attention_dim=24, heads=4, dim_head=8)


@pytest.mark.parametrize("text", [True, False])
def test_it_is_the_stock_attention(text):
    attn = attention()
    given = torch.randn(2, 16, 32), torch.randn(2, 48, 24) if text else None
    attn = attn if text else Attention(query_dim=32, heads=4, dim_head=8)
    stock = attn(given[0], encoder_hidden_states=given[1])
    attn.set_processor(ExactCrossAttention())
    assert torch.allclose(attn(given[0], encoder_hidden_states=given[1]), stock, atol=1e-6)


def test_masked_attention_is_left_to_the_stock_one():
    attn, hidden, text = attention(), torch.randn(1, 16, 32), torch.randn(1, 48, 24)
    mask = torch.zeros(4, 1, 48).masked_fill(torch.arange(48) > 9, -1e4)
    stock = attn(hidden, encoder_hidden_states=text, attention_mask=mask)
    attn.set_processor(ExactCrossAttention())
    assert torch.equal(attn(hidden, encoder_hidden_states=text, attention_mask=mask), stock)


def test_training_in_fp32_puts_it_in_and_takes_it_out():
    unet = (base := build_tiny()).denoiser
    before = {name: type(processor) for name, processor in unet.attn_processors.items()}
    with training_attention(base, torch.float32):
        assert {type(processor) for processor in unet.attn_processors.values()} == {ExactCrossAttention}
    assert {name: type(processor) for name, processor in unet.attn_processors.items()} == before
