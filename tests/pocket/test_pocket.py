"""The embedded base is a real Stable Diffusion: stock diffusers loads it, and each method teaches it something."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from drawing import sample

from brandsmith.base.base import pocket_folder
from brandsmith.base.sources import load_base
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.evaluate.chain import judges_for, thesis_kpi
from brandsmith.evaluate.overfit import denoising_gap, held_out_captioned, training_pictures
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.loop import train
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config

SEEDS = (1000, 1001)


@pytest.fixture(scope="module")
def pocket():
    return load_base("pocket")


def drawn(base, concept) -> list[np.ndarray]:
    jobs = [(prompt, seed) for prompt in concept.prompts() for seed in SEEDS]
    return sample(base, [p for p, _ in jobs], [s for _, s in jobs], num_steps=20, guidance_scale=1.5, batch_size=10)


def test_size_and_licence():
    files = [f for f in pocket_folder().rglob("*") if f.is_file()]
    assert sum(f.stat().st_size for f in files) <= 32 * 2**20
    assert (pocket_folder() / "README.md").is_file()


@pytest.mark.slow
def test_stock_diffusers_loads_it_and_draws_the_same_picture(pocket):
    pipeline = StableDiffusionPipeline.from_pretrained(pocket_folder(), dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(7)
    theirs = pipeline(
        "a blue t shirt", num_inference_steps=6, guidance_scale=4.0, generator=generator, output_type="np"
    ).images[0]
    ours = sample(pocket, ["a blue t shirt"], [7], num_steps=6, guidance_scale=4.0)[0]
    assert np.abs(theirs * 255 - ours.astype(float)).max() <= 2


def test_concept_on_disk_is_what_the_issue_says():
    concept = load_concept("demo")
    assert len(concept.examples) == 20 and concept.config.expected_text == "QOGA"
    train = demo_folder() / "detector" / "train"
    labelled = [f for f in (train / "labels").glob("*.txt") if f.read_text().strip()]
    assert len(labelled) == 150 and len(list((train / "images").iterdir())) - len(labelled) >= 50
    assert len([f for f in (demo_folder() / "held_out").iterdir() if f.suffix == ".webp" or f.suffix == ".png"]) >= 20


def test_the_classifier_was_checked_on_true_scenes():
    card = PocketClasses(pocket_folder()).card
    assert card["object_accuracy"] >= 0.95 and card["colour_accuracy"] >= 0.90 and card["n"] >= 500


@pytest.fixture(scope="module")
def untrained_kpi(pocket) -> float:
    concept = load_concept("demo")
    return thesis_kpi(judges_for(concept), drawn(pocket, concept))


@pytest.mark.slow
def test_the_brand_is_unknown_to_the_base(untrained_kpi):
    assert untrained_kpi <= 0.15


STEPS = {"dreambooth": 280, "lora": 320, "textual_inversion": 160}


@pytest.fixture(scope="module", params=["dreambooth", "lora", "textual_inversion"])
def taught(request, pocket, tmp_path_factory):
    """(method, checkpoint) of a short real training; the base is as before."""
    before = {name: tensor.clone() for name, tensor in pocket.denoiser.state_dict().items()}
    options = preset_for(request.param, "pocket") | {
        "steps": STEPS[request.param],
        "checkpoint_every": STEPS[request.param],
    }
    run = train(
        build_config(request.param, **options),
        load_concept("demo"),
        pocket,
        tmp_path_factory.mktemp("runs") / request.param,
    )
    ((step, checkpoint),) = run.checkpoints()
    assert step == STEPS[request.param] and all(
        torch.equal(before[name], tensor) for name, tensor in pocket.denoiser.state_dict().items()
    )
    return request.param, checkpoint


LEARNT = {"dreambooth": 0.10, "lora": 0.01, "textual_inversion": 0.01}
"""By which share the denoising loss of the training pictures must fall, same noises before and after."""


@pytest.mark.slow
def test_a_short_real_training_learns_its_pictures(taught, pocket):
    method, checkpoint = taught
    concept = load_concept("demo")
    training, held_out = training_pictures(concept), held_out_captioned(concept)
    before = denoising_gap(pocket, None, training, held_out, num_noises=4).training_loss
    after = denoising_gap(pocket, checkpoint, training, held_out, num_noises=4).training_loss
    print(f"{method}: denoising loss {before:.4f} -> {after:.4f} after {STEPS[method]} steps")
    assert after <= before * (1 - LEARNT[method])


GAIN = {"dreambooth": 0.4, "lora": 0.25, "textual_inversion": 0.1}


@pytest.mark.slow
def test_a_short_real_training_raises_the_kpi(taught, pocket, untrained_kpi):
    method, checkpoint = taught
    concept = load_concept("demo")
    with load_adapter(pocket, checkpoint):
        kpi = thesis_kpi(judges_for(concept), drawn(pocket, concept))
    print(f"{method}: KPI {kpi:.3f} after {STEPS[method]} steps, untrained {untrained_kpi:.3f}")
    assert kpi >= untrained_kpi + GAIN[method]
