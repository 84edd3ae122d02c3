"""Places under a mask count more, by as much as the setting says, and not at all where nobody asks for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny
from lessons import write_concept
from PIL import Image

from brandsmith.base.base import encode_prompts
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConcept
from brandsmith.methods.diffusion_loss import DiffusionLoss
from brandsmith.methods.job import describe_concept
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.masks import place_weights
from brandsmith.methods.training_data import concept_set


def masked_concept(folder, number: int = 0):
    """The tiny concept with a mask on one picture: its left half."""
    write_concept(folder)
    (folder / "masks").mkdir()
    mask = np.zeros((72, 80), np.uint8)
    mask[:, :40] = 255
    Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return load_concept(folder)


def test_a_place_under_the_mask_counts_so_many_times_and_the_mean_is_one():
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, :, :, :32] = 1
    places = place_weights(mask, (8, 8), 5.0)
    assert places.shape == (2, 1, 8, 8)
    torch.testing.assert_close(places.mean(dim=(1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(places[0, 0, 0, 0] / places[0, 0, 0, 7], torch.tensor(5.0))
    assert torch.equal(places[1], torch.ones(1, 8, 8)), "a black mask weighs all places alike"


def test_only_pictures_with_a_mask_are_weighted_and_only_on_request(tmp_path):
    concept, base = masked_concept(tmp_path / "brand"), build_tiny()
    assert [example.mask is not None for example in concept.examples] == [True, False, False, False]
    plain = concept_set(base, concept, LoraConfig(), (64, 64), tmp_path / "cache", lambda *_: None)
    assert plain.places is None
    weighted = concept_set(base, concept, LoraConfig(mask_weight=3), (64, 64), tmp_path / "cache", lambda *_: None)
    assert torch.equal(weighted.latents, plain.latents)
    assert torch.equal(weighted.places[1:], torch.ones(3, 1, 8, 8))
    left, right = weighted.places[0, 0, :, 0], weighted.places[0, 0, :, -1]
    torch.testing.assert_close(left / right, torch.full((8,), 3.0))


def test_without_a_mask_what_is_seen_through_counts_less(tmp_path):
    concept, base = masked_concept(tmp_path / "brand", 1), build_tiny()
    file = concept.folder / "images" / "0.png"
    picture = Image.open(file).convert("RGBA")
    seen = np.zeros((72, 80), np.uint8)
    seen[:, 40:] = 255
    picture.putalpha(Image.fromarray(seen))
    picture.save(file)
    Image.open(concept.folder / "images" / "1.png").convert("RGBA").save(concept.folder / "images" / "1.png")
    made = concept_set(base, concept, LoraConfig(mask_weight=3), (64, 64), tmp_path / "cache", lambda *_: None)
    left, right = made.places[0, 0, :, 0], made.places[0, 0, :, -1]
    torch.testing.assert_close(right / left, torch.full((8,), 3.0))
    assert made.places[1, 0, 0, 0] > made.places[1, 0, 0, -1], "a mask of its own is what counts"
    assert torch.equal(made.places[2:], torch.ones(2, 1, 8, 8))


def test_views_of_a_picture_move_its_mask_along(tmp_path):
    concept, base = masked_concept(tmp_path / "brand"), build_tiny()
    made = concept_set(base, concept, LoraConfig(mask_weight=3, views=4), (64, 64), tmp_path / "cache", lambda *_: None)
    assert len(made.places) == len(made.latents) == 16
    rows = [made.places[i, 0, 4] for i in range(4)]
    assert all(row[0] > 2.5 * row[-1] for row in rows), "left counts three times as much as right in every view"
    assert len({tuple(row.tolist()) for row in rows}) == 4, "and each view's mask ends elsewhere"


def test_the_loss_is_the_weighted_mean_of_the_errors():
    base = build_tiny()
    loss = DiffusionLoss(base)
    generator = torch.Generator().manual_seed(1)
    latents, noise = (torch.randn(2, *base.latent_shape, generator=generator) for _ in range(2))
    conditioning, timesteps = encode_prompts(base, ["a cat", "a bowl"]), torch.tensor([100, 700])
    with torch.no_grad():
        plain = loss(latents, conditioning, noise, timesteps)
        ones = loss(latents, conditioning, noise, timesteps, torch.ones(2, 1, 8, 8))
        halves = [torch.zeros(2, 1, 8, 8) for _ in range(2)]
        halves[0][..., :4], halves[1][..., 4:] = 2, 2
        parts = [loss(latents, conditioning, noise, timesteps, own) for own in halves]
    assert torch.equal(plain, ones)
    torch.testing.assert_close((parts[0] + parts[1]) / 2, plain)
    assert not torch.allclose(parts[0], parts[1])


def test_another_mask_is_another_training(tmp_path):
    told = []
    for number in (0, 1):
        concept = masked_concept(tmp_path / str(number), number)
        told.append(describe_concept(concept)["data"])
    plain = describe_concept(write_concept(tmp_path / "plain"))["data"]
    assert len({*told, plain}) == 3


def test_a_mask_that_is_no_picture_is_refused_by_name(tmp_path):
    masked_concept(tmp_path / "brand")
    (tmp_path / "brand" / "masks" / "0.png").write_bytes(b"no picture")
    with pytest.raises(InvalidConcept, match=r"masks.0\.png"):
        load_concept(tmp_path / "brand")
