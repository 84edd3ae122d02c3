"""A training's own check: what should move moves, nothing else does, and the saved file gives it back."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny
from lessons import adapters, quick_config, write_concept

from brandsmith.core.errors import TrainingUnsound
from brandsmith.methods import loop
from brandsmith.methods.loop import Training, train
from brandsmith.methods.lora import AttachedLora
from brandsmith.methods.registry import METHODS
from brandsmith.methods.textual_inversion import AttachedTextualInversion


def trained(tmp_path, name="lora", **settings):
    return train(quick_config(name, **settings), write_concept(tmp_path / "brand"), build_tiny(), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_sound_training_passes_and_its_bits_are_those_without_the_check(name, tmp_path, monkeypatch):
    checked = trained(tmp_path / "a", name)
    monkeypatch.setattr(loop.LearningCheck, "look", lambda *_: None)
    monkeypatch.setattr(Training, "check_saved", lambda *_: None)
    plain = trained(tmp_path / "b", name)
    assert checked.status() == "finished"
    assert all(torch.equal(t, adapters(plain)[k][n]) for k, own in adapters(checked).items() for n, t in own.items())


def test_what_does_not_move_is_said(tmp_path):
    with pytest.raises(TrainingUnsound, match=r"nothing of '.*' has moved after 6 steps"):
        trained(tmp_path, learning_rate=1e-30, text_encoder_learning_rate=0.0, weight_decay=0.0, rank=2)


@pytest.mark.slow
def test_vectors_whose_gradient_is_lost_are_said(tmp_path, monkeypatch):
    """The known fault of other trainers: a word that is said to train, and is read without gradients."""
    look_up = "brandsmith.methods.textual_inversion.ExtendedEmbedding.look_up"
    monkeypatch.setattr(look_up, lambda self, which: self.vectors.detach()[which] + 0 * self.vectors.sum())
    with pytest.raises(TrainingUnsound, match="vectors"):
        trained(tmp_path, "textual_inversion")


@pytest.mark.slow
def test_what_moves_and_should_not_is_said(tmp_path, monkeypatch):
    step = Training.step

    def stray(self, number):
        with torch.no_grad():
            next(self.base.text_encoders[0].parameters()).add_(1.0)
        return step(self, number)

    monkeypatch.setattr(Training, "step", stray)
    with pytest.raises(TrainingUnsound, match="should stay as they are"):
        trained(tmp_path, text_encoder_learning_rate=0.0)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [(AttachedLora, "lora"), (AttachedTextualInversion, "textual_inversion")])
def test_a_file_that_gives_back_something_else_is_said(tmp_path, monkeypatch, kind, name):
    monkeypatch.setattr(kind, "read", lambda self, folder: None)  # as if no name in the file were known
    with pytest.raises(TrainingUnsound, match="predicts otherwise"):
        trained(tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_rounded_file_is_near_enough(tmp_path, precision):
    assert trained(tmp_path, "dreambooth", save_precision=precision).status() == "finished"
