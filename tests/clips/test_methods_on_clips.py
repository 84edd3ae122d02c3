"""What a method has taught shows in a clip, without being trained for it; and leaves it as it came."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny
from diffusers import MotionAdapter
from lessons import QUICK, TOKEN

from brandsmith.base.motion import Frames, Motion
from brandsmith.guidance.clip import Clip, sample_clip
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.method import Words
from brandsmith.methods.registry import METHODS, build_config

SETTINGS = DrawSettings(num_steps=2, guidance_scale=2.0)
WORDS = Words(TOKEN, "logo")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_acts_on_a_clip(name):
    base = build_tiny()
    torch.manual_seed(0)
    layers = MotionAdapter((16, 32), 1, motion_num_attention_heads=2, motion_norm_num_groups=8).requires_grad_(False)
    motion, clip = Motion("random", layers.eval()), Clip(f"a {TOKEN}", 5, Frames(3))
    before = sample_clip(base, motion, clip, SETTINGS)
    attached = METHODS[name].attach(base, build_config(name, **QUICK.get(name, {})), WORDS)
    with torch.no_grad():
        for group in attached.groups:
            for parameter in group.named().values():
                parameter.add_(0.05)
    taught = sample_clip(base, motion, clip, SETTINGS)
    attached.detach()
    assert not np.array_equal(taught, before)
    assert np.array_equal(sample_clip(base, motion, clip, SETTINGS), before)
