"""The held-out loss gap: nothing where nothing was learnt, a rise where training pictures were learnt by heart."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bases import build_tiny
from lessons import TOKEN, write_concept
from PIL import Image

from brandsmith.base.base import encode_prompts
from brandsmith.core.errors import InvalidConcept
from brandsmith.evaluate import overfit
from brandsmith.evaluate.overfit import Pictured, _latents, denoising_gap, gap_of, held_out_captioned, training_pictures
from brandsmith.methods.diffusion_loss import DiffusionLoss
from brandsmith.methods.noise import draw_noise


def test_the_same_pictures_on_both_sides_have_no_gap(tmp_path):
    pictured = training_pictures(write_concept(tmp_path / "concept"))
    found = denoising_gap(build_tiny(), None, pictured, pictured, num_noises=6)
    assert found.gap.value == pytest.approx(0.0, abs=1e-6) and found.gap.low <= 0 <= found.gap.high
    assert found.beyond_base is None and found.training_loss == pytest.approx(found.held_out_loss)
    again = denoising_gap(build_tiny(), None, pictured, pictured, num_noises=6)
    assert again == found, "same seed, same noises, same numbers"


def test_shared_noises_cancel_in_the_interval():
    """Noise that moves every picture's loss alike must not widen the interval; it would, were the sets' noises drawn
    apart.
    """
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 5.0, (1, 16))
    training, held_out = shared + rng.normal(1.0, 0.05, (12, 16)), shared + rng.normal(1.3, 0.05, (12, 16))
    gap = gap_of(training, held_out)
    assert gap.low < 0.3 < gap.high + 0.05 and gap.high - gap.low < 0.1
    assert gap.value == pytest.approx(0.3, abs=0.03)


def test_held_out_pictures_without_captions_ask_for_the_token(tmp_path):
    concept = write_concept(tmp_path / "concept")
    assert held_out_captioned(concept) == Pictured((), ())
    (concept.folder / "held_out").mkdir()
    for i, source in enumerate(sorted((concept.folder / "images").glob("*.png"))):
        (concept.folder / "held_out" / f"{i}.png").write_bytes(source.read_bytes())
    (concept.folder / "held_out" / "1.txt").write_text(f"a {TOKEN} cap\n")
    assert held_out_captioned(concept).prompts == (f"a {TOKEN}", f"a {TOKEN} cap", f"a {TOKEN}", f"a {TOKEN}")


def test_too_few_pictures_say_nothing(tmp_path):
    pictured = training_pictures(write_concept(tmp_path / "concept"))
    with pytest.raises(InvalidConcept, match="0 held-out pictures"):
        denoising_gap(build_tiny(), None, pictured, Pictured((), ()))


def learnt_by_heart(base, pictured: Pictured, num_steps: int) -> dict[str, torch.Tensor]:
    """Weights of a U-Net that saw nothing but these pictures, under noises of its own."""
    learner, loss = copy.deepcopy(base.denoiser).requires_grad_(True), DiffusionLoss(base)
    loss.base = replace(base, denoiser=learner)
    latents = _latents(base, pictured).repeat(3, 1, 1, 1)
    with torch.no_grad():
        words = encode_prompts(base, list(pictured.prompts) * 3)
    optimizer = torch.optim.Adam(learner.parameters(), 3e-3)
    for step in range(num_steps):
        noise, timesteps = draw_noise(
            1, 2, list(range(step * len(latents), (step + 1) * len(latents))), tuple(latents.shape[1:]), loss.noising
        )
        optimizer.zero_grad()
        loss(latents, words, noise, timesteps).mean().backward()
        optimizer.step()
    return learner.state_dict()


@pytest.mark.slow
def test_learning_by_heart_opens_the_gap_and_the_base_is_left_as_it_was(tmp_path, monkeypatch):
    base = build_tiny()
    base.vae.register_to_config(
        scaling_factor=12.0
    )  # an untrained autoencoder's latents hardly differ: 12 gives them a spread
    training, held_out = (
        training_pictures(write_concept(tmp_path / "concept")),
        write_noise_pictures(tmp_path / "other"),
    )
    before = {name: value.clone() for name, value in base.denoiser.state_dict().items()}
    learnt = learnt_by_heart(base, training, num_steps=45)

    @contextmanager
    def fine_tuned(on, checkpoint):
        on.denoiser.load_state_dict(learnt)
        yield
        on.denoiser.load_state_dict(before)

    monkeypatch.setattr(overfit, "load_adapter", fine_tuned)
    found = denoising_gap(base, tmp_path, training, held_out, num_noises=8)
    assert found.beyond_base.low > 0, found
    assert found.gap.value == pytest.approx(found.held_out_loss - found.training_loss, abs=1e-5)
    assert (found.num_training, found.num_held_out, found.num_noises) == (4, 6, 8)
    assert all((value == before[name]).all() for name, value in base.denoiser.state_dict().items())


def write_noise_pictures(folder: Path) -> Pictured:
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (72, 80, 3), np.uint8)).save(folder / f"{i}.png")
    images = tuple(sorted(folder.glob("*.png")))
    return Pictured(images, (f"a {TOKEN}",) * len(images))
