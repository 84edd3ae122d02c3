"""What every combiner obeys; a new one in COMBINERS is enrolled by being there."""

from __future__ import annotations

import math

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents

from brandsmith.core.errors import InvalidInput
from brandsmith.guidance.combiners import COMBINERS, build_combiner, combine, needs_unconditional

NAMES = sorted(COMBINERS)


def test_there_are_combiners():
    assert {"cfg", "composable"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_its_key_and_building_is_idempotent(name):
    built = build_combiner(name)
    assert built.name == name and build_combiner(built) is built


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 7.5, 30.0])
def test_a_plain_prompt_is_one_branch_with_the_guidance_scale(name, scale):
    (branch,) = build_combiner(name).branches("a red logo on a blue sweater", scale)
    assert (branch.text, branch.weight, branch.marked) == ("a red logo on a blue sweater", scale, ())


@pytest.mark.parametrize("name", NAMES)
def test_markup_is_stripped_and_found(name):
    (branch,) = build_combiner(name).branches("a {blue cat} and a {bowl}", 5.0)
    assert branch.text == "a blue cat and a bowl"
    assert [branch.text[a:b] for a, b in branch.marked] == ["blue cat", "bowl"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "prompt",
    ["", "  ", "a", "AND", "NOT", "a AND", "a :1", ":", "{", "}", "{}", "a {b {c}}", '"', "a NOT NOT b", "é AND ::2"],
)
def test_strange_prompts_give_finite_weights_or_an_explained_error(name, prompt):
    try:
        branches = build_combiner(name).branches(prompt, 7.5)
    except InvalidInput as error:
        assert error.hint
    else:
        assert all(math.isfinite(branch.weight) for branch in branches) and len(branches) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_one_concept_is_cfg_bit_for_bit(name):
    base = build_tiny()
    plain = sample_latents(base, ["a cat and a bowl"], [3], num_steps=3, combiner="cfg")
    assert torch.equal(plain, sample_latents(base, ["a cat and a bowl"], [3], num_steps=3, combiner=name))


def test_combining_is_the_formula():
    unconditional, conditional = torch.randn(4, 3, 3), torch.randn(2, 4, 3, 3)
    expected = unconditional + 2.0 * (conditional[0] - unconditional) - 0.5 * (conditional[1] - unconditional)
    assert torch.allclose(combine(unconditional, conditional, [2.0, -0.5]), expected, atol=1e-5)


def test_weights_that_cancel_leave_the_unconditional_bit_for_bit():
    unconditional, one = torch.randn(4, 3, 3), torch.randn(4, 3, 3)
    assert torch.equal(combine(unconditional, torch.stack([one, one]), [5.0, -5.0]), unconditional)


def test_scale_one_is_the_branch_bit_for_bit():
    (branch,) = build_combiner("cfg").branches("a cat", 1.0)
    assert not needs_unconditional([branch])
    value = torch.randn(1, 4, 3, 3)
    assert torch.equal(combine(None, value, [1.0]), value[0])
