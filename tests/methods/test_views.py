"""Views of a training picture: the first is the picture, the others are it, moved."""

import numpy as np
import pytest
import torch
from bases import build_tiny
from lessons import write_concept
from PIL import Image

from brandsmith.concept.concept import load_concept
from brandsmith.concept.crops import Crop
from brandsmith.core.errors import InvalidConfig
from brandsmith.methods.job import check_job
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.pixels import Cropped, view_kind, view_pixels
from brandsmith.methods.training_data import concept_set
from brandsmith.methods.views import LARGEST_SHIFT, LARGEST_ZOOM, ViewKind, views_of


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


# ------------------------------------------------------------------ changed views


def test_half_of_the_views_are_mirrored_and_the_picture_itself_never():
    picture = torch.linspace(-1, 1, 32).expand(3, 32, 32).clone()
    views = views_of(picture, 101, 0, ViewKind(mirror=True))
    turned = sum(float(view[0, 16, 4] > view[0, 16, 28]) for view in views)
    assert torch.equal(views[0], picture) and 30 < turned < 70
    plain = views_of(picture, 101, 0)
    for view, other in zip(views, plain, strict=True):
        assert torch.equal(view, other) or torch.equal(view, other.flip(-1))


def test_colour_changes_by_no_more_than_the_share():
    picture = torch.zeros(3, 32, 32)
    views = (views_of(picture, 60, 0, ViewKind(colour=0.2)) + 1) / 2
    means = views.mean(dim=(1, 2, 3))
    assert means[0] == 0.5 and means.min() >= 0.4 - 1e-6 and means.max() <= 0.6 + 1e-6 and means.std() > 0.02


def test_a_long_picture_is_cut_at_other_places_and_keeps_a_known_box(tmp_path):
    Image.fromarray(np.tile(np.linspace(0, 255, 300, dtype=np.uint8), (100, 1))).convert("RGB").save(tmp_path / "a.png")
    cut = Cropped(tmp_path / "a.png", kind=ViewKind(random_crop=True))
    means = view_pixels(cut, (64, 64), 12, 0).mean(dim=(1, 2, 3))
    assert means.max() - means.min() > 0.5
    settings = LoraConfig(views=4, random_crop=True)
    assert view_kind(settings, Crop(tmp_path / "a.png", 0.5, (0.5, 0.5), None)).random_crop
    assert not view_kind(settings, Crop(tmp_path / "a.png", 0.5, (0.2, 0.5), (0, 0, 0.2, 1))).random_crop


REFUSED = (
    {"mirror_views": True},
    {"colour_views": 0.1},
    {"mirror_views": True, "views": 4},
    {"random_crop": True, "buckets": True, "views": 4},
)


@pytest.mark.parametrize("settings", REFUSED)
def test_views_that_do_nothing_or_turn_lettering_round_are_refused(settings, tmp_path):
    concept = write_concept(tmp_path / "concept")
    with pytest.raises(InvalidConfig):
        check_job(LoraConfig(**settings), concept, build_tiny(), tmp_path / "run")
