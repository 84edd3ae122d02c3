"""What changes where a picture starts, or a part of it when it is done, on every family of flow models; and attention
kept by Attend-and-Excite while AND and NOT combine velocities.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from bases import build_tiny

from brandsmith.base.base import Base
from brandsmith.base.families.registry import FAMILIES
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.combiners import Composable
from brandsmith.guidance.layout import Layout
from brandsmith.guidance.loop import sample_pictures
from brandsmith.guidance.parts import Parts
from brandsmith.guidance.redraw import Redraw
from brandsmith.guidance.settings import DrawSettings

FLOWS = [name for name, family in FAMILIES.items() if family.noising.is_flow]
every_flow = pytest.mark.parametrize("name", FLOWS)
PROMPTS = ["a red cat and a blue bowl", "a red cat"]
SETTINGS = DrawSettings(num_steps=3, guidance_scale=2.0, scheduler="euler", batch_size=2)


@cache
def tiny(name: str) -> Base:
    return build_tiny(name)


def drawn(name, prompts, seeds, parts=None, **changes):
    return sample_pictures(tiny(name), prompts, seeds, SETTINGS.model_copy(update=changes), parts or Parts())


def apart(one, other):
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.slow
@every_flow
def test_lists_begin_with_a_layout_and_other_prompts_with_noise_alone(name):
    plain, laid = drawn(name, PROMPTS, [1, 2]), drawn(name, PROMPTS, [1, 2], Parts(starter=Layout(merged_above=0.0)))
    assert apart(plain[0], laid[0]) > 2 and apart(plain[1], laid[1]) <= 1


@pytest.mark.slow
@every_flow
def test_a_part_is_drawn_anew_whatever_stands_beside_it_in_the_batch(name):
    redraw = Parts(finisher=Redraw(largest=1.0))
    plain, together = drawn(name, PROMPTS, [1, 2]), drawn(name, PROMPTS, [1, 2], redraw)
    alone = drawn(name, PROMPTS[:1], [1], redraw)
    assert apart(plain[0], together[0]) > 2 and apart(plain[1], together[1]) == 0
    assert apart(alone[0], together[0]) <= 1


@every_flow
def test_attention_is_kept_while_and_and_not_combine(name):
    excite = AttendExcite(window=1.0, apart=None, max_move=0.3)
    prompt = ["a cat and a bowl AND a grey street AND NOT a car"]
    pushed = drawn(name, prompt, [1], Parts(combiner=Composable(), refiner=excite))
    plain = drawn(name, prompt, [1], Parts(combiner=Composable()))
    assert {"cat", "bowl"} <= set(excite.reports[0].subjects) and "car" not in excite.reports[0].subjects
    assert excite.reports[0].num_moves > 0 and apart(pushed[0], plain[0]) > 0
