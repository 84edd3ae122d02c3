"""Timesteps and weights of flow models: drawn by the sample's own generator, weighed as the papers say."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.training_utils import compute_density_for_timestep_sampling, compute_loss_weighting_for_sd3

from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.noising import FlowNoising, FlowSampling, UniformFlowNoising, with_sampling
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.flow_timesteps import check_timesteps, sampling_changes
from brandsmith.methods.registry import build_config


def sigmas(noising, count=1500):
    """(count,) shares of noise, one generator each."""
    drawn = [noising.draw_timestep(torch.Generator().manual_seed(seed)) for seed in range(count)]
    return torch.cat(drawn) / noising.num_timesteps


def noising_of(kind=UniformFlowNoising, shift=1.0, **options):
    config = build_config("lora", **options)
    return with_sampling(kind(FlowMatchEulerDiscreteScheduler(shift=shift)), sampling_changes(config))


def test_left_alone_every_family_draws_as_its_script_does():
    """Stable Diffusion 3: logit-normal through the table with its shift (the draws of all earlier versions)."""
    noising = noising_of(FlowNoising, shift=3.0)
    place = torch.randn((1,), generator=torch.Generator().manual_seed(7)).sigmoid()
    expected = noising.schedule.timesteps[(place * 1000).long()]
    assert torch.equal(noising.draw_timestep(torch.Generator().manual_seed(7)), expected)
    assert {
        name for name, own in FAMILIES.items() if own.noising.is_flow and own.noising.usual.density != "uniform"
    } == {"sd3"}
    drawn = sigmas(noising_of())
    assert abs(float(drawn.mean()) - 0.5) < 0.03 and abs(float(drawn.std()) - 12**-0.5) < 0.02


def test_each_setting_moves_what_it_says():
    even = float(sigmas(noising_of()).mean())
    assert float(sigmas(noising_of(timestep_shift=3.0)).mean()) > even + 0.1
    normal = {"timestep_sampling": "logit_normal"}
    assert (
        float(sigmas(noising_of(**normal)).std()) < 0.25 < float(sigmas(noising_of(**normal, timestep_std=3.0)).std())
    )
    assert float(sigmas(noising_of(**normal, timestep_mean=1.0)).mean()) < even - 0.1, "above 0 less noise"
    mode = sigmas(noising_of(timestep_sampling="mode"))
    assert float(mode.min()) >= 0 and float(mode.max()) <= 1 and float((mode - 0.5).abs().mean()) < 0.25
    shifted = noising_of(timestep_shift=3.1582).draw_timestep(torch.Generator().manual_seed(1))
    plain = 1 - torch.rand((1,), generator=torch.Generator().manual_seed(1))
    assert float(shifted) == pytest.approx(1000 * float(3.1582 * plain / (1 + 2.1582 * plain)), rel=1e-5)


@pytest.mark.parametrize(
    ("density", "mean", "std", "mode"),
    [
        ("logit_normal", 0.0, 1.0, 1.29),
        ("logit_normal", 0.6, 1.7, 1.29),
        ("mode", 0.0, 1.0, 1.29),
        ("mode", 0.0, 1.0, 0.5),
        ("uniform", 0.0, 1.0, 1.29),
    ],
)
def test_places_are_those_of_diffusers_scripts(density, mean, std, mode):
    """Draw by draw, of the same generators; then through the schedule's table as those scripts read it."""
    sampling = FlowSampling(density=density, mean=mean, std=std, mode_scale=mode)
    noising = FlowNoising(FlowMatchEulerDiscreteScheduler(shift=3.0), sampling)
    for seed in range(100):
        ours, theirs = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
        place = compute_density_for_timestep_sampling(density, 1, float(mean), float(std), mode, generator=theirs)
        assert torch.allclose(sampling.place(ours), place, atol=1e-6)
        drawn = noising.draw_timestep(torch.Generator().manual_seed(seed))
        rows = (place * 1000 + torch.tensor([-1e-3, 0.0, 1e-3])).long().clamp(0, 999)  # rounding may take the next row
        assert float(drawn) in noising.schedule.timesteps[rows].tolist()


@pytest.mark.parametrize("scheme", ["none", "sigma_sqrt", "cosmap"])
def test_weights_are_those_of_diffusers_scripts(scheme):
    noising, timesteps = noising_of(timestep_weights=scheme), torch.tensor([100.0, 500.0, 900.0])
    theirs = compute_loss_weighting_for_sd3(scheme, timesteps / 1000)
    assert torch.allclose(noising.weights(timesteps), theirs, rtol=1e-5)
    middle = noising_of(timestep_weights="sigma_squared").weights(torch.tensor([500.0]))
    assert float(middle) == 0.25 and math.isfinite(float(noising.weights(torch.tensor([0.0]))))


def test_a_diffusion_model_and_a_mean_of_nothing_are_refused():
    with pytest.raises(InvalidConfig, match="diffusion model") as raised:
        check_timesteps(build_config("lora", timestep_shift=3.0), FAMILIES["sd1"].noising)
    assert "timestep_shift" in raised.value.hint
    with pytest.raises(InvalidConfig, match="timestep_sampling is uniform"):
        check_timesteps(build_config("lora", timestep_sampling="uniform", timestep_mean=1.0), FAMILIES["flux2"].noising)
    check_timesteps(build_config("lora"), FAMILIES["sd1"].noising)
