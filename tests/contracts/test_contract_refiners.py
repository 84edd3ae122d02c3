"""What every refiner obeys; a new one in REFINERS is enrolled by being there."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from drawing import sample_latents

from brandsmith.base.attention import cross_attention_layers
from brandsmith.guidance.refiners import REFINERS, build_refiner

NAMES = sorted(REFINERS)
PROMPTS = ["a red cat and a blue bowl", "a man wearing a t shirt"]


def processors(base):
    return [module.processor for module in base.denoiser.modules() if hasattr(module, "processor")]


def test_there_are_refiners():
    assert {"attend_excite", "attend_excite_paper"} <= set(NAMES) and build_refiner("none") is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_moves_latents_on_every_family(name, family):
    base = build_tiny(family)
    plain = sample_latents(base, PROMPTS, [1, 2], num_steps=3)
    refined = sample_latents(base, PROMPTS, [1, 2], num_steps=3, refiner=build_refiner(name, max_tries=1, target=None))
    assert torch.isfinite(refined).all()
    assert all(not torch.equal(a, b) for a, b in zip(plain, refined, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++", "heun"])
def test_batch_of_two_is_two_batches_of_one(name, scheduler):
    base = build_tiny()
    together, apart = (
        sample_latents(
            base,
            PROMPTS,
            [1, 2],
            num_steps=4,
            scheduler=scheduler,
            batch_size=size,
            refiner=build_refiner(name, max_tries=2),
        )
        for size in (2, 1)
    )
    assert torch.allclose(together, apart, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_leaves_the_base_as_it_was(name):
    base = build_tiny()
    trained = base.denoiser.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_k.weight.requires_grad_()
    before = {key: value.clone() for key, value in base.denoiser.state_dict().items()}
    own = processors(base)
    sample_latents(base, PROMPTS, [1, 2], num_steps=2, refiner=build_refiner(name, max_tries=1, target=None))
    assert all(a is b for a, b in zip(processors(base), own, strict=True)) and len(own) > 4
    assert all(torch.equal(before[key], value) for key, value in base.denoiser.state_dict().items())
    assert trained.requires_grad and trained.grad is None
    assert sum(p.requires_grad for p in base.denoiser.parameters()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_leaves_the_base_as_it_was_after_an_exception(name):
    base = build_tiny()
    trained = base.denoiser.conv_in.weight.requires_grad_()
    own = processors(base)
    last = cross_attention_layers(base)[2].attention

    def fail(*_):
        raise KeyboardInterrupt

    handle = last.to_q.register_forward_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        sample_latents(base, PROMPTS, [1, 2], num_steps=2, refiner=build_refiner(name))
    handle.remove()
    assert all(a is b for a, b in zip(processors(base), own, strict=True))
    assert trained.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_zero_steps_is_no_refiner_bit_for_bit(name):
    base = build_tiny()
    plain = sample_latents(base, PROMPTS, [1, 2], num_steps=3)
    assert torch.equal(
        plain, sample_latents(base, PROMPTS, [1, 2], num_steps=3, refiner=build_refiner(name, window=0.0))
    )


@pytest.mark.parametrize("name", NAMES)
def test_works_over_and(name):
    base = build_tiny()
    options = {"num_steps": 3, "combiner": "composable"}
    prompt = ["a red cat AND a blue bowl AND NOT a logo"]
    plain = sample_latents(base, prompt, [1], **options)
    refined = sample_latents(base, prompt, [1], refiner=build_refiner(name, max_tries=1, target=None), **options)
    assert torch.isfinite(refined).all() and not torch.equal(plain, refined)


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_without_subjects_is_left_alone(name):
    base = build_tiny()
    assert torch.equal(
        sample_latents(base, [""], [1], num_steps=2),
        sample_latents(base, [""], [1], num_steps=2, refiner=build_refiner(name)),
    )
