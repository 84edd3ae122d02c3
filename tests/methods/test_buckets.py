"""Buckets: pictures keep their shape, the mark stays in them, and the loss is the mean over all samples as ever."""

from __future__ import annotations

import signal

import pytest
import torch
from bases import build_tiny
from lessons import TOKEN, assert_same_run, quick_config, send, write_concept
from PIL import Image

from brandsmith.base.base import encode_prompts
from brandsmith.concept.concept import load_concept
from brandsmith.concept.crops import plan_crop
from brandsmith.core.errors import InvalidConcept, InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.methods.buckets import BucketedSet, bucket_shapes, bucketed_set, frame_of, nearest_shape
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import Training, prepare, train
from brandsmith.methods.method import Words
from brandsmith.methods.packed import pack_key
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.methods.training_data import TrainingSet
from brandsmith.methods.training_plan import plan_training

SIZES = ((80, 80), (160, 80), (60, 130), (150, 80), (90, 80), (200, 90))


def shaped_concept(folder):
    """Six pictures of four shapes."""
    write_concept(folder)
    for old in (folder / "images").iterdir():
        old.unlink()
    for number, size in enumerate(SIZES):
        Image.new("RGB", size, (40 * number, 90, 200)).save(folder / "images" / f"{number}.png")
        (folder / "images" / f"{number}.txt").write_text(f"a picture of {number} and a {TOKEN}")
    return load_concept(folder)


# ------------------------------------------------------------------ shapes


@pytest.mark.parametrize(("side", "cell"), [(64, 16), (128, 32), (512, 64), (1024, 64)])
def test_shapes_are_of_whole_cells_and_of_no_more_than_the_area(side, cell):
    shapes = bucket_shapes((side, side), cell)
    assert (side, side) in shapes and len(shapes) >= 3
    for height, width in shapes:
        assert height % cell == width % cell == 0 and height * width <= side * side
        assert max(height, width) <= 4 * min(height, width) and (width, height) in shapes


def test_a_picture_goes_where_the_least_is_cut_off():
    shapes = bucket_shapes((512, 512), 64)
    for width, height in ((1600, 900), (900, 1600), (1000, 1000), (3000, 1000), (1280, 1024)):
        chosen = nearest_shape(width, height, shapes)
        kept = min(1.0, chosen[1] / chosen[0] * height / width, chosen[0] / chosen[1] * width / height)
        assert kept > 0.88, (width, height, chosen)
    assert nearest_shape(10_000, 100, shapes) == (256, 1024)


def test_a_mark_at_the_side_of_a_wide_photo_stays_in_the_picture(tmp_path):
    folder = tmp_path / "concept"
    write_concept(folder)
    Image.new("RGB", (1600, 900)).save(folder / "images" / "wide.png")
    shape = nearest_shape(1600, 900, bucket_shapes((512, 512), 64))
    square = plan_crop(folder, folder / "images" / "wide.png", 1.0)
    own = plan_crop(folder, folder / "images" / "wide.png", shape[1] / shape[0])
    assert square.lost > 0.4 and own.lost < 0.07


# ------------------------------------------------------------------ the set


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("buckets")
    base, concept = build_tiny(), shaped_concept(folder / "concept")
    config = build_config("lora", batch_size=2, buckets=True)
    return bucketed_set(base, concept, config, (64, 64), folder / "cache", lambda *_: None)


def test_every_picture_is_seen_once_an_epoch_and_batches_are_of_one_shape(made):
    assert isinstance(made, BucketedSet) and len(made.buckets) >= 3 and len(made.prompts) == len(SIZES)
    for epoch in range(5):
        numbers = range(6 * epoch, 6 * (epoch + 1))
        assert sorted(made.order(1, 1, numbers, 2)) == list(range(6))
    whole = sum(len(bucket.prompts) // 2 for bucket in made.buckets)
    touched = [len(made.by_bucket(made.order(1, 1, [2 * k, 2 * k + 1], 2))) for k in range(3)]
    assert touched.count(1) >= whole
    assert made.order(1, 1, range(6), 2) != made.order(1, 1, range(6, 12), 2)


def test_entries_are_found_in_their_buckets(made):
    for entry, prompt in enumerate(made.prompts):
        ((bucket, rows, places),) = made.by_bucket([entry])
        assert places == [0] and made.buckets[bucket].prompts[rows[0]] == prompt


# ------------------------------------------------------------------ training


def training_of(folder, **more):
    base, concept = build_tiny(more.pop("family", "sd1")), shaped_concept(folder / "concept")
    config = build_config("lora", steps=2, batch_size=4, buckets=True, **more)
    words = Words(TOKEN, "logo")
    attached = METHODS["lora"].attach(base, config, words)
    material = prepare(base, concept, config, folder / "cache", lambda *_: None)
    return Training(base, config, words, material, attached, RunDirectory(folder / "run"))


def test_the_loss_is_the_mean_over_samples_of_several_shapes(tmp_path):
    training = training_of(tmp_path)
    pieces = training.samples.pieces(1)
    assert len(pieces) > 1 and sum(len(piece.prompts) for piece in pieces) == 4
    alone = []
    for piece in pieces:
        for k in range(len(piece.prompts)):
            conditioning = encode_prompts(training.base, [piece.prompts[k]])
            one = slice(k, k + 1)
            alone.append(training.loss(piece.latents[one], conditioning, piece.noise[one], piece.timesteps[one]).item())
    assert training.losses(1)["loss"].item() == pytest.approx(sum(alone) / 4, rel=1e-5)


def test_class_pictures_keep_their_own_shape(tmp_path):
    training = training_of(tmp_path, prior_weight=1.0, num_class_images=2, class_image_steps=2)
    assert isinstance(training.material.prior, TrainingSet)
    parts = training.losses(1)
    assert set(parts) == {"loss", "prior_loss"} and all(torch.isfinite(value) for value in parts.values())


def test_sdxl_is_told_the_true_size_and_the_cut(tmp_path):
    training = training_of(tmp_path, family="sdxl")
    seen = []
    values = training.loss.__class__.__call__

    def spy(loss, latents, conditioning, *rest):
        seen.append(conditioning.time_ids.clone())
        return values(loss, latents, conditioning, *rest)

    training.loss = type("Spy", (), {"__call__": lambda self, *given: spy(real, *given)})()
    real = training_of(tmp_path / "other", family="sdxl").loss
    training.losses(1)
    sizes = {(int(row[0]), int(row[1])) for rows in seen for row in rows}
    assert sizes <= {(height, width) for width, height in SIZES} and len(sizes) > 1
    for rows in seen:
        for height, width, top, left, cut_height, cut_width in rows.tolist():
            scale = max(cut_height / height, cut_width / width)
            assert top == round((scale * height - cut_height) / 2) and left == round((scale * width - cut_width) / 2)


def test_the_frame_of_a_picture(tmp_path):
    concept = shaped_concept(tmp_path / "concept")
    crop = plan_crop(concept.folder, concept.examples[1].image, 1.0)
    assert frame_of(crop, (64, 64)) == (80, 160, 0, 32, 64, 64), "128 x 64, cut 32 from the left"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(METHODS))
def test_an_interrupted_run_ends_in_the_same_bits(name, tmp_path):
    concept = shaped_concept(tmp_path / "concept")
    config = quick_config(name, buckets=True, batch_size=3, views=2)
    whole = train(config, concept, build_tiny(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, concept, build_tiny(), tmp_path / "broken", progress=send(signal.SIGINT, 3))
    assert_same_run(train(config, concept, build_tiny(), tmp_path / "broken"), whole)


@pytest.mark.slow
def test_the_plan_names_the_buckets_and_a_pack_refuses_them(tmp_path):
    concept = shaped_concept(tmp_path / "concept")
    plan = plan_training(build_tiny(), concept, build_config("lora", buckets=True), tmp_path / "run")
    assert sum(plan.buckets.values()) == len(SIZES) and any(line.startswith("buckets") for line in plan.lines())
    with pytest.raises(InvalidConfig, match="buckets"):
        pack_key(build_config("lora", buckets=True))


def test_what_squares_cannot_hold_buckets_can(tmp_path):
    concept = shaped_concept(tmp_path / "concept")
    Image.new("RGB", (400, 100)).save(tmp_path / "concept" / "images" / "0.png")
    concept = load_concept(concept.folder)
    with pytest.raises(InvalidConcept):
        check_job(build_config("lora"), concept, build_tiny(), tmp_path / "run")
    check_job(build_config("lora", buckets=True), concept, build_tiny(), tmp_path / "run")
