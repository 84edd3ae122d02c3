"""Views of a training picture: the first is the picture, the others are it, moved."""

import pytest
import torch
from bases import build_tiny

from brandsmith.concept.concept import load_concept
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.training_data import concept_set
from brandsmith.methods.views import LARGEST_SHIFT, LARGEST_ZOOM, views_of


def dot(y: int, x: int) -> torch.Tensor:
    picture = torch.full((3, 64, 64), -1.0)
    picture[:, y - 4 : y + 4, x - 4 : x + 4] = 1.0
    return picture


def test_first_view_is_the_picture_and_choices_repeat():
    picture = torch.rand(3, 32, 48) * 2 - 1
    views = views_of(picture, 5, 7)
    assert views.shape == (5, 3, 32, 48) and torch.equal(views[0], picture) and views.abs().max() <= 1
    assert torch.equal(views, views_of(picture, 5, 7)) and not torch.equal(views[1:], views_of(picture, 5, 8)[1:])
    assert torch.equal(views_of(picture, 1, 0)[0], picture)


def test_views_are_moved_within_their_limits_and_never_mirrored():
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    sides = set()
    for number in range(20):
        left, right = (views_of(dot(32, x), 8, number).add(1).sum(1) for x in (20, 44))
        for a, b in zip(left, right, strict=True):
            centres = [((m * columns).sum() / m.sum(), (m * rows).sum() / m.sum()) for m in (a, b)]
            gap = (centres[1][0] - centres[0][0]).item()
            assert 24 / LARGEST_ZOOM - 0.5 <= gap <= 24 * LARGEST_ZOOM + 0.5
            middle = (centres[0][0] + centres[1][0]).item() / 2
            assert abs(middle - 31.5) <= LARGEST_SHIFT * 64 * LARGEST_ZOOM + 0.5
            sides.add(gap > 24)
    assert sides == {True, False}


@pytest.mark.parametrize("views", [1, 3])
def test_training_set_holds_every_view_beside_its_caption(tmp_path, views):
    concept, base = load_concept("demo"), build_tiny()
    made = concept_set(base, concept, LoraConfig(views=views), (64, 64), tmp_path, lambda *_: None)
    assert len(made.latents) == len(made.prompts) == views * len(concept.examples)
    assert made.prompts[::views] == tuple(example.caption for example in concept.examples)
    alone = concept_set(base, concept, LoraConfig(), (64, 64), tmp_path, lambda *_: None)
    torch.testing.assert_close(made.latents[::views], alone.latents, atol=1e-4, rtol=1e-4)
