"""Attention that is read is exact, whatever the base computes in."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny

from brandsmith.base.attention import chosen_layers, recording
from brandsmith.base.base import encode_prompts, predict


@pytest.mark.parametrize("family", ["sd1", "flux1"])
def test_maps_are_in_fp32_where_products_are_in_half_precision(family):
    base = build_tiny(family)
    base.compute = torch.bfloat16
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(1, *base.latent_shape, generator=generator)
    with torch.no_grad(), recording(chosen_layers(base), latents.shape[-2:]) as recorder:
        predict(base, latents, torch.tensor([300]), encode_prompts(base, ["a cat"]))
    for own in recorder.maps:
        assert own.dtype == torch.float32
        assert not torch.equal(own, own.bfloat16().float()), "values that half precision does not have"
        assert (own.sum(-1) <= 1 + 1e-5).all()
