"""Attend-and-Excite against the stock pipeline, hand-computed losses, and what makes it cheap and safe."""

from __future__ import annotations

import math
import warnings
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from bases import build_tiny
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from drawing import sample_latents

from brandsmith.base.attention import attention_probabilities, choose_factor, cross_attention_layers, recording
from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance import attention_look, attention_losses
from brandsmith.guidance.attend_excite import AttendExcite, verdict_line
from brandsmith.guidance.attention_look import smoothed
from brandsmith.guidance.attention_losses import SeenSubject
from brandsmith.guidance.screen import Screen, candidate_seed
from brandsmith.pocket.unet import build_unet

PROMPT = "a cat and a bowl"


# ----------------------------------------------------------------------------- fidelity


@pytest.mark.slow
def test_paper_mode_equals_diffusers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import StableDiffusionAttendAndExcitePipeline

    base = build_tiny()
    pipeline = StableDiffusionAttendAndExcitePipeline(
        vae=base.vae,
        text_encoder=base.text_encoders[0],
        tokenizer=base.tokenizers[0],
        unet=base.denoiser,
        scheduler=DDIMScheduler.from_config(base.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
    )
    pipeline.set_progress_bar_config(disable=True)
    # Peaks of a random network are near 0.05: thresholds around it make refinement both stop early and run out.
    stock = pipeline(
        PROMPT,
        [2, 5],
        num_inference_steps=10,
        generator=torch.Generator().manual_seed(3),
        attn_res=(8, 8),
        output_type="latent",
        thresholds={0: 0.0503, 2: 0.06},
        max_iter_to_alter=5,
        scale_factor=2000,
    ).images
    refiner = AttendExcite.paper(thresholds=((0.0, 0.0503), (0.2, 0.06)), step_size=2000.0, factors=(1,))
    ours = sample_latents(base, [PROMPT], [3], num_steps=10, refiner=refiner)
    plain = sample_latents(base, [PROMPT], [3], num_steps=10)
    assert (plain - ours).abs().max() > 0.1
    assert torch.allclose(ours, stock, atol=5e-3, rtol=1e-3)


def test_smoothing_is_the_published_kernel():
    grid = torch.zeros(5, 5)
    grid[2, 2] = 1
    expected = torch.tensor([[0.045, 0.122, 0.045], [0.122, 0.332, 0.122], [0.045, 0.122, 0.045]])
    assert torch.allclose(smoothed(grid)[1:4, 1:4], expected, atol=1e-3)
    assert smoothed(torch.ones(1, 4)).allclose(torch.ones(1, 4))


# ----------------------------------------------------------------------------- losses


def subject(*values, attributes=()):
    grid = torch.tensor(values).view(1, -1)
    return SeenSubject(grid, grid, tuple(torch.tensor(a).view(1, -1) for a in attributes))


def test_losses_by_hand():
    strong, weak = subject(0.8, 0.1), subject(0.1, 0.5)
    assert attention_losses.paper([strong, weak]).item() == pytest.approx(0.5)
    assert attention_losses.product([strong, weak]).item() == pytest.approx(-math.log(0.8 * 0.5))
    same, apart = subject(0.5, 0.5, attributes=[(0.2, 0.2)]), subject(1.0, 0.0, attributes=[(0.0, 1.0)])
    assert attention_losses.bind([same]).item() == pytest.approx(0.0, abs=1e-6)
    assert attention_losses.bind([apart]).item() > 5
    assert attention_losses.bind([strong]).item() == 0
    assert attention_losses.separate([subject(1.0, 0.0), subject(0.0, 1.0)]).item() == pytest.approx(0.0, abs=1e-4)
    assert attention_losses.separate([subject(0.3, 0.1), subject(0.6, 0.2)]).item() == pytest.approx(1.0)
    assert attention_losses.separate([strong]).item() == 0


@pytest.mark.parametrize("name", sorted(attention_losses.LOSSES))
def test_gradients_are_finite_differences(name):
    torch.manual_seed(0)
    maps = torch.rand(4, 3, 3, dtype=torch.float64, requires_grad=True)

    def loss(m):
        return attention_losses.LOSSES[name]([SeenSubject(m[0], m[0], (m[1],)), SeenSubject(m[2], m[2], (m[3],))])

    assert torch.autograd.gradcheck(loss, (maps * 0.9 + 0.05,))


def test_product_moves_every_subject_and_paper_only_the_weakest():
    grids = [torch.tensor([[0.8, 0.1]], requires_grad=True), torch.tensor([[0.1, 0.5]], requires_grad=True)]
    seen = [SeenSubject(g, g) for g in grids]
    by_product = torch.autograd.grad(attention_losses.product(seen), grids)
    assert 0 < by_product[0].abs().max() < by_product[1].abs().max()
    assert torch.autograd.grad(attention_losses.paper(seen), grids)[0].abs().max() == 0


def test_unknown_loss_is_explained():
    with pytest.raises(InvalidConfig, match="unknown attention loss 'prodct'"):
        AttendExcite(losses=(("prodct", 1.0),))


# ----------------------------------------------------------------------------- recording


def unet_inputs(base, rows=2):
    torch.manual_seed(1)
    return torch.randn(rows, 4, 8, 8), torch.randn(rows, 24, base.denoiser.config.cross_attention_dim)


def test_recording_changes_no_bit_and_sees_every_layer():
    base = build_tiny()
    latents, text = unet_inputs(base)
    layers = cross_attention_layers(base)
    plain = base.denoiser(latents, 5, encoder_hidden_states=text).sample
    with recording(layers) as recorder:
        assert torch.equal(base.denoiser(latents, 5, encoder_hidden_states=text).sample, plain)
        shapes = [tuple(m.shape) for m in recorder.maps]
    assert shapes == [(2, (8 // layer.factor) ** 2, 24) for layer in layers]
    assert [layer.factor for layer in layers] == [1, 2, 2, 2, 2, 1, 1]
    assert all(torch.allclose(m.sum(-1), torch.ones(())) for m in recorder.maps)


def test_probabilities_are_those_of_the_stock_processor():
    base = build_tiny()
    attention = cross_attention_layers(base)[0].attention
    hidden, text = torch.randn(2, 64, 16), torch.randn(2, 24, 16)
    query, key = attention.head_to_batch_dim(attention.to_q(hidden)), attention.head_to_batch_dim(attention.to_k(text))
    stock = attention.get_attention_scores(query, key).view(2, attention.heads, 64, 24).mean(1)
    assert torch.allclose(attention_probabilities(attention, hidden, text), stock, atol=1e-6)


def test_the_forward_stops_after_the_last_layer_read():
    base = build_tiny()
    ran = []
    for name, module in base.denoiser.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: ran.append(name))
    latents, text = unet_inputs(base)
    wanted = [layer for layer in cross_attention_layers(base) if layer.factor == 2]
    with recording(wanted) as recorder:
        recorder.run(lambda: base.denoiser(latents, 5, encoder_hidden_states=text))
    assert len(recorder.maps) == 4
    assert "up_blocks.0.attentions.1.transformer_blocks.0.attn1" in ran
    later = ("up_blocks.1", "conv_out", "up_blocks.0.attentions.1.transformer_blocks.0.ff")
    assert not any(name.startswith(later) for name in ran)


def test_a_picture_twice_as_wide_as_high_keeps_its_axes():
    """A blob of attention planted at the right of a 2:1 picture is found there."""
    base = build_tiny()
    layers = [layer for layer in cross_attention_layers(base) if layer.factor == 1]
    with recording(layers) as recorder:
        grid = torch.zeros(4, 8, 24)
        grid[1, 6, 5] = 1
        for _ in layers:
            recorder.keep(grid.view(1, 32, 24))
        maps = recorder.averaged((4, 8))
    assert maps.shape == (1, 4, 8, 24)
    assert divmod(int(maps[0, ..., 5].argmax()), 8) == (1, 6)


# ----------------------------------------------------------------------------- cheap and safe


def count_passes(base):
    seen = []
    base.denoiser.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    return seen


def test_no_pass_outside_the_window_and_a_hard_budget():
    base = build_tiny()
    calls = count_passes(base)
    refiner = AttendExcite(thresholds=(), window=0.5)
    sample_latents(base, [PROMPT], [1], num_steps=8, refiner=refiner)
    assert calls == [1, 2] * 4 + [2] * 4
    refiner = AttendExcite(max_extra_passes=3)
    sample_latents(base, [PROMPT, PROMPT], [1, 2], num_steps=8, refiner=refiner)
    assert [report.extra_passes for report in refiner.reports] == [3, 3]


def test_satisfied_images_stop_alone_and_cost_no_backward():
    base = build_tiny()
    refiner = AttendExcite(target=0.01, thresholds=(), patience=2)
    calls = count_passes(base)
    plain = sample_latents(base, [PROMPT], [1], num_steps=10)
    calls.clear()
    refined = sample_latents(base, [PROMPT], [1], num_steps=10, refiner=refiner)
    assert torch.equal(plain, refined)
    assert calls == [1, 2, 1, 2] + [2] * 8
    assert refiner.reports[0].left_alone_from_step == 1 and refiner.reports[0].num_moves == 0


@pytest.mark.slow
def test_subjects_that_keep_apart_are_left_alone_whatever_their_peaks(monkeypatch):
    base, moved = build_tiny(), AttendExcite(target=0.999, thresholds=((0.0, 0.9),), max_tries=2)
    sample_latents(base, [PROMPT], [1], num_steps=6, refiner=moved)
    assert moved.reports[0].num_moves > 0  # with random weights every word is everywhere
    plain, places = sample_latents(base, [PROMPT, "a cat"], [1, 2], num_steps=6), []

    def seen(maps):
        places.append(len(maps))
        return 0.1

    monkeypatch.setattr(attention_look, "shared_places", seen)
    options = {"target": 0.999, "thresholds": ((0.0, 0.9),), "max_tries": 2}
    for apart, still in ((0.25, True), (0.05, False), (None, False)):
        refiner = AttendExcite(apart=apart, **options)
        refined = sample_latents(base, [PROMPT, "a cat"], [1, 2], num_steps=6, refiner=refiner)
        assert (refiner.reports[0].num_moves == 0) == still == torch.equal(refined[0], plain[0])
        assert refiner.reports[1].num_moves > 0  # one subject alone has nothing to keep apart from
    assert set(places) == {2}


def test_a_gradient_that_is_not_finite_is_skipped_and_reported(monkeypatch):
    base = build_tiny()
    plain = sample_latents(base, [PROMPT], [1], num_steps=4)
    monkeypatch.setitem(attention_losses.LOSSES, "product", lambda seen: seen[0].peak * float("nan"))
    refiner = AttendExcite(losses=(("product", 1.0),), thresholds=())
    assert torch.equal(sample_latents(base, [PROMPT], [1], num_steps=4, refiner=refiner), plain)
    assert refiner.reports[0].num_skipped_non_finite == 2 and refiner.reports[0].num_moves == 0


def test_moves_raise_the_weakest_peak():
    base = build_tiny()
    refiner = AttendExcite(
        losses=(("product", 1.0),), thresholds=((0.0, 0.95),), step_size=300.0, window=0.01, max_tries=20
    )
    sample_latents(base, [PROMPT], [1], num_steps=4, refiner=refiner)
    peaks = [min(values) for _, values in refiner.reports[0].peaks]
    assert len(peaks) == 21 and peaks[-1] > peaks[0]


def test_a_scaled_scheduler_moves_as_an_unscaled_one():
    """Euler's latents are the model's input times sqrt(σ² + 1): moves in model space must not depend on that."""
    base = build_tiny()
    peaks = []
    for kind in (DDIMScheduler, EulerDiscreteScheduler):
        scheduler = kind.from_config(base.scheduler.config, timestep_spacing="trailing")
        refiner = AttendExcite(thresholds=((0.0, 0.95),), step_size=500.0, window=1.0, max_tries=20)
        sample_latents(base, [PROMPT], [1], num_steps=1, scheduler=scheduler, refiner=refiner)
        peaks.append([value for _, values in refiner.reports[0].peaks for value in values])
    assert len(peaks[0]) == 42 and max(peaks[0]) - min(peaks[0]) > 0.02
    assert peaks[0] == pytest.approx(peaks[1], abs=2e-3)


def test_adapters_are_seen():
    from peft import LoraConfig, inject_adapter_in_model

    base = build_tiny()
    refiner = AttendExcite(thresholds=(), window=0.3)
    sample_latents(base, [PROMPT], [1], num_steps=4, refiner=refiner)
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["to_q", "to_k"], init_lora_weights=True), base.denoiser)
    at_start = AttendExcite(thresholds=(), window=0.3)
    sample_latents(base, [PROMPT], [1], num_steps=4, refiner=at_start)
    assert at_start.reports == refiner.reports
    torch.manual_seed(0)
    for name, parameter in base.denoiser.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    moved = AttendExcite(thresholds=(), window=0.3)
    sample_latents(base, [PROMPT], [1], num_steps=4, refiner=moved)
    assert moved.reports[0].peaks[0] != refiner.reports[0].peaks[0]
    assert any(p.requires_grad for n, p in base.denoiser.named_parameters() if "lora" in n)


def test_screening_chooses_the_noise_with_the_best_weakest_peak():
    base = build_tiny()
    screen = Screen(5)
    screened = sample_latents(base, [PROMPT] * 2, [1, 2], num_steps=2, screener=screen)
    chosen = [report.chosen_seed for report in screen.reports]
    assert torch.allclose(screened, sample_latents(base, [PROMPT] * 2, chosen, num_steps=2), atol=1e-4)
    peaks = []
    for number in range(5):
        single = AttendExcite(thresholds=(), window=0.4, target=0.01)
        sample_latents(base, [PROMPT], [candidate_seed(1, number)], num_steps=2, refiner=single)
        peaks.append(min(single.reports[0].peaks[0][1]))
    assert candidate_seed(1, peaks.index(max(peaks))) == chosen[0]
    assert [r.extra_passes for r in screen.reports] == [5, 5]


def test_end_and_padding_compete_only_in_paper_mode():
    base = build_tiny("sd2")
    peaks = []
    for keep in (True, False):
        refiner = AttendExcite(keep_padding=keep, thresholds=(), window=0.3)
        sample_latents(base, [PROMPT], [1], num_steps=3, refiner=refiner)
        peaks.append(refiner.reports[0].peaks[0][1][0])
    assert peaks[0] < 0.1 < peaks[1]


@pytest.mark.parametrize("changes", [{"window": 1.5}, {"max_extra_passes": -1}, {"thresholds": ((0.5, 3.0),)}])
def test_settings_are_checked(changes):
    with pytest.raises(InvalidConfig):
        AttendExcite(**changes)


def test_screening_needs_a_candidate():
    with pytest.raises(InvalidConfig, match="screen is 0"):
        Screen(0)


@pytest.mark.slow
def test_layers_that_are_not_there_are_explained():
    with pytest.raises(InvalidConfig, match="no cross-attention layer"):
        sample_latents(build_tiny(), [PROMPT], [1], num_steps=2, refiner=AttendExcite(factors=(16,)))


def test_verdicts():
    assert verdict_line(["cat", "bowl"], [0.834, 0.31], 0.8) == "cat 0.83 ok; bowl 0.31 below target"
    assert verdict_line([], [], 0.8) == "no subject found in the prompt"


def test_maps_of_eight_by_eight_at_least_are_read():
    assert choose_factor(build_tiny()) == 1  # 8 x 8 latents: its 4 x 4 level is too coarse
    pocket = replace(build_tiny(), denoiser=build_unet())
    assert choose_factor(pocket) == 2  # 16 x 16 latents, text at 8 x 8 and 4 x 4


@pytest.mark.parametrize("keep_norm", [True, False])
def test_moves_are_bounded_and_keep_the_length_of_latents(keep_norm):
    base = build_tiny()
    seen = []
    refiner = AttendExcite(step_size=1e6, max_move=0.1, keep_norm=keep_norm, thresholds=(), window=0.01)

    @contextmanager
    def attach(batch):
        with refiner.attach(batch) as refine:
            yield lambda latents, step: seen.append((latents, refine(latents, step))) or seen[-1][1]

    sample_latents(base, [PROMPT], [1], num_steps=2, refiner=SimpleNamespace(name="seen", attach=attach))
    before, after = seen[0]
    move, length = float((after - before).norm()), float(before.norm())
    assert 0.09 * length < move < 0.11 * length
    assert torch.equal(*seen[1])
    assert (abs(float(after.norm()) - length) < 1e-4 * length) == keep_norm


def test_the_default_moves_what_is_below_its_target_and_nothing_else():
    """A random network shares its attention out among the words: of many words each peaks low, of two each peaks
    high.
    """
    base = build_tiny()
    few, many = "cat bowl", "a cat and a bowl and a key and a bus and a tree and a hat and a ring and a cup"
    for prompt, moves in ((few, False), (many, True)):
        refiner = AttendExcite()
        refined = sample_latents(base, [prompt], [1], num_steps=4, refiner=refiner)
        (report,) = refiner.reports
        assert (min(report.peaks[0][1]) < AttendExcite.target) == moves and (report.num_moves > 0) == moves
        assert torch.equal(refined, sample_latents(base, [prompt], [1], num_steps=4)) != moves
