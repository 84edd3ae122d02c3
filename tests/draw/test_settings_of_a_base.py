"""What a base is drawn with where nobody says it, and what becomes of a card that is too small."""

from __future__ import annotations

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.guidance.settings import DrawSettings


@pytest.fixture(scope="module")
def turbo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases") / "my-sd-turbo"
    save_as_diffusers_folder(build_tiny(), folder)
    return str(folder)


def test_a_distilled_base_is_drawn_in_its_steps_without_guidance(turbo, tmp_path, capsys):
    found = checked_settings(["a cat"], DrawSettings(), Source(turbo))
    assert (found.num_steps, found.guidance_scale, found.scheduler) == (4, 1.0, "euler_ancestral")
    assert "turbo model: drawn with num_steps 4" in capsys.readouterr().err
    given = checked_settings(["a cat"], DrawSettings(num_steps=2, guidance_scale=1.5), Source(turbo))
    assert (given.num_steps, given.guidance_scale, given.scheduler) == (2, 1.5, "euler_ancestral"), (
        "what is given stays"
    )
    save_as_diffusers_folder(build_tiny(), tmp_path / "plain")
    plain = checked_settings(["a cat"], DrawSettings(), Source(str(tmp_path / "plain")))
    assert (plain.num_steps, plain.guidance_scale, plain.scheduler) == (25, 7.5, "ddim"), "not pocket's 1.5"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()]
)
def test_too_little_memory_is_one_sentence(turbo, error, tmp_path, brandsmith, monkeypatch):
    def no_room(*_, **__):
        raise error

    monkeypatch.setattr("brandsmith.draw.source.load_base", no_room)
    code, _, err = brandsmith("sample", "a cat", "--base", turbo, "--out", tmp_path / "out")
    lines = [line for line in err.splitlines() if not line.startswith("warning")]
    assert code == 1 and lines[0].startswith("error: out of memory") and "--batch-size" in err
    assert "Traceback" not in err
