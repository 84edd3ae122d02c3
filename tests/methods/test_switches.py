"""Every switch of training does what it says, next to an independent reference, and nothing where it is off."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
import torch
from bases import build_tiny
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from lessons import TOKEN, assert_same_run, quick_config, send, write_concept

from brandsmith.base.base import encode_prompts, predict
from brandsmith.core.errors import InvalidConfig, TrainingUnsound
from brandsmith.core.run import RunDirectory
from brandsmith.methods.captions import CaptionChanges, changed_captions
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import Training, prepare, train
from brandsmith.methods.method import ParameterGroup, Words
from brandsmith.methods.noise import NoiseKind, draw_noise, perturbed
from brandsmith.methods.packed import pack_key
from brandsmith.methods.preservation import preservation_loss
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.methods.schedules import learning_rate_factor
from brandsmith.methods.weight_average import WeightAverage

every_method = pytest.mark.parametrize("name", sorted(METHODS))
NUMBERS, SHAPE = list(range(400)), (4, 8, 8)
NOISING = SimpleNamespace(draw_timestep=lambda generator, below: torch.randint(1000, (1,), generator=generator))


def noise_of(numbers=NUMBERS, **kind):
    return draw_noise(3, 1, numbers, SHAPE, NOISING, NoiseKind(**kind))[0]


# ------------------------------------------------------------------ noise


def test_an_offset_moves_a_channel_as_a_whole_and_nothing_else():
    plain, moved = noise_of(), noise_of(offset=0.5)
    offset = (moved - plain).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(moved - plain, offset.expand_as(plain), atol=1e-6, rtol=0)
    assert offset.std().item() == pytest.approx(0.5, rel=0.05), "of 1600 channels"


def test_noise_of_several_scales_keeps_its_variance_and_is_smoother():
    plain, coarse = noise_of(), noise_of(multires=0.9)
    torch.testing.assert_close(coarse.std(dim=(1, 2, 3)), torch.ones(400), atol=1e-4, rtol=0)

    def of_neighbours(noise):
        return (noise[..., 1:] * noise[..., :-1]).mean().item()

    assert abs(of_neighbours(plain)) < 0.02 and of_neighbours(coarse) > 0.25


@pytest.mark.parametrize("kind", [{}, {"offset": 0.1}, {"multires": 0.3}, {"offset": 0.1, "multires": 0.3}])
def test_a_sample_has_the_same_noise_in_any_company(kind):
    assert torch.equal(noise_of([5, 17, 99], **kind)[1:2], noise_of([17], **kind))


def test_perturbed_noise_goes_in_and_the_target_stays():
    plain = noise_of()
    going_in = perturbed(plain, 0.1, 3, 1, NUMBERS)
    assert (going_in - plain).std().item() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(perturbed(plain[7:8], 0.1, 3, 1, [7]), going_in[7:8])


# ------------------------------------------------------------------ captions

CAPTION = f"photo, a {TOKEN} on cloth, red, blue, old"


def changed(count=600, **changes):
    return changed_captions((CAPTION,) * count, (TOKEN,), CaptionChanges(**changes), 1, list(range(count)))


def test_captions_are_left_out_as_often_as_asked():
    left_out = sum(caption == "" for caption in changed(dropout=0.25))
    assert 0.19 < left_out / 600 < 0.31
    assert changed(dropout=1.0) == ("",) * 600 and changed() == (CAPTION,) * 600


def test_tags_change_places_except_those_that_are_kept():
    seen = set(changed(shuffle=True))
    assert len(seen) == 6, "three tags are free"
    for caption in seen:
        tags = caption.split(", ")
        assert tags[:2] == ["photo", f"a {TOKEN} on cloth"] and sorted(tags[2:]) == ["blue", "old", "red"]


def test_tags_are_left_out_and_the_token_never():
    lengths = [len(caption.split(", ")) for caption in changed(tag_dropout=0.5, keep=0)]
    assert 2.8 < sum(lengths) / 600 < 3.2, "the token's tag and half of four"
    assert all(TOKEN in caption for caption in changed(tag_dropout=0.9, keep=0))


def test_training_without_captions_is_training_on_empty_ones(tmp_path):
    concept = write_concept(tmp_path / "concept")
    run = train(quick_config("lora", caption_dropout=1.0), concept, build_tiny(), tmp_path / "run")
    plain = train(quick_config("lora"), concept, build_tiny(), tmp_path / "plain").metrics()
    assert [row["loss"] for row in run.metrics()] != [row["loss"] for row in plain]


def test_new_vectors_that_no_caption_names_are_said_not_to_learn(tmp_path):
    concept = write_concept(tmp_path / "concept")
    with pytest.raises(TrainingUnsound, match="nothing of 'vectors' has moved"):
        train(quick_config("textual_inversion", caption_dropout=1.0), concept, build_tiny(), tmp_path / "run")


# ------------------------------------------------------------------ learning rates


@pytest.mark.parametrize(
    ("schedule", "more", "theirs"),
    [
        ("linear", {}, {}),
        ("cosine", {}, {}),
        ("cosine_with_restarts", {"schedule_cycles": 3}, {"num_cycles": 3}),
        ("polynomial", {"schedule_power": 2.0}, {"power": 2.0}),
    ],
)
def test_schedules_fall_as_those_of_diffusers_do(schedule, more, theirs):
    settings = build_config("lora", steps=50, warmup_steps=7, schedule=schedule, **more)
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    stock = get_scheduler(schedule, optimizer, num_warmup_steps=7, num_training_steps=50, **_named(theirs))
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        stock.step()
    ours = [learning_rate_factor(step, settings) for step in range(1, 51)]
    assert ours[7:] == pytest.approx(rates[7:], abs=1e-6)
    assert ours[:7] == pytest.approx([step / 7 for step in range(1, 8)]), "ours begins to learn at once"
    assert min(ours) > 0


def _named(theirs):
    return {"num_cycles": theirs["num_cycles"]} if "num_cycles" in theirs else theirs


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "cosine", "cooldown": 0.5},
        {"schedule": "cosine", "schedule_cycles": 2},
        {"schedule_power": 2.0},
        {"schedule": "linear", "warmup_steps": 6},
    ],
)
def test_settings_of_schedules_that_do_nothing_are_refused(settings, tmp_path):
    concept = write_concept(tmp_path / "concept")
    with pytest.raises(InvalidConfig):
        check_job(quick_config("lora", **settings), concept, build_tiny(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------ the average of the weights


def test_the_average_is_diffusers_own():
    weight = torch.nn.Parameter(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))
    theirs = EMAModel([weight], decay=0.9, foreach=False)
    ours = WeightAverage([ParameterGroup("unet", 1.0, {"w": weight})], 0.9)
    for step in range(30):
        weight.data += 0.1 * torch.randn(5, 5, generator=torch.Generator().manual_seed(step))
        theirs.step([weight])
        ours.update()
    torch.testing.assert_close(ours.averages["unet/w"], theirs.shadow_params[0])
    last = weight.detach().clone()
    with ours.in_place():
        torch.testing.assert_close(weight.detach(), theirs.shadow_params[0])
    assert torch.equal(weight, last)


@pytest.mark.slow
@every_method
def test_checkpoints_hold_the_average_and_the_training_goes_on_from_its_own_weights(name, tmp_path):
    concept = write_concept(tmp_path / "concept")
    averaged = train(quick_config(name, ema_decay=0.9), concept, build_tiny(), tmp_path / "averaged")
    plain = train(quick_config(name), concept, build_tiny(), tmp_path / "plain")
    losses = [[row["loss"] for row in run.metrics()] for run in (averaged, plain)]
    assert losses[0] == losses[1]
    files = [next(iter(run.checkpoints()[-1][1].glob("*.safetensors"))).read_bytes() for run in (averaged, plain)]
    assert files[0] != files[1]


# ------------------------------------------------------------------ preservation


def training_of(name, folder, **more):
    base, concept, config = build_tiny(), write_concept(folder / "concept"), quick_config(name, **more)
    words = Words(TOKEN, "logo")
    attached = METHODS[name].attach(base, config, words)
    material = prepare(base, concept, config, folder / "cache", lambda *_: None)
    return Training(base, config, words, material, attached, RunDirectory(folder / "run"))


@pytest.mark.parametrize("name", ["dreambooth", "lora", "hypernetwork"])
def test_what_is_kept_is_the_base_s_own_prediction(name, tmp_path):
    training = training_of(name, tmp_path, preservation_weight=2.0, prior_weight=0.0, batch_size=2)
    parts = training.losses(1)
    assert parts["preservation_loss"].item() == pytest.approx(0, abs=1e-8), "nothing has moved yet"
    for parameter in training.parameters:
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    piece = training.samples.pieces(1)[0]
    prompts = [prompt.replace(TOKEN, "logo") for prompt in piece.prompts]
    noisy = training.base.noising.add_noise(piece.latents, piece.noise, piece.timesteps)
    with torch.no_grad():
        now = predict(training.base, noisy, piece.timesteps, encode_prompts(training.base, prompts))
    fresh = build_tiny()
    with torch.no_grad():
        before = predict(fresh, noisy, piece.timesteps, encode_prompts(fresh, prompts))
    parts = training.losses(1)
    assert parts["preservation_loss"].item() == pytest.approx((now - before).square().mean().item(), rel=1e-3)
    assert training.total(parts).item() == pytest.approx(
        (parts["loss"] + 2 * parts["preservation_loss"]).item(), rel=1e-6
    )


@pytest.mark.slow
def test_it_keeps_the_class_nearer_to_what_it_was(tmp_path):
    drifts = []
    for weight in (0.0, 20.0):
        training = training_of("lora", tmp_path / str(weight), preservation_weight=weight, learning_rate=2e-2)
        for step in range(1, 7):
            training.step(step)
        piece = training.samples.pieces(50)[0]
        drift = preservation_loss(training.base, training.attached, training.encode, training.words, piece)
        drifts.append(drift.mean().item())
    assert drifts[1] < 0.7 * drifts[0], drifts


def test_preservation_is_refused_where_it_does_nothing(tmp_path):
    concept = write_concept(tmp_path / "concept")
    config = quick_config("textual_inversion", preservation_weight=1.0)
    with pytest.raises(InvalidConfig, match="preservation_weight"):
        check_job(config, concept, build_tiny(), tmp_path / "run")


# ------------------------------------------------------------------ together

ALL_ON = {
    "noise_offset": 0.05,
    "multires_noise": 0.3,
    "input_perturbation": 0.1,
    "caption_dropout": 0.3,
    "shuffle_tags": True,
    "tag_dropout": 0.1,
    "ema_decay": 0.9,
    "buckets": True,
    "preservation_weight": 0.5,
    "schedule": "cosine",
    "warmup_steps": 2,
}


@pytest.mark.slow
@every_method
def test_with_every_switch_on_an_interrupted_run_ends_in_the_same_bits(name, tmp_path):
    more = {"preservation_weight": 0.0} if name == "textual_inversion" else {}
    concept, config = write_concept(tmp_path / "concept"), quick_config(name, **(ALL_ON | more))
    whole = train(config, concept, build_tiny(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, concept, build_tiny(), tmp_path / "broken", progress=send(signal.SIGINT, 3))
    assert_same_run(train(config, concept, build_tiny(), tmp_path / "broken"), whole)


@pytest.mark.parametrize(
    "switch", ["shuffle_tags", "tag_dropout", "ema_decay", "caption_dropout", "preservation_weight"]
)
def test_what_changes_captions_or_keeps_averages_is_not_packed(switch):
    with pytest.raises(InvalidConfig, match=switch):
        pack_key(build_config("lora", **{switch: ALL_ON[switch]}))
